"""What the local store says of a job that can't be kept, or can't be run."""

from collections.abc import Iterator
from contextlib import contextmanager

from api.jobstore.base import ParamsLost
from api.store_errors import StoreUnavailable
from qiskit_runtime.contract.catalog import UnknownProgram
from qiskit_runtime.contract.lifecycle import Reason, State, reject
from qiskit_runtime.contract.resources.backend import UnknownBackend

NotRunnable = (UnknownProgram, UnknownBackend, ParamsLost)
"""What a queued job may find gone when its turn comes."""


@contextmanager
def refusing() -> Iterator[None]:
    """Refuse a request that the disk does not take, by StoreUnavailable."""
    try:
        yield
    except OSError as error:
        raise StoreUnavailable(f"the data folder can't be written: {error.strerror}") from error


def went_away(error: UnknownProgram | UnknownBackend | ParamsLost) -> State:
    """The end of a job that found something gone."""
    match error:
        case UnknownProgram():
            reason, what = Reason.UNKNOWN_PROGRAM, f"the program {error}"
        case UnknownBackend():
            reason, what = Reason.UNKNOWN_BACKEND, f"the backend {error}"
        case ParamsLost():
            reason, what = Reason.INPUT_LOST, f"its input ({error})"
    return reject(reason, f"{what} went away while the job was queued")


def broke_off(error: Exception) -> State:
    """The end of a job whose record could not be kept, or whose worker failed."""
    if isinstance(error, OSError):
        return reject(Reason.RECORD_LOST, f"its record could not be written: {error}")
    return reject(Reason.RECORD_LOST, f"the server failed while the job ran: {error!r}")
