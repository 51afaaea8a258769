"""The API server of the operator's tests, in memory: the calls of ``JobCluster``."""

from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from qiskit_runtime.cluster.client import make_error
from qiskit_runtime.contract.resources.resource import WARM_LABEL
from tests.operator.manifests import job_manifest, pod_manifest, run_manifest, session_manifest

JOB_NAME = "batch.kubernetes.io/job-name"
"""The label by which a pod names its Kubernetes Job."""


def refused(status, words=""):
    """The API server's refusal of a call."""
    return make_error(status, "refused", words)


class FakeCluster:
    """Objects by name; ``fails`` has exceptions by the name of the call that raises one next."""

    def __init__(self):
        self.runtimejobs: dict[str, Any] = {}
        self.programs: dict[str, Any] = {}
        self.backends: dict[str, Any] = {}
        self.sessions: dict[str, Any] = {}
        self.jobs: dict[str, Any] = {}
        self.pods: dict[str, Any] = {}
        self.secrets: dict[str, Any] = {}
        self.events: list[Any] = []
        self.calls: list[str] = []
        self.fails: dict[str, Exception] = {}
        self.logs: dict[str, list[bytes | Exception]] = {}
        self._version = 100

    def add_job(self, status=None, **fields):
        """A RuntimeJob that somebody makes."""
        manifest = job_manifest(status, **fields)
        return self._store(self.runtimejobs, manifest)

    def add_session(self, name="s", **spec):
        """A RuntimeSession that somebody makes."""
        return self._store(self.sessions, session_manifest(name, **spec))

    def close_session(self, name="s", **spec):
        """The same session, after somebody has closed it."""
        known = self.sessions[name]
        closed = {**known["spec"], "acceptingJobs": False, **spec}
        return self._store(self.sessions, {**known, "spec": closed})

    def add_pod(self, name="p", state=None, **fields):
        """The pod that the Job controller makes."""
        return self._store(self.pods, pod_manifest(name, state, **fields))

    def add_run(self, manifest=None, **metadata):
        """The Kubernetes Job that an operator has made."""
        return self._store(self.jobs, run_manifest(manifest, **metadata))

    def _store(self, kind, manifest):
        self._version += 1
        metadata = {"uid": f"uid-{self._version}", **manifest["metadata"]}
        metadata["resourceVersion"] = str(self._version)
        kind[metadata["name"]] = stored = {**manifest, "metadata": metadata}
        return stored

    def _called(self, name):
        self.calls.append(name)
        if name in self.fails:
            raise self.fails.pop(name)

    async def get_runtimejob(self, name):
        self._called("get_runtimejob")
        return self.runtimejobs.get(name)

    async def get_program(self, name):
        self._called("get_program")
        return self.programs.get(name)

    async def get_backend(self, name):
        self._called("get_backend")
        return self.backends.get(name)

    async def get_session(self, name):
        self._called("get_session")
        return self.sessions.get(name)

    async def write_session_status(self, session, status):
        self._called("write_session_status")
        known = self.sessions[session.name]
        if known["metadata"]["resourceVersion"] != str(session.version):
            raise refused(409, "it has changed")
        merged = {**known.get("status", {}), **status}
        return self._store(self.sessions, {**known, "status": merged})

    async def delete_session(self, session):
        self._called("delete_session")
        self.sessions.pop(session.name, None)

    async def get_job(self, name):
        self._called("get_job")
        return self.jobs.get(name)

    async def find_pods(self, job):
        self._called("find_pods")
        return [pod for pod in self.pods.values() if pod["metadata"]["labels"][JOB_NAME] == job]

    async def find_jobs(self, selector):
        self._called("find_jobs")
        key, _, value = selector.partition("=")
        return [
            run
            for run in self.jobs.values()
            if key in run["metadata"]["labels"] and value in ("", run["metadata"]["labels"][key])
        ]

    async def find_warm(self):
        pods = [pod for pod in self.pods.values() if WARM_LABEL in pod["metadata"]["labels"]]
        return await self.find_jobs(WARM_LABEL), pods

    async def claim_job(self, name, claim):
        self._called("claim_job")
        known, asked = self._find_version(name, claim["metadata"]["resourceVersion"]), claim
        merged = {**known["metadata"], **asked["metadata"]}
        merged["labels"] = known["metadata"]["labels"] | asked["metadata"]["labels"]
        spec = {**known["spec"], **asked["spec"]}
        return self._store(self.jobs, {**known, "metadata": merged, "spec": spec})

    async def delete_idle_job(self, name, uid, version):
        self._called("delete_idle_job")
        self._find_version(name, str(version))
        self.jobs.pop(name)

    def _find_version(self, name, version):
        known = self.jobs.get(name)
        if known is None:
            raise refused(404, "gone")
        if known["metadata"]["resourceVersion"] != version:
            raise refused(409, "it has changed")
        return known

    async def has_pod(self, name):
        return name in self.pods

    async def find_secret(self, name):
        self._called("find_secret")
        return self.secrets.get(name)

    async def create_secret(self, manifest):
        self._called("create_secret")
        if manifest["metadata"]["name"] in self.secrets:
            return None
        return self._store(self.secrets, manifest)

    async def put_secret(self, manifest):
        self._called("put_secret")
        self._store(self.secrets, manifest)

    async def create_job(self, manifest):
        self._called("create_job")
        if known := self.jobs.get(manifest["metadata"]["name"]):
            return known, False
        created = datetime.now(UTC).isoformat(timespec="seconds")
        metadata = {"creationTimestamp": created, **manifest["metadata"]}
        return self._store(self.jobs, {**manifest, "metadata": metadata}), True

    async def write_status(self, job, status):
        self._called("write_status")
        known = self.runtimejobs[job.name]
        if known["metadata"]["resourceVersion"] != str(job.version):
            raise refused(409, "it has changed")
        merged = {**known["status"], **status}
        merged = {key: value for key, value in merged.items() if value is not None}
        return self._store(self.runtimejobs, {**known, "status": merged})

    async def write_program_status(self, name, status):
        self._called("write_program_status")
        return self._store(self.programs, {**self.programs[name], "status": status})

    async def annotate(self, name, annotations):
        self._called("annotate")
        known = self.runtimejobs[name]
        metadata = known["metadata"]
        noted = {**metadata.get("annotations", {}), **annotations}
        manifest = {**known, "metadata": {**metadata, "annotations": noted}}
        return self._store(self.runtimejobs, manifest)

    async def delete_pod(self, name):
        self._called("delete_pod")
        self.pods.pop(name, None)

    async def delete_job(self, name):
        self._called("delete_job")
        self.jobs.pop(name, None)

    async def delete_secret(self, name, uid=""):
        self._called("delete_secret")
        found = self.secrets.get(name)
        if found and uid and found["metadata"].get("uid") != uid:
            raise make_error(409, "DELETE", name)
        self.secrets.pop(name, None)

    async def delete_runtimejob(self, job):
        self._called("delete_runtimejob")
        self.runtimejobs.pop(job.name, None)

    async def create_event(self, manifest):
        self._called("create_event")
        self.events.append(manifest)

    @asynccontextmanager
    async def open_log(self, pod):
        yield read_pieces(self.logs.get(pod, []))


async def read_pieces(pieces):
    """The pieces of a log, which breaks off where one is an exception."""
    for piece in pieces:
        if isinstance(piece, Exception):
            raise piece
        yield piece
