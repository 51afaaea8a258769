"""An installation for tests: operator, API and Redis as processes of this machine.

They work in a namespace of their own on a real cluster, whose pods run the jobs. Processes can be
killed with SIGKILL, stopped and continued, which a Deployment's pods can't.
"""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

import redis
import yaml
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException

from qiskit_runtime.contract.resources.resource import API_VERSION, GROUP, JOB_LABEL, VERSION
from tests.cluster.target import Cluster, refuse_or_skip, require_cluster
from tests.jobstore.kubernetes.redis_server import PASSWORD, write_users

ROOT = Path(__file__).parents[2]
READY_SECONDS = 60.0

COUNT = """
import hashlib, time

def main(backend, messenger, n=100, pause=0.05):
    digest = hashlib.sha256()
    for number in range(1, n + 1):
        messenger.publish({"n": number})
        digest.update(str(number).encode())
        time.sleep(pause)
    return {"n": n, "sha256": digest.hexdigest()}
"""
"""Numbered frames, and a result that is known beforehand."""

HOG = """
def main(backend, messenger):
    messenger.publish({"n": 1})
    held = []
    while True:
        held.append(bytearray(64 * 2**20))
"""
"""Takes all the memory that there is."""


class Exists(Exception):
    """There is an object of this name already."""


def wait_until(holds, seconds: float, what: str) -> Any:
    """The first true value of ``holds()``; AssertionError with ``what`` after so many seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(ApiException, OSError, redis.RedisError):
            if value := holds():
                return value
        time.sleep(0.1)
    raise AssertionError(f"not within {seconds:g} s: {what}")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass
class Part:
    """A process of the installation, which can be started again after it was killed."""

    name: str
    command: list[str]
    environment: dict[str, str]
    folder: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, which must not run; its output is appended to a log."""
        assert self.process is None or self.process.poll() is not None, f"{self.name} runs"
        log = (self.folder / f"{self.name}.log").open("ab")
        self.process = subprocess.Popen(
            self.command,
            cwd=ROOT,
            env=os.environ | self.environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        log.close()

    def kill(self) -> None:
        """SIGKILL: it has no chance to put anything in order."""
        if self.process:
            self.process.kill()
            self.process.wait()

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self.process
        self.process.send_signal(number)

    def log(self) -> str:
        """Return its output."""
        return (self.folder / f"{self.name}.log").read_text(errors="replace")


@dataclass
class Stand:
    """The installation. ``custom`` and ``core`` are clients of the cluster."""

    namespace: str
    runner_image: str
    folder: Path
    redis_port: int
    api_port: int
    core: client.CoreV1Api
    batch: client.BatchV1Api
    custom: client.CustomObjectsApi
    parts: dict[str, Part] = field(default_factory=dict)
    kubeconfigs: dict[str, str] = field(default_factory=dict)
    """Files by which operator and API are users of their own, where the audit tells them apart."""

    @property
    def url(self) -> str:
        """The address of the API."""
        return f"http://127.0.0.1:{self.api_port}"

    @property
    def redis_url(self) -> str:
        """The address of Redis for the API."""
        return self._redis_url_of("api")

    def _redis_url_of(self, user: str) -> str:
        return f"redis://{user}:{PASSWORD}@127.0.0.1:{self.redis_port}/0"

    def add(self, name: str, command: list[str], **environment: str) -> Part:
        """A further process; it is started, and killed at the end."""
        part = self.parts[name] = Part(name, command, environment, self.folder)
        part.start()
        return part

    def environment(self, user: str, **more: str) -> dict[str, str]:
        """Return the variables of operator or API, each of which is a user of Redis."""
        return {
            "RUNTIME_NAMESPACE": self.namespace,
            "RUNTIME_REDIS_URL": self._redis_url_of(user),
            "RUNTIME_RUNNER_IMAGE": self.runner_image,
            "RUNTIME_RUNNER_MEMORY": "512Mi",
            # The pods of several stands fit on the one node of a small machine.
            "RUNTIME_RUNNER_CPU_REQUEST": "100m",
            "RUNTIME_TOKEN": "",
            **({"KUBECONFIG": self.kubeconfigs[user]} if user in self.kubeconfigs else {}),
            **more,
        }

    def start_operator(self, name: str = "operator", script: str = "", **more: str) -> Part:
        """Start an operator; ``script`` is Python that runs before it, to plant a fault."""
        arguments = ["run", "--standalone", "--namespace", self.namespace, "operator/main.py"]
        lines = ["import sys", "sys.path.insert(0, 'operator')", script, "import kopf.cli"]
        lines.append(f"kopf.cli.main({arguments!r})")
        environment = self.environment("operator", **more)
        return self.add(name, [sys.executable, "-c", "\n".join(lines)], **environment)

    def start_redis(self) -> Part:
        """Start Redis with the chart's users: empty, and with nothing on disk."""
        port = str(self.redis_port)
        users = str(write_users(self.folder, "user tests on nopass ~* &* +@all"))
        command = [
            "redis-server",
            "--port",
            port,
            "--save",
            "",
            "--appendonly",
            "no",
            "--aclfile",
            users,
        ]
        return self.add("redis", [*command, "--maxmemory-policy", "noeviction"])

    def start_api(self, **more: str) -> Part:
        """Start the API."""
        program = Path(sys.executable).with_name("qiskit-runtime")
        command = [str(program), "serve", "--port", str(self.api_port)]
        return self.add("api", command, **self.environment("api", **more))

    def install(self, name: str, source: str) -> None:
        """Make a RuntimeProgram."""
        self._create("runtimeprograms", "RuntimeProgram", name, {"source": source})

    def submit(self, name: str, program: str, params: str | None = "{}", **spec: Any) -> str:
        """Make a RuntimeJob; returns its uid."""
        spec = {"programId": program, **({"params": params} if params else {}), **spec}
        return self._create("runtimejobs", "RuntimeJob", name, spec)["metadata"]["uid"]

    def _create(self, plural: str, kind: str, name: str, spec: dict[str, Any]) -> Any:
        body = {
            "apiVersion": API_VERSION,
            "kind": kind,
            "metadata": {"name": name},
            "spec": spec,
        }
        try:
            return self.custom.create_namespaced_custom_object(
                GROUP, VERSION, self.namespace, plural, body
            )
        except ApiException as error:
            if error.status == HTTPStatus.CONFLICT:
                raise Exists(name) from error
            raise

    def get(self, name: str) -> dict[str, Any]:
        """A RuntimeJob."""
        return self.custom.get_namespaced_custom_object(
            GROUP, VERSION, self.namespace, "runtimejobs", name
        )

    def jobs(self) -> dict[str, dict[str, Any]]:
        """All RuntimeJobs, by name."""
        found = self.custom.list_namespaced_custom_object(
            GROUP, VERSION, self.namespace, "runtimejobs"
        )
        return {job["metadata"]["name"]: job for job in found["items"]}

    def delete(self, name: str) -> None:
        """Delete a RuntimeJob, as kubectl does."""
        self.custom.delete_namespaced_custom_object(
            GROUP, VERSION, self.namespace, "runtimejobs", name
        )

    def patch(self, name: str, **spec: Any) -> None:
        """Change a RuntimeJob's spec, as ``kubectl patch`` does."""
        self.custom.patch_namespaced_custom_object(
            GROUP, VERSION, self.namespace, "runtimejobs", name, {"spec": spec}
        )

    def suspend(self, name: str, *, value: bool) -> bool:
        """Suspend or resume a job's Kubernetes Job, as Kueue does; whether it was there."""
        found = self.kubernetes_jobs(name)
        for job in found:
            with suppress(ApiException):
                self.batch.patch_namespaced_job(
                    job.metadata.name, self.namespace, {"spec": {"suspend": value}}
                )
        return bool(found)

    def kubernetes_jobs(self, name: str = "") -> list[Any]:
        """The Kubernetes Jobs of a job, or of all."""
        label = f"{JOB_LABEL}={name}" if name else JOB_LABEL
        return self.batch.list_namespaced_job(self.namespace, label_selector=label).items

    def is_served(self) -> bool:
        """Return whether the API answers."""
        with urllib.request.urlopen(f"{self.url}/livez", timeout=5) as answer:
            return answer.status == HTTPStatus.OK

    def is_over(self) -> bool:
        """Return whether every Kubernetes Job that exists has ended."""
        return all(
            any(one.type in ("Complete", "Failed") for one in job.status.conditions or [])
            for job in self.kubernetes_jobs()
        )

    def phase(self, name: str) -> str:
        """A job's phase."""
        return self.get(name).get("status", {}).get("phase", "Queued")

    def wait_for(self, name: str, *phases: str, seconds: float = 90.0) -> dict[str, Any]:
        """A job, once it is in one of these phases."""
        wait_until(lambda: self.phase(name) in phases, seconds, f"{name} is {' or '.join(phases)}")
        return self.get(name)

    def left_of(self, name: str) -> list[str]:
        """Return the names of a job's Kubernetes Job, pods and Secrets."""
        label = f"{JOB_LABEL}={name}"
        lists = (
            self.batch.list_namespaced_job,
            self.core.list_namespaced_pod,
            self.core.list_namespaced_secret,
        )
        return [
            item.metadata.name
            for call in lists
            for item in call(self.namespace, label_selector=label).items
        ]

    def redis(self) -> redis.Redis:
        """A client of Redis that may do everything."""
        return redis.Redis(port=self.redis_port, username="tests", password="any")

    def close(self) -> None:
        """Kill the processes and delete the namespace."""
        for part in self.parts.values():
            part.kill()
        self.core.delete_namespace(self.namespace)


@contextmanager
def open_stand(
    folder: Path,
    cluster: Cluster | None = None,
    kubeconfigs: dict[str, str] | None = None,
    **options: str,
) -> Iterator[Stand]:
    """An installation in a new namespace, ready to run jobs; all of it is gone afterwards.

    ``options`` are the variables of operator and API. Without a cluster the test is skipped.
    """
    cluster = cluster or require_cluster()
    config.load_kube_config(cluster.kubeconfig)
    api = client.ApiClient()
    name = f"stand-{uuid.uuid4().hex[:8]}"
    stand = Stand(
        name,
        cluster.runner_image,
        folder,
        free_port(),
        free_port(),
        client.CoreV1Api(api),
        client.BatchV1Api(api),
        client.CustomObjectsApi(api),
        kubeconfigs=kubeconfigs or {},
    )
    # A built cluster's pods are on this machine, and its DNS server is none of them.
    has_pool = any(option.startswith("RUNTIME_WARM_POOL") for option in options)
    if has_pool and cluster.kind != "built":
        require_way_to_pods(stand.core)
    apply_crds(api)
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    stand.core.create_namespace({"metadata": {"name": name, "labels": labels}})
    try:
        stand.start_redis()
        stand.start_api(**options)
        operator = stand.start_operator(**options)
        stand.install("count", COUNT)
        stand.install("hog", HOG)
        # On a busy machine their imports alone take long: the tests' seconds begin afterwards.
        wait_until(stand.is_served, 120, "the API serves")
        wait_until(
            lambda: "authentication has finished" in operator.log(), 120, "the operator runs"
        )
        yield stand
    finally:
        stand.close()
        api.close()


def require_way_to_pods(core: client.CoreV1Api) -> None:
    """Skip the test where this machine has none, or fail it where it may not be skipped.

    An operator that is a process of this machine speaks to the pods that wait for a job.
    """
    dns = core.list_namespaced_pod("kube-system", label_selector="k8s-app=kube-dns").items
    addresses = [(pod.status.pod_ip, 53) for pod in dns if pod.status.pod_ip]
    if not any(map(_can_connect, addresses)):
        refuse_or_skip("no way from this machine to pods")


def _can_connect(address: tuple[str, int]) -> bool:
    with suppress(OSError), socket.create_connection(address, timeout=3):
        return True
    return False


def apply_crds(api: client.ApiClient) -> None:
    """Make the CRDs, where they are not there yet."""
    crds = client.ApiextensionsV1Api(api)
    for path in sorted((ROOT / "k8s" / "crds").glob("*.yaml")):
        crd = yaml.safe_load(path.read_text())
        try:
            crds.create_custom_resource_definition(crd)
        except ApiException as error:
            if error.status != 409:
                raise
    for path in sorted((ROOT / "k8s" / "crds").glob("*.yaml")):
        name = yaml.safe_load(path.read_text())["metadata"]["name"]
        wait_until(
            lambda name=name: _is_established(crds, name), READY_SECONDS, f"{name} is served"
        )


def _is_established(crds: client.ApiextensionsV1Api, name: str) -> bool:
    found = crds.read_custom_resource_definition(name).status.conditions or []
    return any(c.type == "Established" and c.status == "True" for c in found)
