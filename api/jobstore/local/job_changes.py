"""The changes of a job in local mode: which state follows, ``contract.lifecycle`` decides. Pure."""

from collections.abc import Callable
from dataclasses import replace

from qiskit_runtime.contract.lifecycle import (
    Limits,
    Observation,
    Phase,
    RunnerState,
    State,
    derive_state,
)
from qiskit_runtime.contract.resources.job import Job

Change = Callable[[Job], Job | None]
"""Returns the job to store, given the job as it is when its turn comes; None is no change."""

CANCELLED = derive_state(Observation(cancel_requested=True))
"""The state of a job that was cancelled before it started."""


def set_state(state: State) -> Change:
    """Return the change that brings a job into a state."""
    return lambda job: _with_state(job, state)


def end_queued(state: State) -> Change:
    """Return the change that ends a job before it starts; none of one that has started."""
    return lambda job: _with_state(job, state) if job.status.phase is Phase.QUEUED else None


def request_cancel(job: Job) -> Job:
    """Have a job end that runs; one that was put back into the queue meanwhile ends now."""
    if job.status.phase is Phase.QUEUED:
        return _with_state(job, CANCELLED)
    return job.model_copy(update={"cancel_requested": True})


def start(job: Job) -> Job | None:
    """Have a job run that is still queued."""
    if job.status.phase is not Phase.QUEUED:
        return None
    return _with_state(job, derive_state(Observation(runner=RunnerState.RUNNING)))


def put_back(queued: Job) -> Change:
    """Return the change that undoes the start of a job of which its runner was given nothing."""

    def make(job: Job) -> Job:
        state = derive_state(Observation(cancel_requested=job.cancel_requested))
        return job.model_copy(update={"status": queued.status.with_state(state)})

    return make


def conclude(observed: Observation, memory_bytes: int = 0) -> Change:
    """Return the change that makes a job final by an observation of it."""

    def make(job: Job) -> Job:
        limits = Limits(job.spec.max_execution_seconds, memory_bytes=memory_bytes)
        asked = observed.cancel_requested or job.cancel_requested
        state = derive_state(replace(observed, cancel_requested=asked, limits=limits))
        concluded = _with_state(job, state)
        if observed.verdict is None:
            return concluded
        status = concluded.status.with_verdict(observed.verdict)
        return concluded.model_copy(update={"status": status})

    return make


def _with_state(job: Job, state: State) -> Job:
    return job.model_copy(update={"status": job.status.with_state(state)})
