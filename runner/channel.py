"""The channel between the supervisor and the program process: packets over a socket pair.

A packet is a kind (one byte), a length (four) and that many bytes. Standard library only.
"""

import json
import os
import struct
from collections.abc import Iterator
from contextlib import suppress
from enum import Enum

from qiskit_runtime.contract.wire.circuit_metrics import CircuitMetrics, read_circuit_metrics
from qiskit_runtime.contract.wire.record_form import MAX_MESSAGE_BYTES
from qiskit_runtime.contract.wire.verdict import is_text_map

MAX_SEED = 2**53 - 1
"""The largest seed, so that it is the same number to every reader of JSON."""

READ_BYTES = 1 << 18
"""The size of one read from the console's pipe or from the channel."""

_HEADER = struct.Struct("!cI")


class Kind(Enum):
    """The kind of a packet."""

    JOB = b"J"
    """To the program process: the job input."""
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
    """The program's failure: JSON with ``reason`` and ``message``."""
    VERSIONS = b"V"
    """JSON: the versions of what the program runs on."""
    SEED = b"S"
    """The seed of the job's random numbers, in decimal."""
    CIRCUITS = b"C"
    """The circuits that the program ran: ``contract.wire.circuit_metrics`` as JSON."""
    PROGRESS = b"P"
    """A report of progress: ``contract.wire.progress`` as JSON."""


class ChannelBroken(ValueError):
    """The other side sent something that is not a packet, or closed the channel."""


def pack(kind: Kind, payload: bytes = b"") -> bytes:
    """Return a packet's bytes."""
    return _HEADER.pack(kind.value, len(payload)) + payload


class PacketReader:
    """Cuts received bytes into packets; holds at most one of ``MAX_MESSAGE_BYTES``."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[Kind, bytes]]:
        """Yield the packets that ``data`` completes.

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


class SupervisorEnd:
    """The supervisor's end of the channel, which never waits for the program process.

    So it can't be a ``multiprocessing.connection.Connection``, whose ``recv_bytes`` blocks until
    the whole message is there: a program could stop its supervisor with half a packet.
    """

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._reader = PacketReader()
        self._unsent = memoryview(b"")
        self.is_open = True

    def fileno(self) -> int:
        """Return the descriptor, for a selector."""
        return self._descriptor

    def send(self, packet: bytes) -> None:
        """Have ``send_rest`` send a packet, in as many pieces as it takes."""
        self._unsent = memoryview(packet)

    @property
    def has_unsent(self) -> bool:
        """Return whether ``send_rest`` is to be called when there is room."""
        return bool(self._unsent)

    def send_rest(self) -> None:
        """Send as much as there is room for."""
        if not self._unsent:
            return
        try:
            self._unsent = self._unsent[os.write(self._descriptor, self._unsent) :]
        except BlockingIOError:
            return
        except OSError:
            # The program process ended, or closed its end, before it had read its job.
            self._unsent = memoryview(b"")

    def answer(self, packet: bytes) -> None:
        """Send a small packet at once. A program that does not wait for it may not get it."""
        with suppress(OSError):
            os.write(self._descriptor, packet)

    def receive(self) -> Iterator[tuple[Kind, bytes]]:
        """Yield the packets that have arrived; at their end the channel is no longer open.

        Raises:
            ChannelBroken: the program wrote something else.
        """
        try:
            data = os.read(self._descriptor, READ_BYTES)
        except BlockingIOError:
            return
        except ConnectionError:
            data = b""
        self.is_open = bool(data)
        yield from self._reader.feed(data)


def read_fields(payload: bytes) -> dict[str, str]:
    """Return the fields of an ``ERROR`` or ``VERSIONS`` packet.

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
    """Return the seed of a ``SEED`` packet.

    Raises:
        ChannelBroken: it is not a number from 0 to ``MAX_SEED``.
    """
    if not payload.isdigit() or len(payload) > len(str(MAX_SEED)) or int(payload) > MAX_SEED:
        raise ChannelBroken("a packet that is not a seed")
    return int(payload)


def read_circuits(payload: bytes) -> CircuitMetrics:
    """Return the metrics of a ``CIRCUITS`` packet.

    Raises:
        ChannelBroken: they are not what a program's runs can be.
    """
    try:
        return read_circuit_metrics(json.loads(payload))
    except (ValueError, RecursionError) as error:
        raise ChannelBroken(f"a packet that is not about circuits: {error}") from error


def receive(descriptor: int) -> tuple[Kind, bytes]:
    """Wait for one packet, at the program process's end.

    The supervisor sends one packet at a time, and the next after it was read.

    Raises:
        ChannelBroken: the supervisor ended.
    """
    code, length = _HEADER.unpack(_receive_exactly(descriptor, _HEADER.size))
    return Kind(code), _receive_exactly(descriptor, length)


def _receive_exactly(descriptor: int, size: int) -> bytes:
    received = bytearray()
    while len(received) < size:
        data = os.read(descriptor, min(size - len(received), 1 << 20))
        if not data:
            raise ChannelBroken("the supervisor went away")
        received += data
    return bytes(received)


_KINDS = {kind.value: kind for kind in Kind}
