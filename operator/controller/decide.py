"""Decide the next step of a RuntimeJob: one pure function from its view to an action.

The rules of the operator are here, and the table in its test is their specification. Which state
follows from what is observed, ``contract.lifecycle`` says.
"""

from dataclasses import replace
from datetime import datetime

from controller.actions import (
    CHECK_SECONDS,
    Action,
    Claim,
    Delete,
    DeleteSpares,
    ExpectRecordEnd,
    Finish,
    FollowLog,
    Forget,
    GiveInput,
    Retire,
    Start,
    StopPod,
    TakeInputBack,
    Update,
    Wait,
)
from controller.build.status import NO_FACTS, RunFacts, build_status
from controller.decide_handover import decide_handover
from controller.observe.job_view import CAUSE_SECONDS, INPUT_CHECK_SECONDS, JobView
from controller.observe.pod_state import (
    NO_POD_SECONDS,
    PodState,
    can_run_again,
    describe_loss,
    is_over_time,
    read_pod_state,
)
from qiskit_runtime.contract.lifecycle import (
    Limits,
    Observation,
    Phase,
    Reason,
    RunnerState,
    State,
    derive_state,
)
from qiskit_runtime.contract.resources.runtimejob import RuntimeJob
from qiskit_runtime.contract.resources.session import TurnKind
from qiskit_runtime.contract.wire.progress import Progress

REFUSED_SECONDS = 10.0
"""The pause until a Kubernetes Job that the cluster refused is created again."""

HELD = "it waits until its spec.suspend is false"
"""The message of a job that is suspended by its own resource."""

_EXITED = (RunnerState.ENDED, RunnerState.OUT_OF_MEMORY)


def decide(view: JobView, now: datetime) -> Action:
    """Return the one next action on a RuntimeJob. Pure."""
    job = view.job
    if view.is_malformed:
        return Wait(None, frees_slot=True)
    if job is None:
        return Forget()
    if job.is_final:
        return _decide_ended(view, job, now)
    if view.was_started:
        return _decide_started(view, job, now)
    if job.is_deleted:
        # It stays until what it owns is gone (a deletion in the foreground): nothing is added.
        return Wait(None, frees_slot=True)
    return _decide_start(view, job, now)


# A job that was not started.


def _decide_start(view: JobView, job: RuntimeJob, now: datetime) -> Action:
    if job.cancel_requested:
        # A creation that was not answered may have succeeded.
        return Finish(job, derive_state(Observation(cancel_requested=True)), delete_job=True)
    if job.suspend:
        held = derive_state(Observation(runner=RunnerState.SUSPENDED, detail=HELD))
        return _update(job, held, now) or Wait(frees_slot=True)
    if job.reason is Reason.SUSPENDED:
        return _update(job, State(Phase.QUEUED), now) or Wait(0)
    if view.turn.end:
        return Finish(job, view.turn.end, delete_job=True)
    if view.turn.kind is TurnKind.WAITS:
        # It holds up nobody else; the end of the job before it wakes it.
        return Wait(None, frees_slot=True)
    if not view.has_slot:
        return Wait()
    if not view.is_current:
        return Wait(0, frees_slot=True)
    if view.rejection:
        return Finish(job, view.rejection)
    if view.refusal:
        return _decide_refused(view, job, now)
    return _choose_pod(view, job)


def _choose_pod(view: JobView, job: RuntimeJob) -> Action:
    """Choose a pod that was started ahead, where one is ready, else one that is made now."""
    if view.plan and view.idle_run and view.idle_pod:
        return Claim(job, view.plan, view.idle_run, view.idle_pod)
    return Start(job, view.plan.resource_class if view.plan else "")


def _decide_refused(view: JobView, job: RuntimeJob, now: datetime) -> Action:
    """Report what the cluster refuses, and have it tried again until the start deadline.

    That is the Kubernetes Job, or the input of a job that has claimed one.
    """
    assert view.refusal is not None
    run = view.kubernetes_job
    refused = (now - view.refusal.since).total_seconds()
    state = derive_state(
        Observation(
            runner=RunnerState.UNSCHEDULABLE,
            waited_seconds=run.waited_seconds(now) if run else refused,
            detail=f"the cluster refuses {view.refusal.words}",
            limits=Limits(start_deadline_seconds=job.start_deadline_seconds),
        )
    )
    if state.phase.is_final:
        facts = RunFacts(run.name) if run else NO_FACTS
        return Finish(job, state, facts, delete_job=run is not None)
    return _update(job, state, now, seconds=REFUSED_SECONDS) or Wait(REFUSED_SECONDS)


# A job that was started.


def _decide_started(view: JobView, job: RuntimeJob, now: datetime) -> Action:
    if view.spares and view.has_its_run:
        return DeleteSpares(view.spares)
    if view.awaits_handover:
        if view.refusal:
            return _decide_refused(view, job, now)
        if action := decide_handover(view, job, now):
            return action
    pod_state = read_pod_state(view.kubernetes_job, view.pod, now)
    is_settled = pod_state.has_ended and (view.kubernetes_job is None or view.pod is None)
    if view.lacks_its_pod and not is_settled:
        if view.holder and view.holder_never_ran and not job.has_run:
            return TakeInputBack(job, view.holder)
        # It may have run: not knowing is an end, never a second run.
        pod_state = PodState(RunnerState.DISRUPTED, describe_loss(view.kubernetes_job))
        view = replace(view, pod=None)
    if view.pod and not view.pod.is_deleted and not pod_state.has_ended:
        if action := _decide_input(view, job, pod_state):
            return action
        pod_state = _explain_missing_input(view, pod_state, now)
    return _decide_record(view, job, pod_state) or _decide_state(view, job, pod_state, now)


def _decide_input(view: JobView, job: RuntimeJob, pod_state: PodState) -> Action | None:
    """Decide whether the pod gets the job's input; one pod alone ever does."""
    assert view.pod is not None
    can_start = pod_state.runner not in (RunnerState.RUNNING, RunnerState.SUSPENDED)
    if view.holder is None and view.plan and can_start and not view.refusal:
        return GiveInput(job, view.plan, view.pod.name, view.pod.image)
    return None


def _explain_missing_input(view: JobView, pod_state: PodState, now: datetime) -> PodState:
    """Return the state of a pod, considering that it can't start without its input."""
    if view.refusal:
        words = f"the cluster refuses {view.refusal.words}"
        return PodState(RunnerState.UNSCHEDULABLE, words)
    is_late = _waited_seconds(view, now) > INPUT_CHECK_SECONDS
    lacks_input = view.lacks_params or view.holder is None
    if pod_state.runner is RunnerState.STARTING and is_late and lacks_input:
        return PodState(RunnerState.INPUT_MISSING)
    return pod_state


def _decide_record(view: JobView, job: RuntimeJob, pod_state: PodState) -> Action | None:
    """Decide whether the log is to be read, or to be waited for."""
    record = view.record
    if record is None:
        if view.pod and view.pod.has_log:
            return FollowLog(job, view.pod.name)
        # It ran while no operator was there.
        return FollowLog(job, job.pod_name) if pod_state.has_ended and job.pod_name else None
    if pod_state.has_ended and not record.verdict and not record.is_done:
        return ExpectRecordEnd(job)
    return None


def _decide_state(view: JobView, job: RuntimeJob, pod_state: PodState, now: datetime) -> Action:
    """Decide what follows from the job's state: its end, a write, a stop or a wait."""
    if view.lacks_cause(pod_state, now):
        return Wait(CAUSE_SECONDS)
    state = _derive_state(view, job, pod_state, now)
    facts = _read_facts(view)
    if state.phase.is_final:
        verdict = view.record.verdict if view.record else None
        # Without a verdict the pod may be on its way still, and nobody waits for it.
        may_run = verdict is None and pod_state.runner not in _EXITED
        return Finish(job, state, facts, delete_job=may_run)
    seconds = _seconds_to_wait(view, job, pod_state, state, now)
    limit = job.max_execution_seconds
    is_over = is_over_time(view.kubernetes_job, view.pod, limit, now)
    must_end = job.cancel_requested or is_over
    progress = view.record.progress if view.record else None
    if must_end and view.record and view.pod and not view.pod.is_deleted:
        stop = StopPod(job, view.pod.name, seconds)
        return _update(job, state, now, facts, progress) or stop
    return _update(job, state, now, facts, progress, seconds) or Wait(seconds)


def _read_facts(view: JobView) -> RunFacts:
    """Return the facts of what runs a job, for its status."""
    pod = view.pod
    if pod is None:
        return RunFacts(view.run_name)
    return RunFacts(view.run_name, pod.name, pod.scheduled, pod.container.started)


def _derive_state(view: JobView, job: RuntimeJob, pod_state: PodState, now: datetime) -> State:
    """Return the job's state by its Kubernetes Job, its pod and its record."""
    record, runner = view.record, pod_state.runner
    verdict = record.verdict if record else None
    if verdict or pod_state.has_ended:
        limit = job.max_execution_seconds
        if is_over_time(view.kubernetes_job, view.pod, limit, now):
            runner = RunnerState.OVER_TIME
        elif view.kubernetes_job is None:
            runner = RunnerState.JOB_DELETED
    return derive_state(
        Observation(
            runner=runner,
            verdict=verdict or pod_state.verdict,
            exit_code=pod_state.exit_code,
            result_lost=record is None or not record.has_result,
            cancel_requested=job.cancel_requested,
            session_closed=view.close_words,
            waited_seconds=_waited_seconds(view, now),
            detail=pod_state.detail,
            limits=Limits(
                max_execution_seconds=job.max_execution_seconds,
                start_deadline_seconds=job.start_deadline_seconds,
                memory_bytes=view.pod.memory_bytes if view.pod else 0,
            ),
        )
    )


def _waited_seconds(view: JobView, now: datetime) -> float:
    return view.kubernetes_job.waited_seconds(now) if view.kubernetes_job else 0.0


def _seconds_to_wait(
    view: JobView, job: RuntimeJob, pod_state: PodState, state: State, now: datetime
) -> float:
    """Return the time until a job may have to be looked at without an event."""
    if state.phase is Phase.RUNNING or pod_state.runner is RunnerState.SUSPENDED:
        return CHECK_SECONDS
    # Sleep until the start deadline, plus 1 s because Kubernetes times have whole seconds.
    waited = _waited_seconds(view, now)
    left: float = job.start_deadline_seconds - waited + 1
    if waited < NO_POD_SECONDS:
        # No event reports a pod that was never created, so look again soon.
        left = min(left, NO_POD_SECONDS - waited + 1)
    return min(max(left, 1), CHECK_SECONDS)


# A job that has ended.


def _decide_ended(view: JobView, job: RuntimeJob, now: datetime) -> Action:
    may_run = can_run_again(job.pod_name, view.kubernetes_job, view.pod)
    if job.expires is None:
        return Retire(job, may_run, None, view.run_name, view.spares)
    left = (job.expires - now).total_seconds()
    if left <= 0:
        return Delete(job)
    # The resync finds those whose time comes later.
    seconds = left if left <= 2 * CHECK_SECONDS else None
    return Retire(job, may_run, seconds, view.run_name, view.spares)


def _update(
    job: RuntimeJob,
    state: State,
    now: datetime,
    facts: RunFacts = NO_FACTS,
    progress: Progress | None = None,
    seconds: float = 0,
) -> Update | None:
    """Return the write that a state needs; None where the status says all of it already."""
    status = build_status(job, state, facts, now, progress=progress)
    return Update(job, state, status, seconds, progress) if status else None
