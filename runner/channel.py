"""What the supervisor and the program process say to each other, over a socket pair.

A packet is a kind (one byte), a length (four) and that many bytes. Standard library only.
"""

import json
import socket
import struct
from collections.abc import Iterator
from enum import Enum

from qiskit_runtime.contract.record import MAX_MESSAGE_BYTES
from qiskit_runtime.contract.verdict import is_text_by_name

_HEADER = struct.Struct("!cI")


class Kind(Enum):
    """What a packet is."""

    JOB = b"J"
    """To the program process: the hand-over document."""
    ACCEPTED = b"A"
    """To the program process: the message has its place in the record."""
    REFUSED = b"R"
    """To the program process: the final result is too large; the text says by how much."""
    INTERIM = b"I"
    """An interim message's JSON text."""
    OVERSIZE = b"O"
    """An interim message over ``MAX_MESSAGE_BYTES``, left out."""
    FINAL = b"F"
    """The final result's JSON text."""
    TRACEBACK = b"T"
    """The traceback that ended the program."""
    ERROR = b"E"
    """Why the program failed: JSON with ``reason`` and ``message``."""
    VERSIONS = b"V"
    """JSON: the versions of what the program runs on."""


class ChannelBroken(ValueError):
    """The other side sent what is no packet, or went away."""


def pack(kind: Kind, payload: bytes = b"") -> bytes:
    """One packet."""
    return _HEADER.pack(kind.value, len(payload)) + payload


class PacketReader:
    """Cuts received bytes into packets; holds at most one of ``MAX_MESSAGE_BYTES``."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[Kind, bytes]]:
        """The packets that ``data`` completes.

        Raises:
            ChannelBroken: an unknown kind, or a packet over the limit.
        """
        self._buffer += data
        while len(self._buffer) >= _HEADER.size:
            code, length = _HEADER.unpack_from(self._buffer)
            if code not in _KINDS or length > MAX_MESSAGE_BYTES:
                raise ChannelBroken(f"a packet of kind {code!r} with {length} bytes")
            end = _HEADER.size + length
            if len(self._buffer) < end:
                return
            payload = bytes(self._buffer[_HEADER.size : end])
            del self._buffer[:end]
            yield _KINDS[code], payload


def read_fields(payload: bytes) -> dict[str, str]:
    """What an ``ERROR`` or ``VERSIONS`` packet tells.

    Raises:
        ChannelBroken: it is not an object of strings.
    """
    try:
        fields = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise ChannelBroken(f"a packet that is not JSON: {error}") from error
    if not is_text_by_name(fields):
        raise ChannelBroken("a packet that is not an object of strings")
    return dict(fields)


def receive(connection: socket.socket) -> tuple[Kind, bytes]:
    """Wait for one packet (the program process's side; the other never sends two unasked).

    Raises:
        ChannelBroken: the supervisor went away.
    """
    code, length = _HEADER.unpack(_receive_exactly(connection, _HEADER.size))
    return Kind(code), _receive_exactly(connection, length)


def _receive_exactly(connection: socket.socket, size: int) -> bytes:
    received = bytearray()
    while len(received) < size:
        data = connection.recv(min(size - len(received), 1 << 20))
        if not data:
            raise ChannelBroken("the supervisor went away")
        received += data
    return bytes(received)


_KINDS = {kind.value: kind for kind in Kind}
