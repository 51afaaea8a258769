"""The zygote of a local store: jobs run as its forks, and run on, or anew, when it is harmed."""

import asyncio
import errno
import json
import os
import signal
import socket
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest

from api.jobstore.local import zygote
from api.jobstore.local.store import RunnerLimits
from api.jobstore.local.zygote import LiveZygote, ZygoteLost
from qiskit_runtime.contract.lifecycle import Phase
from qiskit_runtime.contract.wire.forking import ForkRequest
from qiskit_runtime.host.process_tree import IS_LINUX
from tests.jobstore.processes import (
    children,
    find_children,
    find_runners,
    is_alive,
    wait_until,
)
from tests.jobstore.store_under_test import FOR_EVER, QUICK, messages, open_local_store, result

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not IS_LINUX, reason="only Linux can hand processes on like this"),
]

ONE = RunnerLimits(workers=1)

HOW = """
    from pathlib import Path

    def main(backend, messenger):
        return Path("/proc/self/cmdline").read_text().split(chr(0))[3]
"""
"""Returns the module that the program process, or what it was forked from, was started as."""


def find_zygote(others: Collection[int]) -> int:
    """The zygote of this process; what it has just forked for a supervisor looks the same."""
    return min(find_children("runner.zygote", others))


async def test_jobs_are_forks_of_one_zygote(tmp_path: Path, others: list[int]):
    """The zygote is there once, and each job's program process is a fork of it."""
    async with open_local_store(tmp_path, RunnerLimits(workers=2)) as jobs:
        told = [result((await jobs.run(HOW))[1]) for _ in range(3)]
        await wait_until(lambda: len(find_runners(others)) == 2, 30)
        zygotes = find_children("runner.zygote", others)

    assert told == ['"runner.zygote"'] * 3
    assert len(zygotes) == 1


async def test_next_runner_waits_while_a_job_runs(tmp_path: Path, others: list[int]):
    """The job behind a running one finds a runner that is ready, also with one worker."""
    async with open_local_store(tmp_path, ONE) as jobs:
        job = await jobs.start(FOR_EVER)
        await wait_until(lambda: len(find_runners(others)) == 2, 30)
        await jobs.stop(job)
        assert (await jobs.run(QUICK))[0].status.phase is Phase.COMPLETED


async def test_killed_zygote_costs_no_job(
    tmp_path: Path, others: list[int], caplog: pytest.LogCaptureFixture
):
    """The job that runs goes on, those behind it run too, and another zygote is started."""
    async with open_local_store(tmp_path, ONE) as jobs:
        running = await jobs.start("""
            import os, time

            def main(backend, messenger):
                messenger.publish(os.getcwd())
                messenger.publish("started")
                while not os.path.exists("go"):
                    time.sleep(0.02)
                return os.getcwd()
        """)
        folder = Path(json.loads(messages(await jobs.store.read_events(running.id))[0]))
        killed = find_zygote(others)
        queued = await jobs.submit(HOW)
        os.kill(killed, signal.SIGKILL)
        await wait_until(lambda: not is_alive(killed))
        (folder / "go").touch()
        first, second = await jobs.finish(running.id), await jobs.finish(queued.id)
        await wait_until(lambda: find_children("runner.zygote", others) not in ([], [killed]), 30)
        third, events = await jobs.run(HOW)
        assert find_zygote(others) != killed

    assert {job.status.phase for job in (first, second, third)} == {Phase.COMPLETED}
    assert result(await jobs.store.read_events(running.id)) == json.dumps(str(folder))
    assert result(events) == '"runner.zygote"'
    assert "the zygote ended (-9): another one is started" in caplog.text


async def test_stopped_zygote_is_replaced(
    tmp_path: Path,
    others: list[int],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
):
    """A zygote that a program has stopped keeps no job waiting for long."""
    monkeypatch.setattr(zygote, "_PATIENCE", 0.5)
    async with open_local_store(tmp_path, ONE) as jobs:
        await jobs.run(QUICK)
        await wait_until(lambda: len(find_runners(others)) == 1, 30)
        stopped = find_zygote(others)
        os.kill(stopped, signal.SIGSTOP)
        ended = [(await jobs.run(QUICK))[0].status.phase for _ in range(3)]
        await wait_until(lambda: not is_alive(stopped))

    assert ended == [Phase.COMPLETED] * 3
    assert "a runner is started without the zygote: it did not answer for 0.5 s" in caplog.text


@pytest.mark.parametrize("error", [ZygoteLost, OSError, RuntimeError])
async def test_without_a_zygote_runners_are_started(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: type[Exception],
):
    """Each job has a process that imports Qiskit itself where no zygote becomes ready."""

    async def fail(*_: Any) -> LiveZygote:
        raise error("it has ended")

    monkeypatch.setattr(LiveZygote, "start", fail)
    async with open_local_store(tmp_path, ONE) as jobs:
        job, events = await jobs.run(HOW)

    assert (job.status.phase, result(events)) == (Phase.COMPLETED, '"runner.program_process"')
    assert caplog.text.count("runners are started without a zygote: it has ended") >= 1


@pytest.mark.parametrize(
    "number", [errno.ENOSYS, errno.EPERM, None], ids=["old kernel", "sandbox", "old Python"]
)
async def test_without_pidfd_runners_are_started(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    others: list[int],
    number: int | None,
):
    """Jobs run all the same where no fork can be watched, and the log says why, once."""

    def refuse(_: int) -> int:
        assert number is not None
        raise OSError(number, os.strerror(number))

    if number is None:
        monkeypatch.delattr(os, "pidfd_open")
    else:
        monkeypatch.setattr(os, "pidfd_open", refuse)
    async with open_local_store(tmp_path, ONE) as jobs:
        told = [result((await jobs.run(HOW))[1]) for _ in range(2)]
        assert find_children("runner.zygote", others) == []

    assert told == ['"runner.program_process"'] * 2
    assert caplog.text.count("runners are started without a zygote, whose forks need pidfd") == 1


async def test_zygote_that_does_not_become_ready_holds_no_job_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Its disk hangs, or a program stops it: after a while runners are started without it."""
    monkeypatch.setattr(zygote, "_SETTLE_SECONDS", 0.2)
    monkeypatch.setattr(LiveZygote, "start", lambda *_: asyncio.sleep(600))
    async with open_local_store(tmp_path, ONE) as jobs:
        job, events = await jobs.run(HOW)

    assert (job.status.phase, result(events)) == (Phase.COMPLETED, '"runner.program_process"')


async def test_zygote_whose_imports_fail_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    """A broken installation is told by the server's own output, and by the job's log."""
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "qiskit.py").write_text("raise ImportError('broken installation')\n")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'broken'}:{Path(__file__).parents[3]}")
    async with open_local_store(tmp_path, ONE) as jobs:
        job, _ = await jobs.run(QUICK)

    assert job.status.phase is Phase.FAILED
    assert "ImportError: broken installation" in capfd.readouterr().err


async def test_zygote_can_be_turned_off(tmp_path: Path, others: list[int]):
    """With ``forks`` off there is no zygote."""
    async with open_local_store(tmp_path, RunnerLimits(workers=1, forks=False)) as jobs:
        _, events = await jobs.run(HOW)
        assert find_children("runner.zygote", others) == []

    assert result(events) == '"runner.program_process"'


@pytest.mark.parametrize("moment", [0, 0.05, 0.5])
async def test_close_while_the_zygote_starts_leaves_nothing(tmp_path: Path, moment: float):
    """A store that is closed before its zygote is ready closes at once."""
    others = children()
    async with asyncio.timeout(20):
        async with open_local_store(tmp_path, ONE) as jobs:
            await asyncio.sleep(moment)
            await jobs.submit(QUICK)
    await wait_until(lambda: children(others) == [])


@pytest.mark.parametrize("forks", [True, False])
async def test_job_after_an_upgrade_has_the_new_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forks: bool
):
    """A package imported before its upgrade is in no job: runner and zygote are new."""
    site = tmp_path / "site"
    (site / "package-1.dist-info").mkdir(parents=True)
    # Imported by each Python at its start, as Qiskit is by each runner.
    (site / "sitecustomize.py").write_text("import sys\nsys.package = 1\n")
    monkeypatch.syspath_prepend(site)
    monkeypatch.setenv("PYTHONPATH", f"{site}:{Path(__file__).parents[3]}")
    program = "import sys\ndef main(backend, messenger):\n    return sys.package\n"
    async with open_local_store(tmp_path, RunnerLimits(workers=1, forks=forks)) as jobs:
        told = [result((await jobs.run(program))[1]) for _ in range(2)]
        (site / "sitecustomize.py").write_text("import sys\nsys.package = 1 + 1\n")
        (site / "package-1.dist-info").rename(site / "package-2.dist-info")
        told += [result((await jobs.run(program))[1]) for _ in range(2)]
        _, events = await jobs.run(HOW)

    assert told == ["1", "1", "2", "2"]
    assert ("runner.zygote" in str(result(events))) == forks


async def test_close_of_a_zygote_that_died_while_forking_ends_the_request():
    """The request that waits is told at once, also while a fork holds the zygote's socket."""
    connection, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.setblocking(False)
    stream, other = socket.socketpair()
    process = await asyncio.create_subprocess_exec("sleep", "60")
    live = LiveZygote(process, connection)
    request = ForkRequest("folder", 1, 1)
    with theirs, stream, other:
        asked = asyncio.create_task(live.ask(request, stream))
        await asyncio.sleep(0.05)
        async with asyncio.timeout(2):
            await live.close()
            with pytest.raises(ZygoteLost):
                await asked
