"""The suite's stores: one test, every way to keep programs."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from api.jobstore.local.data_folder import DataFolder
from api.programstore.base import ProgramStore
from api.programstore.kubernetes import KubernetesProgramStore
from api.programstore.local import LocalProgramStore
from qiskit_runtime.contract.catalog import Catalog
from tests.jobstore.kubernetes.fake_cluster import NAMESPACE, FakeCluster, open_cluster
from tests.jobstore.kubernetes.redis_server import run_redis


@dataclass
class Open:
    """An open store; ``again`` opens another over the same programs, as after a restart."""

    store: ProgramStore
    again: object
    cluster: FakeCluster | None = None
    folder: Path | None = None


def make_catalog(folder: Path) -> Catalog:
    """The library, and a folder with the program ``of-a-folder``."""
    program = folder / "programs" / "of_a_folder"
    program.mkdir(parents=True, exist_ok=True)
    (program / "of_a_folder.py").write_text("def main(backend, messenger):\n    return 1\n")
    (program / "of_a_folder.json").write_text('{"name": "of-a-folder", "description": ""}')
    return Catalog([folder / "programs"])


@asynccontextmanager
async def open_local(folder: Path) -> AsyncIterator[ProgramStore]:
    """A local store, with the data folder that a job store would hold."""
    data = DataFolder(folder / "data")
    data.open()
    store = LocalProgramStore(data, make_catalog(folder))
    await store.open()
    try:
        yield store
    finally:
        await store.close()
        data.close()


@asynccontextmanager
async def open_kubernetes(
    cluster: FakeCluster, redis_url: str, folder: Path
) -> AsyncIterator[ProgramStore]:
    """A store over a simulated cluster."""
    store = KubernetesProgramStore(NAMESPACE, redis_url, cluster.connect, make_catalog(folder))
    await store.open()
    try:
        yield store
    finally:
        await store.close()


@pytest.fixture
async def local(tmp_path: Path) -> AsyncIterator[Open]:
    """A local store."""
    async with open_local(tmp_path) as store:
        data = tmp_path / "data" / "programs"
        yield Open(store, lambda: _again(store, tmp_path), folder=data)


@asynccontextmanager
async def _again(store: LocalProgramStore, folder: Path) -> AsyncIterator[ProgramStore]:
    # The lock is held by this process already.
    other = LocalProgramStore(store._folder, make_catalog(folder))
    await other.open()
    yield other


@pytest.fixture
async def simulated(tmp_path: Path) -> AsyncIterator[Open]:
    """A store of Kubernetes mode, and the cluster under it."""
    with run_redis() as redis:
        async with open_cluster() as cluster:

            def again() -> AbstractAsyncContextManager[ProgramStore]:
                return open_kubernetes(cluster, redis.url, tmp_path)

            async with again() as store:
                yield Open(store, again, cluster=cluster)


@pytest.fixture(params=["local", "simulated"])
def programs(request: pytest.FixtureRequest) -> Open:
    """An open store of each kind."""
    return request.getfixturevalue(request.param)
