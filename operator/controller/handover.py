"""The operator's side of a hand-over: a connection to a pod that was started ahead."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from qiskit_runtime.contract.wire.handover import (
    HANDOVER_PORT,
    HELLO,
    NONCE_BYTES,
    TAKEN,
    digest_token,
    pack_input,
    prove,
)

PROOF_SECONDS = 2.0
"""How long a pod may take to answer; on a busy node it gets its turn late."""

INPUT_SECONDS = 20.0
"""How long it may take to hand the largest input over."""


class HandoverFailed(Exception):
    """The pod does not answer, not as it should, or no more; the text says which."""


class PortClosed(HandoverFailed):
    """Nobody listens: the pod has its job already, or is ending."""


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
        HandoverFailed: it does not answer, or is another process than the one that was started.
    """
    writer = None
    try:
        try:
            async with asyncio.timeout(PROOF_SECONDS):
                reader, writer = await asyncio.open_connection(address, HANDOVER_PORT)
                await _check_proof(reader, writer, token)
        except ConnectionRefusedError as error:
            raise PortClosed(f"nobody listens on {address}") from error
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            raise HandoverFailed(f"{address} does not answer: {error!r}") from error
        yield Handover(reader, writer, token)
    finally:
        if writer is not None:
            writer.close()


async def _check_proof(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, token: bytes
) -> None:
    nonce = secrets.token_bytes(NONCE_BYTES)
    writer.write(HELLO + nonce)
    proof = await reader.readexactly(NONCE_BYTES)
    if not secrets.compare_digest(proof, prove(digest_token(token), nonce)):
        raise HandoverFailed("another process has the pod's address")
