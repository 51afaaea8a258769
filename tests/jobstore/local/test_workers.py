"""Local mode's workers: how many, in which order, each with a runner ahead that is used once."""

import asyncio
import errno
import json
import os
import signal
import textwrap
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from api.jobstore.base import JobQuery
from api.jobstore.local import data_folder, job_input, runner_process
from api.jobstore.local.adopted import end_adopted
from api.jobstore.local.data_folder import DataFolder
from api.jobstore.local.job_input import InputMaker
from api.jobstore.local.runner_process import RunnerProcess
from api.jobstore.local.store import RunnerLimits
from api.store_errors import StoreUnavailable
from qiskit_runtime.contract.lifecycle import Phase, Reason
from qiskit_runtime.contract.resources.backend import DEFAULT_BACKEND
from qiskit_runtime.contract.resources.job import Job, JobRequest, JobSpec
from qiskit_runtime.contract.wire.job_input import JobInput
from tests.jobstore.processes import children, find_runners, is_alive, wait_until
from tests.jobstore.store_under_test import (
    FOR_EVER,
    QUICK,
    StoreUnderTest,
    messages,
    open_local_store,
    result,
)

pytestmark = pytest.mark.anyio

ONE = RunnerLimits(workers=1)

FLOOD = """
    def main(backend, messenger):
        messenger.publish("started")
        for _ in range(40):
            print("x" * 50_000)
        return "done"
"""


def refuse(*_: object, **__: object) -> None:
    """The error of a full disk."""
    raise OSError(errno.ENOSPC, "No space left on device")


async def test_jobs_run_at_most_workers_at_once_and_in_order(tmp_path: Path):
    """Two workers never run three jobs, and jobs start in the order of their submission."""
    async with open_local_store(tmp_path, RunnerLimits(workers=2)) as jobs:
        queued = [
            await jobs.submit("import time\ndef main(backend, messenger):\n    time.sleep(0.3)")
            for _ in range(6)
        ]
        ended = [await jobs.finish(job.id) for job in queued]

    starts = [job.status.started_at for job in ended]
    # Of three jobs in a row the third starts after one of the two before it has ended.
    gaps = [
        third.status.started_at - min(first.status.finished_at, second.status.finished_at)
        for first, second, third in zip(ended, ended[1:], ended[2:], strict=False)
    ]
    assert starts == sorted(starts)
    assert all(gap >= timedelta(0) for gap in gaps)
    assert any(one.status.finished_at > two.status.started_at for one, two in pairwise(ended))


async def test_processes_are_started_ahead_and_used_for_one_job(tmp_path: Path, others: list[int]):
    """Qiskit and Aer are imported before a job comes, and every job has a process of its own."""
    source = """
        import os, sys

        IMPORTED = "qiskit_aer" in sys.modules

        def main(backend, messenger):
            begin = float(open("/proc/self/stat").read().rpartition(") ")[2].split()[19])
            age = begin / os.sysconf("SC_CLK_TCK")
            return [os.getpid(), os.getppid(), IMPORTED, age]
    """
    told = []
    async with open_local_store(tmp_path, ONE) as jobs:
        for _ in range(3):
            await wait_until(lambda: len(find_runners(others)) == 1, 30)
            # The clock of a process's begin counts in hundredths.
            await asyncio.sleep(0.05)
            submitted = time.clock_gettime(time.CLOCK_BOOTTIME)
            _, events = await jobs.run(source)
            told.append((*json.loads(result(events) or ""), submitted))

    assert all(imported for _, _, imported, _, _ in told)
    assert all(begin < submitted for _, _, _, begin, submitted in told)
    assert len({pid for pid, *_ in told} | {parent for _, parent, *_ in told}) == 6


async def test_close_leaves_no_process(tmp_path: Path):
    """After a close neither idle runners nor running programs nor their children are there."""
    others = children()
    async with open_local_store(tmp_path, RunnerLimits(workers=2, grace_seconds=0.5)) as jobs:
        await jobs.start("""
            import os, signal, time

            def main(backend, messenger):
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                if os.fork() == 0:
                    os.setsid()
                    time.sleep(1000)
                messenger.publish("started")
                time.sleep(1000)
        """)
        # Two runners wait, one runs.
        await wait_until(lambda: len(find_runners(others)) == 3)
        # The program has yet to fork, and the helpers of the zygote's forks to end.
        await wait_until(lambda: len(children(others)) == 8)
        before = children(others)

    # The zygote, three supervisors, three program processes, one child of a program.
    assert len(before) == 8
    assert not any(is_alive(pid) for pid in before)


async def test_job_over_its_memory_limit_fails_and_spares_the_next(tmp_path: Path):
    """A large array, or many children's small ones, are OutOfMemory; the limit is named."""
    limits = RunnerLimits(workers=2, memory_bytes=600 << 20)
    async with open_local_store(tmp_path, limits) as jobs:
        array, _ = await jobs.run(
            "def main(backend, messenger):\n    return len(bytearray(700 << 20))"
        )
        many, _ = await jobs.run("""
            import os, time

            def main(backend, messenger):
                for _ in range(8):
                    if os.fork() == 0:
                        kept = bytearray(os.urandom(1 << 20)) * 100
                        time.sleep(1000)
                time.sleep(1000)
        """)
        modest, _ = await jobs.run(
            "def main(backend, messenger):\n    return len(bytearray(50 << 20))"
        )

    for job in (array, many):
        assert (job.status.phase, job.status.reason) == (Phase.FAILED, Reason.OUT_OF_MEMORY)
        assert "600 MiB" in job.status.message
    assert modest.status.phase is Phase.COMPLETED


async def test_shared_memory_counts_once_and_to_the_limit(tmp_path: Path):
    """Shared pages over the limit are OutOfMemory; many forks that touch nothing are not."""
    limits = RunnerLimits(workers=1, memory_bytes=400 << 20)
    async with open_local_store(tmp_path, limits) as jobs:
        shared, _ = await jobs.run("""
            import mmap, time

            def main(backend, messenger):
                kept = mmap.mmap(-1, 500 << 20)
                for at in range(0, len(kept), 4096):
                    kept[at] = 1
                time.sleep(1000)
        """)
        forks, _ = await jobs.run("""
            import os, time

            def main(backend, messenger):
                for _ in range(30):
                    if os.fork() == 0:
                        time.sleep(1000)
                time.sleep(1)
        """)

    assert (shared.status.phase, shared.status.reason) == (Phase.FAILED, Reason.OUT_OF_MEMORY)
    assert "400 MiB" in shared.status.message
    assert (forks.status.phase, forks.status.reason) == (Phase.COMPLETED, Reason.NO_RESULT)


async def test_programs_do_not_see_the_servers_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A program gets the variables of the list and those that are named, no keys or tokens."""
    for name in ("RUNTIME_TOKEN", "QISKIT_IBM_TOKEN", "AWS_SECRET_ACCESS_KEY", "https_proxy"):
        monkeypatch.setenv(name, "secret")
    for name in ("OMP_NUM_THREADS", "QISKIT_PARALLEL", "LC_NUMERIC", "TZ", "SHARED"):
        monkeypatch.setenv(name, "seen")
    limits = RunnerLimits(workers=1, program_env=("SHARED", "NOT_SET"))
    async with open_local_store(tmp_path, limits) as jobs:
        _, events = await jobs.run(
            "import os\ndef main(backend, messenger):\n    return dict(os.environ)"
        )

    told = json.loads(result(events) or "")
    seen = {name for name, value in told.items() if value == "seen"}
    assert {"QISKIT_PARALLEL", "LC_NUMERIC", "TZ", "SHARED"} <= seen
    assert told["PATH"] == os.environ["PATH"]
    assert "secret" not in told.values()


@pytest.mark.parametrize("whom", ["supervisor", "program process"])
async def test_runner_that_is_killed_while_idle_is_replaced(
    tmp_path: Path, others: list[int], whom: str
):
    """The next job still runs when the process that waited for it was killed."""
    async with open_local_store(tmp_path, ONE) as jobs:
        await wait_until(lambda: len(find_runners(others)) == 1, 30)
        ((supervisor, program),) = find_runners(others).items()
        os.kill(supervisor if whom == "supervisor" else program, signal.SIGKILL)
        await wait_until(lambda: not Path(f"/proc/{supervisor}").exists())
        await asyncio.sleep(0.05)

        job, events = await jobs.run(QUICK)

    assert job.status.phase is Phase.COMPLETED
    assert result(events) == '"done"'


async def test_runner_that_is_killed_while_it_runs_a_job_interrupts_it(tmp_path: Path):
    """A supervisor killed with -9 takes its program along; the job says why, the next one runs."""
    async with open_local_store(tmp_path, ONE) as jobs:
        killed, events = await jobs.run("""
            import os, signal, time

            def main(backend, messenger):
                messenger.publish(os.getpid())
                time.sleep(0.2)
                os.kill(os.getppid(), signal.SIGKILL)
                time.sleep(1000)
        """)
        await wait_until(lambda: not is_alive(int(messages(events)[0])))
        following, _ = await jobs.run(QUICK)

    assert (killed.status.phase, killed.status.reason) == (Phase.FAILED, Reason.INTERRUPTED)
    assert following.status.phase is Phase.COMPLETED


@pytest.fixture
async def bystander() -> AsyncIterator[int]:
    """A child of the server that is no job's."""
    process = await asyncio.create_subprocess_exec("sleep", "1000")
    yield process.pid
    process.kill()
    await process.wait()


NO_FILES = 0
"""Instead of a signal: the supervisor may open no file any more, and breaks."""

DAEMON = """
    import os, resource, signal, time

    def main(backend, messenger, number):
        supervisor, pid = os.getppid(), os.fork()
        if pid == 0:
            os.setsid()
            if os.fork():
                os._exit(0)
            os.chdir("/")
            os.execve("/bin/sh", ["sh", "-c", "sleep 1000 & wait"], {})
        os.waitpid(pid, 0)
        messenger.publish([os.getcwd(), os.getpid()])
        messenger.publish("started")
        while not os.path.exists("heard"):
            time.sleep(0.02)
        if number == 0:
            resource.prlimit(supervisor, resource.RLIMIT_NOFILE, (0, 0))
            os._exit(0)
        os.kill(supervisor, number)
        time.sleep(1000)
"""


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (signal.SIGKILL, Reason.INTERRUPTED),
        (signal.SIGSTOP, Reason.RAN_TOO_LONG),
        (NO_FILES, Reason.RECORD_LOST),
    ],
)
async def test_what_a_job_started_ends_with_it_though_its_supervisor_is_shot(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    bystander: int,
    number: int,
    reason: Reason,
):
    """The server ends daemons and removes the folder; its other children live on."""
    monkeypatch.setattr(runner_process, "_KILL_SECONDS", 0.2)
    limits = RunnerLimits(workers=1, grace_seconds=0.2)
    async with open_local_store(tmp_path, limits) as jobs:
        job = await jobs.submit(DAEMON, f'{{"number": {number:d}}}')
        await jobs.wait_for_message(job.id, '"started"')
        folder, program = json.loads(messages(await jobs.store.read_events(job.id))[0])
        daemons = {pid for pid in children() if process_name(pid) in ("sh", "sleep")} - {bystander}
        used = Path(folder)
        (used / "heard").touch()
        if number == signal.SIGSTOP:
            await wait_until(lambda: b") T " in Path(f"/proc/{parent(program)}/stat").read_bytes())
            jobs.store._workers._running[job.id].end_overtime()
        job = await jobs.finish(job.id)
        left = {pid for pid in (program, *daemons) if is_alive(pid)}
        await wait_until(lambda: not used.exists())
        following, _ = await jobs.run(QUICK)

    assert daemons
    assert left == set()
    assert is_alive(bystander)
    assert following.status.phase is Phase.COMPLETED
    assert job.status.reason is reason


def parent(pid: int) -> int:
    """The process that started this one."""
    return int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b") ")[2].split()[1])


def process_name(pid: int) -> str:
    """Return a process's command line; empty for one that has ended."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip() if is_alive(pid) else ""
    except OSError:
        return ""


STOPPER = """
    import os, signal, time

    def main(backend, messenger):
        messenger.publish("started")
        os.kill(os.getppid(), signal.SIGSTOP)
        time.sleep(1000)
"""


@pytest.mark.parametrize("how", ["over time", "cancel", "close"])
async def test_runner_that_its_program_stopped_is_killed_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
):
    """A supervisor that can't act any more (SIGSTOP) keeps no job, cancel or close for ever."""
    monkeypatch.setattr(runner_process, "_KILL_SECONDS", 0.2)
    limits, others = RunnerLimits(workers=1, grace_seconds=0.3), children()
    async with asyncio.timeout(60), open_local_store(tmp_path, limits) as jobs:
        job = await jobs.start(STOPPER)
        await asyncio.sleep(0.1)
        if how == "over time":
            # What the clock does: with a real limit, a slow start could use it up.
            jobs.store._workers._running[job.id].end_overtime()
        if how == "cancel":
            await jobs.store.cancel(job.id)
        if how != "close":
            await jobs.finish(job.id)
            assert (await jobs.run(QUICK))[0].status.phase is Phase.COMPLETED
        left = children(others)

    ended = (await jobs.store.get(job.id)).status
    assert (ended.phase, ended.reason) == {
        "over time": (Phase.CANCELLED, Reason.RAN_TOO_LONG),
        "cancel": (Phase.CANCELLED, Reason.CANCELLED_BY_USER),
        "close": (Phase.FAILED, Reason.INTERRUPTED),
    }[how]
    # The kernel ends the program with its supervisor; nobody can wait for that but so.
    await wait_until(lambda: not any(is_alive(pid) for pid in left), 2)


@pytest.mark.parametrize(
    "refusal",
    [OSError(errno.EAGAIN, "no more processes"), RuntimeError("can't start new thread")],
    ids=["process", "thread"],
)
async def test_runner_that_cannot_be_started_loses_no_job(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    refusal: Exception,
):
    """While the system can't start processes jobs wait; they run as soon as it can."""
    start, refusals = RunnerProcess.start, [refusal]

    async def start_later(*arguments: Any) -> RunnerProcess:
        if refusals:
            raise refusals.pop()
        return await start(*arguments)

    monkeypatch.setattr(RunnerProcess, "start", start_later)
    async with open_local_store(tmp_path, ONE) as jobs:
        job, _ = await jobs.run(QUICK)

    assert job.status.phase is Phase.COMPLETED
    assert str(refusal) in caplog.text


@pytest.mark.parametrize(
    "refusal",
    [OSError(errno.EMFILE, "no descriptor"), RuntimeError("can't start new thread")],
    ids=["file", "thread"],
)
async def test_input_that_cannot_be_read_now_loses_no_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusal: Exception
):
    """A job whose worker fails before it has started is tried again, and not forgotten."""
    make, refusals = InputMaker.make_job_input, [refusal]

    def make_later(maker: InputMaker, job: Job) -> JobInput:
        if refusals:
            raise refusals.pop()
        return make(maker, job)

    monkeypatch.setattr(InputMaker, "make_job_input", make_later)
    async with asyncio.timeout(30), open_local_store(tmp_path, ONE) as jobs:
        job, _ = await jobs.run(QUICK)

    assert job.status.phase is Phase.COMPLETED


async def test_processes_are_ended_where_no_thread_can_be_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A job that has taken all threads, and killed its supervisor, leaves worker and next job."""

    async def refuse(called: Any, *arguments: Any) -> Any:
        if called is end_adopted:
            raise RuntimeError("can't start new thread")
        return called(*arguments)

    monkeypatch.setattr("api.jobstore.local.runner_process.asyncio.to_thread", refuse)
    source = """
        import os, signal

        def main(backend, messenger):
            os.kill(os.getppid(), signal.SIGKILL)
    """
    async with asyncio.timeout(30), open_local_store(tmp_path, ONE) as jobs:
        killed, _ = await jobs.run(source)
        job, _ = await jobs.run(QUICK)

    assert (killed.status.phase, job.status.phase) == (Phase.FAILED, Phase.COMPLETED)


async def test_worker_outlives_a_full_table_of_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """A job whose runner's rest can't be looked for has its end, and the next one runs."""

    def refuse_list(_: int) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    async with asyncio.timeout(60), open_local_store(tmp_path, ONE) as jobs:
        with monkeypatch.context() as patch:
            patch.setattr(runner_process, "end_adopted", refuse_list)
            shot, _ = await jobs.run(
                "import os\ndef main(backend, messenger):\n    os.kill(os.getppid(), 9)"
            )
            following, _ = await jobs.run(QUICK)

    assert (shot.status.phase, shot.status.reason) == (Phase.FAILED, Reason.INTERRUPTED)
    assert following.status.phase is Phase.COMPLETED
    assert "Too many open files" in caplog.text


@pytest.fixture
def slow_input(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Have the making of an input take a while; returns the ids of the jobs that it was for."""
    make, asked = InputMaker.make_job_input, list[str]()

    def make_slowly(maker: InputMaker, job: Job) -> JobInput:
        asked.append(job.id)
        time.sleep(0.3)
        return make(maker, job)

    monkeypatch.setattr(InputMaker, "make_job_input", make_slowly)
    return asked


async def request_quick(jobs: StoreUnderTest, job_id: str) -> JobRequest:
    """The request for a job of this id."""
    name = await jobs.install(textwrap.dedent(QUICK))
    return JobRequest(JobSpec(program_id=name, backend=DEFAULT_BACKEND), id=job_id)


async def test_old_places_in_the_queue_do_not_count_for_a_new_job_of_the_id(
    tmp_path: Path, slow_input: list[str], caplog: pytest.LogCaptureFixture
):
    """Two workers that are free at once do not both take the job that was posted again."""
    async with open_local_store(tmp_path, RunnerLimits(workers=2)) as jobs:
        blockers = [await jobs.start() for _ in range(2)]
        request = await request_quick(jobs, "again")
        for _ in range(3):
            await jobs.store.submit(request)
            await jobs.store.cancel("again")
            await jobs.store.delete("again")
        await jobs.store.submit(request)
        await jobs.stop(*blockers)
        ended = await jobs.finish("again")
        await jobs.run(QUICK)

    assert ended.status.phase is Phase.COMPLETED
    assert slow_input.count("again") == 1
    assert caplog.records == []


async def test_id_is_not_given_again_while_a_worker_has_its_job(
    tmp_path: Path, slow_input: list[str]
):
    """Also before the start: what the worker of the old job does is never done to the new one."""
    async with open_local_store(tmp_path, RunnerLimits(workers=2)) as jobs:
        request = await request_quick(jobs, "again")
        await jobs.store.submit(request)
        await wait_until(lambda: "again" in slow_input)
        await jobs.store.cancel("again")
        await jobs.store.delete("again")
        with pytest.raises(StoreUnavailable, match="just being deleted"):
            await jobs.store.submit(request)
        await wait_until(lambda: not jobs.store._workers.has("again"))
        await jobs.store.submit(request)
        ended = await jobs.finish("again")

    assert ended.status.phase is Phase.COMPLETED
    assert slow_input.count("again") == 2


async def test_id_is_free_again_though_the_files_of_its_job_could_not_be_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A discarded job's worker that fails in the end keeps no later job of the id out."""
    delete, deleted = DataFolder.delete, []

    def delete_once(folder: DataFolder, job_id: str) -> None:
        deleted.append(job_id)
        if len(deleted) == 2:
            refuse()
        delete(folder, job_id)

    monkeypatch.setattr(DataFolder, "delete", delete_once)
    async with open_local_store(tmp_path, ONE) as jobs:
        name = await jobs.install(textwrap.dedent(FOR_EVER))
        spec = JobSpec(program_id=name, backend=DEFAULT_BACKEND)
        await jobs.store.submit(JobRequest(spec, id="again"))
        await jobs.wait_for_message("again", '"started"')
        await jobs.store.discard("again")
        await wait_until(lambda: not jobs.store._workers.has("again"))
        await jobs.store.submit(await request_quick(jobs, "again"))
        ended = await jobs.finish("again")

    assert deleted == ["again"] * 2
    assert ended.status.phase is Phase.COMPLETED


async def test_temporary_files_go_with_their_job(tmp_path: Path):
    """A program's working folder and its temporary files are in the data folder, for its time."""
    source = """
        import os, tempfile

        def main(backend, messenger):
            return [os.getcwd(), tempfile.mkstemp()[1]]
    """
    left = tmp_path / "data" / "scratch" / "of-a-killed-runner"
    left.mkdir(parents=True)
    async with open_local_store(tmp_path, ONE) as jobs:
        folder, file = json.loads(result((await jobs.run(source))[1]) or "")
        used = Path(folder)
        await wait_until(lambda: not used.exists())

    assert used.parent == left.parent
    assert Path(file).parent == used
    assert not left.exists()


async def test_close_returns_when_no_runner_can_be_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A store without runners can be closed, and its job is still queued."""
    monkeypatch.setattr(RunnerProcess, "start", refuse)
    async with asyncio.timeout(30), open_local_store(tmp_path, ONE) as jobs:
        job = await jobs.submit(QUICK)
        await asyncio.sleep(0.1)

    assert (await jobs.store.get(job.id)).status.phase is Phase.QUEUED


@pytest.mark.parametrize("source", [QUICK, FLOOD, FOR_EVER])
async def test_record_on_a_full_disk_fails_its_job_and_frees_the_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
):
    """However much the program says, or if it never ends: RecordLost, and the next job runs."""
    async with open_local_store(tmp_path, ONE) as jobs:
        with monkeypatch.context() as patch:
            full = os.open("/dev/full", os.O_WRONLY)
            patch.setattr(DataFolder, "open_record", lambda *_: full)
            job = await jobs.submit(source)
            listener = asyncio.create_task(jobs.follow(job.id))
            lost = await jobs.finish(job.id)
        await listener
        following, _ = await jobs.run(QUICK)

    assert (lost.status.phase, lost.status.reason) == (Phase.FAILED, Reason.RECORD_LOST)
    assert "No space left" in lost.status.message
    assert following.status.phase is Phase.COMPLETED


async def test_submit_on_a_full_disk_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A job that can't be kept is refused: neither listed nor half on the disk."""
    async with open_local_store(tmp_path, ONE) as jobs:
        with monkeypatch.context() as patch:
            patch.setattr(data_folder, "replace_file", refuse)
            with pytest.raises(StoreUnavailable, match="No space left"):
                await jobs.submit(QUICK)
        page = await jobs.store.find(JobQuery(), 10, 0)

    assert page.total == 0
    assert [*(tmp_path / "data" / "jobs").iterdir()] == []


async def test_program_that_goes_away_while_its_job_is_queued_is_named(tmp_path: Path):
    """A job whose program was deleted after the submission fails, and says which program."""
    async with open_local_store(tmp_path, ONE) as jobs:
        blocker = await jobs.start()
        job = await jobs.submit(QUICK)
        name = job.spec.program_id
        (tmp_path / "programs" / name / f"{name}.py").unlink()
        await jobs.stop(blocker)
        failed = await jobs.finish(job.id)

    assert (failed.status.phase, failed.status.reason) == (Phase.FAILED, Reason.UNKNOWN_PROGRAM)
    assert name in failed.status.message


async def test_program_that_is_being_saved_as_its_job_starts_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A file that an editor has emptied and not filled yet is looked at again."""
    async with open_local_store(tmp_path, ONE) as jobs:
        name = await jobs.install(textwrap.dedent(QUICK))
        metadata = tmp_path / "programs" / name / f"{name}.json"
        whole = metadata.read_text()
        monkeypatch.setattr(job_input, "_SAVING_SECONDS", 2)
        metadata.write_text("")
        job = await jobs.submit(QUICK)
        await asyncio.sleep(0.1)
        metadata.write_text(whole)
        ended = await jobs.finish(job.id)

    assert ended.status.phase is Phase.COMPLETED


async def test_params_that_are_lost_while_queued_fail_the_job(tmp_path: Path):
    """A job without its parameters' file fails as InputLost, and its worker goes on."""
    async with open_local_store(tmp_path, ONE) as jobs:
        blocker = await jobs.start()
        job = await jobs.submit(QUICK)
        (tmp_path / "data" / "jobs" / job.id / "params.json").unlink()
        await jobs.stop(blocker)
        failed = await jobs.finish(job.id)
        following, _ = await jobs.run(QUICK)

    assert (failed.status.phase, failed.status.reason) == (Phase.FAILED, Reason.INPUT_LOST)
    assert following.status.phase is Phase.COMPLETED


async def test_deleted_job_is_gone_from_the_disk(tmp_path: Path):
    """After a delete no file holds the job, its parameters or its record."""
    async with open_local_store(tmp_path, ONE) as jobs:
        job, _ = await jobs.run(
            "def main(backend, messenger, word):\n    print(word)", '{"word": "cuttlefish"}'
        )
        kept = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
        held = [path.name for path in kept if b"cuttlefish" in path.read_bytes()]
        await jobs.store.delete(job.id)

    left = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert sorted(held) == ["params.json", "record"]
    assert [path.name for path in left] == ["lock"]


async def test_data_folder_is_for_its_user_alone(tmp_path: Path):
    """Others on the machine can't read params and results."""
    async with open_local_store(tmp_path, ONE):
        mode = (tmp_path / "data" / "jobs").stat().st_mode

    assert mode & 0o077 == 0


async def test_memory_of_two_hundred_listeners_is_one_record(tmp_path: Path):
    """Listeners that stop reading share one record in memory; after the last it is let go."""
    async with open_local_store(tmp_path, ONE) as jobs:
        job, _ = await jobs.run(FLOOD)
        listeners = [jobs.store.follow(job.id) for _ in range(200)]
        first = [await anext(listener) for listener in listeners]
        held = len({id(event) for event in first})
        records = len(jobs.store._records)
        for listener in listeners:
            await listener.aclose()

        assert held == 1
        assert records == 1
        del listener, listeners
        await wait_until(lambda: not jobs.store._records)


@pytest.mark.parametrize("moment", [0, 0.005, 0.6])
async def test_close_at_any_moment_of_a_start_leaves_jobs_that_end_later(
    tmp_path: Path, moment: float
):
    """Whenever a store is closed: a restart runs what was queued, and all jobs are final."""
    async with open_local_store(tmp_path, RunnerLimits(workers=2)) as jobs:
        for _ in range(4):
            await jobs.submit(QUICK)
        await asyncio.sleep(moment)
    async with open_local_store(tmp_path, RunnerLimits(workers=2)) as jobs:
        page = await jobs.store.find(JobQuery(), 10, 0)
        ended = [await jobs.finish(job.id) for job in page.jobs]

    ends = {(job.status.phase, job.status.reason) for job in ended}
    assert len(ended) == 4
    assert ends <= {(Phase.COMPLETED, Reason.NONE), (Phase.FAILED, Reason.INTERRUPTED)}
    assert (Phase.COMPLETED, Reason.NONE) in ends


async def test_no_job_is_started_while_the_disk_has_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A job whose record would be lost stays queued, and runs when there is room again."""
    async with open_local_store(tmp_path, ONE) as jobs:
        monkeypatch.setattr(jobs.store._folder, "takes_jobs", lambda: False)
        job = await jobs.submit(QUICK)
        await asyncio.sleep(0.5)
        assert (await jobs.store.get(job.id)).status.phase is Phase.QUEUED
        monkeypatch.undo()
        assert (await jobs.finish(job.id)).status.phase is Phase.COMPLETED
