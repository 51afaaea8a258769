"""The settings of the operator: variables ``RUNTIME_...``, which the chart sets."""

from secrets import token_hex
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from qiskit_runtime.contract.limits import DEFAULT_STORAGE_BUDGET_MIB, MIB, WHOLE, take_share


def _split(value: object) -> object:
    return [part for part in value.split(",") if part] if isinstance(value, str) else value


class RunnerSettings(BaseSettings):
    """The settings of all runner pods: variables ``RUNTIME_RUNNER_...``."""

    model_config = SettingsConfigDict(env_prefix="RUNTIME_RUNNER_", frozen=True)

    image: str
    """The runner's image."""
    pull_policy: str = "IfNotPresent"
    """When a node pulls it."""
    pull_secrets: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)] = ()
    """The Secrets to pull it with, separated by commas; they are in the jobs' namespace."""
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
    keep_seconds: Annotated[int, Field(ge=0)] = 3600
    """How long an ended Kubernetes Job stays, with its pod and its log."""


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

    @property
    def is_on(self) -> bool:
        """Return whether any pod is to wait."""
        return self.size > 0 or self.per_session > 0

    @property
    def most(self) -> int:
        """The most pods that wait for any job, and the most that wait for those of sessions."""
        return max(self.size, self.max_size, self.per_session)


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

    @property
    def storage_budget(self) -> int:
        """The storage budget in bytes."""
        return self.storage_budget_mib * MIB

    @property
    def instance_storage_budget(self) -> int:
        """The most of it that one instance takes, in bytes."""
        return take_share(self.storage_budget, self.instance_share_percent)
