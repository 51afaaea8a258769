"""A runner started ahead of its job: a supervisor whose program process has imported Qiskit.

The local store starts one for each worker, hands each exactly one job, and then starts another.
"""

import asyncio
import logging
import os
import socket
import sys
from asyncio import StreamReader, StreamWriter
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from api.jobstore.local.adopted import draw_mark, end_adopted, forget_mark
from api.jobstore.local.installation import Installed, read_installed
from api.jobstore.local.program_environment import choose_variables
from api.jobstore.local.scratch import Scratch
from api.jobstore.local.zygote import Zygote, ZygoteLost
from qiskit_runtime.contract.limits import GRACE_SECONDS
from qiskit_runtime.contract.wire.forking import ForkRequest
from qiskit_runtime.contract.wire.job_input import JobInput

_READ_BYTES = 1 << 18
_KILL_SECONDS = 5.0
"""How long after its grace time a runner has to end. A program can stop it, with SIGSTOP."""

logger = logging.getLogger(__name__)


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
    forks: bool = True
    """Whether runners are forked where the system can; otherwise each imports Qiskit itself."""


class Child(Protocol):
    """A supervisor as a process: ``asyncio.subprocess.Process``, or one that was forked."""

    @property
    def returncode(self) -> int | None:
        """Its exit code (negative: the signal), None while it runs."""
        ...

    async def wait(self) -> int:
        """Return the exit code when it has ended."""
        ...

    def terminate(self) -> None:
        """Send SIGTERM."""
        ...

    def kill(self) -> None:
        """Send SIGKILL."""
        ...


Launch = Callable[[ForkRequest, socket.socket], Awaitable[Child]]
"""Starts a supervisor with these options, whose standard input and output is this socket."""


class RunnerProcess:
    """A supervisor and its program process. It ends when this process does: its input ends."""

    def __init__(
        self,
        process: Child,
        streams: tuple[StreamReader, StreamWriter],
        options: ForkRequest,
        installed: Installed,
    ) -> None:
        self._process, self._installed = process, installed
        self._stdout, self._stdin = streams
        self._grace_seconds, self._mark = options.grace_seconds, options.mark
        self._clean_up: Callable[[], None] = lambda: None
        self.is_overtime = False
        """Whether it was ended because its job's time was over."""

    @classmethod
    async def start(
        cls, limits: RunnerLimits, scratch: Scratch, zygote: Zygote | None = None
    ) -> "RunnerProcess":
        """Start one, as a fork if a zygote is ready; it takes a job even before it is ready itself.

        Its working folder, and whatever its program takes for temporary, is in ``scratch``.

        Raises:
            OSError: the system has no room for it.
        """
        installed = zygote.installed if zygote else read_installed()
        if zygote is not None and zygote.is_ready:
            try:
                return await cls._start(limits, scratch, zygote.fork, installed)
            except ZygoteLost as error:
                logger.warning("a runner is started without the zygote: %s", error)
        variables = choose_variables(os.environ, limits.program_env)
        return await cls._start(limits, scratch, partial(_execute, variables), installed)

    @classmethod
    async def _start(
        cls, limits: RunnerLimits, scratch: Scratch, launch: Launch, installed: Installed
    ) -> "RunnerProcess":
        folder = scratch.name_folder()
        options = ForkRequest(str(folder), limits.grace_seconds, draw_mark())
        # A pair of sockets, and not of pipes: nobody else can open one by its name in /proc.
        connection, theirs = socket.socketpair()
        try:
            with theirs:
                process = await launch(options, theirs)
            streams = await asyncio.open_unix_connection(sock=connection, limit=_READ_BYTES)
        except BaseException:
            connection.close()
            # One may be on its way from a zygote that was lost.
            await _end_adopted(options.mark)
            scratch.remove(folder)
            raise
        runner = cls(process, streams, options, installed)
        runner._clean_up = lambda: scratch.remove(folder)
        return runner

    @property
    def is_alive(self) -> bool:
        """Return whether it can still take a job or end one."""
        return self._process.returncode is None

    @property
    def is_usable(self) -> bool:
        """Return whether it can take a job, and has imported the packages that are installed."""
        return self.is_alive and self._installed == read_installed()

    async def give_input(self, job: JobInput) -> None:
        """Give it the input of its job, which starts with that."""
        # A runner that dies here leaves a record without an end, which the life cycle explains.
        with suppress(ConnectionError):
            self._stdin.write(job.to_line())
            await self._stdin.drain()

    async def read_record(self) -> AsyncIterator[bytes]:
        """The record's bytes as they come, until the runner has ended."""
        # One that was killed before it had read its job ends the connection like this.
        with suppress(ConnectionError):
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
            await _end_adopted(self._mark)
        return exit_code

    async def close(self) -> None:
        """End it, whatever it does, and wait until it has; fine where it was closed before."""
        try:
            with suppress(OSError):
                self._stdin.write_eof()
            self.terminate()
            # It could not end while nobody takes what it has to say.
            with suppress(OSError):
                async for _ in self.read_record():
                    pass
            await self.wait()
        finally:
            self._stdin.close()
            forget_mark(self._mark)
            self._clean_up()


async def _execute(
    variables: dict[str, str], options: ForkRequest, stream: socket.socket
) -> Process:
    """Start a supervisor as a process of its own, which then starts its program process."""
    named = {"--grace": options.grace_seconds, "--folder": options.folder, "--mark": options.mark}
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "runner"),
        *(str(word) for option in named.items() for word in option),
        stdin=stream.fileno(),
        stdout=stream.fileno(),
        stderr=DEVNULL,
        env=variables,
        # A terminal's Ctrl-C is for the server, which then ends its runners.
        start_new_session=True,
    )


async def _end_adopted(mark: int) -> None:
    """End what is left of a runner, also where it has left no room for a thread to do so."""
    try:
        try:
            await asyncio.to_thread(end_adopted, mark)
        except RuntimeError:
            end_adopted(mark)
    except OSError as error:
        # Its mark is forgotten, so that it ends when the next runner's rest is looked for.
        logger.warning("what a runner has left can't be looked for: %s", error)


def _signal(send: Callable[[], None]) -> None:
    with suppress(ProcessLookupError):
        send()
