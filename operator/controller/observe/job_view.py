"""The view of one RuntimeJob at one moment: all that ``decide`` reads. Pure."""

from dataclasses import dataclass
from datetime import datetime

from controller.build.program import JobPlan
from controller.observe.memory import UNNAMED, InputHolder
from controller.observe.objects import KubernetesJob, Pod
from controller.observe.pod_state import PodState
from controller.record.state import RecordState
from qiskit_runtime.contract.lifecycle import RunnerState, State
from qiskit_runtime.contract.resources.runtimejob import RuntimeJob
from qiskit_runtime.contract.resources.session import HAS_COME, Turn, TurnKind
from qiskit_runtime.contract.wire.verdict import Outcome

CAUSE_SECONDS = 30.0
"""How long a job that was told to end waits for whoever says why; a node may be gone as well."""

INPUT_CHECK_SECONDS = 10.0
"""How long a pod may be on its way until its input is looked for."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The refusal of what was to be created, in the words of the cluster, and since when."""

    words: str
    since: datetime


@dataclass(frozen=True, slots=True)
class JobView:
    """A RuntimeJob with all that was observed of it; ``job`` is None where it was deleted."""

    name: str
    job: RuntimeJob | None = None
    is_malformed: bool = False
    """Whether there is a RuntimeJob of this name that can't be read."""
    kubernetes_job: KubernetesJob | None = None
    pod: Pod | None = None
    spares: tuple[str, ...] = ()
    """The Kubernetes Jobs that it has claimed besides, and that go on."""
    was_started: bool = False
    """Whether a Kubernetes Job of it exists or existed."""
    turn: Turn = HAS_COME
    """Its turn in its session, which a job that has not run waits for."""
    has_slot: bool = False
    """Whether it is one of those that may run at once."""
    is_current: bool = True
    """False where the API server knows more of it than the watches have brought."""
    plan: JobPlan | None = None
    """What it runs on; None where that was not looked for, or can't be given to a pod."""
    rejection: State | None = None
    """The end of a job that can't be given to any pod."""
    idle_run: KubernetesJob | None = None
    """A Kubernetes Job that was started ahead, which it may claim."""
    idle_pod: Pod | None = None
    """The pod of that."""
    is_handed: bool = False
    """Whether its input was handed over to a pod that was started ahead, as far as is known."""
    holder: InputHolder | None = None
    """The pod that was given its input."""
    holder_never_ran: bool = False
    """Whether it is certain that this pod is gone and never started."""
    lacks_params: bool = False
    """Whether a Secret of its parameters is missing."""
    record: RecordState | None = None
    """The record as it was read so far, where its log is followed."""
    refusal: Refusal | None = None
    """The cluster's refusal of the action that was just decided."""

    @property
    def close_words(self) -> str:
        """The reason why its session takes it no more; empty where it does."""
        return self.turn.words if self.turn.kind is TurnKind.CLOSED else ""

    @property
    def run_name(self) -> str:
        """The name of the Kubernetes Job that runs it, or would."""
        assert self.job is not None
        if self.kubernetes_job is not None:
            return self.kubernetes_job.name
        return self.job.job_name or self.job.run_name

    @property
    def awaits_handover(self) -> bool:
        """Return whether it has claimed a pod that has not got its input, as far as is known."""
        if self.kubernetes_job is None or self.job is None or self.job.has_run:
            return False
        is_warm = bool(self.kubernetes_job.template_digest)
        return is_warm and (not self.is_handed or self.holder_never_ran)

    @property
    def has_its_run(self) -> bool:
        """Return whether the Kubernetes Job is the one whose pod has the job's input."""
        run, holder = self.kubernetes_job, self.holder
        return run is not None and holder is not None and holder.run_name == run.name

    @property
    def lacks_its_pod(self) -> bool:
        """Return whether the pod that has the job's input is not the one that is there."""
        if self.job is None or (self.holder is None and not self.job.has_run):
            # Nobody has the input, so no pod has started.
            return False
        named = self.holder.pod if self.holder else UNNAMED
        known = self.job.pod_name if named == UNNAMED else named
        return bool(known) and (self.pod is None or self.pod.name != known)

    def lacks_cause(self, pod_state: PodState, now: datetime) -> bool:
        """Return whether its runner was told to end a moment ago, and it is not known yet by whom.

        A kubelet that evicts a pod says so once its container has ended: after the verdict.
        """
        record = self.record
        if record is None or record.verdict is None or record.verdict_read is None:
            return False
        was_told = record.verdict.outcome is Outcome.TERMINATED
        was_cancelled = self.job is not None and self.job.cancel_requested
        may_come = (now - record.verdict_read).total_seconds() < CAUSE_SECONDS
        is_known = was_cancelled or pod_state.detail or pod_state.runner is not RunnerState.RUNNING
        return was_told and may_come and not is_known
