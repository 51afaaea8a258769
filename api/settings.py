"""What can be set of a server: by variables ``RUNTIME_...``, or by ``qiskit-runtime serve``."""

import os
import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, AliasChoices, BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PREFIX = "RUNTIME_"
"""What the names of the environment variables begin with."""

MIN_TOKEN_LENGTH, MAX_TOKEN_LENGTH = 8, 1024
"""How long a token may be. At the thousands of guesses a second that this server can answer, eight
random characters last for centuries, and six for a year; a websocket's header has no more room."""

TOKEN_FORM = re.compile(rf"[!-~]{{{MIN_TOKEN_LENGTH},{MAX_TOKEN_LENGTH}}}")
"""What survives a header: a blank at an end would not, and nobody could present such a token."""


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


def _check_token(token: SecretStr) -> SecretStr:
    value = token.get_secret_value()
    if value and not re.fullmatch(TOKEN_FORM, value):
        raise ValueError(
            f"a token has {MIN_TOKEN_LENGTH} to {MAX_TOKEN_LENGTH} characters,"
            " visible ASCII ones without blanks: as `openssl rand -hex 20` makes one"
        )
    return token


class ApiSettings(BaseSettings):
    """The settings of one API process. Made once, in ``create_app``, and passed down."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, populate_by_name=True, hide_input_in_errors=True
    )

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
    token: Annotated[SecretStr, AfterValidator(_check_token)] = SecretStr("")
    """What clients must present; empty is no authentication."""
    allow_anonymous: bool = False
    """Without a token: serve every user of this machine, and whoever else reaches it."""
    allowed_hosts: Annotated[tuple[str, ...], NoDecode, _split(",")] = ()
    """Host names besides the loopback ones that a request may be for, separated by commas; ``*``
    is any."""
    namespace: str = ""
    """The namespace of RuntimeJobs. Set, its operator runs the jobs; empty is local mode."""
    redis_url: SecretStr = SecretStr("redis://localhost:6379/0")
    """The Redis that the operator streams to, with its password. Kubernetes only."""
    storage_budget_mib: Annotated[int, Field(ge=1)] = 512
    """What the jobs' parameters and records may take together. Kubernetes only."""
    max_jobs: Annotated[int, Field(ge=1)] = 5000
    """How many RuntimeJobs there may be, ended ones too. Kubernetes only."""
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
    max_connections: Annotated[int, Field(ge=10, le=100_000)] = 1000
    """How many connections there are at once; fewer where there are not enough descriptors."""
    request_seconds: Annotated[float, Field(gt=0, le=3600)] = 30.0
    """How long a request's headers may take, and its body beside a second for each 32 KiB."""
    send_seconds: Annotated[float, Field(gt=0, le=3600)] = 30.0
    """How long a client may take nothing of what is sent to it, until it is dropped."""
    keep_alive_seconds: Annotated[int, Field(ge=1, le=86400)] = 620
    """How long a connection may rest between two requests: longer than any proxy keeps it, or that
    sends a request into one that was just closed. Traefik and nginx: 60 to 90 s, Google's: 600."""
    grace_seconds: Annotated[float, Field(ge=0, le=60)] = 3.0
    """How long a program that is told to end may take until it is killed."""

    @property
    def job_memory(self) -> int:
        """The memory limit of a job, in bytes."""
        if self.job_memory_bytes is not None:
            return self.job_memory_bytes
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        return total * 3 // 4 // self.workers
