"""The hand-over: the one document that a runner is given, the job and its parameters.

Whoever starts a runner (local mode, the operator) writes it; ``python -m runner`` reads it from
a folder (a mounted Secret) or from its standard input. Standard library only: the supervisor
imports it.
"""

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from qiskit_runtime.contract.limits import DEFAULT_MAX_EXECUTION_SECONDS
from qiskit_runtime.contract.wire.verdict import is_version_map

JOB_FILE = "job.json"
"""In a folder: the hand-over without the parameters."""

PARAMS_FILE = "params.json"
"""In a folder: the parameters' JSON text, verbatim; or cut, in ``params.json.000`` and so on."""


ENTRY_POINT = "main"
"""The function of a program that a job calls, as ``main(backend, user_messenger, **params)``."""


SEED_PARAMETER = "seed_simulator"
"""The parameter that a job's random numbers come from. A program that has it and was not given it
gets one that is drawn for the job; one that has it not is called without it. So the seed on a
job's status can be given to any program, to run the same again."""


LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
"""What a job may ask the program's root logger for."""


class JobInputError(ValueError):
    """The document is not a hand-over; the text names what is wrong with it."""


@dataclass(frozen=True, slots=True)
class JobInput:
    """What a runner needs to know of a job.

    ``program`` is the path of the program's entry file or archive, or the id of one of the library;
    ``backend`` is a ``BackendSpec`` as JSON;
    ``params`` is the JSON text of the keyword arguments, as the client sent it; it is decoded in
    the program process only. ``memory_bytes`` 0 means no limit of the runner's own (a pod has its
    cgroup's).
    """

    job_id: str
    program: str
    params: str = "{}"
    backend: dict[str, Any] = field(default_factory=dict)
    max_execution_seconds: float = DEFAULT_MAX_EXECUTION_SECONDS
    memory_bytes: int = 0
    log_level: str = "WARNING"
    params_sha256: str = ""
    """Of the parameters' bytes, where whoever stored them has said it: they may have changed."""
    versions: dict[str, str] = field(default_factory=dict)
    """What the runner can't know: the program's version, its image. They go into the verdict."""
    pod: str = ""
    """The one pod that may run the job, by its name; empty where no pods are."""

    def to_line(self) -> bytes:
        """The document as one line, for a runner's standard input."""
        return json.dumps(asdict(self)).encode() + b"\n"


def parse_job_input(document: bytes, params: str | None = None) -> JobInput:
    """Read the document; ``params`` replaces the text within it.

    Raises:
        JobInputError: it is not JSON, or a field is missing, unknown or of a wrong type.
    """
    try:
        fields = json.loads(document)
        handover = JobInput(**fields if params is None else {**fields, "params": params})
    except (ValueError, TypeError, RecursionError) as error:
        raise JobInputError(f"not a hand-over document: {error}") from error
    for name, kinds in _KINDS.items():
        if not isinstance(getattr(handover, name), kinds):
            raise JobInputError(f"not a hand-over document: {name} has a wrong type")
    for name, holds in _holds(handover).items():
        if not holds:
            raise JobInputError(f"not a hand-over document: {name} has a wrong value")
    return handover


def read_job_input(folder: Path, pod: str = "") -> JobInput:
    """Read the files of a folder; ``pod`` is the name of the pod that this is.

    Raises:
        JobInputError: one is missing or not what it should be, or is meant for another pod.
    """
    try:
        document = (folder / JOB_FILE).read_bytes()
        params = _read_params(folder)
        handover = parse_job_input(document, params.decode())
    except (OSError, UnicodeDecodeError) as error:
        raise JobInputError(f"no hand-over document in {folder}: {error}") from error
    if handover.pod != pod:
        # A Kubernetes Job may make a second pod (it was suspended and resumed, say).
        raise JobInputError(f"the job was handed to the pod {handover.pod}: it is not run twice")
    digest = handover.params_sha256
    if digest and hashlib.sha256(params).hexdigest() != digest:
        raise JobInputError("params: they are not what was posted: their SHA-256 differs")
    return handover


def _read_params(folder: Path) -> bytes:
    parts = sorted(folder.glob(f"{PARAMS_FILE}.[0-9][0-9][0-9]"))
    return b"".join(part.read_bytes() for part in parts or [folder / PARAMS_FILE])


def _holds(handover: JobInput) -> dict[str, bool]:
    return {
        "max_execution_seconds": 0 < handover.max_execution_seconds < math.inf,
        "memory_bytes": handover.memory_bytes >= 0,
        "log_level": handover.log_level in LOG_LEVELS,
        "versions": is_version_map(handover.versions),
    }


_KINDS: dict[str, tuple[type, ...]] = {
    "job_id": (str,),
    "program": (str,),
    "params": (str,),
    "backend": (dict,),
    "max_execution_seconds": (int, float),
    "memory_bytes": (int,),
    "log_level": (str,),
    "params_sha256": (str,),
    "versions": (dict,),
    "pod": (str,),
}
