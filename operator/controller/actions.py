"""The actions on a RuntimeJob: ``decide`` returns one, ``act`` takes it. Pure.

``seconds`` is the time until the job is looked at again, if no event comes before; None is no time.
"""

from dataclasses import dataclass
from typing import Any

from controller.build.program import JobPlan
from controller.build.status import NO_FACTS, RunFacts
from controller.observe.memory import InputHolder
from controller.observe.objects import KubernetesJob, Pod
from qiskit_runtime.contract.lifecycle import State
from qiskit_runtime.contract.resources.runtimejob import RuntimeJob
from qiskit_runtime.contract.wire.progress import Progress

CHECK_SECONDS = 30.0
"""How often a job that waits for something is looked at without an event."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing; ``frees_slot`` lets another job start in the place of this one."""

    seconds: float | None = CHECK_SECONDS
    frees_slot: bool = False


@dataclass(frozen=True, slots=True)
class Start:
    """Create the Kubernetes Job; ``instead_of`` is one that was claimed, whose pod ran nothing."""

    job: RuntimeJob
    resource_class: str = ""
    instead_of: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """Claim a Kubernetes Job that was started ahead, and hand the input over to its pod."""

    job: RuntimeJob
    plan: JobPlan
    run: KubernetesJob
    pod: Pod


@dataclass(frozen=True, slots=True)
class HandOver:
    """Hand the input over to the pod of a Job that was claimed, as an earlier step has not."""

    job: RuntimeJob
    plan: JobPlan | None
    run: KubernetesJob
    pod: Pod
    holder: InputHolder | None


@dataclass(frozen=True, slots=True)
class GiveInput:
    """Create the Secret with the input, which names the one pod that may use it."""

    job: RuntimeJob
    plan: JobPlan
    pod: str
    image: str
    """The image of the pod, which the job's record names."""


@dataclass(frozen=True, slots=True)
class TakeInputBack:
    """Delete the Secret with the input: the pod that it names never started."""

    job: RuntimeJob
    holder: InputHolder


@dataclass(frozen=True, slots=True)
class FollowLog:
    """Begin to read the pod's log into the job's record."""

    job: RuntimeJob
    pod: str


@dataclass(frozen=True, slots=True)
class ExpectRecordEnd:
    """Give the log of a container that has ended a moment, then take it as it is."""

    job: RuntimeJob


@dataclass(frozen=True, slots=True)
class Update:
    """Write a change of the status of a job that goes on; ``status`` is the change."""

    job: RuntimeJob
    state: State
    status: dict[str, Any]
    seconds: float = 0
    progress: Progress | None = None
    """The progress that the change has."""


@dataclass(frozen=True, slots=True)
class StopPod:
    """Delete the pod, so that its runner gets SIGTERM and ends the record."""

    job: RuntimeJob
    pod: str
    seconds: float = CHECK_SECONDS


@dataclass(frozen=True, slots=True)
class DeleteSpares:
    """Delete the Kubernetes Jobs of these names, which a job has claimed and does not use."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Finish:
    """Store the record, then make the job final; ``delete_job`` removes its Kubernetes Job."""

    job: RuntimeJob
    state: State
    facts: RunFacts = NO_FACTS
    delete_job: bool = False

    @property
    def run_name(self) -> str:
        """The name of that Kubernetes Job."""
        return self.facts.job or self.job.run_name


@dataclass(frozen=True, slots=True)
class Retire:
    """Release what is held of a job that has ended; ``delete_job`` as above: it could run again."""

    job: RuntimeJob
    delete_job: bool
    seconds: float | None
    run_name: str = ""
    spares: tuple[str, ...] = ()
    """The names of others that it has claimed, which go."""


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete a RuntimeJob whose time is over, and by ownership all that it caused."""

    job: RuntimeJob


@dataclass(frozen=True, slots=True)
class Forget:
    """Release what is held of a RuntimeJob that was deleted."""


Action = (
    Wait | Start | Claim | HandOver | GiveInput | TakeInputBack | FollowLog | ExpectRecordEnd
    | Update | StopPod | DeleteSpares | Finish | Retire | Delete | Forget
)  # fmt: skip
