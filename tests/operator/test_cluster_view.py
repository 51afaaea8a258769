"""The view of what runs a RuntimeJob, by what the watches bring and by what they miss."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from controller.observe import resync as resync_module
from controller.observe.cluster_view import ClusterView
from controller.observe.resync import ClusterResync
from qiskit_runtime.cluster.client import Unanswered
from qiskit_runtime.contract.resources.resource import JOB_LABEL
from qiskit_runtime.contract.resources.runtimejob import make_run_name
from tests.operator.manifests import SPEC, ago

pytestmark = pytest.mark.anyio


def make(name, uid, version=1, owner=None, labels=()):
    """An object of any kind."""
    metadata = {"name": name, "uid": uid, "resourceVersion": str(version), "labels": dict(labels)}
    metadata["creationTimestamp"] = ago(60)
    if owner:
        metadata["ownerReferences"] = [{"uid": owner}]
    return {"metadata": metadata, "spec": SPEC, "status": {}}


def make_run(uid, version=1):
    """A RuntimeJob named bell with this uid, its Kubernetes Job and its pod."""
    runtimejob = make("bell", uid, version)
    run, label = make_run_name("bell", uid), (JOB_LABEL, "bell")
    job = make(run, f"job of {uid}", version, uid, [label])
    labels = [label, ("batch.kubernetes.io/job-name", run)]
    return runtimejob, job, make(f"{run}-x", f"pod of {uid}", version, f"job of {uid}", labels)


def put_run(view, runtimejob, job, pod):
    """Take up the three objects as a watch brings them."""
    view.put_runtimejob(runtimejob)
    view.put_job(job)
    view.pods.put(pod)


def find_run(view):
    """The UIDs of the Kubernetes Job and the pod of the RuntimeJob bell."""
    job, pod = view.find_run(view.find_job("bell"))
    return job and job.uid, pod and pod.uid


def uids(*manifests):
    """The UIDs of manifests."""
    return tuple(manifest["metadata"]["uid"] for manifest in manifests)


def test_job_made_again_never_has_its_predecessor_s_pod():
    """Late events of the first one do not matter: the second has its own pod, or none yet."""
    view, first, second = ClusterView(), make_run("1"), make_run("2", 5)
    put_run(view, *first)
    view.put_runtimejob(second[0])
    assert find_run(view) == (None, None)
    put_run(view, *second)
    late = make_run("1", 9)[2]
    view.pods.put(late)
    assert find_run(view) == uids(*second[1:])
    view.pods.drop(late)
    assert find_run(view) == uids(*second[1:])


def test_pod_that_is_being_deleted_never_hides_its_successor():
    """A late event of a suspended Job's first pod changes nothing of its second."""
    view, run = ClusterView(), make_run("1")
    put_run(view, *run)
    late = make("first", "first", 9, labels=run[2]["metadata"]["labels"].items())
    late["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    view.pods.put(late)
    view.drop_pod(late)
    assert find_run(view) == uids(*run[1:])


LAST_WORDS = {
    "never on a node": ({}, {"phase": "Pending"}, True),
    "ended before its container": ({"nodeName": "n"}, {"phase": "Failed"}, True),
    "deleted by force": ({"nodeName": "n"}, {"phase": "Pending"}, False),
    "it ran": (
        {"nodeName": "n"},
        {"phase": "Failed", "containerStatuses": [{"containerID": "c", "state": {}}]},
        False,
    ),
}


@pytest.mark.parametrize(("spec", "status", "unused"), LAST_WORDS.values(), ids=LAST_WORDS)
def test_pod_that_surely_never_started_is_remembered(spec, status, unused):
    """Only then another may have the job's input; it is forgotten with the Kubernetes Job."""
    view, (runtimejob, job, pod) = ClusterView(), make_run("1")
    put_run(view, runtimejob, job, pod)
    view.drop_pod({**pod, "spec": spec, "status": status})
    found = view.unused_pods.get(make_run_name("bell", "1"), ())
    assert (pod["metadata"]["name"] in found) is unused
    view.drop_job(job)
    assert view.unused_pods == {}
    # As those of a pool that shrinks: nothing would ever forget it.
    view.drop_pod({**pod, "spec": spec, "status": status})
    assert view.unused_pods == {}


class Cluster:
    """The answers of the API server."""

    def __init__(self, *runs):
        self.runs = list(runs)
        self.fails = False

    async def list_versions(self):
        if self.fails:
            raise Unanswered("away")
        found = [one["metadata"] for run in self.runs for one in run if one]
        return {one["uid"]: ("bell", int(one["resourceVersion"])) for one in found}

    async def get_runtimejob(self, name):
        return self.runs[0][0] if self.runs else None

    async def find_jobs(self, selector):
        return [run for run in self.runs[0][1:2] if run]

    async def find_pods(self, name):
        return [pod for pod in self.runs[0][2:] if pod]


class Archive:
    """Has room."""

    async def evict(self, jobs):
        list(jobs)


@pytest.fixture
def resync(monkeypatch):
    """A resync over this view and cluster, and the names that it enqueues."""
    monkeypatch.setattr(resync_module, "DELAY_SECONDS", 0.0)

    def make_resync(view, cluster):
        enqueued = []
        return ClusterResync(cluster, view, Archive(), enqueued.append), enqueued

    return make_resync


async def test_view_that_is_newer_than_a_list_is_not_behind(resync):
    """Jobs that come and go while a list is on its way are no reason to start again."""
    view = ClusterView()
    put_run(view, *make_run("1", 7))
    rounds, enqueued = resync(view, Cluster(make_run("1", 5)))
    assert await rounds.go_round() == set()
    assert enqueued == []


async def test_newer_and_new_objects_are_found(resync):
    """Objects that the watches have missed are taken up."""
    view, run = ClusterView(), make_run("1", 7)
    view.put_runtimejob(make_run("1", 3)[0])
    rounds, enqueued = resync(view, Cluster(run))
    assert await rounds.go_round() == {"bell"} == set(enqueued)
    assert find_run(view) == uids(*run[1:])


async def test_second_pod_of_a_job_is_missed_once(resync):
    """One pod of a Job is known, so the other stays unknown: that is no reason to start again."""
    view, run = ClusterView(), make_run("1", 7)
    stray = make("by-hand", "by hand", 5, labels=run[2]["metadata"]["labels"].items())
    put_run(view, *run)
    cluster = Cluster((*run, stray))
    rounds, _ = resync(view, cluster)
    assert [await rounds.go_round() for _ in range(3)] == [{"bell"}, set(), set()]
    stray["metadata"]["resourceVersion"] = "6"
    assert await rounds.go_round() == {"bell"}
    view.pods.discard(run[1]["metadata"]["name"])
    assert await rounds.go_round() == {"bell"} and find_run(view) == uids(*run[1:])


def end(manifest, *, seconds_left):
    """The manifest of a RuntimeJob that has ended, and whose time to live ends then."""
    lives = {"ttlSecondsAfterFinished": 3600}
    finished = datetime.now(UTC) - timedelta(seconds=3600 - seconds_left)
    status = {"phase": "Completed", "finishedAt": finished.isoformat(), "podName": "bell-x"}
    record = {"secrets": ["bell-record"], "bytes": 7, "lines": 3, "complete": True}
    told = {"result": "1" * 1000, "versions": {"qiskit": "2.6.0"}, "message": "It is done."}
    status |= {"record": record, **told}
    return manifest | {"spec": manifest["spec"] | lives, "status": status}


def test_ended_job_is_kept_without_what_nobody_reads():
    """The record, the end and the pod of an ended job are known; the rest of its status is not."""
    view = ClusterView()
    view.put_runtimejob(end(make("bell", "1"), seconds_left=60))
    job = view.find_job("bell")
    assert (job.is_final, job.record_bytes, job.pod_name) == (True, 7, "bell-x")
    assert job.record.secrets == ("bell-record",) and job.expires is not None
    assert (job.status, job.params, job.result) == ({}, "{}", None)
    assert job.job.status.versions is None and not job.job.status.message


def test_status_of_a_job_that_goes_on_is_kept_to_be_compared():
    """The next write of a status that has not ended contains what has changed, and no more."""
    view, status = ClusterView(), {"phase": "Running", "attempt": 1, "result": "early"}
    view.put_runtimejob(make("bell", "1") | {"status": status})
    assert view.find_job("bell").status == {"phase": "Running", "attempt": 1}


@pytest.mark.parametrize("seconds_left", [-5, 50])
async def test_round_wakes_the_jobs_whose_time_is_over_before_the_next(resync, seconds_left):
    """The thousands that are kept for longer cost a round nothing."""
    view = ClusterView()
    jobs = [
        end(make("soon", "1"), seconds_left=seconds_left),
        end(make("later", "2"), seconds_left=90),
        make("waiting", "3"),
    ]
    for job in jobs:
        view.put_runtimejob(job)
    rounds, enqueued = resync(view, Cluster(jobs))
    assert await rounds.go_round() == set()
    assert enqueued == ["soon"]


@pytest.mark.parametrize("lost", [1, 2])
async def test_deletion_that_no_watch_told_is_found(resync, lost):
    """A Job or a pod that is gone is forgotten, so that what follows from it is done."""
    view, run = ClusterView(), make_run("1", 7)
    put_run(view, *run)
    there = [None if index >= lost else one for index, one in enumerate(run)]
    rounds, enqueued = resync(view, Cluster(there))
    assert await rounds.go_round() == {"bell"} == set(enqueued)
    job, pod = find_run(view)
    assert pod is None
    assert (job is None) is (lost == 1)


async def test_probe_is_told_when_rounds_fail(resync, monkeypatch):
    """Without a good round the time since the last one grows; with one it begins at zero."""
    monkeypatch.setattr(resync_module, "ROUND_SECONDS", 0.02)
    cluster = Cluster()
    rounds, _ = resync(ClusterView(), cluster)
    running = asyncio.create_task(rounds.run())
    await asyncio.sleep(0.2)
    assert rounds.stale_seconds < 0.15
    cluster.fails = True
    await asyncio.sleep(0.4)
    assert rounds.stale_seconds > 0.3
    running.cancel()
