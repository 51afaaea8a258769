"""The stores that the behaviour suite runs against: one test, every way to keep and run jobs.

A mode is an asynchronous context manager that takes an empty folder and yields an open store.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path

from api.jobstore.kubernetes.room import Room
from api.jobstore.kubernetes.store import ClusterSettings, KubernetesJobStore
from qiskit_runtime.cluster.client import connect
from tests.cluster.stand import Exists, open_stand
from tests.jobstore.kubernetes.fake_cluster import NAMESPACE, open_cluster
from tests.jobstore.kubernetes.fake_operator import run_operator
from tests.jobstore.kubernetes.redis_server import run_redis
from tests.jobstore.store_under_test import (
    StoreUnderTest,
    name_program,
    open_local_store,
    program_writer,
)


@asynccontextmanager
async def open_simulated_store(folder: Path) -> AsyncIterator[StoreUnderTest]:
    """The store of Kubernetes mode over a simulated cluster, with a real Redis and real runners."""
    (folder / "programs").mkdir()
    with run_redis() as redis:
        settings = ClusterSettings(NAMESPACE, redis.url, Room(512 << 20))
        async with open_cluster() as cluster, run_operator(cluster, redis.url, folder):
            store = KubernetesJobStore(settings, cluster.connect)
            await store.open()
            try:
                yield StoreUnderTest(store, program_writer(folder / "programs"), 2, 60.0)
            finally:
                await store.close()


@asynccontextmanager
async def open_kubernetes_store(folder: Path) -> AsyncIterator[StoreUnderTest]:
    """The store of Kubernetes mode on a real cluster, with an operator and a Redis of its own."""
    with open_stand(folder, RUNTIME_MAX_RUNNING_JOBS="2") as stand:
        settings = ClusterSettings(stand.namespace, stand.redis_url, Room(512 << 20))

        async def install(source: str) -> str:
            name = name_program(source)
            with suppress(Exists):
                stand.install(name, source)
            return name

        store = KubernetesJobStore(settings, connect)
        await store.open()
        try:
            yield StoreUnderTest(store, install, 2, 120.0)
        finally:
            await store.close()


MODES: dict[str, Callable[[Path], AbstractAsyncContextManager[StoreUnderTest]]] = {
    "local": open_local_store,
    "simulated": open_simulated_store,
    "kubernetes": open_kubernetes_store,
}
"""The stores that the behaviour suite runs against, by the name of their mode."""
