"""The operator's side of a hand-over: a connection to a pod that was started ahead."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from qiskit_runtime.contract.wire.handover import (
    HANDOVER_PORT,
    NONCE_BYTES,
    POD,
    TAKEN,
    build_hello,
    digest_token,
    pack_input,
    prove,
)

CONNECT_SECONDS = 2.0
"""How long it may take to reach a pod: its node answers, whatever the pod does."""

PROOF_SECONDS = 2.0
"""How long a pod may take to answer; on a busy node it gets its turn late."""

INPUT_SECONDS = 20.0
"""How long it may take to hand the largest input over."""


class HandoverFailed(Exception):
    """The pod does not answer, not as it should, or no more; the text says which."""


class PortClosed(HandoverFailed):
    """Nobody listens: the pod has its job already, or is ending."""


class NotReached(HandoverFailed):
    """No connection could be opened: perhaps the network lets nobody through."""


class Silent(HandoverFailed):
    """Somebody has the connection, and has not answered in time."""


@dataclass(frozen=True, slots=True)
class Handover:
    """A connection to a pod that has proved that it is the one which was started ahead."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    token: bytes

    async def give(self, files: dict[str, bytes]) -> None:
        """Hand the input's files over; returns when the pod has them all.

        Raises:
            HandoverFailed: it is not known whether it has them.
        """
        try:
            async with asyncio.timeout(INPUT_SECONDS):
                self.writer.write(self.token + pack_input(files))
                await self.writer.drain()
                answer = await self.reader.read(len(TAKEN))
        except (OSError, TimeoutError) as error:
            raise HandoverFailed(f"the hand-over broke off: {error!r}") from error
        if answer != TAKEN:
            raise HandoverFailed("the hand-over broke off")


@asynccontextmanager
async def open_handover(address: str, token: bytes) -> AsyncIterator[Handover]:
    """Connect to the pod of this address and token; nothing is given to it yet.

    Raises:
        PortClosed: nobody listens there.
        NotReached: whether anybody does is not known.
        Silent: the one who listens says nothing.
        HandoverFailed: it is another process than the one that was started, or breaks off.
    """
    reader, writer = await _connect(address)
    try:
        await _greet(address, reader, writer, token)
        yield Handover(reader, writer, token)
    finally:
        writer.close()


async def _connect(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            return await asyncio.open_connection(address, HANDOVER_PORT)
    except ConnectionRefusedError as error:
        raise PortClosed(f"nobody listens on {address}") from error
    except ConnectionError as error:
        # A port that closes just now: its machine has answered.
        raise HandoverFailed(f"{address} has broken off: {error!r}") from error
    except (OSError, TimeoutError) as error:
        raise NotReached(f"{address} is not reached: {error!r}") from error


async def _greet(
    address: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, token: bytes
) -> None:
    """Say hello, and check who answers."""
    digest, nonce = digest_token(token), secrets.token_bytes(NONCE_BYTES)
    writer.write(build_hello(digest, nonce))
    try:
        async with asyncio.timeout(PROOF_SECONDS):
            proof = await reader.readexactly(NONCE_BYTES)
    except TimeoutError as error:
        raise Silent(f"{address} does not answer") from error
    except (OSError, asyncio.IncompleteReadError) as error:
        raise HandoverFailed(f"{address} has broken off: {error!r}") from error
    if not secrets.compare_digest(proof, prove(digest, POD, nonce)):
        raise HandoverFailed("another process has the pod's address")
