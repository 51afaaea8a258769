"""The view of the pods that were started ahead, all that ``decide_pool`` reads. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from controller.build.warm_job import IDLE_SECONDS
from controller.observe.objects import JOB_ENDS, KubernetesJob, Pod
from controller.settings import WarmPoolSettings

OLD_SECONDS = IDLE_SECONDS - 600
"""The age from which on a pod is replaced: it ends by itself soon."""

READY_SECONDS = 180.0
"""How long a pod may take until it is ready: it imports Qiskit, perhaps on a busy node."""

ROOM_SECONDS = 5.0
"""How long it may take until the room of a pod that was deleted is a job's."""

DEMAND_SECONDS = 30.0
"""The time for which a start counts as demand."""


REFILL_SECONDS = 0.25
"""How long the place of a pod that was claimed stays empty: its job starts first.

A new pod's start takes a second of two processors, and the job's first answer 0.1 s.
"""


class Place(NamedTuple):
    """A place of a pod that waits: its resource class, and the session whose jobs may have it.

    Empty names are no class and any job.
    """

    resource_class: str = ""
    session: str = ""


class Nodes(NamedTuple):
    """The nodes that may run a pod, by its settings: their labels, and the taints that it bears."""

    selector: frozenset[tuple[str, str]] = frozenset()
    tolerations: str = "[]"
    """As JSON text."""

    def may_overlap(self, others: "Nodes") -> bool:
        """Return whether a node may run the pods of both.

        The operator does not read nodes. Pods that bear other taints are taken to be on nodes that
        have them, which are for these pods alone.
        """
        wanted = dict(self.selector)
        agree = all(wanted.get(label, value) == value for label, value in others.selector)
        return agree and self.tolerations == others.tolerations


ANY_NODE = Nodes()


@dataclass(frozen=True, slots=True)
class IdlePod:
    """A pod that waits for its job, with its Kubernetes Job."""

    run: KubernetesJob
    pod: Pod | None
    is_current: bool
    """Whether its image and resources are those of its class in the settings."""
    is_taken: bool = False
    """Whether a job is about to claim it."""
    is_broken: bool = False
    """Whether it did not answer."""
    seen_seconds: float = 0.0
    """For how long this operator has seen it as it is. A node's clock may be wrong."""

    @property
    def place(self) -> Place:
        """The place that it takes in the pool."""
        return Place(self.run.resource_class, self.run.session)

    @property
    def has_node(self) -> bool:
        """Return whether a node was chosen for its pod."""
        return self.pod is not None and self.pod.has_node

    @property
    def is_free(self) -> bool:
        """Return whether it answers, as far as is known, and no job is about to claim it."""
        return not (self.is_taken or self.is_broken)

    @property
    def is_over(self) -> bool:
        """Return whether it has ended without a job."""
        ended = self.pod is not None and self.pod.container.termination is not None
        return ended or self.run.has_condition(*JOB_ENDS)

    @property
    def is_ready(self) -> bool:
        """Return whether its runner waits on its port."""
        pod = self.pod
        is_there = pod is not None and pod.is_ready and bool(pod.address) and not pod.is_deleted
        if pod is not None and pod.is_unreachable:
            return False
        return is_there and not (self.is_over or self.run.is_suspended)

    @property
    def is_starting(self) -> bool:
        """Return whether its runner runs, and is not ready."""
        return self.pod is not None and self.pod.container.is_running and not self.is_ready

    @property
    def is_stuck(self) -> bool:
        """Return whether its runner runs for so long without being ready that it is replaced.

        One of a lost node may come back, until the cluster gives it up.
        """
        if self.pod is None or self.is_ready:
            return False
        if self.pod.is_unreachable:
            return self.pod.is_deleted
        return self.is_starting and self.seen_seconds > READY_SECONDS

    def is_old(self, now: datetime) -> bool:
        """Return whether it has waited for so long that it is replaced."""
        return self.run.waited_seconds(now) > OLD_SECONDS


@dataclass(frozen=True, slots=True)
class PoolView:
    """The pool at one moment: all that ``decide_pool`` reads."""

    settings: WarmPoolSettings
    idle: tuple[IdlePod, ...] = ()
    sessions: tuple[Place, ...] = ()
    """The places of the sessions that are active, those first that were opened first."""
    recent_starts: Mapping[str, int] = field(default_factory=dict)
    """The number of jobs that have started within ``DEMAND_SECONDS``, by resource class."""
    recent_claims: int = 0
    """The pods that jobs have claimed within ``REFILL_SECONDS``."""
    refused: int = 0
    """The jobs whose Kubernetes Jobs or pods a quota refuses: any pod that goes makes room.

    Of those whose pods it refuses, the ones that were given none a moment ago.
    """
    homeless: Mapping[Nodes, int] = field(default_factory=dict)
    """The jobs whose pods find no node, by the nodes that may run them (``nodes_of``)."""
    nodes: Mapping[str, Nodes] = field(default_factory=dict)
    """The nodes that may run the pods of a resource class."""
    makes_room: bool = False
    """Whether pods were deleted for such jobs a moment ago: the scheduler has to see it first."""

    is_quota_full: bool = False
    """Whether a quota refuses a job's Kubernetes Job or pod, as far as is known."""

    @property
    def waits_for_room(self) -> bool:
        """Return whether a job waits for room."""
        return bool(self.refused or self.is_quota_full or self.homeless)

    def nodes_of(self, place: Place) -> Nodes:
        """Return the nodes that may run the pods of a place."""
        return self.nodes.get(place.resource_class, ANY_NODE)

    def is_needed(self, nodes: Nodes) -> bool:
        """Return whether a job finds no node, and one of these might do."""
        return any(nodes.may_overlap(wanted) for wanted in self.homeless)
