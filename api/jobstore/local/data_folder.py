"""The data folder of local mode: one directory a job; a killed server loses nothing.

``jobs/<id>/job.json`` is the job, ``params.json`` its parameters verbatim, ``record`` its record,
and ``source/`` has the source that it runs where its program is a user's own. ``programs`` is
``api.programstore``'s. A lock file keeps a second server out.
"""

import fcntl
import logging
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from api.jobstore.base import ParamsLost
from qiskit_runtime.contract.job import Job
from qiskit_runtime.contract.program import ProgramSource
from qiskit_runtime.contract.record import Event, RecordParser

_READ_BYTES = 1 << 18
_SOURCE = "source"

logger = logging.getLogger(__name__)


class DataFolderInUse(RuntimeError):
    """Another server has the data folder open."""


class DataFolder:
    """Reads and writes the files of jobs. Ids are ours, so they are safe as names of folders."""

    def __init__(self, root: Path) -> None:
        self._jobs = root / "jobs"
        self._lock = root / "lock"
        self.programs = root / "programs"
        self.scratch = root / "scratch"

    def open(self) -> None:
        """Make the folder where it is missing, and lock it until this process ends.

        Raises:
            DataFolderInUse: another server has it.
        """
        self._jobs.mkdir(parents=True, exist_ok=True)
        self._lock_file = self._lock.open("w")
        # Readable for the user alone: params and results are theirs.
        self._jobs.chmod(0o700)
        self.programs.mkdir(mode=0o700, exist_ok=True)
        try:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._lock_file.close()
            raise DataFolderInUse(f"another server uses {self._jobs.parent}") from error
        # Runners remove their own working folders; those of killed ones are still there, and so
        # are jobs whose removal was cut short.
        shutil.rmtree(self.scratch, ignore_errors=True)
        self.scratch.mkdir(mode=0o700, exist_ok=True)

    def close(self) -> None:
        """Let another server have it."""
        self._lock_file.close()

    def create(self, job: Job, params: str, source: ProgramSource | None = None) -> None:
        """Write a new job; it counts once its job.json is there, which comes last."""
        folder = self._jobs / job.id
        # What is there already is what a crash left of a submission that is repeated now.
        folder.mkdir(exist_ok=True)
        shutil.rmtree(folder / _SOURCE, ignore_errors=True)
        try:
            # As bytes: text files change the ends of lines.
            (folder / "params.json").write_bytes(params.encode())
            if source is not None:
                (folder / _SOURCE).mkdir()
                file = folder / _SOURCE / source.file_name(job.spec.program_id)
                file.write_bytes(source.data)
            self.save(job)
        except OSError:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def save(self, job: Job) -> None:
        """Replace the job's file in one step."""
        path = self._jobs / job.id / "job.json"
        draft = path.with_suffix(".tmp")
        draft.write_text(job.model_dump_json(by_alias=True), encoding="utf-8")
        draft.replace(path)

    def load_all(self) -> Iterator[Job]:
        """The jobs that are there. What is no readable job is left alone, with a warning."""
        for path in self._jobs.glob("*/job.json"):
            try:
                yield _load(path)
            except (OSError, ValueError) as error:
                logger.warning("%s is left alone: %s", path, error)

    def read_params(self, job_id: str) -> str:
        """The parameters, verbatim.

        Raises:
            ParamsLost: their file is gone or damaged.
        """
        try:
            return (self._jobs / job_id / "params.json").read_bytes().decode()
        except (OSError, UnicodeDecodeError) as error:
            raise ParamsLost(str(error)) from error

    def find_source(self, job_id: str) -> Path | None:
        """The file of the source that the job brought; None where it names a program there is."""
        return next((self._jobs / job_id / _SOURCE).glob("*"), None)

    def record(self, job_id: str) -> Path:
        """Where the job's record is, or will be."""
        return self._jobs / job_id / "record"

    def read_events(self, job_id: str) -> list[Event]:
        """The events of the record; none where the job never ran, or what can be read of it."""
        parser, events = RecordParser(), list[Event]()
        try:
            with self.record(job_id).open("rb") as record:
                while data := record.read(_READ_BYTES):
                    events += parser.feed(data)
        except FileNotFoundError:
            return []
        except OSError as error:
            logger.warning("the record of job %s can't be read: %s", job_id, error)
        return events

    def delete(self, job_id: str) -> None:
        """Remove the job's directory: in one step out of the jobs, then from the disk."""
        doomed = self.scratch / f"deleted-{job_id}"
        with suppress(FileNotFoundError):
            (self._jobs / job_id).rename(doomed)
        # What stays of it now goes when the folder is opened the next time.
        shutil.rmtree(doomed, ignore_errors=True)


def _load(path: Path) -> Job:
    job = Job.model_validate_json(path.read_bytes())
    if job.id != path.parent.name:
        # A copy of a job's directory: it would be written to the other one.
        raise ValueError(f"it is the file of job {job.id}")
    return job
