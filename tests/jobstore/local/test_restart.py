"""A store that is opened over the folder of one that was killed, or closed."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from api.jobstore.base import JobQuery
from api.jobstore.local.data_folder import DataFolder, DataFolderInUse
from api.jobstore.local.job_input import InputMaker
from api.jobstore.local.store import RunnerLimits
from api.store_errors import StoreUnavailable
from qiskit_runtime.contract.lifecycle import Phase, Reason
from qiskit_runtime.contract.limits import GRACE_SECONDS
from qiskit_runtime.contract.resources.job import Job, JobStatus
from qiskit_runtime.contract.wire.events import EndEvent, Event
from qiskit_runtime.contract.wire.record import RecordParser
from tests.jobstore.processes import is_alive, wait_until
from tests.jobstore.store_under_test import (
    FOR_EVER,
    QUICK,
    StoreUnderTest,
    make_local_store,
    messages,
    open_local_store,
    printed,
    result,
)

pytestmark = pytest.mark.anyio

ONE = RunnerLimits(workers=1)

ORPHAN_SECONDS = 2.0
"""Within this after the server's death nothing is left that obeys SIGTERM."""

FINISHED = """
def main(backend, messenger, name):
    print("Hello", name)
    messenger.publish({"greeting": name})
    return [name, 1]
"""

TALKING = """
import os, subprocess, time

def main(backend, messenger, name):
    child = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    messenger.publish([os.getpid(), os.getppid(), child.pid])
    while True:
        print("still here", flush=True)
        time.sleep(0.02)
"""

SILENT = """
import os, subprocess, time

def main(backend, messenger, name):
    child = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    messenger.publish([os.getpid(), os.getppid(), child.pid])
    time.sleep(1000)
"""

STUBBORN = """
import os, signal, time

def main(backend, messenger, name):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    messenger.publish([os.getpid(), os.getppid()])
    while True:
        time.sleep(1)
"""

PROGRAMS = {
    "finished": FINISHED,
    "talking": TALKING,
    "silent": SILENT,
    "stubborn": STUBBORN,
    "queued": FINISHED,
    "queued too": FINISHED,
}


@dataclass
class Aftermath:
    """A killed server: its jobs' ids, and its files while it lived."""

    folder: Path
    ids: dict[str, str]
    statuses: dict[str, dict[str, Any]]
    events: dict[str, list[Event]]
    seconds_until_gone: dict[str, float]


def read_events(folder: Path, job_id: str) -> list[Event]:
    """The events of a record on disk."""
    path = folder / "data" / "jobs" / job_id / "record"
    return [*RecordParser().feed(path.read_bytes())] if path.exists() else []


def read_job(folder: Path, job_id: str) -> dict[str, Any]:
    """A job's file."""
    job: dict[str, Any] = json.loads((folder / "data" / "jobs" / job_id / "job.json").read_text())
    return job


def measure_ends(pids: dict[str, list[int]], seconds: float) -> dict[str, float]:
    """After how many seconds the last of each job's processes had ended; inf for never."""
    begin, ends = time.monotonic(), dict.fromkeys(pids, float("inf"))
    while float("inf") in ends.values() and time.monotonic() - begin < seconds:
        for name, group in pids.items():
            if ends[name] == float("inf") and not any(map(is_alive, group)):
                ends[name] = time.monotonic() - begin
        time.sleep(0.02)
    return ends


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aftermath]:
    """A server that was killed with -9 while it had jobs of every kind."""
    folder = tmp_path_factory.mktemp("killed")
    arguments = [f"{name}={source}" for name, source in PROGRAMS.items()]
    module = "tests.jobstore.local.store_process"
    command = [sys.executable, "-m", module, str(folder), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as server:
        ids = json.loads(server.stdout.readline())
        running = ("talking", "silent", "stubborn")
        deadline = time.monotonic() + 30
        while not all(messages(read_events(folder, ids[name])) for name in running):
            assert time.monotonic() < deadline, "the jobs did not start"
            time.sleep(0.05)
        # The three hold all workers: what was submitted after them waits.
        statuses = {name: read_job(folder, job_id)["status"] for name, job_id in ids.items()}
        server.kill()
    events = {name: read_events(folder, job_id) for name, job_id in ids.items()}
    pids = {name: json.loads(messages(events[name])[0]) for name in running}
    yield Aftermath(folder, ids, statuses, events, measure_ends(pids, GRACE_SECONDS + 4))
    for pid in {pid for some in pids.values() for pid in some if is_alive(pid)}:
        os.kill(pid, signal.SIGKILL)


@pytest.fixture(scope="module")
async def restarted(killed: Aftermath) -> AsyncIterator[StoreUnderTest]:
    """A store over what the killed server left."""
    async with open_local_store(killed.folder, ONE) as jobs:
        yield jobs


@pytest.mark.parametrize(
    ("name", "seconds"),
    [
        ("silent", ORPHAN_SECONDS),
        ("talking", ORPHAN_SECONDS),
        ("stubborn", GRACE_SECONDS + ORPHAN_SECONDS),
    ],
)
def test_killed_server_leaves_no_process(killed: Aftermath, name: str, seconds: float):
    """Supervisor, program and its children end when their server is killed."""
    assert killed.seconds_until_gone[name] < seconds


async def test_finished_job_is_the_same_after_a_kill(killed: Aftermath, restarted: StoreUnderTest):
    """Status, logs, messages, result and parameters are what they were."""
    job_id = killed.ids["finished"]

    job = await restarted.store.get(job_id)
    events = await restarted.store.read_events(job_id)

    assert json.loads(job.model_dump_json(by_alias=True))["status"] == killed.statuses["finished"]
    assert job.status.phase is Phase.COMPLETED
    assert events == killed.events["finished"] == await restarted.follow(job_id)
    assert printed(events) == "Hello Grüße\n"
    assert json.loads(result(events) or "") == ["Grüße", 1]
    assert await restarted.store.read_params(job_id) == '{"name": "Grüße"}'


@pytest.mark.parametrize("name", ["talking", "silent", "stubborn"])
async def test_running_job_is_interrupted_by_a_kill(
    killed: Aftermath, restarted: StoreUnderTest, name: str
):
    """The job is Failed, says that the server was stopped, and keeps its messages so far."""
    assert killed.statuses[name]["phase"] == Phase.RUNNING

    job = await restarted.store.get(killed.ids[name])
    events = await restarted.store.read_events(job.id)

    assert (job.status.phase, job.status.reason) == (Phase.FAILED, Reason.INTERRUPTED)
    assert "server was stopped" in job.status.message
    assert job.status.finished_at >= job.status.started_at
    assert events == killed.events[name] == await restarted.follow(job.id)
    assert len(messages(events)) == 1


async def test_queued_jobs_run_after_a_kill(killed: Aftermath, restarted: StoreUnderTest):
    """Queued jobs stay queued, and run, in their order, with their parameters."""
    assert killed.statuses["queued"]["phase"] == Phase.QUEUED

    first = await restarted.finish(killed.ids["queued"])
    second = await restarted.finish(killed.ids["queued too"])

    assert first.status.phase is second.status.phase is Phase.COMPLETED
    assert first.status.started_at < second.status.started_at
    assert result(await restarted.store.read_events(first.id)) == result(killed.events["finished"])


async def test_listing_is_the_same_after_a_kill(killed: Aftermath, restarted: StoreUnderTest):
    """The order is that of the submissions, and new jobs come on top."""
    new, _ = await restarted.run(QUICK)

    page = await restarted.store.find(JobQuery(), 100, 0)

    assert [job.id for job in page.jobs] == [new.id, *list(killed.ids.values())[::-1]]


async def test_close_interrupts_running_jobs_and_keeps_queued_ones(tmp_path: Path):
    """A graceful stop: listeners of a running job hear its end; what is queued runs next time."""
    async with open_local_store(tmp_path, ONE) as jobs:
        running = await jobs.start()
        queued = await jobs.submit(QUICK)
        listener = asyncio.create_task(jobs.follow(running.id))
        await asyncio.sleep(0.1)
    heard = await listener
    interrupted = await jobs.store.get(running.id)
    waiting = await jobs.store.get(queued.id)
    async with open_local_store(tmp_path, ONE) as jobs:
        found = await jobs.store.get(running.id)
        read = await jobs.store.read_events(running.id)
        ran = await jobs.finish(queued.id)

    assert isinstance(heard[-1], EndEvent)
    assert (interrupted.status.phase, interrupted.status.reason) == (
        Phase.FAILED,
        Reason.INTERRUPTED,
    )
    assert "server was stopped" in interrupted.status.message
    assert waiting.status.phase is Phase.QUEUED
    assert (found, read) == (interrupted, heard)
    assert ran.status.phase is Phase.COMPLETED


@pytest.mark.parametrize(
    ("owner", "step"),
    [(InputMaker, "make_job_input"), (DataFolder, "takes_jobs"), (DataFolder, "save")],
    ids=["reads its input", "looks for room", "stores it"],
)
async def test_close_in_the_middle_of_a_start_leaves_the_job_queued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: type, step: str
):
    """A job of which its runner was given nothing keeps no close waiting, and runs next time."""
    begun, work = threading.Event(), getattr(owner, step)

    def work_slowly(*arguments: Any) -> Any:
        begun.set()
        time.sleep(0.3)
        return work(*arguments)

    source = f"""
        import os, time

        def main(backend, messenger):
            os.mkdir({str(tmp_path / "ran")!r})
            for _ in range(500):
                if os.path.exists({str(tmp_path / "go")!r}):
                    return
                time.sleep(0.02)
    """
    async with open_local_store(tmp_path, ONE) as jobs:
        await jobs.run(QUICK)
        monkeypatch.setattr(owner, step, work_slowly)
        job = await jobs.submit(source)
        await wait_until(begun.is_set)
        begin = time.monotonic()
    took = time.monotonic() - begin
    waiting = await jobs.store.get(job.id)
    monkeypatch.undo()
    (tmp_path / "go").touch()
    async with open_local_store(tmp_path, ONE) as jobs:
        kept = await jobs.store.get(job.id)
        ran = await jobs.finish(job.id)

    assert waiting.status == kept.status == JobStatus()
    assert took < 5
    assert ran.status.phase is Phase.COMPLETED


async def test_close_before_the_runner_has_read_its_job_leaves_it_queued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A runner tells by its exit code that it was ended before it had the job: nothing ran."""
    site = tmp_path / "site"
    site.mkdir()
    # Each Python that is started imports it first.
    (site / "sitecustomize.py").write_text("import time\ntime.sleep(1)\n")
    limits = RunnerLimits(workers=1, forks=False)
    with monkeypatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{site}:{Path(__file__).parents[3]}")
        async with open_local_store(tmp_path, limits) as jobs:
            job = await jobs.submit(QUICK)
            await jobs.wait_for(job.id, Phase.RUNNING)
        waiting = await jobs.store.get(job.id)
    async with open_local_store(tmp_path, ONE) as jobs:
        ran = await jobs.finish(job.id)

    assert waiting.status == JobStatus()
    assert ran.status.phase is Phase.COMPLETED


async def test_cancel_in_the_middle_of_a_start_outlives_the_close(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A job that was to start as the server closed, and that its user cancelled, is Cancelled."""
    save, saving = DataFolder.save, threading.Event()

    def save_slowly(folder: DataFolder, job: Job) -> None:
        save(folder, job)
        saving.set()
        time.sleep(0.3)

    async with open_local_store(tmp_path, ONE) as jobs:
        monkeypatch.setattr(DataFolder, "save", save_slowly)
        job = await jobs.submit(FOR_EVER)
        await wait_until(saving.is_set)
        cancel = asyncio.create_task(jobs.store.cancel(job.id))
        await asyncio.sleep(0)
    await cancel

    ended = (await jobs.store.get(job.id)).status
    assert (ended.phase, ended.reason) == (Phase.CANCELLED, Reason.CANCELLED_BY_USER)
    assert ended.finished_at is not None


async def test_close_ends_a_program_that_ignores_sigterm_in_time(tmp_path: Path):
    """A stubborn program delays a close by its grace time, no more."""
    async with open_local_store(tmp_path, RunnerLimits(workers=2, grace_seconds=0.5)) as jobs:
        job = await jobs.start(
            """
            import signal, time

            def main(backend, messenger):
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                messenger.publish("started")
                while True:
                    time.sleep(1)
            """
        )
        begin = time.monotonic()
    took = time.monotonic() - begin

    assert (await jobs.store.get(job.id)).status.reason is Reason.INTERRUPTED
    assert 0.5 <= took < 3


async def test_close_while_a_job_is_being_cancelled_leaves_it_cancelled(tmp_path: Path):
    """The user's wish was first: the job is Cancelled, not Interrupted."""
    async with open_local_store(tmp_path, ONE) as jobs:
        job = await jobs.start()
        await jobs.store.cancel(job.id)

    assert (await jobs.store.get(job.id)).status.phase is Phase.CANCELLED


def count_files(folder: Path, name: str) -> int:
    """Return the number of files of this name, wherever they are in the folder."""
    return len(list(folder.rglob(name)))


async def test_what_clients_changed_stays_so_after_a_restart(tmp_path: Path):
    """Tags are new, a private result is gone, and so are jobs that were discarded in any phase."""
    async with open_local_store(tmp_path, ONE) as jobs:
        read, _ = await jobs.run(QUICK, private=True)
        kept, _ = await jobs.run(QUICK, private=True, tags=("old",))
        async with jobs.store.serve_result(read.id) as text:
            assert text == '"done"'
        await jobs.store.set_tags(kept.id, ("new",))
        running, queued = await jobs.start(), await jobs.submit(QUICK)
        await jobs.store.discard(queued.id)
        await jobs.store.discard(running.id)
        await jobs.run(QUICK)

    async with open_local_store(tmp_path, ONE) as jobs:
        assert (await jobs.store.get(kept.id)).spec.tags == ("new",)
        async with jobs.store.serve_result(read.id) as text:
            assert text is None
        async with jobs.store.serve_result(kept.id) as text:
            assert text == '"done"'
        assert (await jobs.store.find(JobQuery(), 10, 0)).total == 3
    assert [count_files(tmp_path, name) for name in ("job.json", "record")] == [3, 3]


async def test_second_server_on_a_data_folder_is_refused(tmp_path: Path):
    """The second is refused with the folder's name; after a close the folder is free."""
    async with open_local_store(tmp_path, ONE) as jobs:
        with pytest.raises(DataFolderInUse, match=str(tmp_path)):
            await make_local_store(tmp_path, ONE).open()
        job, _ = await jobs.run(QUICK)
    async with open_local_store(tmp_path, ONE) as jobs:
        found = await jobs.store.get(job.id)

    assert found == job


@pytest.fixture(scope="module")
async def template(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A folder with jobs that ended in three ways; tests damage copies of it."""
    folder = tmp_path_factory.mktemp("template")
    async with open_local_store(folder, RunnerLimits(workers=2)) as jobs:
        good, _ = await jobs.run(FINISHED, '{"name": "x"}')
        bad, _ = await jobs.run("def main(backend, messenger):\n    raise ValueError('oh')")
        stopped = await jobs.start()
        await jobs.stop(stopped)
    return folder, {"good": good.id, "bad": bad.id, "stopped": stopped.id}


@pytest.fixture
def folder(template: tuple[Path, dict[str, str]], tmp_path: Path) -> Path:
    """A copy of the template."""
    return Path(shutil.copytree(template[0], tmp_path / "copy"))


@pytest.fixture
def ids(template: tuple[Path, dict[str, str]]) -> dict[str, str]:
    """The template's jobs."""
    return template[1]


def set_back(folder: Path, job_id: str, **changes: object) -> Path:
    """Make a job's file say that it runs; returns the file of its record."""
    path = folder / "data" / "jobs" / job_id / "job.json"
    job = json.loads(path.read_text())
    job["status"] |= {"phase": "Running", "reason": "", "message": "", "finishedAt": None}
    path.write_text(json.dumps(job | changes))
    return path.with_name("record")


async def test_job_whose_record_has_its_end_is_concluded_from_it(folder: Path, ids: dict[str, str]):
    """Killed between the record's last line and the status: the verdict counts."""
    set_back(folder, ids["good"])
    set_back(folder, ids["bad"])
    set_back(folder, ids["stopped"], cancelRequested=True)

    async with open_local_store(folder, ONE) as jobs:
        found = {name: (await jobs.store.get(ids[name])).status for name in ids}

    assert (found["good"].phase, found["good"].reason) == (Phase.COMPLETED, Reason.NONE)
    assert (found["bad"].phase, found["bad"].reason) == (Phase.FAILED, Reason.PROGRAM_ERROR)
    assert found["stopped"].phase is Phase.CANCELLED
    assert found["good"].versions


@pytest.mark.parametrize("cut", [1, 40, 10**9])
async def test_job_whose_record_lacks_its_end_is_interrupted(
    folder: Path, ids: dict[str, str], cut: int
):
    """A record that was cut anywhere, or is empty, is read as far as it goes."""
    record = set_back(folder, ids["good"])
    data = record.read_bytes()
    record.write_bytes(data[: max(len(data) - cut, 0)])

    async with open_local_store(folder, ONE) as jobs:
        job = await jobs.store.get(ids["good"])
        events = await jobs.store.read_events(job.id)

    assert (job.status.phase, job.status.reason) == (Phase.FAILED, Reason.INTERRUPTED)
    assert messages(events) == (['{"greeting": "x"}', '["x", 1]'] if cut < 100 else [])


async def test_job_whose_record_was_changed_is_not_believed(folder: Path, ids: dict[str, str]):
    """A verdict whose digest does not match the record does not make a job Completed."""
    record = set_back(folder, ids["good"])
    record.write_bytes(record.read_bytes().replace(b"Hello", b"Jello"))

    async with open_local_store(folder, ONE) as jobs:
        job = await jobs.store.get(ids["good"])

    assert (job.status.phase, job.status.reason) == (Phase.FAILED, Reason.INTERRUPTED)


async def test_job_without_a_record_that_ran_is_interrupted(folder: Path, ids: dict[str, str]):
    """Killed before the first line: the job is Interrupted and has no events."""
    set_back(folder, ids["good"]).unlink()

    async with open_local_store(folder, ONE) as jobs:
        job = await jobs.store.get(ids["good"])
        events = await jobs.follow(job.id)

    assert (job.status.reason, events) == (Reason.INTERRUPTED, [])


def damage(jobs: Path, good: str) -> dict[Path, bytes]:
    """Put all kinds of broken things among the jobs; returns the files that must stay."""
    whole = (jobs / good / "job.json").read_bytes()
    broken = {
        "truncated": whole[: len(whole) // 2],
        "empty": b"",
        "garbage": b"\x00\xff\x1e" * 100,
        "other-json": b"[]",
        "other-phase": whole.replace(b'"Completed"', b'"Dreaming"'),
        "copied": whole,
    }
    for name, data in broken.items():
        (jobs / name).mkdir()
        (jobs / name / "job.json").write_bytes(data)
    (jobs / "a-folder" / "job.json").mkdir(parents=True)
    (jobs / "nothing").mkdir()
    (jobs / "unborn").mkdir()
    (jobs / "unborn" / "params.json").write_bytes(b"{}")
    (jobs / "unborn" / "job.tmp").write_bytes(whole)
    (jobs / "a-file").write_bytes(b"x")
    (jobs / good / "job.tmp").write_bytes(whole[:10])
    return {jobs / name / "job.json": data for name, data in broken.items()}


async def test_damaged_jobs_are_left_alone_and_break_no_other(
    folder: Path, ids: dict[str, str], caplog: pytest.LogCaptureFixture
):
    """Each unreadable job is warned of and not touched; the readable ones are all there."""
    kept = damage(folder / "data" / "jobs", ids["good"])

    async with open_local_store(folder, ONE) as jobs:
        page = await jobs.store.find(JobQuery(), 100, 0)
        new, _ = await jobs.run(QUICK)
        await jobs.store.delete(ids["good"])
        after = await jobs.store.find(JobQuery(), 100, 0)

    assert [job.id for job in page.jobs] == [ids["stopped"], ids["bad"], ids["good"]]
    assert [job.id for job in after.jobs] == [new.id, ids["stopped"], ids["bad"]]
    assert {path: path.read_bytes() for path in kept} == kept
    for path in kept:
        assert str(path) in caplog.text
    assert not (folder / "data" / "jobs" / ids["good"]).exists()


async def test_delete_that_was_cut_short_can_be_repeated(
    folder: Path, ids: dict[str, str], monkeypatch: pytest.MonkeyPatch
):
    """A job whose files can't all be removed is still listed, so that nothing stays unseen."""

    def fail(*_: object) -> None:
        raise OSError("no")

    async with open_local_store(folder, ONE) as jobs:
        with monkeypatch.context() as patch:
            patch.setattr(DataFolder, "delete", fail)
            with pytest.raises(StoreUnavailable, match="can't be written"):
                await jobs.store.delete(ids["good"])
        still = await jobs.store.get(ids["good"])
        await jobs.store.delete(ids["good"])
        page = await jobs.store.find(JobQuery(), 100, 0)

    assert still.id == ids["good"]
    assert page.total == 2


async def test_directory_that_its_user_removed_can_be_deleted(folder: Path, ids: dict[str, str]):
    """A job whose directory is gone already is deleted without an error."""
    async with open_local_store(folder, ONE) as jobs:
        shutil.rmtree(folder / "data" / "jobs" / ids["good"])
        await jobs.store.delete(ids["good"])
        page = await jobs.store.find(JobQuery(), 100, 0)

    assert page.total == 2
