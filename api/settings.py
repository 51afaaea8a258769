"""What can be set of a server: by variables ``RUNTIME_...``, or by ``qiskit-runtime serve``."""

import os
import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, AliasChoices, BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PREFIX = "RUNTIME_"
"""What the names of the environment variables begin with."""


_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


def _split(separator: str) -> BeforeValidator:
    def split(value: object) -> object:
        return (
            [part for part in value.split(separator) if part] if isinstance(value, str) else value
        )

    return BeforeValidator(split)


def _check_names(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if not _VARIABLE.fullmatch(name) or name.startswith(PREFIX):
            raise ValueError(
                f"names of environment variables, and none of the server's own ({PREFIX}...)"
            )
    return names


class ApiSettings(BaseSettings):
    """The settings of one API process. Made once, in ``create_app``, and passed down."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, populate_by_name=True)

    data: Path = Path.home() / ".qiskit-runtime"
    """The data folder of local mode."""
    programs: Annotated[tuple[Path, ...], NoDecode, _split(os.pathsep)] = ()
    """Folders of programs beside the library; in the environment separated as PATH is."""
    backends: Path | None = None
    """A file of RuntimeBackend documents beside the backends that are always there. Local mode."""
    workers: Annotated[
        int, Field(ge=1, le=256, validation_alias=AliasChoices("RUNTIME_WORKERS", "NUM_WORKERS"))
    ] = 4
    """How many jobs run at once."""
    token: SecretStr = SecretStr("")
    """What clients must present; empty is no authentication."""
    allowed_hosts: Annotated[tuple[str, ...], NoDecode, _split(",")] = ()
    """Host names besides the loopback ones that a request may be for, separated by commas; ``*``
    is any."""
    namespace: str = ""
    """The namespace of RuntimeJobs. Set, its operator runs the jobs; empty is local mode."""
    redis_url: SecretStr = SecretStr("redis://localhost:6379/0")
    """The Redis that the operator streams to, with its password. Kubernetes only."""
    storage_budget_mib: Annotated[int, Field(ge=1)] = 512
    """What the jobs' parameters and records may take together. Kubernetes only."""
    job_memory_bytes: Annotated[int, Field(ge=0)] | None = None
    """A job's memory limit; 0 is none, unset an equal share of three quarters of this machine's."""
    program_env: Annotated[
        tuple[str, ...], NoDecode, _split(","), AfterValidator(_check_names)
    ] = ()
    """Environment variables that programs get beside the usual ones. Local mode."""
    keep_days: Annotated[float, Field(ge=0, le=36500, allow_inf_nan=False)] = 0
    """For how many days an ended job is kept; 0 is for ever. Local mode."""
    keep_bytes: Annotated[int, Field(ge=0)] = 0
    """How many bytes the ended jobs may take, the oldest go first; 0 is any. Local mode."""
    max_queued: Annotated[int, Field(ge=1)] = 1000
    """How many jobs may wait for their turn. Local mode."""
    grace_seconds: Annotated[float, Field(ge=0, le=60)] = 3.0
    """How long a program that is told to end may take until it is killed."""

    @property
    def job_memory(self) -> int:
        """The memory limit of a job, in bytes."""
        if self.job_memory_bytes is not None:
            return self.job_memory_bytes
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        return total * 3 // 4 // self.workers
