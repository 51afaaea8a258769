"""The job input: the one document that a runner is given, the job and its parameters.

Local mode and the operator write it; ``python -m runner`` reads it from a folder (a mounted Secret)
or from its standard input. Standard library only: the supervisor imports it.
"""

import json
import math
from typing import TYPE_CHECKING, Any, NamedTuple

from qiskit_runtime.contract.limits import DEFAULT_MAX_EXECUTION_SECONDS
from qiskit_runtime.contract.wire.verdict import is_version_map

if TYPE_CHECKING:
    from pathlib import Path

JOB_FILE = "job.json"
"""The file of a folder that has the job input without the parameters."""

PARAMS_FILE = "params.json"
"""The file of a folder that has the parameters' JSON text, verbatim.

Large parameters are cut into ``params.json.000`` and so on.
"""

ENTRY_POINT = "main"
"""The function of a program that a job calls, as ``main(backend, user_messenger, **params)``."""

SEED_PARAMETER = "seed_simulator"
"""The parameter with the seed of all random numbers of a job.

A program that has the parameter and was not given it gets a seed that is drawn for the job; a
program without the parameter is called without it. So the seed on a job's status can be given to
any program, to repeat its run.
"""

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
"""The levels that a job may set the program's root logger to."""


class JobInputError(ValueError):
    """The document is not a job input; the text names what is wrong with it."""


class JobInput(NamedTuple):
    """The job as its runner needs to know it.

    ``program`` is the path of the program's entry file or archive, or the id of a library program;
    ``backend`` is a ``BackendSpec`` as JSON; ``params`` is the JSON text of the keyword arguments,
    as the client sent it, and is decoded in the program process only. ``memory_bytes`` 0 means no
    limit of the runner's own (a pod has its cgroup's).
    """

    job_id: str
    program: str
    params: str = "{}"
    backend: dict[str, Any] = {}  # noqa: RUF012  (never changed)
    max_execution_seconds: float = DEFAULT_MAX_EXECUTION_SECONDS
    memory_bytes: int = 0
    log_level: str = "WARNING"
    params_sha256: str = ""
    """The digest of the parameters' bytes as they were posted, or empty: they may have changed."""
    versions: dict[str, str] = {}  # noqa: RUF012  (never changed)
    """Versions for the verdict that the runner can't know: the program's, the image."""
    pod: str = ""
    """The name of the one pod that may run the job; empty in local mode."""

    def to_line(self) -> bytes:
        """Return the document as one line, for a runner's standard input."""
        return json.dumps(self._asdict()).encode() + b"\n"


def parse_job_input(document: bytes, params: str | None = None) -> JobInput:
    """Parse the document; ``params`` replaces the text within it.

    Raises:
        JobInputError: it is not JSON, or a field is missing, unknown or of a wrong type.
    """
    try:
        fields = json.loads(document)
        job = JobInput(**fields if params is None else {**fields, "params": params})
    except (ValueError, TypeError, RecursionError) as error:
        raise JobInputError(f"not a job input: {error}") from error
    _validate(job)
    return job


def read_job_input(folder: "Path", pod: str = "") -> JobInput:
    """Read the job input of a folder; ``pod`` is the name of this pod.

    Raises:
        JobInputError: a file is missing or not what it should be, or is meant for another pod.
    """
    try:
        document = (folder / JOB_FILE).read_bytes()
        params = _read_params(folder)
        job = parse_job_input(document, params.decode())
    except (OSError, UnicodeDecodeError) as error:
        raise JobInputError(f"no job input in {folder}: {error}") from error
    if job.pod != pod:
        # A Kubernetes Job may make a second pod, as after it was suspended and resumed.
        raise JobInputError(f"the job was handed to the pod {job.pod}: it is not run twice")
    # Imported here: a supervisor that reads no folder is up sooner without.
    import hashlib

    digest = job.params_sha256
    if digest and hashlib.sha256(params).hexdigest() != digest:
        raise JobInputError("params: they are not what was posted: their SHA-256 differs")
    return job


def _read_params(folder: "Path") -> bytes:
    parts = sorted(folder.glob(f"{PARAMS_FILE}.[0-9][0-9][0-9]"))
    return b"".join(part.read_bytes() for part in parts or [folder / PARAMS_FILE])


def _validate(job: JobInput) -> None:
    for name, types in _TYPES.items():
        if not isinstance(getattr(job, name), types):
            raise JobInputError(f"not a job input: {name} has a wrong type")
    valid = {
        "max_execution_seconds": 0 < job.max_execution_seconds < math.inf,
        "memory_bytes": job.memory_bytes >= 0,
        "log_level": job.log_level in LOG_LEVELS,
        "versions": is_version_map(job.versions),
    }
    for name, is_valid in valid.items():
        if not is_valid:
            raise JobInputError(f"not a job input: {name} has a wrong value")


_TYPES: dict[str, tuple[type, ...]] = {
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
