"""Jobs on the installed chart compared with bare Kubernetes Jobs of the same image and circuit.

Both take turns in one run, so that a noisy machine is noisy for both.
"""

import statistics
import threading
import time
from collections.abc import Callable
from typing import Any

from kubernetes import client, config, watch
from urllib3.exceptions import HTTPError

from qiskit_runtime.contract.resources.resource import GROUP, VERSION
from tests.benchmarks import bell
from tests.benchmarks.table import Row, keep_samples
from tests.cluster.installed import Installed, make_name, open_installed
from tests.cluster.target import JOBS_NAMESPACE, require_cluster

PAIRS = 15
AT_ONCE = 50
ROUNDS = 2
LABEL = "qiskit-runtime-benchmark"


def run() -> list[Row]:
    """The rows of a single job, then of many at once."""
    cluster = require_cluster()
    config.load_kube_config(cluster.kubeconfig)
    with client.ApiClient() as api, open_installed(cluster) as installed:
        bench = Bench(installed, api)
        bench.time_ours()
        bench.time_bare()
        return [*_compare_one(bench), _compare_many(bench)]


class Bench:
    """Makes jobs of both kinds and sees them end."""

    def __init__(self, installed: Installed, api: client.ApiClient) -> None:
        self._installed = installed
        self._program = installed.install_program(bell.PROGRAM)
        self._batch = client.BatchV1Api(api)
        self._custom = client.CustomObjectsApi(api)

    def time_ours(self) -> tuple[float, float]:
        """Seconds from the POST to the final message, and to the status Completed."""
        ends: dict[str, float] = {}
        with Ends(self._list_ours, _has_ended, ends):
            begin = time.monotonic()
            name = self._post()
            frames = list(self._installed.listen(name))
            while name not in ends:
                time.sleep(0.001)
        return frames[-1][0] - begin, ends[name] - begin

    def time_bare(self) -> float:
        """Seconds from the creation of a bare Job to its condition Complete."""
        ends: dict[str, float] = {}
        with Ends(self._list_bare, _is_complete, ends):
            begin = time.monotonic()
            name = self._create_bare()
            while name not in ends:
                time.sleep(0.001)
        self._remove_bare()
        return ends[name] - begin

    def rate_ours(self) -> float:
        """Jobs a second, of many at once."""
        return self._rate(self._post, self._list_ours, _has_ended)

    def rate_bare(self) -> float:
        """The same of bare Jobs."""
        rate = self._rate(self._create_bare, self._list_bare, _is_complete)
        self._remove_bare()
        return rate

    def _rate(self, make: Callable[[], str], listing: Any, ended: Any) -> float:
        ends: dict[str, float] = {}
        with Ends(listing, ended, ends):
            begin = time.monotonic()
            names = [make() for _ in range(AT_ONCE)]
            while not all(name in ends for name in names):
                time.sleep(0.01)
        return AT_ONCE / (max(ends[name] for name in names) - begin)

    def _post(self) -> str:
        return self._installed.post(self._program)

    def _list_ours(self, **options: Any) -> Any:
        return self._custom.list_namespaced_custom_object(
            GROUP, VERSION, JOBS_NAMESPACE, "runtimejobs", **options
        )

    def _list_bare(self, **options: Any) -> Any:
        return self._batch.list_namespaced_job(JOBS_NAMESPACE, label_selector=LABEL, **options)

    def _create_bare(self) -> str:
        name = make_name()
        requests = {"cpu": "250m", "memory": "1Gi", "ephemeral-storage": "1Gi"}
        context = {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        container = {
            "name": "bell",
            "image": self._installed.cluster.runner_image,
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
        self._batch.create_namespaced_job(JOBS_NAMESPACE, body)
        return name

    def _remove_bare(self) -> None:
        self._batch.delete_collection_namespaced_job(
            JOBS_NAMESPACE, label_selector=LABEL, propagation_policy="Background"
        )


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


def _compare_one(bench: Bench) -> list[Row]:
    message, status, bare = [], [], []
    for _ in range(PAIRS):
        times = bench.time_ours()
        message.append(times[0])
        status.append(times[1])
        bare.append(bench.time_bare())
    keep_samples("cluster_one", {"message": message, "status": status, "bare": bare})
    middle = statistics.median(bare)
    rows = []
    for what, goal, samples in (
        ("POST to the final websocket message of a bell job, cold pod", 0.35, message),
        ("POST to the status Completed", 0.4, status),
    ):
        p50 = statistics.median(samples)
        how = f"medians of {PAIRS} jobs and {PAIRS} bare Jobs of the same image, in turn"
        measured = f"{p50 / middle:.2f} x ({p50:.2f} s against {middle:.2f} s)"
        rows.append(Row(what, f"<= {goal} x a bare Job's time to complete", measured, how))
    return rows


def _compare_many(bench: Bench) -> Row:
    ours, bare = [], []
    for _ in range(ROUNDS):
        ours.append(bench.rate_ours())
        bare.append(bench.rate_bare())
    keep_samples("cluster_many", {"ours": ours, "bare": bare})
    ratio = statistics.mean(ours) / statistics.mean(bare)
    measured = f"{ratio:.2f} x ({statistics.mean(ours):.2f} against {statistics.mean(bare):.2f}/s)"
    how = f"first creation to last end, means of {ROUNDS} rounds in turn"
    return Row(f"{AT_ONCE} jobs at once", ">= 0.95 x the bare Jobs' rate", measured, how)
