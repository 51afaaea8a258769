"""A disk that takes nothing more: shown states stay true, and all goes on when it has room.

A limit of file sizes stands for the full disk: as there, a write takes a part, and then fails.
"""

import asyncio
import errno
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from api.jobstore.base import JobQuery
from api.jobstore.local.data_folder import DataFolder
from api.jobstore.local.files import replace_file, reserve
from api.jobstore.local.store import RunnerLimits
from api.store_errors import StoreUnavailable
from qiskit_runtime.contract.lifecycle import Phase, Reason
from qiskit_runtime.contract.resources.backend import DEFAULT_BACKEND
from qiskit_runtime.contract.resources.job import Job, JobRequest, JobSpec
from qiskit_runtime.host.descriptors import write_all
from tests.jobstore.processes import wait_until
from tests.jobstore.store_under_test import FOR_EVER, QUICK, open_local_store, result

pytestmark = pytest.mark.anyio

ONE = RunnerLimits(workers=1)

SHORT = """
    import time

    def main(backend, messenger):
        messenger.publish("started")
        time.sleep(0.3)
        return "done"
"""


@contextmanager
def full_disk(room: int = 0) -> Iterator[None]:
    """No file of this process, or of those that it starts, grows over ``room`` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("source", [SHORT, FOR_EVER])
async def test_end_is_told_once_it_is_stored(tmp_path: Path, source: str):
    """Until the disk takes its end a job is shown as running; a restart agrees with the end."""
    async with open_local_store(tmp_path, ONE) as jobs:
        # Its file is larger than its record will be.
        job = await jobs.start(source, tags=tuple("x" * 128 for _ in range(32)))
        listener = asyncio.create_task(jobs.follow(job.id))
        with full_disk(3000):
            if source is FOR_EVER:
                with pytest.raises(StoreUnavailable, match="can't be written"):
                    await jobs.store.cancel(job.id)
            await wait_until(lambda: bool(jobs.store._book._unsaved), 30)
            held = await jobs.store.get(job.id)
            assert not listener.done()
        shown = await jobs.finish(job.id)
        await listener
    async with open_local_store(tmp_path, ONE) as jobs:
        found = await jobs.store.get(job.id)

    assert held.status.phase is Phase.RUNNING
    assert shown.status.phase is (Phase.COMPLETED if source is SHORT else Phase.CANCELLED)
    assert found == shown


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, "No space left on device"), RuntimeError("can't start new thread")],
    ids=["full disk", "no thread"],
)
async def test_end_that_can_not_be_stored_is_stored_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
):
    """However often that fails; the job is not shown as running for ever."""
    refused = []

    def refuse(*_: object) -> None:
        refused.append(error)
        raise error

    async with open_local_store(tmp_path, ONE) as jobs:
        job = await jobs.start(SHORT)
        with monkeypatch.context() as patch:
            patch.setattr(DataFolder, "save", refuse)
            await wait_until(lambda: len(refused) > 2, 30)
        done = await jobs.finish(job.id)
    assert done.status.phase is Phase.COMPLETED


async def test_end_that_was_never_stored_is_found_in_the_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A server that stops before the disk has room showed no end; the next one does."""

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        async with open_local_store(tmp_path, ONE) as jobs:
            job = await jobs.start(SHORT)
            patch.setattr(DataFolder, "save", refuse)
            await wait_until(lambda: bool(jobs.store._book._unsaved), 30)
    shown = await jobs.store.get(job.id)
    async with open_local_store(tmp_path, ONE) as jobs:
        found = await jobs.store.get(job.id)
        read = await jobs.store.read_events(job.id)

    assert shown.status.phase is Phase.RUNNING
    assert (found.status.phase, result(read)) == (Phase.COMPLETED, '"done"')


async def test_start_that_cannot_be_stored_leaves_the_job_queued(tmp_path: Path):
    """The job does not run, nor fail, and runs once when the disk has room again."""
    ran, refused = tmp_path / "ran", []
    source = f"""
        import os

        def main(backend, messenger):
            os.mkdir({str(ran)!r})
            return "done"
    """
    async with open_local_store(tmp_path, ONE) as jobs:
        blocker = await jobs.start()
        job = await jobs.submit(source)
        with pytest.MonkeyPatch.context() as patch:
            save = DataFolder.save

            def refuse_starts(folder: DataFolder, job: Job) -> None:
                if job.status.phase is Phase.RUNNING and not job.cancel_requested:
                    refused.append(job.id)
                    raise OSError(errno.ENOSPC, "No space left on device")
                save(folder, job)

            patch.setattr(DataFolder, "save", refuse_starts)
            await jobs.stop(blocker)
            await wait_until(lambda: len(refused) > 1, 30)
            waiting = await jobs.store.get(job.id)
        done = await jobs.finish(job.id)

    assert set(refused) == {job.id}
    assert (waiting.status.phase, waiting.status.reason) == (Phase.QUEUED, Reason.NONE)
    assert done.status.phase is Phase.COMPLETED
    assert ran.is_dir()


async def test_lost_record_is_the_end_that_a_restart_finds(tmp_path: Path):
    """RecordLost is stored in the room that the job has reserved, on a disk that is full."""
    flood = 'def main(backend, messenger):\n    for _ in range(40):\n        print("x" * 50_000)'
    async with open_local_store(tmp_path, ONE) as jobs:
        job = await jobs.submit(flood)
        # Room for job files, none for such a record.
        with full_disk(100_000):
            lost = await jobs.finish(job.id)
    async with open_local_store(tmp_path, ONE) as jobs:
        found = await jobs.store.get(job.id)

    assert (lost.status.phase, lost.status.reason) == (Phase.FAILED, Reason.RECORD_LOST)
    assert found == lost


async def test_readiness_follows_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A server that can take no job says so, as it refuses it; with room it is ready again."""
    monkeypatch.setattr("api.jobstore.local.store._READY_SECONDS", 0)
    async with open_local_store(tmp_path, ONE) as jobs:
        assert jobs.store.is_ready
        spec = JobSpec(program_id=await jobs.install(QUICK), backend=DEFAULT_BACKEND)
        with full_disk():
            assert not jobs.store.is_ready
            with pytest.raises(StoreUnavailable, match="can't be written"):
                await jobs.store.submit(JobRequest(spec, "{}"))
        assert jobs.store.is_ready
        folder = tmp_path / "data" / "jobs"
        folder.rename(folder.with_name("elsewhere"))
        assert not jobs.store.is_ready
        folder.with_name("elsewhere").rename(folder)
        assert jobs.store.is_ready
        page = await jobs.store.find(JobQuery(), 10, 0)

    assert page.total == 0
    assert [*folder.iterdir()] == []


def test_write_that_takes_a_part_is_no_success(tmp_path: Path):
    """A file that becomes as long as it may raises, and what was there is still there."""
    path = tmp_path / "file"
    replace_file(path, b"before")
    with full_disk(100), pytest.raises(OSError, match="too large"):
        replace_file(path, bytes(1000))
    with full_disk(100), (tmp_path / "record").open("wb", buffering=0) as file:
        with pytest.raises(OSError, match="too large"):
            write_all(file.fileno(), bytes(1000))
        assert file.tell() == 100

    assert path.read_bytes() == b"before"


def test_reserved_room_is_written_and_no_other_file(tmp_path: Path):
    """The reserved file becomes the final one; a link in its place is left alone."""
    path, room, other = tmp_path / "job.json", tmp_path / "job.end", tmp_path / "other"
    reserve(room, 4096)
    inode = room.stat().st_ino
    replace_file(path, b"end", room=room)
    assert (path.read_bytes(), path.stat().st_ino) == (b"end", inode)
    other.write_bytes(b"kept")
    for link in (room.hardlink_to, room.symlink_to):
        link(other)
        replace_file(path, b"again", room=room)

    assert (path.read_bytes(), other.read_bytes()) == (b"again", b"kept")
