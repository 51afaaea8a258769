"""The installed chart, as its users reach it: kubectl, curl against the ingress, a websocket.

The end-to-end tests and the benchmarks use it; ``make deploy`` has installed it.
"""

import json
import re
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from websockets.sync.client import connect

from tests.cluster.stand import free_port
from tests.cluster.target import JOBS_NAMESPACE, RELEASE, RIG, Cluster

FINAL = ("Completed", "Failed", "Cancelled")
PATIENCE = 120.0


@dataclass
class Installed:
    """A release that ``make deploy`` has installed."""

    cluster: Cluster
    url: str
    token: str
    http: httpx.Client

    def kubectl(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        """Return kubectl's output, in the jobs' namespace unless another is named."""
        where = [] if "-n" in arguments else ["-n", JOBS_NAMESPACE]
        done = subprocess.run(
            [self.cluster.kubectl, *where, *arguments],
            input=stdin, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert not check or done.returncode == 0, f"kubectl {arguments}: {done.stderr}"
        return done.stdout if check else done.stdout + done.stderr

    def apply(self, kind: str, name: str, spec: dict[str, Any]) -> None:
        """Apply a manifest, as ``kubectl apply -f`` does."""
        manifest = {
            "apiVersion": "qiskit-runtime.dev/v1alpha1",
            "kind": kind,
            "metadata": {"name": name},
            "spec": spec,
        }
        self.kubectl("apply", "-f", "-", stdin=json.dumps(manifest))

    def get(self, kind: str, name: str) -> dict[str, Any]:
        """Return an object."""
        found: dict[str, Any] = json.loads(self.kubectl("get", kind, name, "-o", "json"))
        return found

    def post(self, program: str, params: object = None, **more: Any) -> str:
        """Post a job to the ingress; return its id."""
        headers = more.pop("headers", {})
        text = json.dumps({} if params is None else params)
        body = {"programId": program, "hub": "h", "group": "g", "project": "p"}
        body |= {"backend": "aer_simulator", "params": [text], **more}
        answer = self.http.post("/jobs", json=body, headers=headers)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    def submit(self, program: str, params: object = None) -> str:
        """Make a job as kubectl does, and return when the REST API knows it."""
        name = make_name()
        spec = {"programId": program, "params": json.dumps({} if params is None else params)}
        self.apply("RuntimeJob", name, spec)
        until = time.monotonic() + PATIENCE
        while self.http.get(f"/jobs/{name}").status_code != 200:
            assert time.monotonic() < until, "REST does not know it"
        return name

    def job(self, name: str) -> dict[str, Any]:
        """Return a job as the REST API shows it."""
        answer = self.http.get(f"/jobs/{name}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def wait(self, name: str, *phases: str) -> dict[str, Any]:
        """Return the RuntimeJob once it is in one of these phases."""
        until = time.monotonic() + PATIENCE
        while True:
            # REST is asked first: a process of kubectl for every look would keep a core busy.
            answer = self.http.get(f"/jobs/{name}")
            # "Cancelled - Ran too long" is the phase Cancelled.
            if answer.is_success and answer.json()["status"].split()[0] in (phases or FINAL):
                found = self.get("rj", name)
                if found["status"]["phase"] in (phases or FINAL):
                    return found
            assert time.monotonic() < until, f"{name} is not {phases or FINAL}: {answer.text}"
            time.sleep(0.2)

    def listen(self, name: str, url: str = "") -> Iterator[tuple[float, str]]:
        """Yield each frame of a job's websocket, with its moment."""
        address = (url or self.url).replace("http", "ws", 1) + f"/stream/jobs/{name}"
        headers = {"Authorization": f"Bearer {self.token}"}
        with connect(address, additional_headers=headers, open_timeout=20) as socket:
            for frame in socket:
                yield time.monotonic(), str(frame)

    def install_program(self, source: str) -> str:
        """Make a RuntimeProgram of this run's own; return its name."""
        name = make_name()
        self.apply("RuntimeProgram", name, {"source": source})
        return name

    @contextmanager
    def forward(self, pod: str) -> Iterator[httpx.Client]:
        """A client of one replica of the API."""
        headers = {"Authorization": f"Bearer {self.token}"}
        with (
            forward(self.cluster, RELEASE, pod) as url,
            httpx.Client(base_url=url, headers=headers) as client,
        ):
            yield client


def count_reads(installed: Installed) -> int:
    """Return the requests for RuntimeJobs that the API server has counted, but for watches."""
    text = installed.kubectl("get", "--raw", "/metrics")
    pattern = (
        r'^apiserver_request_total\{[^}]*resource="runtimejobs"[^}]*verb="(GET|LIST)"[^}]*\} (\d+)'
    )
    return sum(int(found[2]) for found in re.finditer(pattern, text, re.MULTILINE))


def make_name() -> str:
    """Return a name that nothing else has."""
    return f"e2e-{uuid.uuid4().hex[:10]}"


@contextmanager
def forward(cluster: Cluster, namespace: str, pod: str) -> Iterator[str]:
    """The address of a pod's server, which listens on port 8000 there."""
    port = free_port()
    command = [cluster.kubectl, "-n", namespace, "port-forward", pod, f"{port}:8000"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        process.stdout.readline()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


@contextmanager
def open_installed(cluster: Cluster) -> Iterator[Installed]:
    """The release on this cluster.

    Raises:
        AssertionError: It is not installed.
    """
    answers = {
        command: subprocess.run([RIG, command], capture_output=True, text=True, check=False)
        for command in ("url", "token")
    }
    assert not any(answer.returncode for answer in answers.values()), "not installed: make deploy"
    url, token = (answer.stdout.strip() for answer in answers.values())
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=url, headers=headers, timeout=30) as client:
        yield Installed(cluster, url, token, client)
