"""A runner started ahead of its job: a supervisor whose program process has imported Qiskit.

The local store starts one for each worker, hands each exactly one job, and then starts another.
"""

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass

from api.jobstore.local.adopted import draw_mark, end_adopted, forget_mark
from api.jobstore.local.program_environment import choose_variables
from api.jobstore.local.scratch import Scratch
from qiskit_runtime.contract.limits import GRACE_SECONDS
from qiskit_runtime.contract.wire.job_input import JobInput

_READ_BYTES = 1 << 18
_KILL_SECONDS = 5.0
"""How long after its grace time a runner has to end. A program can stop it, with SIGSTOP."""


@dataclass(frozen=True, slots=True)
class RunnerLimits:
    """Limits of a job's processes, and the variables that they get in addition to the usual ones.

    ``memory_bytes`` 0 is no limit. ``workers`` jobs run at once, and of one instance at most
    ``instance_running``, where that is not 0.
    """

    workers: int = 4
    memory_bytes: int = 0
    grace_seconds: float = GRACE_SECONDS
    program_env: tuple[str, ...] = ()
    instance_running: int = 0


class RunnerProcess:
    """A ``python -m runner``. It ends when this process ends, as its stdin closes."""

    def __init__(self, process: Process, grace_seconds: float, mark: int) -> None:
        assert process.stdin is not None and process.stdout is not None, "both are pipes"
        self._process = process
        self._stdin, self._stdout = process.stdin, process.stdout
        self._grace_seconds, self._mark = grace_seconds, mark
        self._clean_up: Callable[[], None] = lambda: None
        self.is_overtime = False
        """Whether it was ended because its job's time was over."""

    @classmethod
    async def start(cls, limits: RunnerLimits, scratch: Scratch) -> "RunnerProcess":
        """Start one; it is ready as soon as its imports are done, and takes a job even before.

        Its working folder, and whatever its program takes for temporary, is in ``scratch``.
        """
        folder, mark = scratch.name_folder(), draw_mark()
        options = {"--grace": limits.grace_seconds, "--folder": folder, "--mark": mark}
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "runner"),
                *(str(word) for option in options.items() for word in option),
                stdin=PIPE,
                stdout=PIPE,
                stderr=DEVNULL,
                env=choose_variables(os.environ, limits.program_env),
                # A terminal's Ctrl-C is for the server, which then ends its runners.
                start_new_session=True,
            )
        except OSError:
            forget_mark(mark)
            raise
        runner = cls(process, limits.grace_seconds, mark)
        runner._clean_up = lambda: scratch.remove(folder)
        return runner

    @property
    def is_alive(self) -> bool:
        """Return whether it can still take a job or end one."""
        return self._process.returncode is None

    async def give_input(self, job: JobInput) -> None:
        """Give it the input of its job, which starts with that."""
        # A runner that dies here leaves a record without an end, which the life cycle explains.
        with suppress(ConnectionError):
            self._stdin.write(job.to_line())
            await self._stdin.drain()

    async def read_record(self) -> AsyncIterator[bytes]:
        """The record's bytes as they come, until the runner has ended."""
        while data := await self._stdout.read(_READ_BYTES):
            yield data

    def terminate(self) -> None:
        """Have it end its program; one that does not is killed, so that nobody waits for ever."""
        if self.is_alive:
            _signal(self._process.terminate)
            patience = self._grace_seconds + _KILL_SECONDS
            asyncio.get_running_loop().call_later(patience, _signal, self._process.kill)

    def end_overtime(self) -> None:
        """Have it end its program, whose time is over; the runner should have done so already."""
        self.is_overtime = True
        self.terminate()

    async def wait(self) -> int:
        """Return its exit code, once it and all of its job's processes have ended."""
        exit_code = await self._process.wait()
        if exit_code != 0:
            # Its program may have killed or broken it, before it could end what that had started.
            await asyncio.to_thread(end_adopted, self._mark)
        return exit_code

    async def close(self) -> None:
        """End it, whatever it does, and wait until it has."""
        self._stdin.close()
        self.terminate()
        # It could not end while nobody takes what it has to say.
        async for _ in self.read_record():
            pass
        await self.wait()
        forget_mark(self._mark)
        self._clean_up()


def _signal(send: Callable[[], None]) -> None:
    with suppress(ProcessLookupError):
        send()
