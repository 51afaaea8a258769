"""What the supervisor and the program process say to each other, over a socket pair.

A packet is a kind (one byte), a length (four) and that many bytes. Standard library only.
"""

import json
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from enum import Enum

from qiskit_runtime.contract.wire.progress import Progress
from qiskit_runtime.contract.wire.record import MAX_MESSAGE_BYTES
from qiskit_runtime.contract.wire.verdict import is_text_map

MAX_SEED = 2**53 - 1
"""So that a seed is the same number to every reader of JSON."""

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
    SEED = b"S"
    """The seed of the job's random numbers, in decimal."""
    PROGRESS = b"P"
    """How far the program is: ``contract.progress`` as JSON."""


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
    if not is_text_map(fields):
        raise ChannelBroken("a packet that is not an object of strings")
    return dict(fields)


def read_seed(payload: bytes) -> int:
    """What a ``SEED`` packet tells.

    Raises:
        ChannelBroken: it is no number that a seed can be.
    """
    if not payload.isdigit() or len(payload) > len(str(MAX_SEED)) or int(payload) > MAX_SEED:
        raise ChannelBroken("a packet that is not a seed")
    return int(payload)


class PacketSender:
    """Sends packets whole, from any thread of the program process."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def send(self, kind: Kind, payload: bytes = b"") -> None:
        """Send one packet; a large one is many pieces, and nothing comes between them."""
        with self._lock:
            self._connection.sendall(pack(kind, payload))


class ProgressSender:
    """Sends the newest report of progress where ``send_rest`` is called, again and again.

    A program may make millions, also in a signal's handler: a report alone sends nothing.
    ``flush`` has what was printed before a report be in the pipe before it.
    """

    def __init__(self, sender: PacketSender, flush: Callable[[], None]) -> None:
        self._sender = sender
        self._flush = flush
        self._newest: Progress | None = None
        self._lock = threading.Lock()
        self._process = os.getpid()

    def report(self, progress: Progress) -> None:
        """Take a report in the place of the one before it."""
        self._newest = progress

    def send_rest(self) -> None:
        """Send the newest report, if it was not sent; never from a fork."""
        if self._newest is None or os.getpid() != self._process:
            return
        with self._lock:
            progress, self._newest = self._newest, None
            if progress is not None:
                self._flush()
                # The supervisor may be gone, or the program has closed its channel.
                with suppress(OSError):
                    self._sender.send(Kind.PROGRESS, progress.to_json().encode())


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
