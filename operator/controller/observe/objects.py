"""A RuntimeJob's Kubernetes Job and pod: the fields of their manifests that decide its state. Pure.

``parse`` makes them; ``pod_state`` and ``decide`` read them.
"""

from dataclasses import dataclass
from datetime import datetime

from qiskit_runtime.contract.wire.verdict import EXIT_UNUSED

JOB_ENDS = ("Complete", "Failed")
"""The conditions of a Kubernetes Job that has ended."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition on the status of a Kubernetes Job."""

    type: str
    is_true: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class KubernetesJob:
    """The Kubernetes Job that runs a RuntimeJob."""

    name: str
    uid: str
    version: int
    runtimejob: str
    """The name of the RuntimeJob, by its label."""
    owners: tuple[str, ...] = ()
    """The UIDs of the objects that own it."""
    is_deleted: bool = False
    is_suspended: bool = False
    """Whether somebody (Kueue, an administrator) holds it: it has no pod then."""
    conditions: tuple[Condition, ...] = ()
    created: datetime | None = None
    started: datetime | None = None
    template_digest: str = ""
    """The class of its pod, where that was started ahead of a RuntimeJob."""
    resource_class: str = ""
    """The resource class of its pod; empty is none, the settings of all pods."""
    session: str = ""
    """The name of the session whose jobs alone may claim it; empty is any job."""
    claimed: datetime | None = None
    """The time at which a RuntimeJob has claimed such a Job."""

    @property
    def is_idle(self) -> bool:
        """Return whether it was started ahead, and no RuntimeJob has claimed it yet."""
        return bool(self.template_digest) and not self.owners

    def has_condition(self, *types: str) -> bool:
        """Return whether one of these conditions is true."""
        return any(one.is_true and one.type in types for one in self.conditions)

    @property
    def was_suspended(self) -> bool:
        """Return whether somebody has suspended it, ever."""
        return any(one.type == "Suspended" for one in self.conditions)

    @property
    def waits_since(self) -> datetime | None:
        """The time since which it may run; None while it is suspended, or being resumed."""
        if self.is_suspended or self.has_condition("Suspended"):
            return None
        return self.claimed or self.started or self.created

    def waited_seconds(self, now: datetime) -> float:
        """Return for how long it has been there and was not suspended."""
        return (now - self.waits_since).total_seconds() if self.waits_since else 0.0


@dataclass(frozen=True, slots=True)
class Termination:
    """The end of a container, as the kubelet reports it."""

    exit_code: int | None = None
    reason: str = ""
    message: str = ""
    started: datetime | None = None
    finished: datetime | None = None


@dataclass(frozen=True, slots=True)
class Container:
    """A runner's container, as the kubelet reports it."""

    was_made: bool = False
    is_running: bool = False
    running_since: datetime | None = None
    waiting_reason: str = ""
    waiting_message: str = ""
    termination: Termination | None = None

    @property
    def started(self) -> datetime | None:
        """The time at which it started, to the second."""
        return self.termination.started if self.termination else self.running_since

    @property
    def never_ran(self) -> bool:
        """Return whether it was never made, as far as the kubelet has reported.

        The kubelet reports an end also of a container whose pod was deleted before it was made.
        """
        return not (self.was_made or self.started or self.is_running)

    @property
    def had_no_job(self) -> bool:
        """Return whether it has waited for a job in vain, and has ended."""
        return self.termination is not None and self.termination.exit_code == EXIT_UNUSED

    def ran_seconds(self, now: datetime, claimed: datetime | None = None) -> float:
        """Return for how long it has run, or ran, since it was claimed; 0 if that is not known."""
        ran, since = self.termination, self.started
        if since is None:
            return 0.0
        until = ran.finished or now if ran else now
        return (until - max(since, claimed or since)).total_seconds()


@dataclass(frozen=True, slots=True)
class Pod:
    """A runner's pod."""

    name: str
    uid: str
    version: int
    runtimejob: str
    """The name of the RuntimeJob, by its label."""
    job_name: str
    """The name of its Kubernetes Job, by its label."""
    deleted: datetime | None = None
    """The time by which Kubernetes is to have removed it, if it was deleted."""
    has_node: bool = False
    phase: str = ""
    reason: str = ""
    message: str = ""
    disruption: str = ""
    """The cluster's words for why it ends the pod: evicted by the API, by a taint, preempted."""
    scheduled: datetime | None = None
    """The time at which it got its node, to the second."""
    not_scheduled: str | None = None
    """The scheduler's message while no node takes the pod."""
    image: str = ""
    requests: tuple[tuple[str, str], ...] = ()
    """The resources that it requests, by name."""
    memory_bytes: int = 0
    """Its memory limit."""
    address: str = ""
    """Its IP address."""
    is_ready: bool = False
    """Whether the kubelet's probe has found its port open."""
    is_unreachable: bool = False
    """Whether the cluster says that it is not ready, though its kubelet did: its node is lost."""
    container: Container = Container()

    @property
    def is_deleted(self) -> bool:
        """Return whether it was deleted and is on its way out."""
        return self.deleted is not None

    @property
    def is_homeless(self) -> bool:
        """Return whether no node takes it, and a RuntimeJob waits for it."""
        return bool(self.runtimejob) and self.not_scheduled is not None and not self.is_deleted

    @property
    def never_ran(self) -> bool:
        """Return whether its container was never made, as far as the kubelet has reported."""
        return self.container.never_ran

    @property
    def is_known_unused(self) -> bool:
        """Return whether this, its last version, shows that nothing of a job has run in it.

        Of a pod that was on a node, the kubelet must have reported the end.
        """
        if self.container.had_no_job:
            return True
        is_over = self.phase in ("Failed", "Succeeded")
        return (is_over or not self.has_node) and self.never_ran

    @property
    def has_log(self) -> bool:
        """Return whether its container has started, and so may have printed."""
        if self.is_deleted and self.never_ran:
            return False
        return self.container.is_running or self.container.termination is not None
