"""The server's side of the zygote, from which it has its runners forked (``runner.zygote``).

One that ends, or has imported what is not installed any more, is replaced. It costs no runner but
one that it is forking, and that one is started as a process of its own; so are others where the
next zygote is not ready soon.
"""

import asyncio
import logging
import os
import signal
import socket
import sys
import time
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Sequence
from contextlib import suppress

from api.jobstore.local.files import NO_ROOM
from api.jobstore.local.installation import Installed, read_installed
from api.jobstore.local.program_environment import choose_variables
from qiskit_runtime.contract.wire.forking import (
    MAX_PACKET_BYTES,
    ForkAnswer,
    ForkRequest,
    parse_answer,
)
from qiskit_runtime.host.backoff import Backoff
from qiskit_runtime.host.process_tree import IS_LINUX

_PATIENCE = 10.0
"""The seconds for one answer. A program has the zygote's user, and can stop it, with SIGSTOP."""

_START_PATIENCE = 60.0
"""The seconds for the imports, of which a cold disk needs a few."""

_SETTLE_SECONDS = 15.0
"""How long runners wait for a zygote that is on its way: a cold disk has it import for a while."""

_SHORT_SECONDS = 60.0
"""A zygote that ends within this time is one that may end each time."""

logger = logging.getLogger(__name__)


class ZygoteLost(Exception):
    """The zygote has ended, or does not answer."""


class Zygote:
    """Keeps one zygote while it is open. Its environment is that of programs (``program_env``)."""

    def __init__(self, program_env: Sequence[str]) -> None:
        self._program_env = program_env
        self._live: LiveZygote | None = None
        self._settled = asyncio.Event()
        self._settled.set()
        self._keeper: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Start one, where the system can fork and tell how a process ended."""
        if IS_LINUX and _can_watch():
            self._settled.clear()
            self._keeper = asyncio.create_task(self._keep())

    async def close(self) -> None:
        """End it."""
        if self._keeper is not None:
            self._keeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeper
        self._settled.set()

    async def settle(self) -> None:
        """Wait until one is ready that has imported what is installed, or could not be started.

        Where that takes long, as on a disk that hangs, it returns as well.
        """
        if self._live is not None and self._live.installed != read_installed():
            self._settled.clear()
            self._live.kill()
            self._live = None
        with suppress(TimeoutError):
            async with asyncio.timeout(_SETTLE_SECONDS):
                await self._settled.wait()

    @property
    def is_ready(self) -> bool:
        """Return whether one is ready to fork."""
        return self._live is not None

    @property
    def installed(self) -> Installed:
        """Return what was installed when the imports began of a runner that is started now."""
        return self._live.installed if self._live else read_installed()

    async def fork(self, request: ForkRequest, stream: socket.socket) -> "ForkedProcess":
        """Have a runner forked, with this as its standard input and output.

        Raises:
            ZygoteLost: there is no zygote, or it ends meanwhile, perhaps with a runner on its way.
            OSError: the system has no room for it.
        """
        if (live := self._live) is None:
            raise ZygoteLost("none is ready")
        answer = await live.ask(request, stream)
        if answer.errno:
            raise OSError(answer.errno, os.strerror(answer.errno), "fork")
        return ForkedProcess(answer.pid)

    async def _keep(self) -> None:
        backoff, quick_ends = Backoff(first=1.0, longest=60.0), 0
        while True:
            installed = read_installed()
            variables = choose_variables(os.environ, self._program_env)
            try:
                live = self._live = await LiveZygote.start(variables, installed)
            except (ZygoteLost, *NO_ROOM) as error:
                logger.warning("runners are started without a zygote: %s", error)
                self._settled.set()
                await asyncio.sleep(backoff.next_seconds())
                continue
            begun = time.monotonic()
            self._settled.set()
            try:
                exit_code = await live.wait()
            finally:
                self._live = None
                await live.close()
            is_old = read_installed() != installed
            is_quick = time.monotonic() - begun < _SHORT_SECONDS and not is_old
            quick_ends = quick_ends + 1 if is_quick else 0
            if not is_quick:
                backoff.reset()
            why = "packages have changed" if is_old else f"the zygote ended ({exit_code})"
            logger.warning("%s: another one is started", why)
            if quick_ends > 1:
                # Runners are started without one meanwhile.
                await asyncio.sleep(backoff.next_seconds())
            self._settled.clear()


def _can_watch() -> bool:
    """Return whether this system can tell how a process ended that was forked for this one."""
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (AttributeError, OSError) as error:
        # An old Python or kernel, or a sandbox that refuses the call.
        logger.warning("runners are started without a zygote, whose forks need pidfd: %s", error)
        return False
    return True


class LiveZygote:
    """One zygote process, and this end of its socket pair.

    ``installed`` is what was installed when it began its imports.
    """

    def __init__(
        self, process: Process, connection: socket.socket, installed: Installed = ()
    ) -> None:
        self._process, self._connection, self.installed = process, connection, installed
        self._null = os.open(os.devnull, os.O_WRONLY)
        self._turn = asyncio.Lock()

    @classmethod
    async def start(cls, environment: dict[str, str], installed: Installed) -> "LiveZygote":
        """Start one; it is ready when this returns.

        Raises:
            ZygoteLost: its imports fail, and its standard error, which is ours, says why.
            OSError: there is no room for it.
        """
        connection, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        connection.setblocking(False)
        try:
            with theirs:
                process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-P", "-m", "runner.zygote", str(theirs.fileno())),
                    stdin=DEVNULL,
                    stdout=DEVNULL,
                    env=environment,
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,
                )
        except BaseException:
            connection.close()
            raise
        zygote = cls(process, connection, installed)
        try:
            await zygote._receive(_START_PATIENCE)
        except BaseException:
            await zygote.close()
            raise
        return zygote

    async def ask(self, request: ForkRequest, stream: socket.socket) -> ForkAnswer:
        """Have a runner forked. A zygote that does not answer is killed.

        Raises:
            ZygoteLost: it has ended, or is killed now.
        """
        async with self._turn:
            try:
                streams = [stream.fileno(), stream.fileno(), self._null]
                socket.send_fds(self._connection, [request.to_packet()], streams)
                return await self._receive(_PATIENCE)
            except OSError as error:
                self.kill()
                raise ZygoteLost(str(error)) from error
            except BaseException:
                # Nobody knows what it would answer next.
                self.kill()
                raise

    async def wait(self) -> int:
        """Return its exit code when it has ended."""
        return await self._process.wait()

    def kill(self) -> None:
        """End it now; ``close`` waits for that."""
        # What it forks at this moment is in a session of its own, and in its way to the server.
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGKILL)

    async def close(self) -> None:
        """End it, and wait until it has ended."""
        self.kill()
        await self._process.wait()
        # A fork that has its end too keeps the pair open for a moment. A descriptor that is closed
        # while the event loop reads it would take the next of its number along.
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        async with self._turn:
            self._connection.close()
            os.close(self._null)

    async def _receive(self, seconds: float) -> ForkAnswer:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(seconds):
                packet = await loop.sock_recv(self._connection, MAX_PACKET_BYTES)
        except TimeoutError as error:
            raise ZygoteLost(f"it did not answer for {seconds:g} s") from error
        if not packet:
            raise ZygoteLost("it has ended")
        return parse_answer(packet)


class ForkedProcess:
    """A runner that the zygote has forked; used as ``asyncio.subprocess.Process`` is."""

    def __init__(self, pid: int) -> None:
        """Watch a child of this process.

        Raises:
            OSError: the system has no room for it.
        """
        self._pid = pid
        self.returncode: int | None = None
        self._ended = asyncio.Event()
        self._pidfd = os.pidfd_open(pid)
        asyncio.get_running_loop().add_reader(self._pidfd, self._reap)

    async def wait(self) -> int:
        """Return its exit code (negative: the signal) when it has ended."""
        await self._ended.wait()
        assert self.returncode is not None, "it has ended"
        return self.returncode

    def terminate(self) -> None:
        """Send SIGTERM."""
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        if self.returncode is None:
            os.kill(self._pid, number)

    def _reap(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)
        _, status = os.waitpid(self._pid, 0)
        self.returncode = os.waitstatus_to_exitcode(status)
        self._ended.set()
