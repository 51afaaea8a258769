"""The settings of the operator: variables ``RUNTIME_...``, which the chart sets."""

from secrets import token_hex
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator
from pydantic.alias_generators import to_camel
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from qiskit_runtime.contract.limits import DEFAULT_STORAGE_BUDGET_MIB, MIB, WHOLE, take_share


def _split(value: object) -> object:
    return [part for part in value.split(",") if part] if isinstance(value, str) else value


class UnknownResourceClass(LookupError):
    """No resource class has this name; the text says which there are."""


class PodSettings(BaseModel):
    """The settings that pods of different resource classes may have different."""

    image: str = ""
    """The runner's image."""
    cpu_request: str = "250m"
    """The cpu request of a pod."""
    cpu_limit: str = "1"
    """Its cpu limit. Below one core, a program is throttled while it imports."""
    memory: str = "2Gi"
    """Its memory request and limit, which are the same, so that a node never runs out."""
    scratch: str = "1Gi"
    """The size of /tmp, and the limit of ephemeral storage."""
    runtime_class_name: str = ""
    """The RuntimeClass that runs it (gVisor, Kata); empty is the node's own."""
    priority_class_name: str = ""
    """Its PriorityClass; empty is the cluster's default."""
    host_users: bool = True
    """False gives each pod a user namespace of its own."""
    node_selector: dict[str, str] = Field(default_factory=dict)
    """The labels of the nodes that may run jobs, as JSON."""
    tolerations: tuple[dict[str, Any], ...] = ()
    """The taints that a pod tolerates, as JSON."""


class ResourceClass(PodSettings):
    """A resource class: what is set of it, its pods have instead of the settings of all pods."""

    # Numbers, as YAML has them: cpuLimit: 4.
    model_config = ConfigDict(
        alias_generator=to_camel, frozen=True, extra="forbid", coerce_numbers_to_str=True
    )


class RunnerSettings(BaseSettings, PodSettings):
    """The settings of all runner pods: variables ``RUNTIME_RUNNER_...``."""

    model_config = SettingsConfigDict(env_prefix="RUNTIME_RUNNER_", frozen=True)

    image: str
    pull_policy: str = "IfNotPresent"
    """When a node pulls it."""
    pull_secrets: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)] = ()
    """The Secrets to pull it with, separated by commas; they are in the jobs' namespace."""
    keep_seconds: Annotated[int, Field(ge=0)] = 3600
    """How long an ended Kubernetes Job stays, with its pod and its log."""
    classes: dict[str, ResourceClass] = Field(default_factory=dict)
    """The resource classes by their names, as JSON: what their pods have instead of the above."""

    def of(self, resource_class: str) -> "RunnerSettings":
        """Return the settings of the pods of a class; of the empty name, these.

        Raises:
            UnknownResourceClass: there is none of this name.
        """
        if not resource_class:
            return self
        if resource_class not in self.classes:
            known = ", ".join(sorted(self.classes)) or "none"
            raise UnknownResourceClass(
                f"there is no resource class {resource_class}; there are: {known}"
            )
        chosen = self.classes[resource_class]
        return self.model_copy(
            update={name: getattr(chosen, name) for name in chosen.model_fields_set}
        )


class PoolSize(BaseModel):
    """The bounds of the number of pods of one resource class that wait for a job."""

    model_config = ConfigDict(alias_generator=to_camel, frozen=True, extra="forbid")

    size: Annotated[int, Field(ge=0, le=1_000)] = 0
    max_size: Annotated[int, Field(ge=0, le=1_000)] = 0

    def count_wanted(self, starts: int) -> int:
        """Return how many pods should wait when so many jobs have started a moment ago."""
        return min(self.size + starts, self.most) if self.size else 0

    @property
    def most(self) -> int:
        """The most pods that wait."""
        return max(self.size, self.max_size) if self.size else 0


class WarmPoolSettings(BaseSettings):
    """The settings of the pool of pods that are started ahead: ``RUNTIME_WARM_POOL_...``."""

    model_config = SettingsConfigDict(env_prefix="RUNTIME_WARM_POOL_", frozen=True)

    size: Annotated[int, Field(ge=0, le=1_000)] = 0
    """How many pods wait for a job; 0 is no pool."""
    max_size: Annotated[int, Field(ge=0, le=1_000)] = 0
    """How many may wait while many jobs start; fewer than ``size`` is ``size``."""
    per_session: Annotated[int, Field(ge=0, le=100)] = 0
    """How many wait, besides, for the jobs of each session that is active."""
    key: SecretStr = Field(min_length=16, default_factory=lambda: SecretStr(token_hex(32)))
    """The secret that the pods' tokens are made of; one that is drawn ends with the process."""
    classes: dict[str, PoolSize] = Field(default_factory=dict)
    """The pools of the resource classes by their names, as JSON."""

    @property
    def pools(self) -> dict[str, PoolSize]:
        """The pool of each class; the empty name is that of the pods of no class."""
        return {"": PoolSize(size=self.size, maxSize=self.max_size), **self.classes}

    @property
    def is_on(self) -> bool:
        """Return whether any pod is to wait."""
        return self.most > 0

    @property
    def most_of_sessions(self) -> int:
        """The most pods that wait for the jobs of sessions."""
        return max(self.size, self.max_size, self.per_session) if self.per_session else 0

    @property
    def most(self) -> int:
        """The most pods that wait."""
        return sum(pool.most for pool in self.pools.values()) + self.most_of_sessions


class OperatorSettings(BaseSettings):
    """The settings of the operator. Made once, in ``main``, and passed down."""

    model_config = SettingsConfigDict(env_prefix="RUNTIME_", frozen=True)

    namespace: str
    """The namespace of the RuntimeJobs."""
    redis_url: SecretStr = SecretStr("redis://localhost:6379/0")
    """The Redis of the live streams; its password is within."""
    max_running_jobs: Annotated[int, Field(ge=1, le=10_000)] = 100
    """How many jobs run at once; the others stay queued, first come first served."""
    instance_max_running: Annotated[int, Field(ge=0)] = 0
    """How many jobs of one instance run at once; 0 is no limit of its own."""
    storage_budget_mib: Annotated[int, Field(ge=1)] = DEFAULT_STORAGE_BUDGET_MIB
    """The limit of parameters and records together; over it the oldest records are deleted."""
    instance_share_percent: Annotated[int, Field(ge=1, le=WHOLE)] = WHOLE
    """The most of that budget that one instance takes, in percent."""
    runner: RunnerSettings = Field(default_factory=RunnerSettings)
    """The settings of all runner pods."""
    warm_pool: WarmPoolSettings = Field(default_factory=WarmPoolSettings)
    """The settings of the pods that are started ahead."""

    @model_validator(mode="after")
    def check_classes(self) -> Self:
        """Refuse a pool of a class that there is not."""
        for name in self.warm_pool.classes:
            self.runner.of(name)
        return self

    @property
    def storage_budget(self) -> int:
        """The storage budget in bytes."""
        return self.storage_budget_mib * MIB

    @property
    def instance_storage_budget(self) -> int:
        """The most of it that one instance takes, in bytes."""
        return take_share(self.storage_budget, self.instance_share_percent)
