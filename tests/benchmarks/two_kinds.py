"""Bell jobs of ours and bare Kubernetes Jobs, for the benchmarks on a cluster."""

import statistics
import threading
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from kubernetes import client, watch
from urllib3.exceptions import HTTPError

from qiskit_runtime.contract.resources.resource import GROUP, VERSION
from tests.benchmarks import bell
from tests.benchmarks.table import Row
from tests.cluster.installed import make_name

LABEL = "qiskit-runtime-benchmark"
PATIENCE_SECONDS = 1800


class BareJobs:
    """Kubernetes Jobs of the runner's image that run the bell circuit as a user's own script."""

    def __init__(self, batch: client.BatchV1Api, namespace: str, image: str) -> None:
        self._batch, self._namespace, self._image = batch, namespace, image

    def time(self) -> float:
        """Seconds from the creation of one to its condition Complete."""
        return 1 / self.rate(1)

    def rate(self, count: int, in_flight: int | None = None) -> float:
        """Jobs a second, of many at once, or of so many in flight."""
        rate = self.run(count, in_flight)
        self.remove()
        return rate

    def run(self, count: int, in_flight: int | None = None) -> float:
        """As ``rate``, without the deletion of the Jobs."""
        return _measure_rate(self._create, self.watch, count, in_flight)

    def watch(self, ends: dict[str, float]) -> "Ends":
        """Return a watch of their ends."""
        return Ends(self._list, _is_complete, ends)

    def _list(self, **options: Any) -> Any:
        return self._batch.list_namespaced_job(self._namespace, label_selector=LABEL, **options)

    def _create(self) -> str:
        name = make_name()
        requests = {"cpu": "250m", "memory": "1Gi", "ephemeral-storage": "1Gi"}
        context = {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        container = {
            "name": "bell",
            "image": self._image,
            "command": ["python", "-c", bell.SCRIPT],
            "resources": {"requests": requests, "limits": {**requests, "cpu": "1"}},
            "securityContext": context,
            "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
        }
        pod = {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": {
                "runAsNonRoot": True,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container],
            "volumes": [{"name": "tmp", "emptyDir": {}}],
        }
        spec = {"backoffLimit": 0, "template": {"spec": pod}}
        body = {"metadata": {"name": name, "labels": {LABEL: "bare"}}, "spec": spec}
        self._submit(body)
        return name

    def _submit(self, body: dict[str, Any]) -> None:
        while True:
            try:
                self._batch.create_namespaced_job(self._namespace, body)
            except client.ApiException as error:
                # Creations at the same time compete for the namespace's ResourceQuota.
                if error.status != HTTPStatus.CONFLICT:
                    raise
            else:
                return

    def remove(self) -> None:
        """Delete all that have been created."""
        self._batch.delete_collection_namespaced_job(
            self._namespace, label_selector=LABEL, propagation_policy="Background"
        )


class OurJobs:
    """Jobs of the bell program, which ``post`` posts; their RuntimeJobs are in ``namespace``."""

    def __init__(
        self, post: Callable[[], str], custom: client.CustomObjectsApi, namespace: str
    ) -> None:
        self.post, self._custom, self._namespace = post, custom, namespace

    def time(self, listen: Callable[[str], Iterable[Any]]) -> tuple[float, float]:
        """Seconds from the POST to the final message, and to the status Completed."""
        ends: dict[str, float] = {}
        with self.watch(ends):
            begin = time.monotonic()
            name = self.post()
            *_, final = (time.monotonic() for _ in listen(name))
            _wait_for(ends, name)
        return final - begin, ends[name] - begin

    def rate(self, count: int, in_flight: int | None = None) -> float:
        """Jobs a second, of many at once, or of so many in flight."""
        return _measure_rate(self.post, self.watch, count, in_flight)

    def watch(self, ends: dict[str, float]) -> "Ends":
        """Return a watch of their ends."""
        return Ends(self._list, _has_ended, ends)

    def _list(self, **options: Any) -> Any:
        return self._custom.list_namespaced_custom_object(
            GROUP, VERSION, self._namespace, "runtimejobs", **options
        )


Watch = Callable[[dict[str, float]], "Ends"]


def _measure_rate(
    make: Callable[[], str], watch: Watch, count: int, in_flight: int | None = None
) -> float:
    """Jobs a second from the first creation to the last end; no more than ``in_flight`` at once."""
    ends: dict[str, float] = {}
    names: list[str] = []
    with watch(ends):
        begin = time.monotonic()
        while len(names) < count:
            while in_flight and len(set(names) - set(ends)) >= in_flight:
                time.sleep(0.01)
            names.append(make())
        for name in names:
            _wait_for(ends, name)
    return count / (max(ends[name] for name in names) - begin)


def _wait_for(ends: dict[str, float], name: str) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while name not in ends:
        assert time.monotonic() < until, f"{name} has not completed"
        time.sleep(0.001)


class Ends:
    """While it is open, the moments at which a watch tells of ends are put into ``ends``."""

    def __init__(self, listing: Any, ended: Any, ends: dict[str, float]) -> None:
        self._listing, self._ended, self._ends = listing, ended, ends
        self._watch = watch.Watch()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._listening = threading.Event()
        self._stopped = False

    def _run(self) -> None:
        found = self._listing()
        version = found["metadata"] if isinstance(found, dict) else found.metadata.to_dict()
        version = version.get("resourceVersion") or version.get("resource_version")
        self._listening.set()
        try:
            for event in self._watch.stream(self._listing, resource_version=version):
                raw = event["raw_object"]
                if self._ended(raw):
                    self._ends.setdefault(raw["metadata"]["name"], time.monotonic())
        except HTTPError:
            # To stop a watch is to break its connection.
            if not self._stopped:
                raise

    def __enter__(self) -> None:
        self._thread.start()
        self._listening.wait()

    def __exit__(self, *_: object) -> None:
        self._stopped = True
        self._watch.stop()


def _has_ended(raw: dict[str, Any]) -> bool:
    return raw.get("status", {}).get("phase") == "Completed"


def _is_complete(raw: dict[str, Any]) -> bool:
    conditions = raw.get("status", {}).get("conditions", [])
    return any(one["type"] == "Complete" and one["status"] == "True" for one in conditions)


def make_rate_row(what: str, goal: str, rates: list[tuple[float, float]]) -> Row:
    """Return the row of our rates beside those of bare Jobs."""
    ours, bare = (statistics.mean(column) for column in zip(*rates, strict=True))
    measured = f"{ours / bare:.2f} x ({ours:.2f} against {bare:.2f}/s)"
    how = f"first creation to last end, means of {len(rates)} rounds in turn"
    return Row(what, f"{goal} x the bare Jobs' rate", measured, how)
