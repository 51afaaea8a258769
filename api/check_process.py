"""Keeps the process that checks what might take long (``params_worker``), and asks it."""

import asyncio
import json
import logging
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress
from typing import Any

from api.jobstore.local.program_environment import choose_variables
from api.params_worker import CPU_SECONDS, LENGTH

PATIENCE = CPU_SECONDS + 5.0
"""How long a client waits for an answer, behind others that wait too."""

MAX_WAITING = 16
"""Requests that wait at once: each holds its parameters."""

_ANSWER_BYTES = 2**20

logger = logging.getLogger(__name__)


class CheckProcess:
    """One for a server; it is started when it is asked first, and stays.

    Requests are answered one after the other. One that is not answered in time costs the process,
    and another is there for those behind it.
    """

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._process: Process | None = None
        self._waiting = 0

    async def ask(self, schema: dict[str, Any] | None, text: str) -> dict[str, Any] | None:
        """The answer to a request, as ``params_worker`` says; None where there is none in time."""
        if self._waiting >= MAX_WAITING:
            return None
        self._waiting += 1
        try:
            async with asyncio.timeout(PATIENCE), self._turn:
                return await self._exchange(json.dumps(schema).encode(), text.encode())
        except (TimeoutError, OSError, ValueError) as error:
            logger.warning("a check of parameters was given up: %r", error)
            return None
        finally:
            self._waiting -= 1

    async def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            # With what it has forked: it is the leader of a session.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()

    async def _exchange(self, *parts: bytes) -> dict[str, Any] | None:
        process = self._process = self._process or await _start()
        assert process.stdin and process.stdout, "they are pipes"
        try:
            for part in parts:
                process.stdin.write(LENGTH.pack(len(part)))
                process.stdin.write(part)
            await process.stdin.drain()
            answer: dict[str, Any] | None = json.loads(await process.stdout.readline())
        except BaseException:
            # Nobody knows what it would answer next.
            await asyncio.shield(self.close())
            raise
        return answer


async def _start() -> Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "api.params_worker"),
        stdin=PIPE,
        stdout=PIPE,
        stderr=DEVNULL,
        # What a program may not have, as it can read this until the process has closed itself.
        env=choose_variables(os.environ),
        limit=_ANSWER_BYTES,
        start_new_session=True,
    )
