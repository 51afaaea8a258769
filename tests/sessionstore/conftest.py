"""The suite's stores of sessions, each with the store of jobs under it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from api.jobstore.base import JobStore
from api.jobstore.kubernetes.room import Room
from api.jobstore.kubernetes.store import ClusterSettings, KubernetesJobStore
from api.jobstore.local.data_folder import DataFolder
from api.jobstore.local.store import LocalJobStore, RunnerLimits
from api.sessionstore.base import SessionStore
from api.sessionstore.kubernetes import KubernetesSessionStore
from api.sessionstore.local import LocalSessionStore, SessionFiles
from qiskit_runtime.contract.catalog import Catalog
from qiskit_runtime.contract.resources.backend import DEFAULT_BACKEND
from qiskit_runtime.contract.resources.job import Job, JobRequest, JobSpec
from qiskit_runtime.contract.resources.session import SessionSpec
from tests.jobstore.kubernetes.fake_cluster import NAMESPACE, FakeCluster, open_cluster
from tests.jobstore.kubernetes.redis_server import run_redis

SPEC = SessionSpec(backend=DEFAULT_BACKEND)


@dataclass(frozen=True)
class Sessions:
    """An open store; ``again`` opens another server's, or this one's after a restart."""

    store: SessionStore
    jobs: JobStore
    again: Callable[[], AbstractAsyncContextManager["Sessions"]]
    stop: Callable[[], Awaitable[None]]
    """Close both stores, before ``again`` opens those of a local server over the same folder."""
    cluster: FakeCluster | None = None

    async def submit(self, session_id: str, **spec: object) -> Job:
        """Submit a job to a session as the API does."""
        asked = {"program_id": "hello-quantum", "backend": DEFAULT_BACKEND}
        asked |= {"session_id": session_id, **spec}
        request = JobRequest(JobSpec.model_validate(asked))
        async with self.store.admit(request.spec) as admitted:
            return await self.jobs.submit(replace(request, admitted=admitted))


@asynccontextmanager
async def open_local(folder: Path) -> AsyncIterator[Sessions]:
    """A local store without workers: its jobs stay queued."""
    data = DataFolder(folder / "data")
    files = SessionFiles(data)
    jobs = LocalJobStore(data, Catalog(), RunnerLimits(workers=0), find_session=files.find)
    store = LocalSessionStore(files, jobs)
    async with AsyncExitStack() as opened:
        for part in (jobs, store):
            await part.open()
            opened.push_async_callback(part.close)
        yield Sessions(store, jobs, lambda: open_local(folder), opened.aclose)


@asynccontextmanager
async def open_kubernetes(cluster: FakeCluster, redis_url: str) -> AsyncIterator[Sessions]:
    """A store over a simulated cluster without an operator."""
    jobs = KubernetesJobStore(
        ClusterSettings(NAMESPACE, redis_url, Room(512 << 20)), cluster.connect
    )
    store = KubernetesSessionStore(NAMESPACE, redis_url, cluster.connect, jobs)
    async with AsyncExitStack() as opened:
        for part in (jobs, store):
            await part.open()
            opened.push_async_callback(part.close)

        def again() -> AbstractAsyncContextManager[Sessions]:
            return open_kubernetes(cluster, redis_url)

        yield Sessions(store, jobs, again, opened.aclose, cluster)


@pytest.fixture
async def local(tmp_path: Path) -> AsyncIterator[Sessions]:
    """A local store."""
    async with open_local(tmp_path) as sessions:
        yield sessions


@pytest.fixture
async def simulated() -> AsyncIterator[Sessions]:
    """A store of Kubernetes mode, and the cluster under it."""
    with run_redis() as redis:
        async with open_cluster() as cluster, open_kubernetes(cluster, redis.url) as sessions:
            yield sessions


@pytest.fixture(params=["local", "simulated"])
def sessions(request: pytest.FixtureRequest) -> Sessions:
    """An open store of each kind."""
    return request.getfixturevalue(request.param)
