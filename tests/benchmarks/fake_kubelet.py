"""A kubelet without containers: it binds runners' pods, reports them, and serves their logs.

``python -m tests.benchmarks.fake_kubelet NAMESPACE PORT CERTIFICATE KEY`` is the one node of a
``control_plane``. A pod starts as soon as its input's Secret is there, as with any kubelet, runs
for ``RUN_SECONDS``, and its log is a whole record of a small program.
"""

import asyncio
import ssl
import sys
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from qiskit_runtime.cluster.cache import ResourceCache
from qiskit_runtime.cluster.client import MERGE_PATCH, ClusterApi, connect
from qiskit_runtime.cluster.watch import ResourceWatch
from qiskit_runtime.contract.wire.verdict import Outcome, Verdict
from runner.record_writer import RecordWriter

RUN_SECONDS = 0.5
NODE = "fake"
SECRET_SECONDS = 0.05

Manifest = dict[str, Any]


def write_record() -> list[bytes]:
    """The lines of a record: a program that prints a line, publishes ten messages, and returns."""
    lines: list[bytes] = []
    writer = RecordWriter(lines.append)
    writer.console(b"The coin is in the air.\n")
    for number in range(10):
        writer.message(b'{"iteration": %d, "energy": -1.1}' % number)
    writer.message(b'{"00": 512, "11": 512}', final=True)
    writer.flush()
    versions = {"qiskit": "2.6.0", "qiskit-aer": "0.18.2", "python": "3.11.2", "program": "1"}
    writer.finish(Verdict(Outcome.SUCCEEDED, 0, seconds=RUN_SECONDS, versions=versions, seed=7))
    return lines


class FakeKubelet:
    """The node and its pods, each of which it runs once."""

    def __init__(self, api: ClusterApi, namespace: str) -> None:
        self._api = api
        self._pods = f"/api/v1/namespaces/{namespace}/pods"
        self._secrets = f"/api/v1/namespaces/{namespace}/secrets"
        self._ends: dict[str, asyncio.Event] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._record = write_record()

    async def run(self, port: int) -> None:
        """Register the node, and run pods until cancelled."""
        await self._api.call("POST", "/api/v1/nodes", {"metadata": {"name": NODE}})
        status = {
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
        }
        await self._patch(f"/api/v1/nodes/{NODE}/status", status)
        await ResourceWatch(self._api, self._pods, ResourceCache(self._take)).run()

    def _take(self, pod: Manifest) -> None:
        """Begin the life of a pod that is new."""
        name = pod["metadata"]["name"]
        if name in self._ends or pod.get("status", {}).get("phase") in ("Succeeded", "Failed"):
            return
        self._ends[name] = asyncio.Event()
        task = asyncio.create_task(self._run_pod(pod))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run_pod(self, pod: Manifest) -> None:
        name = pod["metadata"]["name"]
        target = {"target": {"kind": "Node", "name": NODE}, "metadata": {"name": name}}
        await self._api.call("POST", f"{self._pods}/{name}/binding", target)
        for volume in pod["spec"]["volumes"]:
            for source in volume.get("projected", {}).get("sources", ()):
                await self._wait_for_secret(source["secret"]["name"])
        started = _now()
        await self._report(pod, "Running", started, {"running": {"startedAt": started}})
        await asyncio.sleep(RUN_SECONDS)
        self._ends[name].set()
        ended = {"exitCode": 0, "reason": "Completed", "startedAt": started, "finishedAt": _now()}
        await self._report(pod, "Succeeded", started, {"terminated": ended})

    async def _wait_for_secret(self, name: str) -> None:
        path = f"{self._secrets}/{name}"
        while await self._api.find("GET", path) is None:  # noqa: ASYNC110  (another process makes it)
            await asyncio.sleep(SECRET_SECONDS)

    async def _report(self, pod: Manifest, phase: str, started: str, state: Manifest) -> None:
        container = pod["spec"]["containers"][0]
        is_running = "running" in state
        reported = {
            "name": container["name"],
            "image": container["image"],
            "imageID": f"sha256:{'0' * 64}",
            "containerID": f"containerd://{pod['metadata']['uid'].replace('-', '') * 2}",
            "ready": is_running,
            "started": is_running,
            "restartCount": 0,
            "lastState": {},
            "state": state,
        }
        kinds = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady")
        status = {
            "phase": phase,
            "startTime": started,
            "hostIP": "127.0.0.1",
            "podIP": "127.0.0.1",
            "podIPs": [{"ip": "127.0.0.1"}],
            "conditions": [
                {"type": kind, "status": "True", "lastTransitionTime": started}
                for kind in (*kinds, "PodScheduled")
            ],
            "containerStatuses": [reported],
            "qosClass": "Burstable",
        }
        await self._patch(f"{self._pods}/{pod['metadata']['name']}/status", status)

    async def _patch(self, path: str, status: Manifest) -> None:
        await self._api.call("PATCH", path, {"status": status}, content_type=MERGE_PATCH)

    async def serve_log(self, request: web.Request) -> web.StreamResponse:
        """Answer with a pod's log, until its container has ended."""
        response = web.StreamResponse()
        await response.prepare(request)
        *lines, verdict = self._record
        await response.write(b"".join(lines))
        if end := self._ends.get(request.match_info["pod"]):
            await end.wait()
        await response.write(verdict)
        await response.write_eof()
        return response


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


async def main(namespace: str, port: str, certificate: str, key: str) -> None:
    """Run the node."""
    api = await connect(1000)
    kubelet = FakeKubelet(ClusterApi(api), namespace)
    application = web.Application()
    path = "/containerLogs/{namespace}/{pod}/{container}"
    application.router.add_get(path, kubelet.serve_log)
    server = web.AppRunner(application)
    await server.setup()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)
    await web.TCPSite(server, "127.0.0.1", int(port), ssl_context=tls).start()
    await kubelet.run(int(port))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
