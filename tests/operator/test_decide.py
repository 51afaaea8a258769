"""The next step of a RuntimeJob: this table is the specification of the operator's rules."""

from dataclasses import replace
from datetime import timedelta

import pytest

from controller.actions import (
    CHECK_SECONDS,
    Claim,
    Delete,
    DeleteSpares,
    ExpectRecordEnd,
    Finish,
    FollowLog,
    Forget,
    GiveInput,
    HandOver,
    Retire,
    Start,
    StopPod,
    TakeInputBack,
    Update,
    Wait,
)
from controller.build.program import JobPlan, ProgramSelection
from controller.build.status import RunFacts
from controller.decide import HELD, REFUSED_SECONDS, decide
from controller.observe.job_view import CAUSE_SECONDS, JobView, Refusal
from controller.observe.memory import UNNAMED, InputHolder
from controller.record.state import RecordState
from qiskit_runtime.contract.lifecycle import Phase, Reason, State, reject
from qiskit_runtime.contract.resources.backend import find_backend
from qiskit_runtime.contract.resources.resource import CLAIMED_AT
from qiskit_runtime.contract.resources.session import Turn, TurnKind
from qiskit_runtime.contract.wire.progress import Progress
from qiskit_runtime.contract.wire.verdict import Outcome, Verdict
from tests.operator.manifests import (
    NOW,
    RUN,
    ago,
    make_job,
    make_pod,
    make_run,
    make_warm_pod,
    make_warm_run,
)

PLAN = JobPlan(ProgramSelection("1"), find_backend("aer_simulator"))
JOB = make_job()
CANCELLED = make_job(spec={"cancelRequested": True})
RUNNING = make_job({"phase": "Running", "attempt": 1, "jobName": RUN, "podName": "p"})
STARTED = make_job({"phase": "Queued", "jobName": RUN})
STOPPING = make_job(RUNNING.status, spec={"cancelRequested": True})
SUCCEEDED = Verdict(Outcome.SUCCEEDED, exit_code=0, final=True)
READING = RecordState()
READ = RecordState(is_done=True)
WHOLE = RecordState(SUCCEEDED, has_result=True, is_done=True)
HAS_IT = InputHolder("p", "s")
RUNS = {"running": {"startedAt": ago(5)}}
EXITED = {"terminated": {"exitCode": 0, "startedAt": ago(9), "finishedAt": ago(1)}}
KILLED = {"terminated": {"exitCode": 137, "reason": "OOMKilled", "startedAt": ago(9)}}
LEFT = {"terminated": {"exitCode": 143, "startedAt": ago(9), "finishedAt": ago(1)}}
IS_EVICTED = {"phase": "Failed", "reason": "Evicted"}
EVICTED = make_pod(status=IS_EVICTED)
DRAINED = {"type": "DisruptionTarget", "status": "True", "message": "Eviction API: evicting"}
TOLD = RecordState(Verdict(Outcome.TERMINATED, signal=15), NOW - timedelta(seconds=1), is_done=True)
TOLD_LONG_AGO = replace(TOLD, verdict_read=NOW - timedelta(seconds=CAUSE_SECONDS))
PULLING = {"waiting": {"reason": "ImagePullBackOff", "message": "back-off"}}
NO_NODE = {"type": "PodScheduled", "status": "False", "message": "0/1 nodes"}
HOLD = make_run({"spec": {"suspend": True}})
OLD = make_run(creationTimestamp=ago(20))
OVERDUE = make_run(creationTimestamp=ago(101))
LONG_CLAIMED = make_warm_run(owner="u", annotations={CLAIMED_AT: ago(101)})


def waiting(job=JOB, **fields):
    """The view of a job that may start."""
    return JobView("j", job, **{"has_slot": True, "plan": PLAN, **fields})


def started(job=STARTED, run=None, pod=None, **fields):
    """The view of a job whose Kubernetes Job was just created, as its pod has the input."""
    fields = {"holder": HAS_IT if pod else None, "plan": PLAN, **fields}
    kubernetes_job = make_run() if run is None else run or None
    return JobView("j", job, kubernetes_job=kubernetes_job, pod=pod, was_started=True, **fields)


def ended(run=None, pod=None, finished=10, **fields):
    """The view of a job that has ended some seconds ago."""
    status = {"phase": "Completed", "finishedAt": ago(finished), "podName": "p"}
    job = make_job(status, spec={"ttlSecondsAfterFinished": 100, **fields})
    return JobView("j", job, kubernetes_job=run, pod=pod)


def refusal(since=0, what="its Kubernetes Job"):
    """A quota that refuses this since so many seconds."""
    return Refusal(f"{what}: 403: exceeded quota", NOW - timedelta(seconds=since))


BEFORE_THE_START = {
    "deleted": (JobView("j"), Forget()),
    "being deleted in the foreground": (
        waiting(make_job(deletionTimestamp=ago(1))),
        Wait(None, frees_slot=True),
    ),
    "malformed": (JobView("j", is_malformed=True), Wait(None, frees_slot=True)),
    "cancelled before its start": (
        waiting(CANCELLED),
        Finish(
            CANCELLED,
            State(
                Phase.CANCELLED, Reason.CANCELLED_BY_USER, "cancelled by its user before it started"
            ),
            delete_job=True,
        ),
    ),
    "cancelled while suspended": (
        waiting(make_job(spec={"cancelRequested": True, "suspend": True})),
        (Finish, Phase.CANCELLED, Reason.CANCELLED_BY_USER, "before it started"),
    ),
    "suspended": (
        waiting(make_job(spec={"suspend": True})),
        (Update, Phase.QUEUED, Reason.SUSPENDED, HELD),
    ),
    "suspended, and its status says so": (
        waiting(make_job({"phase": "Queued", "reason": "Suspended"}, spec={"suspend": True})),
        Wait(CHECK_SECONDS, frees_slot=True),
    ),
    "resumed": (
        waiting(make_job({"phase": "Queued", "reason": "Suspended"})),
        (Update, Phase.QUEUED, Reason.NONE, ""),
    ),
    "its session has closed": (
        waiting(turn=Turn(TurnKind.CLOSED, "its session was cancelled"), has_slot=False),
        (Finish, Phase.CANCELLED, Reason.SESSION_CLOSED, "its session was cancelled"),
    ),
    "there is no such session": (
        waiting(turn=Turn(TurnKind.WRONG, "there is no session s")),
        (Finish, Phase.FAILED, Reason.UNKNOWN_SESSION, "there is no session s"),
    ),
    "another job of its session is before it": (
        waiting(turn=Turn(TurnKind.WAITS), has_slot=False),
        Wait(None, frees_slot=True),
    ),
    "no room": (waiting(has_slot=False), Wait(CHECK_SECONDS)),
    "not known as it is": (waiting(is_current=False), Wait(0, frees_slot=True)),
    "its program is unknown": (
        waiting(rejection=reject(Reason.UNKNOWN_PROGRAM, "none")),
        Finish(JOB, reject(Reason.UNKNOWN_PROGRAM, "none")),
    ),
    "its turn": (waiting(), Start(JOB)),
    "its Job is refused": (
        waiting(refusal=refusal()),
        (Update, Phase.QUEUED, Reason.UNSCHEDULABLE, "refuses its Kubernetes Job: 403"),
    ),
    "refused, and its status says so": (
        waiting(make_job({"phase": "Queued", "reason": "Unschedulable"}), refusal=refusal(50)),
        Wait(REFUSED_SECONDS),
    ),
    "refused until its deadline": (
        waiting(refusal=refusal(101)),
        (Finish, Phase.FAILED, Reason.UNSCHEDULABLE, "within 100 s"),
    ),
}
OTHERS = make_pod("q")
SESSION_OVER = Turn(TurnKind.CLOSED, "its session was cancelled")
INPUT = {
    "its session has closed while its pod is on its way": (
        started(pod=make_pod(), turn=SESSION_OVER),
        (Finish, Phase.CANCELLED, Reason.SESSION_CLOSED, "its session was cancelled"),
    ),
    "its session has closed while it runs": (
        started(RUNNING, pod=make_pod(state=RUNS), turn=SESSION_OVER, record=READING),
        Wait(CHECK_SECONDS),
    ),
    "a pod that waits for its input": (
        started(pod=make_pod(), holder=None), GiveInput(STARTED, PLAN, "p", "x:1"),
    ),
    "a pod that runs without": (
        started(RUNNING, pod=make_pod(state=RUNS), holder=InputHolder(UNNAMED, "s")),
        FollowLog(RUNNING, "p"),
    ),
    "a pod of a Job that is suspended": (
        started(run=HOLD, pod=make_pod(), holder=None),
        (Update, Phase.QUEUED, Reason.SUSPENDED, "is suspended"),
    ),
    "a pod that is being deleted": (
        started(pod=make_pod(deletionTimestamp=ago(1)), holder=None), Wait(11),
    ),
    "nothing to give": (started(pod=make_pod(), holder=None, plan=None), Wait(11)),
    "nothing to give for a while": (
        started(run=make_run(creationTimestamp=ago(61)), pod=make_pod(), holder=None, plan=None),
        (Finish, Phase.FAILED, Reason.INPUT_LOST, "within 60 s"),
    ),
    "parameters are missing": (
        started(run=OLD, pod=make_pod(), lacks_params=True), Wait(CHECK_SECONDS),
    ),
    "parameters are missing for a minute": (
        started(run=make_run(creationTimestamp=ago(61)), pod=make_pod(), lacks_params=True),
        (Finish, Phase.FAILED, Reason.INPUT_LOST, "within 60 s"),
    ),
    "a quota refuses the input": (
        started(pod=make_pod(), holder=None, refusal=refusal(what="the Secret of its input")),
        (Update, Phase.QUEUED, Reason.UNSCHEDULABLE, "refuses the Secret of its input: 403"),
    ),
    "a quota refuses the input until the deadline": (
        started(run=OVERDUE, pod=make_pod(), holder=None, refusal=refusal()),
        (Finish, Phase.FAILED, Reason.UNSCHEDULABLE, "within 100 s"),
    ),
    "another pod, the first never started": (
        started(pod=OTHERS, holder_never_ran=True, holder=HAS_IT), TakeInputBack(STARTED, HAS_IT),
    ),
    "another pod, not knowing of the first": (
        started(pod=OTHERS, holder=HAS_IT),
        (Finish, Phase.FAILED, Reason.INTERRUPTED, "deleted while the job ran"),
    ),
    "another pod after a run": (
        started(RUNNING, pod=OTHERS, holder_never_ran=True, holder=HAS_IT, record=READ),
        (Finish, Phase.FAILED, Reason.INTERRUPTED, "deleted while the job ran"),
    ),
    "another pod after a run, the input deleted": (
        started(RUNNING, pod=OTHERS, holder=None, record=READ),
        (Finish, Phase.FAILED, Reason.INTERRUPTED, "deleted while the job ran"),
    ),
    "the pod is gone": (
        started(holder=HAS_IT), (Finish, Phase.FAILED, Reason.INTERRUPTED, "deleted"),
    ),
    "the pod is gone before it started": (
        started(holder=HAS_IT, holder_never_ran=True), TakeInputBack(STARTED, HAS_IT),
    ),
}  # fmt: skip
THE_START = {
    "no pod yet": (started(), Wait(11)),
    "no pod for a while": (
        started(run=OLD), (Update, Phase.QUEUED, Reason.UNSCHEDULABLE, "kubectl describe job"),
    ),
    "no node": (
        started(pod=make_pod(conditions=[NO_NODE])),
        (Update, Phase.QUEUED, Reason.UNSCHEDULABLE, "0/1 nodes (it asks for cpu 250m"),
    ),
    "no image": (
        started(pod=make_pod(state=PULLING)),
        (Update, Phase.QUEUED, Reason.IMAGE_PULL, "image x:1"),
    ),
    "no image, and its status says so": (
        started(make_job({"reason": "ImagePull"}), run=OLD, pod=make_pod(state=PULLING)),
        Wait(CHECK_SECONDS),
    ),
    "no image until its deadline": (
        started(run=OVERDUE, pod=make_pod(state=PULLING)),
        (Finish, Phase.FAILED, Reason.IMAGE_PULL, "within 100 s"),
    ),
    "shortly before its deadline": (
        started(make_job({"reason": "ImagePull"}), make_run(creationTimestamp=ago(95)),
                make_pod(state=PULLING)),
        Wait(6),
    ),
    "its Job is suspended": (
        started(run=HOLD), (Update, Phase.QUEUED, Reason.SUSPENDED, "is suspended"),
    ),
    "its Job is suspended for long": (
        started(make_job({"reason": "Suspended", "jobName": RUN}),
                make_run({"spec": {"suspend": True}}, creationTimestamp=ago(9999))),
        Wait(CHECK_SECONDS),
    ),
    "cancelled before its pod": (
        started(CANCELLED), (Finish, Phase.CANCELLED, Reason.CANCELLED_BY_USER, "before it"),
    ),
    "its container runs": (
        started(pod=make_pod(state=RUNS)), FollowLog(STARTED, "p"),
    ),
    "its log is read": (
        started(pod=make_pod(state=RUNS), record=READING), (Update, Phase.RUNNING, Reason.NONE, ""),
    ),
}  # fmt: skip
THE_RUN = {
    "it runs": (started(RUNNING, pod=make_pod(state=RUNS), record=READING), Wait(CHECK_SECONDS)),
    "it reports progress": (
        started(RUNNING, pod=make_pod(state=RUNS), record=RecordState(progress=Progress(1, 9))),
        Update(
            RUNNING, State(Phase.RUNNING), {"progress": {"done": 1, "total": 9, "best": None}},
            CHECK_SECONDS,
            Progress(1, 9),
        ),
    ),
    "cancelled": (
        started(STOPPING, pod=make_pod(state=RUNS), record=READING), StopPod(STOPPING, "p"),
    ),
    "cancelled, its log not read": (
        started(STOPPING, pod=make_pod(state=RUNS)), FollowLog(STOPPING, "p"),
    ),
    "cancelled, its pod deleted": (
        started(STOPPING, pod=make_pod(state=RUNS, deletionTimestamp=ago(1)), record=READING),
        Wait(CHECK_SECONDS),
    ),
    "the runner does not keep its limit": (
        started(RUNNING, pod=make_pod(state={"running": {"startedAt": ago(71)}}), record=READING),
        StopPod(RUNNING, "p"),
    ),
    "deleted by somebody": (
        started(RUNNING, pod=make_pod(state=RUNS, deletionTimestamp=ago(1)), record=READING),
        Wait(CHECK_SECONDS),
    ),
    "on a node that is lost": (
        started(RUNNING, pod=make_pod(state=RUNS, deletionTimestamp=ago(61)), record=READ),
        (Finish, Phase.FAILED, Reason.INTERRUPTED, "its node does not answer"),
    ),
    "its Job was deleted": (
        started(RUNNING, run=False, record=READ),
        (Finish, Phase.FAILED, Reason.JOB_DELETED, "deleted while the job ran"),
    ),
    "its Job was deleted, and its record is whole": (
        started(RUNNING, run=False, record=WHOLE), (Finish, Phase.COMPLETED, Reason.NONE, ""),
    ),
}  # fmt: skip
THE_END = {
    "the verdict was read": (
        started(RUNNING, pod=make_pod(state=RUNS), record=WHOLE),
        Finish(
            RUNNING,
            State(Phase.COMPLETED),
            RunFacts(RUN, "p", container_started=NOW - timedelta(seconds=5)),
        ),
    ),
    "the container ended": (
        started(RUNNING, pod=make_pod(state=EXITED), record=READING), ExpectRecordEnd(RUNNING),
    ),
    "it ended while no operator was there": (
        started(RUNNING, pod=make_pod(state=EXITED)), FollowLog(RUNNING, "p"),
    ),
    "it ended, and its pod is gone": (
        started(RUNNING, run=make_run({"status": {"conditions": [
            {"type": "Complete", "status": "True"}]}})),
        FollowLog(RUNNING, "p"),
    ),
    "it ended, and nothing was read": (
        started(RUNNING, pod=make_pod(state=EXITED), record=READ),
        (Finish, Phase.FAILED, Reason.RECORD_LOST, "exited with code 0"),
    ),
    "its result was not read": (
        started(RUNNING, pod=make_pod(state=EXITED), record=RecordState(SUCCEEDED, is_done=True)),
        (Finish, Phase.FAILED, Reason.RECORD_LOST, "log can't be read"),
    ),
    "killed for its memory": (
        started(RUNNING, pod=make_pod(state=KILLED), record=READ),
        (Finish, Phase.FAILED, Reason.OUT_OF_MEMORY, "2048 MiB"),
    ),
    "evicted": (
        started(RUNNING, pod=EVICTED, record=READ),
        (Finish, Phase.FAILED, Reason.INTERRUPTED, "evicted"),
    ),
    "told to end, and nobody has said why yet": (
        started(RUNNING, pod=make_pod(state=RUNS), record=TOLD),
        Wait(CAUSE_SECONDS),
    ),
    "told to end, and its node is gone, it seems": (
        started(RUNNING, pod=make_pod(state=RUNS), record=TOLD_LONG_AGO),
        (Finish, Phase.FAILED, Reason.INTERRUPTED, "told to end while the job ran"),
    ),
    "told to end, by an eviction": (
        started(RUNNING, pod=make_pod(state=LEFT, status=IS_EVICTED), record=TOLD),
        (Finish, Phase.FAILED, Reason.INTERRUPTED, "evicted"),
    ),
    "told to end, by who deletes its pod": (
        started(RUNNING, pod=make_pod(state=RUNS, conditions=[DRAINED], deletionTimestamp=ago(1)),
                record=TOLD),
        (Finish, Phase.FAILED, Reason.INTERRUPTED, "deleted while the job ran (Eviction API: "),
    ),
    "told to end, by its user": (
        started(STOPPING, pod=make_pod(state=RUNS), record=TOLD),
        (Finish, Phase.CANCELLED, Reason.CANCELLED_BY_USER, "while it ran"),
    ),
    "told to end, and its pod does not say by whom": (
        started(RUNNING, pod=make_pod(state=LEFT), record=TOLD),
        (Finish, Phase.FAILED, Reason.INTERRUPTED, "told to end while the job ran"),
    ),
    "ended over its time": (
        started(RUNNING, record=READ, pod=make_pod(state={"terminated": {
            "exitCode": 137, "startedAt": ago(80), "finishedAt": ago(1)}})),
        (Finish, Phase.CANCELLED, Reason.RAN_TOO_LONG, "10 s"),
    ),
}  # fmt: skip
AFTERWARDS = {
    "its Job is over": (
        ended(make_run({"status": {"conditions": [{"type": "Complete", "status": "True"}]}})),
        (Retire, False, None),
    ),
    "its Job may make another pod": (ended(HOLD), (Retire, True, None)),
    "it has claimed another Job": (
        replace(ended(finished=70), spares=("warm-2",)),
        Retire(ended(finished=70).job, False, 30.0, RUN, ("warm-2",)),
    ),
    "its time is over soon": (ended(finished=70), (Retire, False, 30.0)),
    "its time is over": (ended(finished=100), (Delete,)),
    "it is to be kept for no time": (ended(ttlSecondsAfterFinished=0), (Delete,)),
    "its end has no time": (
        JobView("j", make_job({"phase": "Failed"})), (Retire, False, None),
    ),
}  # fmt: skip
WARM_RUN, WARM_POD = make_warm_run(owner="u"), make_warm_pod()
HAS_WARM = InputHolder("warm-1-p", "s")
UNUSED = {"terminated": {"exitCode": 75, "startedAt": ago(50), "finishedAt": ago(1)}}
OPEN = make_job({"phase": "Queued"})


def claimed(job=OPEN, pod=WARM_POD, run=WARM_RUN, **fields):
    """The view of a job that has claimed a pod, and has not handed its input over."""
    return started(job, run=run, pod=pod, **{"holder": None, **fields})


HANDOVER = {
    "a pod waits for a job": (
        waiting(idle_run=make_warm_run(), idle_pod=WARM_POD),
        Claim(JOB, PLAN, make_warm_run(), WARM_POD),
    ),
    "a pod waits, and no job may start": (
        waiting(has_slot=False, idle_run=make_warm_run(), idle_pod=WARM_POD), Wait(CHECK_SECONDS),
    ),
    "an operator was ended after the claim": (
        claimed(), HandOver(OPEN, PLAN, WARM_RUN, WARM_POD, None),
    ),
    "an operator was ended after the Secret": (
        claimed(holder=HAS_WARM), HandOver(OPEN, PLAN, WARM_RUN, WARM_POD, HAS_WARM),
    ),
    "cancelled after the claim": (
        claimed(make_job(spec={"cancelRequested": True})),
        (Finish, Phase.CANCELLED, Reason.CANCELLED_BY_USER, "before it started"),
    ),
    "its session has closed after the claim": (
        claimed(turn=SESSION_OVER),
        (Finish, Phase.CANCELLED, Reason.SESSION_CLOSED, "its session was cancelled"),
    ),
    "cancelled after the Secret": (
        claimed(CANCELLED, holder=HAS_WARM),
        HandOver(CANCELLED, PLAN, WARM_RUN, WARM_POD, HAS_WARM),
    ),
    "the claimed pod has ended, and nothing names it": (
        claimed(pod=make_warm_pod(state=UNUSED)), Start(OPEN, instead_of="warm-1"),
    ),
    "the claimed pod is gone, and nothing names it": (
        claimed(pod=None), Start(OPEN, instead_of="warm-1"),
    ),
    "the claimed pod has ended without the job": (
        claimed(pod=make_warm_pod(state=UNUSED), holder=HAS_WARM, holder_never_ran=True),
        TakeInputBack(OPEN, HAS_WARM),
    ),
    "it ended without the job, though it was thought to have it": (
        claimed(pod=make_warm_pod(state=UNUSED), holder=HAS_WARM, holder_never_ran=True,
                is_handed=True),
        TakeInputBack(OPEN, HAS_WARM),
    ),
    "the claimed pod is gone, and may have had the job": (
        claimed(pod=None, holder=HAS_WARM, record=READ),
        (Finish, Phase.FAILED, Reason.INTERRUPTED, "its pod was deleted"),
    ),
    "the claimed pod is about to end": (
        claimed(pod=make_warm_pod(deletionTimestamp=ago(-9)), holder=HAS_WARM),
        Wait(CHECK_SECONDS),
    ),
    "another pod of the claimed Job": (
        claimed(holder=InputHolder("warm-1-q", "s"), record=READ),
        (Finish, Phase.FAILED, Reason.INTERRUPTED, "its pod was deleted"),
    ),
    "the claimed pod ran it while no operator was there": (
        claimed(pod=make_warm_pod(state=EXITED), holder=HAS_WARM), FollowLog(OPEN, "warm-1-p"),
    ),
    "nothing to hand over": (claimed(plan=None), Start(OPEN, instead_of="warm-1")),
    "the Secret is refused": (
        claimed(refusal=refusal()), (Update, Phase.QUEUED, Reason.UNSCHEDULABLE, "403"),
    ),
    "the Secret is refused until the deadline": (
        claimed(run=LONG_CLAIMED, refusal=refusal()),
        (Finish, Phase.FAILED, Reason.UNSCHEDULABLE, "within 100 s"),
    ),
    "handed over": (
        claimed(holder=HAS_WARM, is_handed=True, record=READING),
        (Update, Phase.RUNNING, Reason.NONE, ""),
    ),
    "it has claimed two, and nobody has its input yet": (
        claimed(spares=("warm-2",)), HandOver(OPEN, PLAN, WARM_RUN, WARM_POD, None),
    ),
    "it has claimed two, and one has its input": (
        claimed(spares=("warm-2",), holder=HAS_WARM), DeleteSpares(("warm-2",)),
    ),
    "handed over, and known to run": (
        claimed(make_job({"phase": "Running", "attempt": 1, "podName": "warm-1-p"}),
                holder=HAS_WARM, record=READING),
        Wait(CHECK_SECONDS),
    ),
}  # fmt: skip
CASES = (
    BEFORE_THE_START
    | INPUT
    | THE_START
    | THE_RUN
    | THE_END
    | AFTERWARDS
    | HANDOVER
    | THE_START
    | THE_RUN
    | THE_END
    | AFTERWARDS
)


def describe(action):
    """The facts of an action that the table names."""
    match action:
        case Update(_, state, _, _) | Finish(_, state, _, _):
            return type(action), state.phase, state.reason, state.message
        case Retire(_, delete_job, seconds):
            return Retire, delete_job, seconds
        case _:
            return (type(action),)


@pytest.mark.parametrize(("view", "expected"), CASES.values(), ids=CASES)
def test_view_leads_to_its_action(view, expected):
    """Each rule of the operator is one row: what is observed, and the step that follows."""
    action = decide(view, NOW)
    if not isinstance(expected, tuple):
        assert action == expected
        return
    found = describe(action)
    if len(expected) == 4:
        assert expected[3] in found[3]
        assert found[:3] == expected[:3]
    else:
        assert found == expected


def test_start_is_written_with_all_that_is_known():
    """The first write of a run names Job and pod, its time, and counts the attempt."""
    action = decide(started(pod=make_pod(state=RUNS), record=READING), NOW)
    assert action.status == {
        "phase": "Running", "observedGeneration": 2, "queuedAt": ago(60), "podName": "p",
        "containerStartedAt": ago(5), "startedAt": "2026-11-23T12:00:00.000000Z", "attempt": 1,
    }  # fmt: skip
    assert action.seconds == CHECK_SECONDS


def test_stages_are_those_of_the_pod():
    """The scheduler's time and the kubelet's come into the start, and the end."""
    placed = {"type": "PodScheduled", "status": "True", "lastTransitionTime": ago(7)}
    own = decide(started(pod=make_pod(state=RUNS, conditions=[placed]), record=READING), NOW)
    assert (own.status["scheduledAt"], own.status["containerStartedAt"]) == (ago(7), ago(5))
    ended = make_pod(state=EXITED, conditions=[placed])
    done = decide(started(pod=ended, record=WHOLE), NOW)
    assert (done.facts.scheduled, done.facts.container_started) == (
        NOW - timedelta(seconds=7),
        NOW - timedelta(seconds=9),
    )


def test_cancelled_job_is_written_before_its_pod_is_stopped():
    """The status is not behind: a write that is due comes first, and the stop follows at once."""
    job = make_job({"jobName": RUN}, spec={"cancelRequested": True})
    action = decide(started(job, pod=make_pod(state=RUNS), record=READING), NOW)
    assert isinstance(action, Update) and action.seconds == 0


def test_refused_job_is_tried_again_after_a_while():
    """A quota may have room later: the pause is that of refusals, also when the reason is new."""
    assert decide(waiting(refusal=refusal()), NOW).seconds == REFUSED_SECONDS


DELETES_JOB = {
    "verdict": (started(RUNNING, pod=make_pod(state=RUNS), record=WHOLE), False),
    "exited without one": (started(RUNNING, pod=make_pod(state=EXITED), record=READ), False),
    "killed": (started(RUNNING, pod=make_pod(state=KILLED), record=READ), False),
    "lost": (started(RUNNING, record=READ), True),
    "never started": (started(run=OVERDUE, pod=make_pod(state=PULLING)), True),
}


@pytest.mark.parametrize(("view", "deletes"), DELETES_JOB.values(), ids=DELETES_JOB)
def test_job_without_a_verdict_takes_its_kubernetes_job_along(view, deletes):
    """A pod may be on its way still; a pod that has exited stays, to be looked at."""
    action = decide(view, NOW)
    assert isinstance(action, Finish)
    assert action.delete_job is deletes
