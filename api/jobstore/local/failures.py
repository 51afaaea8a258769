"""The local store's answers where a job can't be kept, or can't be run."""

from collections.abc import Iterator
from contextlib import contextmanager

from api.jobstore.base import ParamsLost
from api.store_errors import StoreUnavailable
from qiskit_runtime.contract.catalog import UnknownProgram
from qiskit_runtime.contract.lifecycle import Reason, State, reject
from qiskit_runtime.contract.resources.backend import UnknownBackend

MISSING_ERRORS = (UnknownProgram, UnknownBackend, ParamsLost)
"""The errors of a queued job whose program, backend or parameters were removed."""


@contextmanager
def disk_errors_as_unavailable() -> Iterator[None]:
    """Raise StoreUnavailable where the disk refuses a write."""
    try:
        yield
    except OSError as error:
        raise StoreUnavailable(f"the data folder can't be written: {error.strerror}") from error


def state_for_missing(error: UnknownProgram | UnknownBackend | ParamsLost) -> State:
    """Return the final state of a job whose program, backend or parameters were removed."""
    match error:
        case UnknownProgram():
            reason, missing = Reason.UNKNOWN_PROGRAM, f"the program {error}"
        case UnknownBackend():
            reason, missing = Reason.UNKNOWN_BACKEND, f"the backend {error}"
        case ParamsLost():
            reason, missing = Reason.INPUT_LOST, f"its input ({error})"
    return reject(reason, f"{missing} went away while the job was queued")


def state_for_failure(error: Exception) -> State:
    """Return the final state of a job whose record could not be kept, or whose worker failed."""
    if isinstance(error, OSError):
        return reject(Reason.RECORD_LOST, f"its record could not be written: {error}")
    return reject(Reason.RECORD_LOST, f"the server failed while the job ran: {error!r}")
