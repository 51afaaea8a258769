"""Two API servers on one simulated cluster and a real Redis: what one has written, the other reads.

The watches of the second server are held back, so that what it has in memory is old for certain.
The same over an ingress, on a real cluster, is in ``tests/e2e/test_reads.py``.
"""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial

import pytest

from api.backendstore.kubernetes import KubernetesBackends
from api.jobstore.base import JobNotFound, JobQuery
from api.jobstore.kubernetes.room import Room
from api.jobstore.kubernetes.store import ClusterSettings, KubernetesJobStore
from api.programstore.base import ProgramChange
from api.programstore.kubernetes import KubernetesProgramStore
from api.resources import watched_kind, written_mark
from api.store_errors import StoreUnavailable
from qiskit_runtime.contract.catalog import Catalog, UnknownProgram
from qiskit_runtime.contract.lifecycle import Phase
from qiskit_runtime.contract.resources.backend import API_VERSION, DEFAULT_BACKEND, UnknownBackend
from qiskit_runtime.contract.resources.job import JobRequest, JobSpec
from qiskit_runtime.contract.resources.program import ProgramMetadata, ProgramSource
from tests.jobstore.kubernetes.fake_cluster import NAMESPACE, open_cluster
from tests.jobstore.kubernetes.redis_server import run_redis

pytestmark = pytest.mark.anyio

SPEC = JobSpec(program_id="hello-quantum", backend=DEFAULT_BACKEND)
PROGRAM = ProgramMetadata(name="My Program", description="One.")
ONE, TWO = (
    ProgramSource(b"def main(b, m): return 1\n"),
    ProgramSource(b"def main(b, m): return 2\n"),
)
JOBS_MARK = f"written:{NAMESPACE}:runtimejobs"


class Server:
    """The stores of one API server."""

    def __init__(self, name, cluster, redis):
        self.connect = partial(cluster.connect, name)
        self.jobs = KubernetesJobStore(
            ClusterSettings(NAMESPACE, redis.url, Room(1 << 20)), self.connect
        )
        self.programs = KubernetesProgramStore(NAMESPACE, redis.url, self.connect, Catalog())
        self.backends = KubernetesBackends(NAMESPACE, redis.url, self.connect)

    async def list_jobs(self):
        page = await self.jobs.find(JobQuery(), 100, 0)
        assert page.total == len(page.jobs)
        return {job.id: job.status.phase for job in page.jobs}

    async def list_programs(self):
        found = await self.programs.all()
        return {one.id: one.metadata.version for one in found if one.is_uploaded}


@dataclass
class World:
    """Two servers and what they depend on."""

    cluster: object
    redis: object
    here: Server
    there: Server

    def finish(self, name, phase="Completed"):
        """End a job, as its operator does."""
        status = {"status": {"phase": phase, "result": "1"}}
        self.cluster.patch("runtimejobs", name, status)


@pytest.fixture
async def world(monkeypatch):
    """Two servers whose reads and writes wait for others for a tenth of a second."""
    monkeypatch.setattr(watched_kind, "LAG_SECONDS", 0.1)
    monkeypatch.setattr(written_mark, "WRITE_SECONDS", 0.1)
    monkeypatch.setattr(written_mark, "AWAY_SECONDS", 0.1)
    with run_redis() as redis:
        async with open_cluster() as cluster, AsyncExitStack() as opened:
            world = World(
                cluster, redis, Server("here", cluster, redis), Server("there", cluster, redis)
            )
            for server in (world.here, world.there):
                for store in (server.jobs, server.programs, server.backends):
                    await store.open()
                    opened.push_async_callback(store.close)
            yield world


# What is written and read. Until its first ``yield`` both servers may hear; then it writes here,
# and yields the check of a read.


async def posted_job(world):
    await world.there.list_jobs()
    yield
    job = await world.here.jobs.submit(JobRequest(SPEC, "{}"))

    async def check(server):
        assert await server.list_jobs() == {job.id: Phase.QUEUED}
        assert await server.jobs.get(job.id) == job

    yield check


async def cancelled_job(world):
    job = await world.here.jobs.submit(JobRequest(SPEC, "{}"))
    await world.there.jobs.get(job.id)
    yield
    await world.here.jobs.cancel(job.id)

    async def check(server):
        assert (await server.jobs.get(job.id)).cancel_requested

    yield check


async def deleted_job(world):
    job = await world.here.jobs.submit(JobRequest(SPEC, "{}"))
    kept = await world.here.jobs.submit(JobRequest(SPEC, "{}"))
    world.finish(job.id)
    while (await world.there.list_jobs())[job.id] is not Phase.COMPLETED:  # noqa: ASYNC110  (as clients do)
        await asyncio.sleep(0.01)
    yield
    await world.here.jobs.delete(job.id)

    async def check(server):
        assert list(await server.list_jobs()) == [kept.id]
        for read in (server.jobs.get, server.jobs.read_events, server.jobs.read_result):
            with pytest.raises(JobNotFound):
                await read(job.id)
        with pytest.raises(JobNotFound):
            await anext(server.jobs.follow(job.id))
        with pytest.raises(JobNotFound):
            await server.jobs.delete(job.id)

    yield check


async def shown_status(world):
    job = await world.here.jobs.submit(JobRequest(SPEC, "{}"))
    await world.there.jobs.get(job.id)
    yield
    world.finish(job.id, "Cancelled")
    while (await world.here.jobs.get(job.id)).status.phase is not Phase.CANCELLED:  # noqa: ASYNC110  (as clients do)
        await asyncio.sleep(0.01)

    async def check(server):
        assert (await server.jobs.get(job.id)).status.phase is Phase.CANCELLED
        assert await server.list_jobs() == {job.id: Phase.CANCELLED}

    yield check


async def ended_stream(world):
    job = await world.here.jobs.submit(JobRequest(SPEC, "{}"))
    await world.there.jobs.get(job.id)
    yield
    stream = world.here.jobs.follow(job.id)
    ending = asyncio.create_task(anext(stream, None))
    world.finish(job.id)
    await ending

    async def check(server):
        assert (await server.jobs.get(job.id)).status.phase is Phase.COMPLETED
        assert await server.jobs.read_result(job.id) == "1"

    yield check


async def uploaded_program(world):
    await world.there.list_programs()
    yield
    await world.here.programs.create(PROGRAM, ONE)

    async def check(server):
        assert await server.list_programs() == {"my-program": "1"}
        assert (await server.programs.resolve("my-program")).source == ONE

    yield check


async def changed_program(world):
    await world.here.programs.create(PROGRAM, ONE)
    await world.there.list_programs()
    yield
    await world.here.programs.update("my-program", ProgramChange({"is_public": True}, TWO))

    async def check(server):
        assert await server.list_programs() == {"my-program": "2"}
        assert (await server.programs.get("my-program")).metadata.is_public
        assert (await server.programs.resolve("my-program")).source == TWO

    yield check


async def deleted_program(world):
    await world.here.programs.create(PROGRAM, ONE)
    await world.there.list_programs()
    yield
    await world.here.programs.delete("my-program")

    async def check(server):
        assert await server.list_programs() == {}
        for read in (server.programs.get, server.programs.resolve, server.programs.delete):
            with pytest.raises(UnknownProgram):
                await read("my-program")

    yield check


async def shown_backend(world):
    yield
    spec = {"metadata": {"name": "mine"}, "spec": {"qubits": 2}}
    kind = {"apiVersion": API_VERSION, "kind": "RuntimeBackend"}
    world.cluster.create("runtimebackends", kind | spec)
    assert (await world.here.backends.get("mine")).qubits == 2

    async def check(server):
        assert "mine" in [one.name for one in await server.backends.all()]

    yield check


async def removed_backend(world):
    spec = {"metadata": {"name": "mine"}, "spec": {"qubits": 2}}
    kind = {"apiVersion": API_VERSION, "kind": "RuntimeBackend"}
    world.cluster.create("runtimebackends", kind | spec)
    assert (await world.there.backends.get("mine")).qubits == 2
    yield
    world.cluster.delete("runtimebackends", "mine")
    while "mine" in [one.name for one in await world.here.backends.all()]:  # noqa: ASYNC110  (as clients do)
        await asyncio.sleep(0.01)

    async def check(server):
        with pytest.raises(UnknownBackend):
            await server.backends.get("mine")

    yield check


CASES = [
    posted_job, cancelled_job, deleted_job, shown_status, ended_stream,
    uploaded_program, changed_program, deleted_program, shown_backend, removed_backend,
]  # fmt: skip


@pytest.fixture(params=CASES, ids=lambda case: case.__name__)
async def case(request, world):
    """A write and a read: the write is done, and the other server hears no more."""
    steps = request.param(world)
    await anext(steps)
    world.cluster.held.add("there")
    yield steps
    await steps.aclose()


async def test_read_waits_for_the_watch_and_costs_no_list(world, case, monkeypatch):
    """A server that has not heard of a write waits until it has, and asks nobody else."""
    monkeypatch.setattr(watched_kind, "LAG_SECONDS", 30.0)
    check = await anext(case)
    lists = world.cluster.requests.copy()
    reading = asyncio.create_task(check(world.there))
    done, _ = await asyncio.wait([reading], timeout=0.1)
    assert not done
    world.cluster.release("there")
    await reading
    kinds = {name for name in world.cluster.requests - lists if name.startswith("LIST")}
    assert kinds == set()


async def test_read_of_a_server_that_hears_nothing_asks_kubernetes(world, case):
    """A watch that stays behind costs a list: both servers then tell the same."""
    check = await anext(case)
    await check(world.there)
    await check(world.here)


async def test_without_redis_a_read_costs_a_list_and_is_right(world, case):
    """Nobody can tell how far others have written: so Kubernetes is asked."""
    await asyncio.to_thread(world.redis.kill)
    check = await anext(case)
    before = world.cluster.reads
    await check(world.there)
    assert world.cluster.reads > before
    await check(world.here)


async def test_emptied_redis_costs_a_list_and_is_right(world, case):
    """A mark that was lost after the write was answered is not taken for a low one."""
    check = await anext(case)
    await asyncio.to_thread(world.redis.ask, "FLUSHALL")
    await check(world.there)


async def restart_redis_with(world, mark):
    """A Redis that has come back with what it had a while ago."""
    await asyncio.to_thread(world.redis.kill)
    await asyncio.to_thread(world.redis.start)
    if mark is not None:
        await asyncio.to_thread(world.redis.ask, "SET", JOBS_MARK, mark)


@pytest.mark.parametrize("is_empty", [True, False])
async def test_restarted_redis_costs_a_list_and_is_right(world, is_empty):
    """Redis comes back empty, or with an old mark of the same epoch: neither is believed."""
    job = await world.here.jobs.submit(JobRequest(SPEC, "{}"))
    await world.there.jobs.get(job.id)
    old = await asyncio.to_thread(world.redis.ask, "GET", JOBS_MARK)
    world.cluster.held.add("there")
    await world.here.jobs.cancel(job.id)
    assert await asyncio.to_thread(world.redis.ask, "GET", JOBS_MARK) != old
    await restart_redis_with(world, None if is_empty else old)
    assert (await world.there.jobs.get(job.id)).cancel_requested


async def cost_of_polls(world, job, rounds):
    """Return the number of requests for reads at both servers by turns."""
    before = world.cluster.reads
    for server in (world.here, world.there) * rounds:
        assert (await server.jobs.get(job.id)).id == job.id
        assert job.id in await server.list_jobs()
    return world.cluster.reads - before


async def settle(world, job):
    """Return when polls cost nothing."""
    async with asyncio.timeout(30):
        while await cost_of_polls(world, job, 1):
            pass


async def test_polls_cost_nothing_once_redis_is_back(world):
    """After a moment each server reads from memory again."""
    job = await world.here.jobs.submit(JobRequest(SPEC, "{}"))
    await restart_redis_with(world, None)
    await settle(world, job)
    assert await cost_of_polls(world, job, 20) == 0


async def test_write_by_a_connection_that_broke_long_ago_is_told(world):
    """A server that was idle while Redis restarted tells its write by a new connection."""
    job = await world.here.jobs.submit(JobRequest(SPEC, "{}"))
    await restart_redis_with(world, None)
    async with asyncio.timeout(30):
        before = -1
        while before != world.cluster.reads:
            before = world.cluster.reads
            await world.there.jobs.get(job.id)
    world.cluster.held.add("there")
    await world.here.jobs.cancel(job.id)
    assert (await world.there.jobs.get(job.id)).cancel_requested


async def test_redis_that_is_full_of_streams_takes_the_mark(world):
    """Other servers know of a write even where Redis takes nothing more."""
    job = await world.here.jobs.submit(JobRequest(SPEC, "{}"))
    await world.there.jobs.get(job.id)
    await asyncio.to_thread(world.redis.ask, "CONFIG", "SET", "maxmemory", "1")
    world.cluster.held.add("there")
    await world.here.jobs.cancel(job.id)
    assert (await world.there.jobs.get(job.id)).cancel_requested


@pytest.mark.parametrize("mark", ["abc123 999999999", "no mark at all", ""])
async def test_mark_of_another_cluster_is_made_anew(world, mark):
    """A version that Kubernetes never had, or no version, costs each server a list, and is gone."""
    job = await world.here.jobs.submit(JobRequest(SPEC, "{}"))
    await asyncio.to_thread(world.redis.ask, "SET", JOBS_MARK, mark)
    assert await cost_of_polls(world, job, 3)
    assert await cost_of_polls(world, job, 3) == 0
    await world.here.jobs.cancel(job.id)
    assert (await world.there.jobs.get(job.id)).cancel_requested


async def test_cluster_whose_versions_began_anew_is_read_as_it_is(world):
    """After a restored backup, versions are lower than those that are known."""
    lost = await world.here.jobs.submit(JobRequest(SPEC, "{}"))
    world.cluster.delete("runtimejobs", lost.id)
    world.cluster._version = 50
    world.cluster.create("runtimejobs", {"metadata": {"name": "old"}, "spec": {"programId": "x"}})
    world.cluster.compact()
    world.cluster.break_watches()
    await asyncio.to_thread(world.redis.ask, "FLUSHALL")
    for server in (world.here, world.there):
        assert list(await server.list_jobs()) == ["old"]


async def test_same_key_at_another_server_is_the_same_job_until_it_is_deleted(world):
    """A submission that is repeated elsewhere at once finds its job; after a DELETE, a new one."""
    first = await world.here.jobs.submit(JobRequest(SPEC, "{}", "same-key"))
    again = await world.there.jobs.submit(JobRequest(SPEC, "{}", "same-key"))
    assert (await world.there.jobs.get("same-key")).created == first.created == again.created
    world.finish("same-key")
    world.cluster.held.add("there")
    await world.here.jobs.delete("same-key")
    with pytest.raises(JobNotFound):
        await world.there.jobs.get("same-key")
    assert (
        await world.there.jobs.submit(JobRequest(SPEC, "{}", "same-key"))
    ).created > first.created


async def test_reads_of_the_moment_share_one_exchange(world):
    """A thousand polls at once are not a thousand commands to Redis."""
    job = await world.here.jobs.submit(JobRequest(SPEC, "{}"))

    def count_exchanges():
        return int(world.redis.ask("INFO", "commandstats")["cmdstat_eval"]["calls"])

    before = await asyncio.to_thread(count_exchanges)
    await asyncio.gather(*(world.there.jobs.get(job.id) for _ in range(1000)))
    assert await asyncio.to_thread(count_exchanges) - before <= 3


async def test_reads_and_writes_of_both_servers_never_go_back(world):
    """While statuses change and watches stall, reads at the servers by turns only go forward."""
    job = await world.here.jobs.submit(JobRequest(SPEC, "{}"))

    async def change():
        for done in range(1, 200):
            status = {"phase": "Running", "progress": {"done": done, "total": 200}}
            world.cluster.patch("runtimejobs", job.id, {"status": status})
            for name in ("here", "there"):
                if done % 7 == len(name) % 7:
                    world.cluster.held.add(name)
                elif done % 5 == 0:
                    world.cluster.release(name)
            await asyncio.sleep(0.002)

    changing = asyncio.create_task(change())
    seen = []
    while not changing.done():
        for server in (world.here, world.there):
            progress = (await server.jobs.get(job.id)).status.progress
            seen.append(progress.done if progress else 0)
    await changing
    assert seen == sorted(seen) and len(set(seen)) > 3


async def test_neither_redis_nor_kubernetes_is_an_error_not_an_old_answer(world):
    """A read is refused where neither Redis nor Kubernetes says what was written."""
    job = await world.here.jobs.submit(JobRequest(SPEC, "{}"))
    await asyncio.to_thread(world.redis.kill)
    world.cluster.refusals["GET runtimejobs"] = 500
    with pytest.raises(StoreUnavailable):
        await world.there.jobs.get(job.id)
