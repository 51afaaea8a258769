"""The store of Kubernetes mode when the cluster or Redis is not well, over a simulated cluster.

The API server is one in this process, which the tests stop, hang, and make forget; Redis and
the runners are real. The real cluster's tests can't take its API server away.
"""

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from api.jobstore.base import JobExists, JobNotFound, JobQuery
from api.jobstore.kubernetes import job_params
from api.jobstore.kubernetes.room import Room
from api.jobstore.kubernetes.store import ClusterSettings, KubernetesJobStore
from api.store_errors import StorageFull, StoreUnavailable
from qiskit_runtime.cluster import watch as resource_watch
from qiskit_runtime.contract.lifecycle import Phase
from qiskit_runtime.contract.resources.backend import DEFAULT_BACKEND
from qiskit_runtime.contract.resources.job import JobRequest, JobSpec
from qiskit_runtime.contract.resources.resource import RECORD_DROPPED, make_repeatable_job_id
from qiskit_runtime.contract.wire.events import Message
from tests.jobstore.kubernetes.fake_cluster import NAMESPACE, open_cluster
from tests.jobstore.kubernetes.fake_operator import run_operator
from tests.jobstore.kubernetes.redis_server import run_redis
from tests.jobstore.store_under_test import FOR_EVER, QUICK, StoreUnderTest, program_writer

pytestmark = pytest.mark.anyio

SPEC = JobSpec(program_id="hello-quantum", backend=DEFAULT_BACKEND)
ANSWER_SECONDS = 5.0


@dataclass
class World:
    """A store and what it depends on."""

    cluster: object
    redis: object
    jobs: StoreUnderTest

    @property
    def store(self):
        return self.jobs.store


@pytest.fixture
async def open_world(tmp_path):
    """Opens a store with a storage budget of 1 MiB over a cluster of its own."""
    (tmp_path / "programs").mkdir()

    @asynccontextmanager
    async def open_world(budget=1 << 20, max_jobs=5000, share=100):
        with run_redis() as redis:
            settings = ClusterSettings(NAMESPACE, redis.url, Room(budget, max_jobs, share))
            async with open_cluster() as cluster, run_operator(cluster, redis.url, tmp_path):
                store = KubernetesJobStore(settings, cluster.connect)
                await store.open()
                install = program_writer(tmp_path / "programs")
                try:
                    yield World(cluster, redis, StoreUnderTest(store, install, 2, 60.0))
                finally:
                    cluster.answers.set()
                    await store.close()

    return open_world


async def seconds_until_refused(call):
    """After how long a call is given up."""
    begin = time.monotonic()
    with pytest.raises(StoreUnavailable):
        await call
    return time.monotonic() - begin


async def test_polls_cost_no_request(open_world):
    """A job that was seen once is polled, listed and its result read from memory."""
    async with open_world() as world:
        job, _ = await world.jobs.run(QUICK)
        before = world.cluster.requests.copy()
        for _ in range(500):
            await world.store.get(job.id)
            await world.store.find(JobQuery(), 10, 0)
            await world.store.read_result(job.id)
        assert world.cluster.requests == before


async def test_memory_of_short_parameters_is_bounded(open_world, monkeypatch):
    """Thousands of jobs without parameters fill the cache as a few long ones do."""
    monkeypatch.setattr(job_params, "MEMORY_CHARACTERS", 3 * job_params.ENTRY_CHARACTERS)
    async with open_world() as world:
        jobs = [await world.store.submit(JobRequest(SPEC, "{}")) for _ in range(4)]
        assert len(world.store._params._known) == 2
        assert [await world.store.read_params(job.id) for job in jobs] == ["{}"] * 4


LONG = """
    def main(backend, messenger):
        return "1" * 10_000
"""


async def test_long_result_is_not_kept_in_memory(open_world):
    """It comes from the record; where that has made room for others, from the job's status."""
    async with open_world() as world:
        job, _ = await world.jobs.run(LONG)
        whole = f'"{"1" * 10_000}"'
        (known,) = world.store._cache.all()
        assert (known.result, known.status) == (None, {})
        assert await world.store.read_result(job.id) == whole
        dropped = {"metadata": {"annotations": {RECORD_DROPPED: "2026-11-23T12:00:00Z"}}}
        world.cluster.patch("runtimejobs", job.id, dropped)
        for secret in known.record.secrets:
            world.cluster.delete("secrets", secret)
        await world.store._refresh(job.id)
        assert await world.store.read_result(job.id) == whole


@pytest.mark.parametrize("how", ["hangs", "is gone"])
async def test_api_server_that_is_away_is_told_within_5_seconds(open_world, how):
    """Calls that need it are refused in time; known jobs are answered; then all is well."""
    async with open_world() as world:
        job, _ = await world.jobs.run(QUICK)
        running = await world.jobs.start(FOR_EVER)
        if how == "hangs":
            world.cluster.answers.clear()
        else:
            await world.cluster.stop()
        assert (
            await seconds_until_refused(world.store.submit(JobRequest(SPEC, "{}"))) < ANSWER_SECONDS
        )
        assert await seconds_until_refused(world.store.get("never-seen")) < ANSWER_SECONDS
        assert await seconds_until_refused(world.store.cancel(running.id)) < ANSWER_SECONDS
        assert (await world.store.get(job.id)).status.phase is Phase.COMPLETED
        if how == "hangs":
            world.cluster.answers.set()
        else:
            await world.cluster.start()
        await world.jobs.stop(running)


async def test_broken_and_forgotten_watches_lose_nothing(open_world):
    """A watch that breaks off, and one whose version the API server has forgotten, go on."""
    async with open_world() as world:
        for harm in (world.cluster.break_watches, world.cluster.compact):
            harm()
            world.cluster.break_watches()
            job, _ = await world.jobs.run(QUICK)
            assert job.status.phase is Phase.COMPLETED


async def test_silent_watch_is_given_up_and_readiness_says_so(open_world, monkeypatch):
    """A watch that tells nothing is not believed for long: the store is not ready, then looks."""
    monkeypatch.setattr(resource_watch, "CLIENT_SECONDS", 2.0)
    monkeypatch.setattr(resource_watch, "SERVER_SECONDS", 1)
    monkeypatch.setattr(resource_watch, "FRESH_SECONDS", 2.5)
    async with open_world() as world:
        assert world.store.is_ready
        world.cluster.watches_are_silent = True
        made = world.cluster.create(
            "runtimejobs",
            {
                "metadata": {"name": "unheard"},
                "spec": {"programId": "hello-quantum", "params": "{}"},
            },
        )
        async with asyncio.timeout(10):
            while world.store.is_ready:  # noqa: ASYNC110  (no event tells it)
                await asyncio.sleep(0.05)
        world.cluster.watches_are_silent = False
        async with asyncio.timeout(20):
            while not world.store.is_ready:  # noqa: ASYNC110  (no event tells it)
                await asyncio.sleep(0.05)
        assert made["metadata"]["name"] in {
            job.id for job in (await world.store.find(JobQuery(), 10, 0)).jobs
        }


async def test_same_key_is_one_job_and_another_request_is_refused(open_world):
    """A job that is submitted again by its id is the same; with other parameters it is not."""
    async with open_world() as world:
        first = await world.store.submit(JobRequest(SPEC, '{"greeting": 1}', "repeated-1"))
        again = await world.store.submit(JobRequest(SPEC, '{"greeting": 1}', "repeated-1"))
        assert first.id == again.id
        with pytest.raises(JobExists):
            await world.store.submit(JobRequest(SPEC, '{"greeting": 2}', "repeated-1"))
        assert len(world.cluster.objects["runtimejobs"]) == 1


async def test_submission_whose_params_fail_leaves_no_job(open_world):
    """A client that got no id has no job: a submission that was begun is withdrawn."""
    async with open_world() as world:
        world.cluster.refusals["POST secrets"] = 500
        with pytest.raises(StoreUnavailable):
            await world.store.submit(JobRequest(SPEC, "{}"))
        async with asyncio.timeout(10):
            while world.cluster.objects["runtimejobs"]:  # noqa: ASYNC110  (no event tells it)
                await asyncio.sleep(0.02)


async def test_params_over_the_budget_are_refused_with_both_numbers(open_world):
    """Over the storage budget nothing is kept, and the error names what there is."""
    async with open_world(budget=1000) as world:
        with pytest.raises(StorageFull, match=r"at most 0 \(RUNTIME_STORAGE_BUDGET_MIB\)"):
            await world.store.submit(JobRequest(SPEC, '{"x": "' + "y" * 2000 + '"}'))
        assert not world.cluster.objects.get("runtimejobs")


async def test_full_store_still_knows_what_was_submitted_before(open_world):
    """A submission that is repeated takes no more room: it is the job that is there."""
    async with open_world(budget=100) as world:
        first = await world.store.submit(
            JobRequest(SPEC, '{"x": "' + "y" * 60 + '"}', "repeated-2")
        )
        with pytest.raises(StorageFull):
            await world.store.submit(JobRequest(SPEC, '{"x": "' + "z" * 60 + '"}'))
        again = await world.store.submit(
            JobRequest(SPEC, '{"x": "' + "y" * 60 + '"}', "repeated-2")
        )
        assert again.id == first.id


async def test_number_of_jobs_is_bounded_and_deleting_one_makes_room(open_world):
    """Ended jobs of all clients count; a submission that is repeated counts once."""
    async with open_world(max_jobs=2) as world:
        first = await world.store.submit(JobRequest(SPEC, "{}", "first"))
        other = await world.store.submit(JobRequest(SPEC, "{}"))
        with pytest.raises(StorageFull, match=r"2 jobs of at most 2 \(RUNTIME_MAX_JOBS\)"):
            await world.store.submit(JobRequest(SPEC, "{}"))
        assert (await world.store.submit(JobRequest(SPEC, "{}", "first"))).id == first.id
        await world.jobs.finish(other.id)
        await world.store.delete(other.id)
        assert (await world.store.submit(JobRequest(SPEC, "{}"))).id not in (first.id, other.id)


async def test_an_instance_takes_no_more_than_its_share_and_others_have_the_rest(open_world):
    """Jobs and bytes of one instance are bounded by its share, which the error names."""
    text = '{"x": "' + "y" * 300_000 + '"}'
    others = SPEC.model_copy(update={"hub": "bio", "group": "lab", "project": "main"})
    mine = SPEC.model_copy(update={"hub": "chem", "group": "lab", "project": "vqe"})
    async with open_world(max_jobs=4, share=50) as world:
        await world.store.submit(JobRequest(mine, text))
        taken = world.store.stored_bytes()
        assert taken >= len(text) and world.store.stored_bytes(frozenset([mine.instance])) == taken
        assert world.store.stored_bytes(frozenset([others.instance])) == 0
        with pytest.raises(StorageFull) as full:
            await world.store.submit(JobRequest(mine, text))
        assert str(full.value) == (
            "instance chem/lab/vqe: parameters and records take 0.3 MiB of at most 0.5"
            " (RUNTIME_INSTANCE_SHARE_PERCENT of RUNTIME_STORAGE_BUDGET_MIB), and these are 0.3 MiB"
            " more"
        )
        await world.store.submit(JobRequest(others, text))
        await world.store.submit(JobRequest(mine, "{}"))
        with pytest.raises(
            StorageFull,
            match=r"chem/lab/vqe: there are 2 jobs of at most 2"
            r" \(RUNTIME_INSTANCE_SHARE_PERCENT of RUNTIME_MAX_JOBS\)",
        ):
            await world.store.submit(JobRequest(mine, "{}"))
        await world.store.submit(JobRequest(others, "{}"))
        with pytest.raises(StorageFull, match=r"^there are 4 jobs of at most 4"):
            await world.store.submit(JobRequest(SPEC, "{}"))


@pytest.mark.parametrize("kind", ["runtimejobs", "secrets"])
async def test_quota_that_refuses_a_submission_is_no_outage(open_world, kind):
    """The client hears that there is no room (429), and nothing of the job is left."""
    async with open_world() as world:
        world.cluster.refusals[f"POST {kind}"] = 403
        world.cluster.words = f'{kind} "x" is forbidden: exceeded quota: q, requested: count=1'
        with pytest.raises(StorageFull, match="ResourceQuota has no room"):
            await world.store.submit(JobRequest(SPEC, "{}"))
        async with asyncio.timeout(30):
            while world.cluster.objects.get("runtimejobs"):  # noqa: ASYNC110  (no event tells it)  (as above)
                await asyncio.sleep(0.02)
        world.cluster.words = "no rights"
        with pytest.raises(StoreUnavailable):
            await world.store.submit(JobRequest(SPEC, "{}"))


@pytest.mark.parametrize("kind", ["runtimejobs", "secrets"])
async def test_race_for_the_quota_is_no_conflict(open_world, kind):
    """A creation that the quota's count overtook is made again: no object of its name is there."""
    async with open_world() as world:
        world.cluster.quota_races[kind] = 4
        job = await world.store.submit(
            JobRequest(SPEC, "{}", make_repeatable_job_id("tenant", "key"))
        )
        assert world.cluster.quota_races[kind] == 0
        assert await world.store.read_params(job.id) == "{}"

        world.cluster.quota_races[kind] = 1000
        with pytest.raises(StoreUnavailable):
            await world.store.submit(JobRequest(SPEC, "{}"))


async def test_emptied_redis_loses_no_frame_of_a_running_job(open_world):
    """A stream that Redis has lost comes again; who listens gets each message once."""
    async with open_world() as world:
        job = await world.jobs.submit(
            "import time\ndef main(b, m):\n    for n in range(60):\n"
            "        m.publish(n)\n        time.sleep(0.05)\n"
        )

        async def listen():
            return [e.text async for e in world.store.follow(job.id) if isinstance(e, Message)]

        listening = asyncio.create_task(listen())
        await world.jobs.wait_for_message(job.id, "10")
        await asyncio.to_thread(world.redis.kill)
        await asyncio.sleep(1)
        await asyncio.to_thread(world.redis.start)
        async with asyncio.timeout(60):
            assert await listening == [str(number) for number in range(60)]


async def test_job_that_is_deleted_elsewhere_is_gone_here(open_world):
    """A deletion by kubectl is seen by reads and by who listens."""
    async with open_world() as world:
        job, _ = await world.jobs.run(QUICK)
        world.cluster.delete("runtimejobs", job.id)
        async with asyncio.timeout(5):
            while (await world.store.find(JobQuery(), 10, 0)).total:  # noqa: ASYNC110  (no event tells it)
                await asyncio.sleep(0.02)
        with pytest.raises(JobNotFound):
            await world.store.get(job.id)


@pytest.mark.parametrize("is_behind", [False, True], ids=["fresh", "behind"])
async def test_private_result_is_served_once_by_all_servers(open_world, is_behind):
    """One of the readers at two servers gets it, also where one hears nothing of the other."""
    async with open_world() as world:
        settings = ClusterSettings(NAMESPACE, world.redis.url, Room(1 << 20))
        other = KubernetesJobStore(settings, lambda: world.cluster.connect("other"))
        await other.open()
        try:
            job, _ = await world.jobs.run(QUICK, private=True)
            await other.get(job.id)
            if is_behind:
                world.cluster.held.add("other")
            # A change that the other has not heard of: its version is not the newest any more.
            await world.store.set_tags(job.id, ("changed",))

            async def read(store):
                async with store.serve_result(job.id) as text:
                    return text

            texts = await asyncio.gather(*(read(one) for one in (other, world.store) * 5))

            assert sorted(map(str, texts)) == ['"done"'] + ["None"] * 9
            assert (await world.store.get(job.id)).spec.tags == ("changed",)
        finally:
            world.cluster.release("other")
            await other.close()


async def test_tags_leave_the_status_of_an_ended_job_alone(open_world):
    """The patch is of the spec alone: the API server refuses another status of an ended job."""
    async with open_world() as world:
        job, _ = await world.jobs.run(QUICK)
        before = world.cluster.objects["runtimejobs"][job.id]["status"]
        await world.store.set_tags(job.id, ("new",))
        after = world.cluster.objects["runtimejobs"][job.id]
        assert after["status"] == before
        assert after["spec"]["tags"] == ["new"]
