"""The watches of RuntimeJobs and of what runs them: the view, and who is told of a change."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from controller.cluster import JobCluster
from controller.observe.cluster_view import ClusterView
from controller.observe.job_watches import JobWatches, Listeners
from qiskit_runtime.contract.resources.resource import JOB_LABEL
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


class FakeApi:
    """An API server: objects by the last part of their path, in pages of one; watches are silent.

    ``queries`` has the lists that were asked for; ``refuses`` the next answers.
    """

    def __init__(self, **objects):
        self.objects, self.queries, self.refuses = objects, [], []

    async def call(self, method, path, *, query, accept=""):
        assert method == "GET"
        if self.refuses:
            raise self.refuses.pop()
        kind, place = path.rsplit("/", 1)[-1], int(query.get("continue", 0))
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


@pytest.fixture
def told():
    """The calls of the listeners, in order."""
    return []


@pytest.fixture
def watches(told):
    """The watches of an empty cluster, which nobody runs."""
    return make_watches(FakeApi(), told)


def make_watches(api, told):
    """The watches of this API server's namespace."""
    return JobWatches(
        JobCluster(api, api, "jobs"),
        ClusterView(),
        Listeners(
            job=told.append,
            session=lambda name: told.append(f"session {name}"),
            pool=lambda: told.append("pool"),
            pod=lambda manifest: told.append(f"pod {manifest['metadata']['name']}"),
        ),
    )


async def test_objects_come_and_go(watches, told):
    """Each is in the view before its RuntimeJob is named, and named once more when it goes."""
    job, run, pod = job_manifest(spec={"sessionId": "s"}), run_manifest(), pod_manifest()
    watches.put_runtimejob(job)
    watches.put_job(run)
    watches.put_pod(pod)
    view = watches._view
    assert [one.name for one in view.find_run(view.find_job("j"))] == [RUN, "p"]
    assert view.jobs_of("s") == [view.find_job("j")]
    assert told == ["j", "session s", "j", "pod p", "j"]
    told.clear()
    watches.drop_pod(pod)
    watches.drop_job(run)
    assert view.find_run(view.find_job("j")) == (None, None)
    watches.drop_runtimejob(job)
    assert view.find_job("j") is None and view.jobs_of("s") == []
    assert told == ["pod p", "j", "j", "j", "session s"]


async def test_pods_that_wait_for_a_job_tell_the_pool(watches, told):
    """Until a RuntimeJob has claimed the Job nobody else is looked at; then it is."""
    pod = warm_pod_manifest()
    watches.put_job(warm_run_manifest())
    watches.put_pod(pod)
    name = pod["metadata"]["name"]
    assert told == ["pool", f"pod {name}"]
    assert len(watches._view.idle_runs()) == 1
    told.clear()
    watches.put_job(warm_run_manifest(owner="u", resourceVersion="2"))
    assert watches._view.idle_runs() == []
    watches.put_pod(pod)
    assert told == ["pool", "j", f"pod {name}", "j"]


async def run_until_complete(watches):
    """Run the watches until their view is complete."""
    running = asyncio.create_task(watches.run())
    await asyncio.wait_for(watches.complete.wait(), 5)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_view_is_complete_once_all_kinds_are_listed(told):
    """Page by page; of Kubernetes Jobs and pods, those of RuntimeJobs alone are asked for."""
    ended = job_manifest({"phase": "Completed"}, name="k", uid="uid-k")
    api = FakeApi(
        runtimejobs=[job_manifest(), ended],
        jobs=[run_manifest()],
        pods=[pod_manifest()],
        runtimesessions=[session_manifest()],
    )
    api.refuses = [refused(503, "not yet")]
    watches = make_watches(api, told)
    await run_until_complete(watches)
    view = watches._view
    assert {job.name for job in view.all_jobs()} == {"j", "k"}
    assert view.is_unfinished("j") and not view.is_unfinished("k")
    assert view.sessions.find("s")
    assert [one.name for one in view.find_run(view.find_job("j"))] == [RUN, "p"]
    selectors = dict(api.queries)
    assert selectors["jobs"] == selectors["pods"] == JOB_LABEL and not selectors["runtimejobs"]
    kinds = [kind for kind, _ in api.queries]
    assert kinds.count("runtimejobs") == 2
    assert {"runtimeprograms", "runtimebackends"} <= set(kinds[: kinds.index("runtimejobs")])


async def test_what_went_while_nobody_watched_is_told(told):
    """A list that lacks an object is its end, and its RuntimeJob is looked at."""
    watches = make_watches(FakeApi(), told)
    watches.put_runtimejob(job_manifest(spec={"sessionId": "s"}))
    watches.put_job(run_manifest())
    watches.put_pod(pod_manifest())
    told.clear()
    await run_until_complete(watches)
    view = watches._view
    assert not (view.all_jobs() or view.jobs.all() or view.pods.all())
    assert sorted(set(told)) == ["j", "pool", "session s"] and told.count("j") == 3


async def test_restored_cluster_is_seen_anew(watches, told):
    """Versions that count from the start again are no reason to keep what is gone."""
    kind = watches.make_kinds()[0]
    kind.put(job_manifest(resourceVersion="90"))
    kind.advance(90)
    assert kind.version == 90
    kind.clear()
    kind.put(job_manifest(resourceVersion="7"))
    assert kind.version == 0 and watches._view.find_job("j").version == 7


async def test_older_version_of_a_missing_object_is_taken_up(watches):
    """A resync finds what a watch has left out, though the watch is further."""
    kind = watches.make_kinds()[0]
    kind.advance(90)
    watches._view.put_runtimejob(job_manifest(resourceVersion="7"))
    assert watches._view.find_job("j").version == 7


async def test_object_that_can_not_be_read_holds_up_no_other(told, caplog):
    """It is left out, with its name in the log; those after it come."""
    bad = job_manifest(name="bad", uid="bad")
    bad["spec"] = None
    watches = make_watches(FakeApi(runtimejobs=[bad, job_manifest()]), told)
    await run_until_complete(watches)
    assert [job.name for job in watches._view.all_jobs()] == ["j"]
    assert "bad" in caplog.text
