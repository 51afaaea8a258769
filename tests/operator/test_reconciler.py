"""The reconciler against an API server in memory: jobs from their creation to their deletion."""

import asyncio
import base64
import json
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from controller.actions import CHECK_SECONDS
from controller.decide import REFUSED_SECONDS
from controller.reconciler import JobReconciler
from controller.record import archive as archive_module
from controller.record.copy import RecordCopy
from controller.settings import OperatorSettings, RunnerSettings
from controller.workers import Workers
from qiskit_runtime.cluster.client import ClusterError, QuotaExceeded
from qiskit_runtime.contract.resources.resource import API_VERSION, RECORD_DROPPED
from qiskit_runtime.contract.resources.runtimejob import parse_runtimejob
from qiskit_runtime.contract.wire.verdict import EXIT_UNREADABLE, Outcome, Verdict
from runner.record_writer import RecordWriter
from tests.jobstore.kubernetes.redis_server import run_redis
from tests.operator.fake_cluster import FakeCluster, refused
from tests.operator.manifests import RUN, warm_pod_manifest, warm_run_manifest
from tests.operator.operators import start_operators

pytestmark = pytest.mark.anyio

QUOTA = refused(403, "exceeded quota: full")


def stamp(seconds=0):
    """The time so many seconds ago, as Kubernetes writes it."""
    return (datetime.now(UTC) - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def runs():
    """The state of a container that has just started."""
    return {"running": {"startedAt": stamp()}}


def write_record(result=b'"r"', outcome=Outcome.SUCCEEDED):
    """A record with a result and its verdict."""
    lines = []
    writer = RecordWriter(lines.append)
    writer.message(result, final=True)
    writer.finish(Verdict(outcome, exit_code=0, final=True))
    return b"".join(lines)


@pytest.fixture(scope="module")
def redis_server():
    """A real Redis."""
    with run_redis() as server:
        yield server


class Operator:
    """An operator whose watches bring all that is in the cluster before each step."""

    def __init__(self, cluster, redis, **settings):
        self.cluster, self.redis = cluster, redis
        settings = {"namespace": "jobs", "max_running_jobs": 2, **settings}
        own = OperatorSettings(runner=RunnerSettings(image="i:1"), **settings)
        self.reconciler = JobReconciler(cluster, redis, own)
        self.view = self.reconciler.view

    def watch(self):
        """Bring what is there."""
        for job in self.cluster.runtimejobs.values():
            self.view.put_runtimejob(job)
        for run in self.cluster.jobs.values():
            self.view.put_job(run)
        for pod in self.cluster.pods.values():
            self.view.pods.put(pod)

    async def step(self, name="j"):
        """Take a step."""
        self.watch()
        return await self.reconciler.step(name)

    async def rest(self, name="j"):
        """Steps until one wants to wait; returns for how long."""
        for _ in range(20):
            seconds = await self.step(name)
            if seconds != 0:
                return seconds
        raise AssertionError("it does not come to rest")

    @property
    def status(self):
        """The status of the job j."""
        return self.cluster.runtimejobs["j"]["status"]

    async def wait_for(self, holds):
        """Steps until something holds that another task brings about."""
        async with asyncio.timeout(10):
            while not holds():
                await self.rest()
                await asyncio.sleep(0.01)


@pytest.fixture
async def start(redis_server, monkeypatch):
    """Starts operators over clusters; only the test takes steps."""
    monkeypatch.setattr(Workers, "enqueue", lambda *_: None)
    async with start_operators(Operator, redis_server.url) as start:
        yield start


@pytest.fixture
def cluster():
    """A cluster with one job that was just made."""
    cluster = FakeCluster()
    cluster.add_job(creationTimestamp=stamp())
    return cluster


async def test_job_from_its_creation_to_its_deletion(cluster, start):
    """Job, input, Running, record and end are written once each; then it goes with its time."""
    operator = start(cluster)
    assert await operator.rest() == CHECK_SECONDS
    assert list(cluster.jobs) == [RUN]
    cluster.add_pod()
    await operator.rest()
    document = json.loads(base64.b64decode(cluster.secrets[RUN]["data"]["job.json"]))
    assert document["pod"] == "p"
    cluster.add_pod(state=runs())
    cluster.logs["p"] = [write_record()]
    await operator.wait_for(lambda: operator.status.get("phase") == "Completed")
    assert operator.status["result"] == '"r"' and operator.status["record"]["complete"]
    assert operator.status["record"]["secrets"][0] in cluster.secrets
    writes = [
        call for call in cluster.calls if call in ("create_job", "put_secret", "write_status")
    ]
    assert writes.count("create_job") == writes.count("put_secret") == 1
    assert writes.count("write_status") <= 2
    # Events are created next to the steps.
    reasons = {"Started", "Completed"}
    await operator.wait_for(lambda: {event["reason"] for event in cluster.events} >= reasons)
    cluster.add_run({"status": {"conditions": [{"type": "Complete", "status": "True"}]}})
    assert await operator.rest() is None
    cluster.add_job({**operator.status, "finishedAt": stamp(8 * 24 * 3600)})
    assert await operator.rest() is None
    assert cluster.runtimejobs == {}
    operator.view.runtimejobs.discard("j")
    assert await operator.step() is None


async def test_jobs_over_the_limit_wait_for_their_turn(start):
    """Two of three run; the third gets the place of one that ends, in the order of submission."""
    cluster = FakeCluster()
    for name, age in (("a", 9), ("b", 8), ("c", 7)):
        cluster.add_job(name=name, uid=name, creationTimestamp=stamp(age))
    operator = start(cluster)
    for name in "abc":
        await operator.rest(name)
    assert len(cluster.jobs) == 2
    done = {**cluster.runtimejobs["a"], "status": {"phase": "Failed", "finishedAt": stamp()}}
    cluster.runtimejobs["a"] = cluster._store(cluster.runtimejobs, done)
    await operator.rest("a")
    await operator.rest("c")
    assert sorted(name[0] for name in cluster.jobs) == ["b", "c"]


async def test_operator_that_starts_counts_the_jobs_that_run(start):
    """A queued job does not overtake: those that were started before are inside already."""
    cluster = FakeCluster()
    for name in "ab":
        cluster.add_job({"phase": "Running", "jobName": name}, name=name, uid=name)
    cluster.add_job(creationTimestamp=stamp(20))
    operator = start(cluster)
    assert await operator.step() == CHECK_SECONDS
    assert cluster.jobs == {}


async def test_job_that_was_just_created_costs_no_read(cluster, start):
    """No pod has its input yet: the Secret is not asked for before it is written."""
    operator = start(cluster)
    await operator.rest()
    cluster.add_pod(node="")
    await operator.rest()
    assert list(cluster.secrets) == [RUN]
    assert [call for call in cluster.calls if call.startswith(("get_", "find_"))] == []


async def test_input_that_another_operator_gave_to_a_waiting_pod_is_found(cluster, start):
    """The job's own pod leaves, as the input names another; that one runs the job."""
    operator = start(cluster)
    await operator.rest()
    cluster.add_pod(state={"terminated": {"exitCode": EXIT_UNREADABLE, "finishedAt": stamp()}})
    document = base64.b64encode(b'{"pod": "warm-1-p"}').decode()
    secret = {"metadata": {"name": RUN, "uid": "s"}, "data": {"job.json": document}}
    cluster.secrets[RUN] = secret
    cluster._store(cluster.jobs, warm_run_manifest(owner="u"))
    cluster._store(cluster.pods, warm_pod_manifest(state=runs()))
    await operator.rest()
    assert operator.status.get("phase") != "Failed", operator.status
    assert operator.status["podName"] == "warm-1-p"


async def test_refused_job_says_so_and_is_tried_again(cluster, start):
    """A quota is the reason while it lasts, and nothing but a pause when it is over."""
    operator = start(cluster)
    cluster.fails["create_job"] = QUOTA
    assert await operator.step() == REFUSED_SECONDS
    assert operator.status["reason"] == "Unschedulable"
    assert "exceeded quota" in operator.status["message"]
    assert await operator.step() == CHECK_SECONDS
    assert list(cluster.jobs) == [RUN]


async def test_api_server_that_fails_is_no_refusal(cluster, start):
    """A creation that was not answered decides nothing: the step is to be repeated."""
    operator = start(cluster)
    cluster.fails["create_job"] = refused(500)
    with pytest.raises(ClusterError):
        await operator.step()
    assert operator.status == {}
    cluster.fails["create_secret"] = refused(500)
    await operator.step()
    cluster.add_pod()
    with pytest.raises(ClusterError):
        await operator.step()


async def test_input_that_a_quota_refuses_is_given_later(cluster, start):
    """The job says what it waits for, and its pod gets the input when there is room."""
    operator = start(cluster)
    await operator.rest()
    cluster.add_pod()
    cluster.fails["create_secret"] = QUOTA
    await operator.step()
    assert "refuses the Secret of its input" in operator.status["message"]
    await operator.rest()
    assert RUN in cluster.secrets


def watch_an_old_job(start):
    """A cluster with a job of a minute ago, and an operator whose view has it as it is now."""
    cluster = FakeCluster()
    cluster.add_job(creationTimestamp=stamp(60))
    operator = start(cluster)
    operator.watch()
    return cluster, operator


async def test_old_job_is_read_again_before_it_starts(start):
    """A view that is behind starts nothing: the API server knows the job as cancelled."""
    cluster, operator = watch_an_old_job(start)
    cluster.add_job(creationTimestamp=stamp(60), spec={"cancelRequested": True})
    operator.watch = lambda: None
    assert await operator.rest() is None
    assert (cluster.jobs, operator.status["reason"]) == ({}, "CancelledByUser")


async def test_old_job_that_is_gone_is_forgotten(start):
    """A view that is behind starts no job that was deleted."""
    cluster, operator = watch_an_old_job(start)
    cluster.runtimejobs.clear()
    assert await operator.rest() is None
    assert cluster.jobs == {}


async def test_old_job_is_not_started_where_it_can_not_be_read_again(start):
    """Nobody can tell whether it is there still, and has not run: the step is repeated."""
    cluster, operator = watch_an_old_job(start)
    cluster.runtimejobs.clear()
    cluster.fails["get_runtimejob"] = refused(500)
    with pytest.raises(ClusterError):
        await operator.rest()
    assert cluster.jobs == {}


async def test_job_that_ran_while_nobody_wrote_it_down_is_not_run_again(start):
    """The Secret of its input says that there was a pod, though its Kubernetes Job is gone."""
    cluster = FakeCluster()
    cluster.add_job(creationTimestamp=stamp(60))
    document = base64.b64encode(b'{"pod": "p"}').decode()
    cluster.secrets[RUN] = {"metadata": {"name": RUN, "uid": "s"}, "data": {"job.json": document}}
    operator = start(cluster)
    await operator.rest()
    assert (cluster.jobs, operator.status["reason"]) == ({}, "JobDeleted")


async def test_suspended_job_holds_no_place(cluster, start):
    """A job that its own resource suspends is Queued with the reason, and others pass it."""
    cluster.add_job(creationTimestamp=stamp(), spec={"suspend": True})
    operator = start(cluster, max_running_jobs=1)
    assert await operator.rest() == CHECK_SECONDS
    assert operator.status["reason"] == "Suspended"
    cluster.add_job(name="other", uid="o", creationTimestamp=stamp())
    await operator.rest("other")
    assert len(cluster.jobs) == 1
    cluster.add_job(operator.status, creationTimestamp=stamp(), spec={"suspend": False})
    await operator.rest()
    assert "reason" not in operator.status


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"programId": "nobody-has-it"}, "UnknownProgram"),
        ({"backend": "nobody-has-it"}, "UnknownBackend"),
        ({"programId": "vqe", "params": "{}"}, "InvalidParams"),
    ],
)
async def test_job_that_no_pod_can_run_fails_at_once(cluster, start, spec, reason):
    """A job that can't run costs no pod, and its status names what is wrong."""
    cluster.add_job(creationTimestamp=stamp(), spec=spec)
    operator = start(cluster)
    await operator.rest()
    assert (operator.status["phase"], operator.status["reason"]) == ("Failed", reason)
    assert cluster.jobs == {}


async def test_program_and_backend_that_came_with_the_job_are_found(cluster, start):
    """Their watches may be behind the job's: what seems not to exist is asked for."""
    identity = {"uid": "u-1", "resourceVersion": "1", "creationTimestamp": stamp()}
    cluster.programs["mine"] = {
        "metadata": {"name": "mine", **identity},
        "spec": {"source": "def main(backend, user_messenger): ..."},
    }
    cluster.backends["lab"] = {
        "apiVersion": API_VERSION,
        "kind": "RuntimeBackend",
        "metadata": {"name": "lab", **identity},
        "spec": {"qubits": 3},
    }
    cluster.add_job(creationTimestamp=stamp(), spec={"programId": "mine", "backend": "lab"})
    operator = start(cluster)
    await operator.rest()
    assert operator.status.get("phase") != "Failed", operator.status
    assert len(cluster.jobs) == 1


async def test_second_pod_gets_the_input_of_one_that_never_started(cluster, start):
    """The last version of the first pod showed no container; so its input is taken back."""
    operator = start(cluster)
    await operator.rest()
    first = cluster.add_pod(node="")
    await operator.rest()
    del cluster.pods["p"]
    operator.view.drop_pod({**first, "status": {"phase": "Failed"}})
    cluster.add_pod("q")
    await operator.rest()
    document = json.loads(base64.b64decode(cluster.secrets[RUN]["data"]["job.json"]))
    assert document["pod"] == "q"


async def test_another_operator_that_was_faster_decides_on_the_pod(cluster, start):
    """An input Secret that exists names the pod, and no other pod is given the input."""
    operator = start(cluster)
    await operator.rest()
    cluster.add_pod("q")
    operator.watch()
    await operator.reconciler._observer.observe("j", datetime.now(UTC))
    document = base64.b64encode(b'{"pod": "p"}').decode()
    cluster.secrets[RUN] = {"metadata": {"name": RUN, "uid": "s"}, "data": {"job.json": document}}
    await operator.rest()
    assert (operator.status["phase"], operator.status["reason"]) == ("Failed", "Interrupted")


async def test_missing_parameters_are_looked_for(start):
    """A pod that does not start for a while may lack a Secret: after a minute the job fails."""
    cluster = FakeCluster()
    spec = {"paramsFrom": {"secretName": "j-params"}}
    cluster.add_job({"jobName": RUN}, spec=spec, creationTimestamp=stamp(60))
    cluster.add_run(creationTimestamp=stamp(20))
    cluster.add_pod()
    operator = start(cluster)
    await operator.rest()
    assert operator.status == {"jobName": RUN}
    cluster.secrets["j-params"] = {"metadata": {"name": "j-params"}, "data": {}}
    await operator.rest()
    del cluster.secrets["j-params"]
    cluster.add_run(creationTimestamp=stamp(70))
    await operator.rest()
    assert operator.status["reason"] == "InputLost"


async def test_cancelled_program_is_told_when_its_log_is_read(cluster, start):
    """The pod is deleted only then, and the status is Cancelled when the record has its end."""
    gate = asyncio.Event()

    async def read_log():
        await gate.wait()
        yield write_record(outcome=Outcome.TERMINATED)

    cluster.open_log = lambda pod: nullcontext(read_log())
    operator = start(cluster)
    await operator.rest()
    cluster.add_pod(state=runs())
    document = base64.b64encode(b'{"pod": "p"}').decode()
    cluster.secrets[RUN] = {"metadata": {"name": RUN, "uid": "s"}, "data": {"job.json": document}}
    await operator.rest()
    cluster.add_job(operator.status, spec={"cancelRequested": True}, creationTimestamp=stamp())
    await operator.rest()
    assert cluster.calls.count("delete_pod") == 1
    gate.set()
    await operator.wait_for(lambda: operator.status.get("phase") == "Cancelled")


async def test_conflict_is_read_again(cluster, start):
    """An end that was refused with 409 is no end: the job is read, and decided upon once more."""
    operator = start(cluster)
    operator.watch()
    cluster.add_job(creationTimestamp=stamp(), spec={"cancelRequested": True})
    operator.view.put_runtimejob(
        {**cluster.runtimejobs["j"], "metadata": {**cluster.runtimejobs["j"]["metadata"]}}
    )
    cluster.add_job(creationTimestamp=stamp(), spec={"cancelRequested": True})
    with pytest.raises(ClusterError):
        await operator.reconciler.step("j")
    await operator.reconciler.refresh("j")
    assert await operator.reconciler.step("j") == 0
    assert operator.status["phase"] == "Cancelled"


async def test_malformed_job_is_left_alone(cluster, start, caplog):
    """A RuntimeJob that can't be parsed is logged, and neither run nor forgotten."""
    cluster.add_job({"phase": "Nowhere"})
    operator = start(cluster)
    assert await operator.step() is None
    assert "j is left out" in caplog.text
    assert operator.view.all_jobs() == []
    assert "u" in operator.view.versions()
    cluster.add_job(creationTimestamp=stamp())
    assert await operator.rest() == CHECK_SECONDS


async def test_malformed_job_holds_no_place_in_the_queue(start):
    """A job that becomes malformed while it waits lets the others go on."""
    cluster = FakeCluster()
    for name, age in (("a", 9), ("b", 8), ("c", 7)):
        cluster.add_job(name=name, uid=name, creationTimestamp=stamp(age))
    operator = start(cluster, max_running_jobs=1)
    for name in "abc":
        await operator.rest(name)
    cluster.add_job({"phase": "Nowhere"}, name="b", uid="b", creationTimestamp=stamp(8))
    await operator.rest("b")
    cluster.runtimejobs.pop("a")
    operator.view.runtimejobs.discard("a")
    await operator.rest("a")
    await operator.rest("c")
    assert any(name.startswith("c-") for name in cluster.jobs)


async def test_reason_of_another_release_is_no_fault(cluster, start):
    """The job goes on, whatever word another operator has written."""
    cluster.add_job({"phase": "Queued", "reason": "FromTheFuture"}, creationTimestamp=stamp())
    operator = start(cluster)
    await operator.rest()
    assert list(cluster.jobs) == [RUN]


async def test_record_that_a_quota_refuses_is_given_up(cluster, start, monkeypatch):
    """The job has its end and its result; a mark says that its record is not there."""
    monkeypatch.setattr(archive_module, "QUOTA_SECONDS", 0.0)
    cluster.add_job({"phase": "Running", "jobName": RUN, "podName": "p", "attempt": 1})
    cluster.add_run()
    cluster.add_pod(state={"terminated": {"exitCode": 0, "startedAt": stamp(5)}})
    cluster.logs["p"] = [write_record()]
    operator = start(cluster)

    async def refuse(manifest):
        raise QUOTA

    cluster.put_secret = refuse

    async def conclude():
        try:
            await operator.rest()
        except ClusterError:
            # The mark is a write: the first try finds the job changed.
            await operator.reconciler.refresh("j")

    async with asyncio.timeout(10):
        while operator.status["phase"] != "Completed":
            await conclude()
            await asyncio.sleep(0.01)
    assert operator.status["record"]["secrets"] == []
    assert RECORD_DROPPED in cluster.runtimejobs["j"]["metadata"]["annotations"]


async def test_record_that_was_given_up_is_not_waited_for_again(monkeypatch):
    """Its mark has changed the job, so that its status is written by another try."""
    cluster, now = FakeCluster(), [0.0]
    monkeypatch.setattr(archive_module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    archive = archive_module.RecordArchive(cluster, 2**30, 2**30)

    async def refuse(manifest):
        raise QUOTA

    cluster.put_secret = refuse
    cluster.add_job({"phase": "Running"})
    job, copy = parse_runtimejob(cluster.runtimejobs["j"]), RecordCopy()
    copy.feed(write_record())
    with pytest.raises(QuotaExceeded):
        await archive.store(job, copy)
    now[0] = archive_module.QUOTA_SECONDS + 1
    assert (await archive.store(job, copy)).secrets == []
    marked = parse_runtimejob(cluster.runtimejobs["j"])
    assert marked.record_dropped
    assert (await archive.store(marked, copy)).secrets == []


async def test_oldest_records_make_room_for_others(start):
    """Over the budget they are marked, then deleted; a mark without its deletion is completed."""
    cluster = FakeCluster()
    for number in range(3):
        name = f"job-{number}"
        status = {"phase": "Completed", "finishedAt": stamp(90 - number)}
        status["record"] = {"secrets": [f"{name}-record"], "bytes": 2**20}
        noted = {RECORD_DROPPED: "then"} if number == 2 else {}
        cluster.add_job(status, name=name, uid=name, annotations=noted)
        cluster.secrets[f"{name}-record"] = {"metadata": {"name": f"{name}-record", "uid": "s"}}
    operator = start(cluster, storage_budget_mib=1)
    operator.watch()
    # As where jobs end together: it is one eviction, and each is marked once.
    evict, annotate = operator.reconciler.archive.evict, cluster.annotate

    async def annotate_late(*called):
        await asyncio.sleep(0.01)
        return await annotate(*called)

    cluster.annotate = annotate_late
    await asyncio.gather(*(evict(operator.view.all_jobs()) for _ in range(3)))
    assert set(cluster.secrets) == set()
    assert cluster.calls.count("annotate") == 2
    marked = [
        name
        for name, job in cluster.runtimejobs.items()
        if RECORD_DROPPED in job["metadata"].get("annotations", {})
    ]
    assert marked == ["job-0", "job-1", "job-2"]


async def test_event_that_is_refused_costs_nothing(cluster, start):
    """Events are for people: a job goes on without."""
    operator = start(cluster)
    cluster.fails["create_event"] = refused(403)
    await operator.rest()
    await asyncio.sleep(0)
    assert list(cluster.jobs) == [RUN]
