"""Decide what a job does that has claimed a pod, and may not have handed its input over. Pure.

It starts with a pod of its own only if it is certain that the claimed one was given nothing.
"""

from datetime import datetime

from controller.actions import Action, Finish, HandOver, Start, TakeInputBack, Wait
from controller.build.status import RunFacts
from controller.observe.job_view import JobView
from controller.observe.pod_state import read_pod_state
from qiskit_runtime.contract.lifecycle import Observation, derive_state
from qiskit_runtime.contract.resources.runtimejob import RuntimeJob


def decide_handover(view: JobView, job: RuntimeJob, now: datetime) -> Action | None:
    """Return the next action; None where the claimed pod seems to have run the job."""
    run, pod, holder = view.kubernetes_job, view.pod, view.holder
    assert run is not None
    seen = Observation(cancel_requested=job.cancel_requested, session_closed=view.close_words)
    state = derive_state(seen)
    if holder is None and state.phase.is_final:
        return Finish(job, state, RunFacts(run.name), delete_job=True)
    is_running = pod is not None and pod.container.is_running
    is_named = pod is not None and (holder is None or holder.pod == pod.name)
    if pod and is_running and is_named and not pod.is_deleted and (holder or view.plan):
        return HandOver(job, view.plan, run, pod, holder)
    if holder is None:
        return Start(job, run.resource_class, instead_of=run.name)
    if view.holder_never_ran:
        return TakeInputBack(job, holder)
    is_leaving = is_running and is_named and not read_pod_state(run, pod, now).has_ended
    return Wait() if is_leaving else None
