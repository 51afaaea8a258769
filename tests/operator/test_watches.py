"""The watches: what they bring goes into the view, and whoever it concerns is told."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from controller.cluster import JobCluster
from controller.observe.cluster_view import ClusterView
from controller.watches import ClusterRestored, ClusterWatches
from controller.workers import Workers
from qiskit_runtime.contract.resources.resource import API_VERSION, JOB_LABEL
from tests.operator.fake_cluster import refused
from tests.operator.manifests import (
    RUN,
    job_manifest,
    pod_manifest,
    run_manifest,
    session_manifest,
    warm_pod_manifest,
    warm_run_manifest,
)

pytestmark = pytest.mark.anyio

KINDS = ("runtimejobs", "jobs", "pods", "programs", "backends", "sessions")


class FakeApi:
    """An API server: objects by the last part of their path, in pages of one; watches are silent.

    ``queries`` has the lists that were asked for; ``refuses`` the next answers, by kind.
    """

    def __init__(self, **objects):
        self.objects, self.queries, self.refuses = objects, [], {}

    async def call(self, method, path, *, query, accept=""):
        assert method == "GET"
        kind, place = path.rsplit("/", 1)[-1], int(query.get("continue", 0))
        if kind in self.refuses:
            raise self.refuses[kind]
        self.queries.append((kind, query.get("labelSelector", "")))
        found = self.objects.get(kind, [])
        more = {"continue": str(place + 1)} if place + 1 < len(found) else {}
        return {"items": found[place : place + 1], "metadata": {"resourceVersion": "50", **more}}

    @asynccontextmanager
    async def open_stream(self, path, **query):
        yield self._wait()

    async def _wait(self):
        await asyncio.Event().wait()
        yield b""


class FakePool:
    """The pool: what it was told is in ``told``."""

    def __init__(self, told, *, is_on):
        self.told, self.is_on = told, is_on
        self.workers = make_workers(told, "pool ")

    def wake(self):
        self.workers.enqueue("")

    def note_pod(self, pod):
        self.told.append(f"pod {pod.name}")

    def note_session(self):
        self.told.append("pool of sessions")


def make_workers(told, prefix=""):
    """Workers whose steps are noted."""

    async def step(name):
        told.append(f"{prefix}{name}")

    return Workers("thing", step, step)


def make_watches(api, told, *, is_on=False):
    """The watches of this API server's namespace; the steps of workers are in ``told``."""
    return ClusterWatches(
        JobCluster(api, api, "jobs"),
        ClusterView(),
        make_workers(told),
        make_workers(told, "session "),
        make_workers(told, "program "),
        FakePool(told, is_on=is_on),
    )


@pytest.fixture
def told():
    """The steps that were taken, and the calls of the pool, in order."""
    return []


@pytest.fixture
async def watches(told):
    """The watches of an empty cluster, which nobody runs, and whose workers are released."""
    watches = make_watches(FakeApi(), told)
    await watches._begin()
    return watches


@pytest.fixture
def kinds(watches):
    """The kinds by name."""
    return dict(zip(KINDS, watches.make_kinds(), strict=True))


async def settle():
    """Let the workers take their steps."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_objects_come_and_go(watches, kinds, told):
    """Each is in the view before its RuntimeJob's step, which is taken when it goes as well."""
    job, run, pod = job_manifest(spec={"sessionId": "s"}), run_manifest(), pod_manifest()
    kinds["runtimejobs"].put(job)
    kinds["jobs"].put(run)
    kinds["pods"].put(pod)
    view = watches._view
    assert [one.name for one in view.find_run(view.find_job("j"))] == [RUN, "p"]
    assert view.unfinished_of("s") == [view.find_job("j")]
    await settle()
    assert sorted(told) == ["j", "pod p", "session s"]
    for name, manifest in (("pods", pod), ("jobs", run), ("runtimejobs", job)):
        told.clear()
        kinds[name].drop(manifest)
        await settle()
        assert "j" in told
    assert "session s" in told
    assert view.find_job("j") is None and view.unfinished_of("s") == []
    assert not (view.jobs.all() or view.pods.all())


async def test_session_of_a_job_that_the_view_has_lost_is_told(watches, kinds, told):
    """A resync may have been faster than the watch: the next job's turn has come all the same."""
    kinds["runtimejobs"].drop(job_manifest(spec={"sessionId": "s"}))
    await settle()
    assert sorted(told) == ["j", "session s"]


async def test_pods_that_wait_for_a_job_tell_the_pool(watches, kinds, told):
    """Until a RuntimeJob has claimed the Job nobody else is looked at; then it is."""
    pod = warm_pod_manifest()
    name = pod["metadata"]["name"]
    kinds["jobs"].put(warm_run_manifest())
    kinds["pods"].put(pod)
    await settle()
    assert sorted(told) == [f"pod {name}", "pool "]
    assert len(watches._view.idle_runs()) == 1
    told.clear()
    kinds["jobs"].put(warm_run_manifest(owner="u", resourceVersion="2"))
    kinds["pods"].put(pod)
    await settle()
    assert watches._view.idle_runs() == []
    assert sorted(told) == ["j", f"pod {name}", "pool "]


async def test_programs_backends_and_sessions_come_and_go(watches, kinds, told):
    """A job that starts finds those that are there; an old version does not bring one back."""
    metadata = {"name": "x", "uid": "x", "resourceVersion": "7"}
    body = {"metadata": {**metadata, "creationTimestamp": "2026-01-01T00:00:00Z"}, "spec": {}}
    found = {"programs": body, "backends": body, "sessions": session_manifest("x")}
    found["sessions"]["metadata"]["resourceVersion"] = "7"
    view = watches._view
    caches = {"programs": view.programs, "backends": view.backends, "sessions": view.sessions}
    for name, manifest in found.items():
        kinds[name].put(manifest)
        assert caches[name].find("x"), name
    await settle()
    assert sorted(told) == ["pool of sessions", "program x", "session x"]
    for name, manifest in found.items():
        kinds[name].advance(8)
        kinds[name].drop(manifest)
        caches[name].put(manifest)
        assert caches[name].find("x") is None, name


@asynccontextmanager
async def running(watches):
    """Run the watches, and yield once their view is complete."""
    task = asyncio.create_task(watches.run())
    await asyncio.wait_for(watches.complete.wait(), 5)
    await settle()
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_no_step_is_taken_before_all_is_known(told):
    """Then come the jobs that have not ended, in the order of their submission, and the others."""
    jobs = {"a": "Completed", "b": "Queued", "c": "Running", "d": "Queued"}
    ages = {"a": 90, "b": 10, "c": 80, "d": 30}
    api = FakeApi(
        runtimejobs=[
            job_manifest({"phase": phase}, name=name, uid=name, creationTimestamp=stamp(ages[name]))
            for name, phase in jobs.items()
        ],
        jobs=[run_manifest()],
        pods=[pod_manifest()],
        runtimesessions=[session_manifest()],
    )
    watches = make_watches(api, told, is_on=True)
    assert told == []
    async with running(watches):
        view = watches._view
        assert {job.name for job in view.all_jobs()} == set(jobs)
        assert view.sessions.find("s") and view.jobs.find(RUN) and view.pods.find(RUN)
        steps = [step for step in told if step in jobs]
        assert steps == ["c", "d", "b", "a"]
        assert told.index("pool ") < told.index("c") and "session s" in told
    selectors = dict(api.queries)
    assert selectors.pop("jobs") == selectors.pop("pods") == JOB_LABEL
    assert set(selectors.values()) == {""} and len(selectors) == 4


def stamp(age):
    """The time so many seconds before a minute's end."""
    return f"2026-11-23T12:00:{90 - age:02d}Z" if age > 30 else f"2026-11-23T12:01:{30 - age:02d}Z"


async def test_kind_that_the_cluster_does_not_know_holds_nothing_up(told):
    """A CRD that was not applied: the jobs run without."""
    api = FakeApi(runtimejobs=[job_manifest()])
    api.refuses["runtimesessions"] = refused(404)
    async with running(make_watches(api, told)):
        assert "j" in told


async def test_what_went_while_nobody_watched_is_told(told):
    """A list that lacks an object is its end, and its RuntimeJob is looked at."""
    watches = make_watches(FakeApi(), told)
    kinds = dict(zip(KINDS, watches.make_kinds(), strict=True))
    kinds["runtimejobs"].put(job_manifest(spec={"sessionId": "s"}))
    kinds["jobs"].put(warm_run_manifest(owner="u"))
    kinds["pods"].put(pod_manifest())
    async with running(watches):
        view = watches._view
        assert not (view.all_jobs() or view.jobs.all() or view.pods.all() or view._claims)
        assert {"j", "session s"} <= set(told)


async def test_restored_cluster_ends_the_watches(told):
    """Versions that count from the start again: what the view has is of another cluster."""
    watches = make_watches(FakeApi(runtimejobs=[job_manifest()]), told)
    for kind in watches.make_kinds():
        kind.advance(90)
        task = asyncio.create_task(watches.run())
        await asyncio.wait_for(watches.complete.wait(), 5)
        await settle()
        assert not task.done()
        kind.clear()
        with pytest.raises(ExceptionGroup) as ended:
            await asyncio.wait_for(task, 5)
        assert ended.group_contains(ClusterRestored)
        watches._restored.clear()


async def test_older_version_of_a_missing_job_is_taken_up(watches, kinds):
    """A resync finds what a watch has left out, though the watch is further."""
    kinds["runtimejobs"].advance(90)
    watches._view.put_runtimejob(job_manifest(resourceVersion="7"))
    assert watches._view.find_job("j").version == 7


async def test_malformed_job_is_looked_at(watches, kinds, told):
    """It holds no place, and no other job up."""
    kinds["runtimejobs"].put({**job_manifest(), "apiVersion": API_VERSION, "spec": None})
    await settle()
    assert told == ["j"] and watches._view.is_malformed("j")
