"""The data folder of local mode: one directory a job; a killed server loses nothing.

``jobs/<id>/job.json`` is the job, ``params.json`` its parameters verbatim, ``record`` its record,
and ``source/`` has the source that it runs where its program is a user's own. ``job.end`` keeps
room on the disk for the last ``job.json``. ``programs`` is ``api.programstore``'s, ``sessions``
``api.sessionstore``'s. A lock file keeps a second server out.
"""

import fcntl
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from api.jobstore.base import ParamsLost
from api.jobstore.local.files import (
    load_entries,
    measure_tree,
    open_new,
    open_plain,
    own_folder,
    read_plain,
    replace_file,
    reserve,
    sync_folder,
    write_file,
)
from api.jobstore.local.scratch import Scratch
from qiskit_runtime.contract.limits import MAX_PARAMS_BYTES, MAX_SOURCE_BYTES
from qiskit_runtime.contract.resources.job import Job
from qiskit_runtime.contract.resources.program import ProgramSource
from qiskit_runtime.contract.wire.events import Event
from qiskit_runtime.contract.wire.record import RecordParser
from qiskit_runtime.contract.wire.record_form import RECORD_BUDGET
from qiskit_runtime.host.left_behind import remove_tree, take_rights

_JOB = "job.json"
_ROOM = "job.end"
_PARAMS = "params.json"
_RECORD = "record"
_SOURCE = "source"

_MAX_JOB_BYTES = 1 << 20
_END_BYTES = 16 << 10
"""What a job's end may add to its file: a message, versions, seeds."""

_READ_BYTES = 1 << 18

logger = logging.getLogger(__name__)


class DataFolderInUse(RuntimeError):
    """Another server has the data folder open."""


class DataFolder:
    """Reads and writes the files of jobs. Ids are ours, so they are safe as names of folders.

    What it writes is on the disk when a call returns, so most of its calls are for threads.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._jobs = root / "jobs"
        self._lock = root / "lock"
        self.programs = root / "programs"
        self.sessions = root / "sessions"
        self.scratch = Scratch(root / "scratch")

    def open(self) -> None:
        """Make the folder where it is missing, and lock it until this process ends.

        Raises:
            DataFolderInUse: another server has it.
        """
        self._root.mkdir(parents=True, exist_ok=True)
        if not os.access(self._root, os.R_OK | os.W_OK | os.X_OK):
            take_rights(self._root)
        self._lock_file = self._open_lock()
        try:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._lock_file)
            raise DataFolderInUse(f"another server uses {self._root}") from error
        # Readable for the user alone: params and results are theirs.
        for folder in (self._jobs, self.programs, self.sessions):
            folder.mkdir(exist_ok=True)
            folder.chmod(0o700)
        sync_folder(self._root)
        # Working folders of runners that were killed, and jobs whose removal was cut short.
        self.scratch.open()

    def _open_lock(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
        if not self._lock.is_file() or self._lock.is_symlink():
            remove_tree(self._lock)
        return os.open(self._lock, flags, 0o600)

    def close(self) -> None:
        """Let another server have it."""
        self.scratch.close()
        os.close(self._lock_file)

    def takes_jobs(self) -> bool:
        """Return whether the disk takes a submission now, by trying."""
        probe = self._jobs / f".probe-{os.getpid()}-{threading.get_ident()}"
        try:
            reserve(own_folder(probe) / _ROOM, 2 * _END_BYTES)
        except OSError:
            return False
        finally:
            remove_tree(probe)
        return True

    def create(self, job: Job, params: str, source: ProgramSource | None = None) -> None:
        """Write a new job; it counts once its job.json is there, which comes last."""
        # Files may be left from an earlier attempt with this id that crashed.
        folder = own_folder(self._jobs / job.id)
        remove_tree(folder / _SOURCE)
        data = _dump(job)
        try:
            # As bytes: text files change the ends of lines.
            write_file(folder / _PARAMS, params.encode())
            if source is not None:
                sources = own_folder(folder / _SOURCE)
                write_file(sources / source.file_name(job.spec.program_id), source.data)
                sync_folder(sources)
            reserve(folder / _ROOM, len(data) + _END_BYTES)
            sync_folder(self._jobs)
            replace_file(folder / _JOB, data)
        except OSError:
            remove_tree(folder)
            raise

    def save(self, job: Job) -> None:
        """Replace the job's file in one step."""
        folder = own_folder(self._jobs / job.id)
        room = folder / _ROOM if job.is_final else None
        replace_file(folder / _JOB, _dump(job), room=room)

    def load_all(self) -> Iterator[Job]:
        """The jobs that are there. What is no readable job is left alone, with a warning."""
        return load_entries(self._jobs, _JOB, _load)

    def read_params(self, job_id: str) -> str:
        """The parameters, verbatim.

        Raises:
            ParamsLost: their file is gone or damaged.
        """
        try:
            return read_plain(self._jobs / job_id / _PARAMS, MAX_PARAMS_BYTES).decode()
        except (OSError, UnicodeDecodeError) as error:
            raise ParamsLost(str(error)) from error

    def read_source(self, job_id: str) -> tuple[Path, ProgramSource] | None:
        """The source that the job brought, with its file; None where it names a program there is.

        Raises:
            OSError, SourceInvalid: it is gone or damaged.
        """
        try:
            with os.scandir(self._jobs / job_id / _SOURCE) as entries:
                path = next((Path(entry.path) for entry in entries), None)
        except FileNotFoundError:
            return None
        if path is None:
            return None
        return path, ProgramSource(read_plain(path, MAX_SOURCE_BYTES))

    def open_record(self, job_id: str) -> int:
        """A descriptor to write the job's record to, which begins now."""
        return open_new(own_folder(self._jobs / job_id) / _RECORD)

    def read_events(self, job_id: str) -> list[Event]:
        """The events of the record; none where the job never ran, or what can be read of it."""
        parser, events, left = RecordParser(), list[Event](), 2 * RECORD_BUDGET
        try:
            with open_plain(self._jobs / job_id / _RECORD) as record:
                while left > 0 and (data := record.read(_READ_BYTES)):
                    events += parser.feed(data)
                    left -= len(data)
        except FileNotFoundError:
            return []
        except OSError as error:
            logger.warning("the record of job %s can't be read: %s", job_id, error)
        return events

    def measure(self, job_id: str) -> int:
        """The bytes that an ended job takes on the disk, its program among them."""
        return measure_tree(self._jobs / job_id)

    def delete(self, job_id: str) -> None:
        """Remove the job's directory: in one step out of the jobs, then from the disk."""
        with suppress(FileNotFoundError):
            self.scratch.discard(self._jobs / job_id)
        sync_folder(self._jobs)


def _dump(job: Job) -> bytes:
    return job.model_dump_json(by_alias=True).encode()


def _load(path: Path) -> Job:
    job = Job.model_validate_json(read_plain(path, _MAX_JOB_BYTES))
    if job.id != path.parent.name:
        # A copy of a job's directory: it would be written to the other one.
        raise ValueError(f"it is the file of job {job.id}")
    return job
