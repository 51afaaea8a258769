"""Jobs that claim pods which wait for them: an API server in memory, and the runner's own port."""

import asyncio
import base64
import json
import socket
import sys
from datetime import UTC, datetime, timedelta

import pytest

from controller import claims as claims_module
from controller.build.warm_job import build_warm_job, digest_template, make_token
from controller.handover import Handover, HandoverFailed
from controller.observe.parse import parse_job
from controller.observe.pool_view import REFILL_SECONDS, Place
from controller.reconciler import JobReconciler
from controller.settings import OperatorSettings, RunnerSettings, WarmPoolSettings
from controller.warm_pool import REFUSED_SECONDS, WarmPool
from controller.workers import Workers
from qiskit_runtime.cluster.client import ClusterError, Unanswered
from qiskit_runtime.contract.resources.resource import (
    CLAIMED_AT,
    CLASS_LABEL,
    JOB_LABEL,
    SESSION_LABEL,
)
from qiskit_runtime.contract.resources.stored_params import PARAMS_KEY
from qiskit_runtime.contract.wire.handover import HANDOVER_PORT
from qiskit_runtime.contract.wire.pool_numbers import PoolNumbers
from tests.jobstore.kubernetes.redis_server import run_redis
from tests.operator.fake_cluster import FakeCluster, refused
from tests.operator.manifests import RUN, warm_pod_manifest, warm_run_manifest
from tests.operator.operators import start_operators
from tests.operator.test_reconciler import stamp, write_record
from tests.operator.warm_pods import FarAway, Stranger, WaitingPod

pytestmark = pytest.mark.anyio

KEY = "k" * 32
RUNNER = RunnerSettings(
    image="i:1", classes={"large": {"image": "i:2", "memory": "8Gi", "cpuRequest": 1}, "small": {}}
)
WAITS = {"running": {"startedAt": stamp(50)}}
UNUSED = {"terminated": {"exitCode": 75, "startedAt": stamp(50), "finishedAt": stamp(1)}}
NO_NODE = {"type": "PodScheduled", "status": "False", "message": "0/1 nodes"}
QUOTA = refused(403, "exceeded quota: full")


@pytest.fixture(scope="module")
def redis_server():
    """A real Redis."""
    with run_redis() as server:
        yield server


class WarmCluster(FakeCluster):
    """A cluster that makes the pod of each Job that is started ahead."""

    def __init__(self):
        super().__init__()
        self.waiting, self.backends = {}, {}

    def start_ahead(
        self, name="warm-1", *, token=None, session="", key=KEY, resource_class="", pod=None
    ):
        """A Job that was started ahead, and its pod, which is ready; ``pod`` is who answers."""
        manifest = build_warm_job(name, RUNNER, key, session, resource_class)
        manifest["metadata"]["creationTimestamp"] = stamp(60)
        self._store(self.jobs, manifest)
        pod = pod or WaitingPod(token or make_token(key, name))
        self.waiting[name] = pod
        self.add_warm_pod(name, WAITS, image=RUNNER.of(resource_class).image)
        return pod

    def add_warm_pod(self, name="warm-1", state=None, **fields):
        """The pod of that Job, in this state."""
        waiting = self.waiting.get(name)
        address = waiting.address if waiting else "127.0.0.1"
        self._store(self.pods, warm_pod_manifest(name, state, address=address, **fields))

    def close(self):
        """End all pods."""
        for pod in self.waiting.values():
            pod.close()


class Operator:
    """An operator whose watches bring all that is in the cluster before each step."""

    def __init__(self, cluster, redis, size=1, per_session=0, large=0):
        self.cluster = cluster
        classes = {"large": {"size": large}} if large else {}
        pool = WarmPoolSettings(size=size, per_session=per_session, key=KEY, classes=classes)
        own = OperatorSettings(namespace="jobs", runner=RUNNER, warm_pool=pool)
        self.reconciler = JobReconciler(cluster, redis, own)
        self.view = self.reconciler.view
        pods, logs = self.reconciler.warm_pods, self.reconciler.records.ready_logs
        self.pool = WarmPool(cluster, self.view, pods, logs, RUNNER, pool)

    def watch(self):
        """Bring what is there."""
        for backend in self.cluster.backends.values():
            self.view.backends.put(backend)
        for session in self.cluster.sessions.values():
            self.view.sessions.put(session)
        for job in self.cluster.runtimejobs.values():
            self.view.put_runtimejob(job)
        for run in self.view.jobs.all():
            if run.name not in self.cluster.jobs:
                self.view.jobs.discard(run.name)
        for run in self.cluster.jobs.values():
            self.view.put_job(run)
        for pod in self.cluster.pods.values():
            self.view.pods.put(pod)

    async def rest(self, name="j"):
        """Steps until one wants to wait."""
        for _ in range(20):
            self.watch()
            if await self.reconciler.step(name) != 0:
                return
        raise AssertionError("it does not come to rest")

    async def wait_for(self, holds):
        """Steps until something holds that another task brings about."""
        async with asyncio.timeout(10):
            while not holds():
                await self.rest()
                await asyncio.sleep(0.01)

    @property
    def status(self):
        """The status of the job j."""
        return self.cluster.runtimejobs["j"]["status"]


@pytest.fixture
async def start(redis_server, monkeypatch):
    """Starts operators over clusters; only the test takes steps."""
    monkeypatch.setattr(Workers, "enqueue", lambda *_: None)
    monkeypatch.setattr(claims_module, "CLOSED_SECONDS", 0.05)
    async with start_operators(Operator, redis_server.url) as start:
        yield start


@pytest.fixture
def cluster():
    """A cluster with a job that was just made."""
    cluster = WarmCluster()
    cluster.add_job({"phase": "Queued"}, creationTimestamp=stamp())
    yield cluster
    cluster.close()


def stamp_after(seconds):
    """The time after so many seconds."""
    return datetime.now(UTC) + timedelta(seconds=seconds)


def read_holder(cluster):
    """The pod that the input's Secret names."""
    return json.loads(base64.b64decode(cluster.secrets[RUN]["data"]["job.json"]))["pod"]


async def test_job_claims_a_pod_and_runs_in_it(cluster, start):
    """The Job is the RuntimeJob's, the pod has the input, and the record is read from its log."""
    pod = cluster.start_ahead()
    cluster.logs["warm-1-p"] = [write_record()]
    operator = start(cluster)
    await operator.wait_for(lambda: operator.status.get("phase") == "Completed")
    assert list(cluster.jobs) == ["warm-1"]
    metadata = cluster.jobs["warm-1"]["metadata"]
    assert metadata["labels"][JOB_LABEL] == "j"
    assert [owner["uid"] for owner in metadata["ownerReferences"]] == ["u"]
    assert pod.files["params.json"] == b"{}"
    assert json.loads(pod.files["job.json"])["pod"] == "warm-1-p" == read_holder(cluster)
    status = operator.status
    assert (status["jobName"], status["podName"]) == ("warm-1", "warm-1-p")
    assert status["result"] == '"r"' and status["attempt"] == 1
    # So short a job may end before it is seen to run: that write is saved.
    writes = ("claim_job", "create_job", "create_secret", "put_secret", "write_status")
    assert [call for call in cluster.calls if call in writes][:2] == ["claim_job", "create_secret"]
    assert sum(call in writes for call in cluster.calls) <= 5


async def test_deadline_has_the_idle_time_in_it(cluster, start):
    """It counts from the Job's start: idle for a minute, and as long as any job's from then on."""
    cluster.start_ahead()
    await start(cluster).rest()
    deadline = cluster.jobs["warm-1"]["spec"]["activeDeadlineSeconds"]
    assert 60 + 100 + 10 + 60 <= deadline <= 60 + 100 + 10 + 60 + 5
    claimed = datetime.fromisoformat(cluster.jobs["warm-1"]["metadata"]["annotations"][CLAIMED_AT])
    assert datetime.now(UTC) - claimed < timedelta(seconds=10)


async def test_parameters_that_the_api_writes_are_handed_over(cluster, start):
    """The API writes them a moment after the RuntimeJob; all their parts and the program arrive."""
    spec = {"paramsFrom": {"secretName": "j-params"}, "params": None}
    cluster.add_job({"phase": "Queued"}, creationTimestamp=stamp(), spec=spec)
    pod = cluster.start_ahead()
    operator = start(cluster)

    async def write_late():
        await asyncio.sleep(0.1)
        data = {PARAMS_KEY: base64.b64encode(b'{"late": 1}').decode()}
        cluster.secrets["j-params"] = {"metadata": {"name": "j-params", "uid": "s"}, "data": data}

    writing = asyncio.create_task(write_late())
    await operator.rest()
    await writing
    assert pod.files["params.json"] == b'{"late": 1}'


async def test_without_a_pod_that_waits_a_job_starts_at_once(cluster, start):
    """An empty pool costs nothing: the Kubernetes Job is made in the same step."""
    operator = start(cluster)
    operator.watch()
    await operator.reconciler.step("j")
    assert list(cluster.jobs) == [RUN]


@pytest.mark.parametrize(
    "fields",
    [
        {"ready": False},
        {"conditions": [{"type": "Ready", "status": "False"}]},
        {"deletionTimestamp": stamp()},
        {"address": ""},
    ],
    ids=["not ready", "on a lost node", "being deleted", "without an address"],
)
async def test_pod_that_can_not_take_a_job_is_not_claimed(cluster, start, fields):
    """The job starts with a pod of its own."""
    cluster.start_ahead()
    address = fields.pop("address", None)
    cluster.add_warm_pod("warm-1", WAITS, **fields)
    if address is not None:
        cluster.pods["warm-1-p"]["status"]["podIP"] = address
    await start(cluster).rest()
    assert RUN in cluster.jobs and "claim_job" not in cluster.calls


async def test_pod_of_another_image_is_not_claimed(cluster, start):
    """After an upgrade jobs run in the new image alone."""
    cluster.start_ahead()
    labels = cluster.jobs["warm-1"]["metadata"]["labels"]
    labels["qiskit-runtime.dev/warm"] = digest_template(RunnerSettings(image="i:0"), KEY)
    await start(cluster).rest()
    assert RUN in cluster.jobs and "claim_job" not in cluster.calls


async def test_pod_of_another_key_is_replaced_and_not_tried(cluster, start):
    """After the key was lost no job waits for pods that it does not open."""
    cluster.start_ahead(key="l" * 32)
    operator = start(cluster)
    await operator.rest()
    assert not operator.reconciler.warm_pods.observe(datetime.now(UTC)).idle[0].is_broken
    await operator.pool.step()
    assert RUN in cluster.jobs and "warm-1" not in cluster.jobs


async def test_pod_that_does_not_answer_costs_the_job_nothing(cluster, start):
    """Its port is closed, though the watches do not know yet: nothing was claimed."""
    cluster.start_ahead().close()
    operator = start(cluster)
    await operator.rest()
    assert RUN in cluster.jobs and "claim_job" not in cluster.calls
    await operator.pool.step()
    assert "warm-1" not in cluster.jobs


async def test_another_process_on_the_address_gets_nothing(cluster, start):
    """An address that has gone to another pod is found out before anything is claimed or sent."""
    other = cluster.start_ahead(token=b"x" * 32)
    await start(cluster).rest()
    assert other.files is None
    assert RUN in cluster.jobs and "claim_job" not in cluster.calls


async def test_pods_that_are_not_reached_delay_one_job_alone(cluster, start):
    """After one that is not reached, no other is tried for a while: jobs start on their own."""
    cluster.start_ahead("warm-1", pod=FarAway())
    second = cluster.start_ahead("warm-2")
    operator = start(cluster, size=2)
    await operator.rest()
    cluster.add_job(name="k", uid="k", creationTimestamp=stamp())
    await operator.rest("k")
    assert second.files is None and "claim_job" not in cluster.calls
    assert operator.reconciler.warm_pods.find(datetime.now(UTC) + timedelta(seconds=31), Place())


@pytest.mark.parametrize("answer", [b"", b"x" * 32], ids=["breaks off", "answers wrongly"])
async def test_pod_that_fails_is_given_up_alone(cluster, start, answer):
    """It says nothing of the network: the same job takes the next one."""
    first = cluster.start_ahead("warm-1", pod=Stranger(answer))
    second = cluster.start_ahead("warm-2")
    operator = start(cluster, size=2)
    await operator.rest()
    assert second.files is not None and RUN not in cluster.jobs
    assert first.files is None
    await operator.pool.step()
    assert "warm-1" not in cluster.jobs


async def test_pod_that_is_silent_keeps_one_job_waiting_once(cluster, start):
    """That job starts on its own and does not try the next pod, which is there for others."""
    cluster.start_ahead("warm-1", pod=Stranger(None))
    second = cluster.start_ahead("warm-2")
    operator = start(cluster, size=2)
    await operator.rest()
    assert RUN in cluster.jobs and second.files is None
    cluster.add_job(name="k", uid="k", creationTimestamp=stamp())
    await operator.rest("k")
    assert second.files is not None
    operator.reconciler._memory.forget("j")
    assert operator.reconciler._memory.kept_waiting == set()


async def test_pod_that_is_killed_during_the_hand_over_is_given_up_alone(
    cluster, start, monkeypatch
):
    """Its job may have begun there. The others are for the jobs that come."""
    cluster.start_ahead("warm-1")
    second = cluster.start_ahead("warm-2")
    operator = start(cluster, size=2)

    async def break_off(self, files):
        raise HandoverFailed("the hand-over broke off")

    operator.watch()
    with monkeypatch.context() as patch:
        patch.setattr(Handover, "give", break_off)
        await operator.reconciler.step("j")
    assert cluster.calls.count("claim_job") == 1
    cluster.add_job(name="k", uid="k", creationTimestamp=stamp())
    await operator.rest("k")
    assert second.files is not None


async def test_strangers_do_not_push_the_operator_out_while_it_claims(cluster, start):
    """However many connect between its hello and the input, the hand-over goes on."""
    pod = cluster.start_ahead()
    claim, strangers = cluster.claim_job, []

    async def claim_among_strangers(*arguments):
        address = (pod.address, HANDOVER_PORT)
        strangers.extend(socket.create_connection(address, timeout=5) for _ in range(200))
        return await claim(*arguments)

    cluster.claim_job = claim_among_strangers
    operator = start(cluster)
    operator.watch()
    await operator.reconciler.step("j")
    assert pod.files is not None and "delete_pod" not in cluster.calls
    for stranger in strangers:
        stranger.close()


async def test_pod_that_has_ended_does_not_end_the_pause_of_another(cluster, start):
    """No other is tried until the pause is over, though a closed port alone asks for none."""
    run, other = (parse_job(warm_run_manifest(name)) for name in ("warm-1", "warm-2"))
    operator, now = start(cluster, size=2), datetime.now(UTC)
    cluster.start_ahead("warm-3")
    operator.watch()
    pods = operator.reconciler.warm_pods
    pods.give_up(run, now + timedelta(seconds=30))
    pods.give_up(other, now)
    assert pods.find(now + timedelta(seconds=29), Place()) is None
    assert pods.find(now + timedelta(seconds=31), Place())


async def test_job_takes_the_next_pod(cluster, start):
    """One that does not answer is passed over."""
    cluster.start_ahead("warm-1").close()
    second = cluster.start_ahead("warm-2")
    await start(cluster, size=2).rest()
    assert second.files is not None and RUN not in cluster.jobs


async def test_jobs_never_share_a_pod(cluster, start):
    """Two jobs that start at the same time: one has the pod, the other one of its own."""
    pod = cluster.start_ahead()
    cluster.add_job(name="k", uid="k", creationTimestamp=stamp())
    operator = start(cluster)
    operator.watch()
    await asyncio.gather(operator.rest("j"), operator.rest("k"))
    assert len(cluster.jobs) == 2
    owners = [job["metadata"]["ownerReferences"][0]["uid"] for job in cluster.jobs.values()]
    assert sorted(owners) == ["k", "u"] and pod.files is not None


async def test_claim_survives_a_change_of_the_jobs_status(cluster, start):
    """The Job controller counts its pod meanwhile: the claim is tried once more."""
    pod = cluster.start_ahead()
    operator = start(cluster)
    operator.watch()
    cluster._store(cluster.jobs, {**cluster.jobs["warm-1"], "status": {"ready": 1}})
    await operator.reconciler.step("j")
    assert pod.files is not None and RUN not in cluster.jobs


async def test_pod_that_another_operator_has_claimed_is_left_to_it(cluster, start):
    """A stale view shows it as free: the API server refuses, and the job starts on its own."""
    pod = cluster.start_ahead()
    operator = start(cluster)
    operator.watch()
    known = cluster.jobs["warm-1"]
    metadata = {**known["metadata"], "ownerReferences": [{"uid": "another"}]}
    cluster._store(cluster.jobs, {**known, "metadata": metadata})
    await operator.rest()
    assert pod.files is None and RUN in cluster.jobs


async def test_job_that_another_operator_has_given_to_a_pod_is_left_to_that(cluster, start):
    """Each operator has claimed a pod for the same job: the Secret names one, the other goes."""
    first, second = cluster.start_ahead("warm-1"), cluster.start_ahead("warm-2")
    one, other = start(cluster), start(cluster)
    other.watch()
    await one.rest()
    assert first.files is not None
    other.view.jobs.discard("warm-1")
    await other.reconciler.step("j")
    assert second.files is None and "warm-2" not in cluster.jobs
    await other.rest()
    assert list(cluster.jobs) == ["warm-1"] and read_holder(cluster) == "warm-1-p"


async def test_claim_of_an_operator_that_was_killed_is_deleted(cluster, start):
    """Each has claimed a pod for the same job; one is killed, and the other's runs the job."""
    first, second = cluster.start_ahead("warm-1"), cluster.start_ahead("warm-2")
    one, other = start(cluster), start(cluster)
    one.watch()
    other.watch()
    other.view.jobs.discard("warm-2")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cluster, "create_secret", crash)
        with pytest.raises(KeyboardInterrupt):
            await other.reconciler.step("j")
    # Its watch has not told it of the other claim.
    one.view.jobs.discard("warm-1")
    await one.reconciler.step("j")
    assert (first.files, second.files is None) == (None, False)
    await one.rest()
    assert list(cluster.jobs) == ["warm-2"] and read_holder(cluster) == "warm-2-p"


@pytest.mark.parametrize("has_ended", [False, True])
async def test_claim_whose_answer_was_lost_for_good_is_deleted(cluster, start, has_ended):
    """The job has started with a pod of its own meanwhile, and may have ended."""
    pod = cluster.start_ahead()
    operator = start(cluster)
    claim = cluster.claim_job

    async def claim_without_an_answer(name, body):
        await claim(name, body)
        raise Unanswered("away")

    cluster.claim_job = claim_without_an_answer
    operator.watch()
    with pytest.raises(Unanswered):
        await operator.reconciler.step("j")
    operator.reconciler.warm_pods.give_up(parse_job(cluster.jobs["warm-1"]), stamp_after(30))
    lost = cluster.jobs.pop("warm-1")
    await operator.reconciler.step("j")
    cluster.add_pod(f"{RUN}-p")
    await operator.rest()
    cluster.add_pod(f"{RUN}-p", {"running": {"startedAt": stamp()}})
    await operator.rest()
    if has_ended:
        cluster.logs[f"{RUN}-p"] = [write_record()]
        await operator.wait_for(lambda: operator.status.get("phase") == "Completed")
        operator = start(cluster)
    cluster.jobs["warm-1"] = lost
    await operator.rest()
    assert list(cluster.jobs) == [RUN] and pod.files is None
    assert operator.status["jobName"] == RUN


async def test_operator_that_knows_an_old_holder_leaves_the_new_one(cluster, start, monkeypatch):
    """Another has taken the input back meanwhile, and has given it to a pod of the job's own."""
    cluster.start_ahead()
    one, other = start(cluster), start(cluster)

    async def break_off(*_):
        raise claims_module.HandoverFailed("broken off")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Handover, "give", break_off)
        one.watch()
        await one.reconciler.step("j")
    other.watch()
    await other.reconciler._observer.observe("j", datetime.now(UTC))
    cluster.waiting["warm-1"].close()
    cluster.add_warm_pod("warm-1", UNUSED)
    await one.rest()
    cluster.add_pod()
    await one.rest()
    assert read_holder(cluster) == "p" and list(cluster.jobs) == [RUN]
    cluster.add_pod("p", {"running": {"startedAt": stamp()}})
    for operator in (other, one):
        await operator.rest()
    assert operator.status["phase"] == "Running" and list(cluster.jobs) == [RUN]


async def hand_over_unseen(cluster, start):
    """One operator claims and hands over; return another, which has looked between the two."""
    one, other = start(cluster), start(cluster)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cluster, "create_secret", crash)
        with pytest.raises(KeyboardInterrupt):
            await one.rest()
    # It looks who has the input before there is one.
    other.watch()
    await other.reconciler._observer.observe("j", datetime.now(UTC))
    await one.rest()
    return other


async def test_hand_over_of_another_operator_is_seen_as_one(cluster, start):
    """Both have seen the claim, and one was faster: the other deletes and starts nothing."""
    pod = cluster.start_ahead()
    other = await hand_over_unseen(cluster, start)
    assert pod.files is not None
    await other.rest()
    await other.wait_for(lambda: other.status.get("phase") == "Running")
    assert list(cluster.jobs) == ["warm-1"] and "delete_pod" not in cluster.calls


async def test_claimed_pod_that_ended_for_another_operator_is_left(cluster, start):
    """It looks as if nothing had been handed over: the Secret is read before a pod is made."""
    pod = cluster.start_ahead()
    other = await hand_over_unseen(cluster, start)
    assert pod.files is not None
    cluster.add_warm_pod("warm-1", {"terminated": {"exitCode": 0, "startedAt": stamp(9)}})
    cluster.logs["warm-1-p"] = [write_record()]
    await other.wait_for(lambda: other.status.get("phase") == "Completed")
    assert list(cluster.jobs) == ["warm-1"]


def crash(*_, **__):
    """The operator is killed here."""
    raise KeyboardInterrupt


@pytest.mark.parametrize("moment", ["create_secret", "find_secret"])
async def test_operator_that_is_killed_after_the_claim_is_replaced(cluster, start, moment):
    """The next one finds the Job, and hands the input over to its pod."""
    pod = cluster.start_ahead()
    operator = start(cluster)
    with pytest.MonkeyPatch.context() as patch:
        if moment == "create_secret":
            patch.setattr(cluster, "create_secret", crash)
        else:
            patch.setattr(claims_module.Handover, "give", crash)
        with pytest.raises(KeyboardInterrupt):
            await operator.rest()
    assert pod.files is None
    await start(cluster).rest()
    assert pod.files is not None and list(cluster.jobs) == ["warm-1"]


async def test_operator_that_is_killed_after_the_hand_over_is_replaced(cluster, start):
    """The port is closed and the pod runs on: it has the job, and its log is read."""
    pod = cluster.start_ahead()
    operator = start(cluster)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cluster, "write_status", crash)
        with pytest.raises(KeyboardInterrupt):
            await operator.rest()
    assert pod.files is not None and operator.status == {"phase": "Queued"}
    cluster.logs["warm-1-p"] = [write_record()]
    following = start(cluster)
    await following.wait_for(lambda: following.status.get("phase") == "Completed")
    assert list(cluster.jobs) == ["warm-1"] and cluster.calls.count("claim_job") == 1


async def test_pod_that_ended_without_the_job_is_replaced(cluster, start):
    """Its exit code says so: the input is taken back, and the job starts with a pod of its own."""
    cluster.start_ahead()
    operator = start(cluster)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(claims_module.Handover, "give", crash)
        with pytest.raises(KeyboardInterrupt):
            await operator.rest()
    cluster.waiting["warm-1"].close()
    cluster.add_warm_pod("warm-1", UNUSED)
    await start(cluster).rest()
    assert list(cluster.jobs) == [RUN]
    cluster.add_pod()
    await start(cluster).rest()
    assert read_holder(cluster) == "p"


@pytest.mark.parametrize("moment", ["create_secret", "give"])
async def test_claimed_pod_of_an_earlier_release_is_replaced(cluster, start, monkeypatch, moment):
    """It closes a connection that begins otherwise: in the end it is deleted, and the job goes on.

    The operator before the upgrade has claimed it, and was ended before the hand-over.
    """
    monkeypatch.setattr(claims_module, "PATIENCE_SECONDS", 0)
    known = cluster.start_ahead()
    operator = start(cluster)
    with monkeypatch.context() as patch:
        patch.setattr(cluster if moment == "create_secret" else Handover, moment, crash)
        with pytest.raises(KeyboardInterrupt):
            await operator.rest()
    known.close()
    cluster.waiting["warm-1"] = Stranger(b"")
    cluster.add_warm_pod("warm-1", WAITS, image=RUNNER.image)
    following = start(cluster)
    following.watch()
    await following.reconciler.step("j")
    assert "delete_pod" in cluster.calls
    cluster.add_warm_pod("warm-1", UNUSED)
    await following.rest()
    assert list(cluster.jobs) == [RUN]


async def test_pod_that_is_gone_may_have_had_the_job(cluster, start):
    """Nobody knows what it ran: the job fails, and does not run twice."""
    cluster.start_ahead()
    operator = start(cluster)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cluster, "write_status", crash)
        with pytest.raises(KeyboardInterrupt):
            await operator.rest()
    del cluster.pods["warm-1-p"]
    following = start(cluster)
    await following.wait_for(lambda: following.status.get("phase") == "Failed")
    assert following.status["reason"] == "Interrupted" and RUN not in cluster.jobs


async def test_missing_parameters_send_the_job_to_a_pod_of_its_own(cluster, start, monkeypatch):
    """The claimed pod is deleted without the job; what waits for parameters is a cold pod."""
    monkeypatch.setattr(claims_module, "PARTS_SECONDS", 0.05)
    spec = {"paramsFrom": {"secretName": "j-params"}, "params": None}
    cluster.add_job({"phase": "Queued"}, creationTimestamp=stamp(), spec=spec)
    pod = cluster.start_ahead()
    operator = start(cluster)
    await operator.rest()
    assert pod.files is None and "delete_pod" in cluster.calls
    cluster.add_warm_pod("warm-1", UNUSED)
    await operator.rest()
    assert list(cluster.jobs) == [RUN]


async def test_quota_that_has_no_room_for_the_secret_is_the_jobs_reason(cluster, start):
    """As with a pod of its own it waits, and goes on when there is room."""
    pod = cluster.start_ahead()
    operator = start(cluster)
    cluster.fails["create_secret"] = QUOTA
    await operator.rest()
    assert operator.status["reason"] == "Unschedulable" and pod.files is None
    await operator.rest()
    assert pod.files is not None


async def test_answer_that_was_lost_is_no_second_claim(cluster, start):
    """The call is repeated as a step, and finds the Job to be the job's own."""
    pod = cluster.start_ahead()
    operator = start(cluster)
    cluster.fails["claim_job"] = Unanswered("away")
    with pytest.raises(Unanswered):
        await operator.rest()
    await operator.rest()
    assert pod.files is not None and list(cluster.jobs) == ["warm-1"]


@pytest.mark.parametrize("error", [Unanswered("away"), refused(504, "etcd timed out")])
async def test_claim_whose_answer_was_lost_is_taken_up(cluster, start, error):
    """The API server has made the Job the job's own, and the watch has not told of it yet."""
    first, second = cluster.start_ahead("warm-1"), cluster.start_ahead("warm-2")
    operator = start(cluster, size=2)
    claim = cluster.claim_job

    async def claim_without_an_answer(name, body):
        await claim(name, body)
        cluster.claim_job = claim
        raise error

    cluster.claim_job = claim_without_an_answer
    operator.watch()
    operator.watch = lambda: None
    with pytest.raises(ClusterError):
        await operator.rest()
    await operator.rest()
    assert first.files is not None and second.files is None
    assert "ownerReferences" not in cluster.jobs["warm-2"]["metadata"]


@pytest.mark.parametrize("moment", ["claimed", "suspended"])
async def test_refusal_that_is_over_lets_the_pool_be_filled(cluster, start, moment):
    """A job that has started, or waits for something else, waits for no room."""
    operator = start(cluster, size=2)
    cluster.fails["create_job"] = QUOTA
    await operator.rest()
    assert operator.reconciler.warm_pods.observe(datetime.now(UTC)).refused == 1
    if moment == "claimed":
        cluster.start_ahead()
    else:
        spec = {**cluster.runtimejobs["j"]["spec"], "suspend": True}
        cluster._store(cluster.runtimejobs, {**cluster.runtimejobs["j"], "spec": spec})
    await operator.rest()
    assert operator.reconciler.warm_pods.observe(datetime.now(UTC)).refused == 0


async def test_job_that_only_an_admission_rule_refuses_needs_no_room(cluster, start):
    """No pod that goes would help it."""
    operator = start(cluster)
    cluster.fails["create_job"] = refused(403, "admission webhook denied the request")
    await operator.rest()
    assert operator.status["reason"] == "Unschedulable"
    assert operator.reconciler.warm_pods.observe(datetime.now(UTC)).refused == 0


async def test_job_whose_pod_a_quota_refuses_gets_the_room_of_one_that_waits(cluster, start):
    """Its Kubernetes Job is there, and the Job controller can make no pod for it: one pod goes.

    Not another a moment later, and none for ever: it may be no quota at all.
    """
    cluster.start_ahead("warm-1")
    cluster.start_ahead("warm-2")
    operator = start(cluster, size=2)
    cluster.add_run(creationTimestamp=stamp(30))
    memory = operator.reconciler._memory

    async def step_after(seconds, helped=0):
        await operator.rest()
        now = datetime.now(UTC)
        memory.podless_since[RUN] = now - timedelta(seconds=seconds)
        pods = operator.reconciler.warm_pods
        pods._room_at = None
        pods._helped = {name: now - timedelta(seconds=helped) for name in pods._helped}
        await operator.pool.step()
        return sorted(cluster.jobs)

    assert await step_after(5) == [RUN, "warm-1", "warm-2"]
    assert operator.status["reason"] == "Unschedulable"
    assert await step_after(11) == [RUN, "warm-1"]
    assert await step_after(30, helped=20) == [RUN, "warm-1"]
    assert await step_after(80, helped=69) == [RUN]
    assert await step_after(100, helped=20) == [RUN]
    assert len(await step_after(131)) == 3
    cluster.add_pod()
    await operator.rest()
    assert memory.podless_since == {}


async def test_pool_is_filled_and_emptied(cluster, start):
    """Jobs are made up to the size, counted before their watch tells; without a size they go."""
    operator = start(cluster, size=3)
    await operator.pool.step()
    await operator.pool.step()
    made = {name for name in cluster.jobs if name.startswith("warm-")}
    assert len(made) == 3
    digests = [
        variable["value"]
        for job in cluster.jobs.values()
        for variable in job["spec"]["template"]["spec"]["containers"][0]["env"]
        if variable["name"] == "RUNTIME_HANDOVER_DIGEST"
    ]
    assert len(set(digests)) == 3
    idle = start(cluster, size=0)
    idle.watch()
    await idle.pool.step()
    assert cluster.jobs == {} and await idle.pool.step() is None


async def test_session_has_a_pod_of_its_own(cluster, start):
    """It is made when the session is opened; the session's job takes it, and no other job does."""
    cluster.add_session()
    cluster.sessions["s"]["metadata"]["creationTimestamp"] = stamp()
    operator = start(cluster, size=0, per_session=1)
    operator.watch()
    await operator.pool.step()
    [name] = cluster.jobs
    pod = cluster.start_ahead(name, session="s")
    await operator.rest("j")
    assert RUN in cluster.jobs and pod.files is None
    cluster.add_job(
        name="k", uid="k", creationTimestamp=stamp(), spec={"sessionId": "s", "params": "{}"}
    )
    await operator.rest("k")
    assert pod.files is not None and len(cluster.jobs) == 2
    # The job starts first.
    assert await operator.pool.step() == REFILL_SECONDS and len(cluster.jobs) == 2
    await asyncio.sleep(REFILL_SECONDS)
    await operator.pool.step()
    assert len(cluster.jobs) == 3


async def test_time_of_a_state_is_the_operators(cluster, start):
    """A pod that starts and one that has ended are seen in that state since they were first."""
    cluster.start_ahead("warm-1")
    cluster.start_ahead("warm-2")
    operator, now = start(cluster), datetime.now(UTC)
    cluster.add_warm_pod("warm-1", {"running": {"startedAt": stamp(9000)}}, ready=False)
    operator.watch()

    def seen(seconds):
        idle = operator.reconciler.warm_pods.observe(now + timedelta(seconds=seconds)).idle
        return {one.run.name: one.seen_seconds for one in idle}

    assert seen(0) == {"warm-1": 0, "warm-2": 0}
    assert seen(10) == {"warm-1": 10, "warm-2": 10}
    cluster.add_warm_pod("warm-1", WAITS)
    cluster.add_warm_pod("warm-2", UNUSED)
    operator.watch()
    assert seen(20) == {"warm-1": 0, "warm-2": 0}
    del cluster.jobs["warm-2"]
    operator.watch()
    assert seen(25) == {"warm-1": 5}


async def test_pool_deletes_no_pod_that_was_claimed_meanwhile(cluster, start):
    """The deletion names the version that was seen."""
    cluster.start_ahead()
    operator = start(cluster, size=0)
    operator.watch()
    await start(cluster).rest()
    await operator.pool.step()
    assert "warm-1" in cluster.jobs


async def test_quota_delays_the_pool(cluster, start):
    """A cluster that has no room for the pool is asked again after a pause."""
    operator = start(cluster)
    cluster.fails["create_job"] = QUOTA
    assert await operator.pool.step() == REFUSED_SECONDS
    assert cluster.jobs == {}
    # Whatever wakes it meanwhile.
    assert 0 < await operator.pool.step() <= REFUSED_SECONDS
    assert cluster.calls.count("create_job") == 1


async def test_refusal_of_one_pod_leaves_those_that_are_being_made(cluster, start):
    """They are counted before the next look, which would make too many otherwise."""
    operator = start(cluster, size=4)
    create, begun = cluster.create_job, []

    async def create_slowly(manifest):
        begun.append(manifest)
        if len(begun) == 1:
            raise QUOTA
        await asyncio.sleep(0.05)
        return await create(manifest)

    cluster.create_job = create_slowly
    assert await operator.pool.step() == REFUSED_SECONDS
    assert len(cluster.jobs) == 3


async def test_pool_makes_room_for_jobs(cluster, start):
    """A job's pod finds no node: a pod that waits is deleted, and none is made."""
    cluster.start_ahead()
    operator = start(cluster, size=2)
    cluster.add_run()
    cluster.add_pod(node="", conditions=[NO_NODE])
    operator.watch()
    await operator.pool.step()
    assert list(cluster.jobs) == [RUN]


async def test_pool_tells_what_it_costs(cluster, start):
    """The probe has the numbers of pods, and the room that they hold on the nodes."""
    cluster.start_ahead("warm-1")
    cluster.start_ahead("warm-2")
    cluster.add_warm_pod("warm-2", WAITS, ready=False)
    operator = start(cluster, size=2)
    operator.watch()
    numbers = operator.pool.measure()
    nothing = {"ready": 0, "starting": 0, "wanted": 0, "cores": 0.0, "memoryBytes": 0}
    assert numbers.pop("classes") == {"large": nothing, "small": nothing}
    assert numbers == {
        "ready": 1, "starting": 1, "wanted": 2, "cores": 0.5, "memoryBytes": 4 * 2**30,
    }  # fmt: skip


async def test_pools_of_all_classes_are_told_together_and_each(cluster, start):
    """The room of a class's pods is counted by its own requests."""
    cluster.start_ahead("warm-1")
    cluster.start_ahead("warm-2", resource_class="large")
    operator = start(cluster, size=1, large=3)
    operator.watch()
    numbers = operator.pool.measure()
    assert numbers["classes"]["large"] == {
        "ready": 1, "starting": 0, "wanted": 3, "cores": 1.0, "memoryBytes": 8 * 2**30,
    }  # fmt: skip
    assert (numbers["wanted"], numbers["cores"], numbers["memoryBytes"]) == (4, 1.25, 10 * 2**30)


def use_backend(cluster, resource_class, **job):
    """Have the job j name a backend of this class."""
    cluster.backends["big"] = {
        "apiVersion": "qiskit-runtime.dev/v1alpha1",
        "kind": "RuntimeBackend",
        "metadata": {"name": "big", "uid": "b", "resourceVersion": "1"},
        "spec": {"resourceClass": resource_class},
    }
    spec = {"backend": "big", "params": "{}", **job}
    cluster.add_job({"phase": "Queued"}, creationTimestamp=stamp(), spec=spec)


async def test_job_claims_a_pod_of_its_class(cluster, start):
    """The pod that has waited longer is of another class; its image is the one that is recorded."""
    other = cluster.start_ahead("warm-1")
    mine = cluster.start_ahead("warm-2", resource_class="large")
    use_backend(cluster, "large")
    await start(cluster, large=1).rest()
    assert other.files is None and RUN not in cluster.jobs
    assert json.loads(mine.files["job.json"])["versions"]["image"] == "i:2"


async def test_job_of_no_class_leaves_the_pods_of_classes(cluster, start):
    """It starts with a pod of its own."""
    pod = cluster.start_ahead(resource_class="large")
    await start(cluster, large=1).rest()
    assert RUN in cluster.jobs and pod.files is None


async def test_job_of_a_class_without_a_pod_that_waits_is_started_in_one_of_it(cluster, start):
    """Image and memory are the class's, the rest that of all pods; labels say the class."""
    cluster.start_ahead()
    use_backend(cluster, "large")
    await start(cluster).rest()
    manifest = cluster.jobs[RUN]
    template = manifest["spec"]["template"]
    container = template["spec"]["containers"][0]
    assert container["image"] == "i:2"
    assert container["resources"]["requests"]["cpu"] == "1"
    assert container["resources"]["limits"] == {
        "memory": "8Gi", "ephemeral-storage": "1Gi", "cpu": "1",
    }  # fmt: skip
    for metadata in (manifest["metadata"], template["metadata"]):
        assert metadata["labels"] == {JOB_LABEL: "j", CLASS_LABEL: "large"}


async def test_job_of_an_unknown_class_fails_with_those_there_are(cluster, start):
    """No pod is made, and the message names the class."""
    use_backend(cluster, "huge")
    operator = start(cluster)
    await operator.rest()
    assert (operator.status["phase"], operator.status["reason"]) == ("Failed", "UnknownBackend")
    assert operator.status["message"] == (
        "no backend is named big that could be used: spec.resourceClass: there is no resource"
        " class huge; there are: large, small"
    )
    assert cluster.jobs == {}


async def claim_in_vain(cluster, start):
    """Have a pod of a class claimed by an operator that crashes, and end without its job."""
    cluster.start_ahead(resource_class="large")
    use_backend(cluster, "large")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(claims_module.Handover, "give", crash)
        with pytest.raises(KeyboardInterrupt):
            await start(cluster, large=1).rest()
    cluster.waiting["warm-1"].close()
    cluster.add_warm_pod("warm-1", UNUSED)


async def test_claimed_pod_of_a_class_that_ended_is_replaced_by_one_of_it(cluster, start):
    """Its job starts once more in a pod of the class, and of no other."""
    await claim_in_vain(cluster, start)
    await start(cluster, large=1).rest()
    assert cluster.jobs[RUN]["metadata"]["labels"][CLASS_LABEL] == "large"


async def test_claimed_pod_of_a_class_that_is_gone_has_its_job_wait(cluster, start, monkeypatch):
    """The job waits for the class until its start deadline, and says so."""
    await claim_in_vain(cluster, start)
    monkeypatch.setattr(sys.modules[__name__], "RUNNER", RunnerSettings(image="i:1"))
    operator = start(cluster)
    await operator.rest()
    assert operator.status["reason"] == "Unschedulable"
    assert "there is no resource class large; there are: none" in operator.status["message"]


async def test_each_class_has_its_pool_filled(cluster, start):
    """The pods are of their class; those of a class that was changed or removed are replaced."""
    cluster.start_ahead("warm-1", resource_class="large")
    cluster.start_ahead("warm-2", resource_class="small")
    cluster.jobs["warm-1"]["metadata"]["labels"]["qiskit-runtime.dev/warm"] = "of before"
    cluster.jobs["warm-2"]["metadata"]["labels"][CLASS_LABEL] = "removed"
    operator = start(cluster, size=1, large=2)
    operator.watch()
    await operator.pool.step()
    made = [job["metadata"]["labels"].get(CLASS_LABEL) for job in cluster.jobs.values()]
    assert not {"warm-1", "warm-2"} & set(cluster.jobs)
    assert sorted(map(str, made)) == ["None", "large", "large"]


async def test_job_that_finds_none_of_its_nodes_leaves_the_pods_on_others(
    cluster, start, monkeypatch
):
    """The pods that could take its nodes give theirs; common ones stay, and are filled up."""
    large = {
        "image": "i:2",
        "nodeSelector": {"gpu": "yes"},
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
    }
    runner = RunnerSettings(image="i:1", classes={"large": large})
    monkeypatch.setattr(sys.modules[__name__], "RUNNER", runner)
    cluster.start_ahead("warm-1")
    cluster.start_ahead("warm-2", resource_class="large")
    use_backend(cluster, "large")
    cluster.add_run()
    cluster.jobs[RUN]["metadata"]["labels"] = {JOB_LABEL: "j", CLASS_LABEL: "large"}
    cluster.add_pod(node="", conditions=[NO_NODE])
    operator = start(cluster, size=2, large=1)
    operator.watch()
    await operator.pool.step()
    assert "warm-2" not in cluster.jobs and "warm-1" in cluster.jobs
    made = [job for name, job in cluster.jobs.items() if name not in ("warm-1", RUN)]
    assert [job["metadata"]["labels"].get(CLASS_LABEL) for job in made] == [None]


async def test_session_of_a_class_has_a_pod_of_it(cluster, start):
    """Its backend says the class."""
    use_backend(cluster, "large")
    cluster.add_session(backend="big")
    cluster.sessions["s"]["metadata"]["creationTimestamp"] = stamp()
    operator = start(cluster, size=0, per_session=1)
    operator.watch()
    await operator.pool.step()
    [job] = cluster.jobs.values()
    labels = job["metadata"]["labels"]
    assert (labels[CLASS_LABEL], labels[SESSION_LABEL]) == ("large", "s")


class ReportedTo:
    """A Redis that keeps what it is told, or answers nobody."""

    def __init__(self, error=None):
        self.error, self.told = error, []

    async def set(self, key, text, ex):
        if self.error:
            raise self.error
        self.told.append((key, PoolNumbers.parse(text), ex))


async def test_pool_reports_its_pods(cluster, start):
    """The numbers are told for a minute; a Redis that is away harms nobody."""
    cluster.start_ahead("warm-1")
    operator = start(cluster, size=2)
    operator.watch()
    redis = ReportedTo()
    await operator.pool.report(redis, "jobs")
    assert redis.told == [("warm-pool:jobs", PoolNumbers(ready=1, starting=0), 60)]
    await operator.pool.report(ReportedTo(ConnectionError("away")), "jobs")


@pytest.mark.parametrize("text", [None, b"", b"{", b"[]", b'{"ready": 1}', b'{"ready": "x"}', b"7"])
def test_unreadable_report_is_none(text):
    """A text that no operator of this release has written tells nothing."""
    assert PoolNumbers.parse(text) is None
    assert PoolNumbers.parse(PoolNumbers(1, 2).pack()) == PoolNumbers(1, 2)


async def test_pool_is_read_again_after_a_failure(cluster, start):
    """A Job that the watches have missed is found, and one that is gone is forgotten."""
    cluster.start_ahead()
    operator = start(cluster)
    await operator.pool.refresh()
    assert [run.name for run, _ in operator.view.idle_runs()] == ["warm-1"]
    cluster.jobs.clear()
    await operator.pool.refresh()
    assert operator.view.idle_runs() == []
