"""Writes what a program publishes as frames of a record. Pure; standard library only.

Used by ``record_writer``; the frames' form is in ``contract.wire.record_form``.
"""

import binascii
import re
import zlib
from collections.abc import Callable, Iterable

from qiskit_runtime.contract.wire.record_form import (
    CHUNK_BYTES,
    INTERIM_BUDGET,
    INTERIM_TEXT_BUDGET,
    KIB,
    LINE_OVERHEAD,
    MARK,
    MESSAGE_OVERHEAD,
    RESULT_BUDGET,
)

BATCH_BYTES = 64 * KIB
"""The size of the interim messages that may wait for one frame, with their overhead."""

VERBATIM_BYTES = 1 * KIB
"""A larger payload is compressed."""

_CONTROL = re.compile(rb"[\x00-\x1f]")


class ResultTooLarge(ValueError):
    """The final result does not fit into the record; the text says how large it is and may be."""


class MessageWriter:
    """Puts messages into frames, within their budgets. ``emit`` takes the frames' lines.

    Interim messages wait in a batch, to share a frame, until ``flush``. Those without room are
    dropped; a gap frame counts them before the next message.
    """

    def __init__(self, emit: Callable[[Iterable[bytes]], None]) -> None:
        self._emit = emit
        self._batch: list[bytes] = []
        self._batch_bytes = 0
        self._gap = 0
        self._left = INTERIM_BUDGET
        self._text_left = INTERIM_TEXT_BUDGET
        self.published = 0
        self.dropped = 0
        self.has_final = False

    def interim(self, text: bytes) -> None:
        """Add an interim message to the batch, or drop it where there is no room for it."""
        cost = len(text) + 1 + MESSAGE_OVERHEAD
        if self._batch_bytes + cost > BATCH_BYTES or MARK in text:
            self.flush()
        self._batch.append(text)
        self._batch_bytes += cost
        if self._batch_bytes > BATCH_BYTES or MARK in text:
            self.flush()

    def final(self, text: bytes) -> None:
        """Write the final result.

        Raises:
            ResultTooLarge: it does not fit; nothing of it was written.
        """
        self.flush()
        frames = _frames(b"f", self.published + 1, [text])
        if _cost(frames) > RESULT_BUDGET:
            raise ResultTooLarge(
                f"the final result is {len(text)} bytes of JSON and {_cost(frames)} bytes"
                f" compressed and framed; at most {RESULT_BUDGET} are kept"
            )
        self.write_gap()
        self._emit(frames)
        self.published += 1
        self.has_final = True

    def drop(self, count: int = 1) -> None:
        """Count interim messages as published and dropped."""
        self._gap += count
        self.dropped += count
        self.published += count

    @property
    def has_batch(self) -> bool:
        """Return whether messages wait for ``flush``."""
        return bool(self._batch)

    def flush(self) -> None:
        """Write the batch, or drop it where there is no room for it."""
        if not self._batch:
            return
        batch, self._batch, self._batch_bytes = self._batch, [], 0
        # A mark separates two messages.
        size = sum(map(len, batch)) + len(batch) * (MESSAGE_OVERHEAD + 1) - 1
        frames = _frames(b"i", self.published + 1, batch)
        # The batch pays for a gap frame before it.
        cost = _cost(frames) + (2 * LINE_OVERHEAD if self._gap else 0)
        if cost > self._left or size > self._text_left:
            self.drop(len(batch))
            return
        self._left -= cost
        self._text_left -= size
        self.write_gap()
        self._emit(frames)
        self.published += len(batch)

    def write_gap(self) -> None:
        """Write the gap frame of the messages that were dropped since the last one was written."""
        if self._gap:
            first = self.published - self._gap + 1
            self._emit([MARK + b"g %d %d\n" % (first, self._gap)])
            self._gap = 0


def _frames(kind: bytes, first: int, messages: list[bytes]) -> list[bytes]:
    """Return the lines of one frame: its payload encoded, and cut into chunks."""
    payload, encoding = MARK.join(messages), b"="
    if len(payload) > VERBATIM_BYTES or any(_CONTROL.search(text) for text in messages):
        # Level 1, as a program waits for it: higher levels save a tenth in thrice the time.
        payload, encoding = binascii.b2a_base64(zlib.compress(payload, 1), newline=False), b"~"
    chunks = [payload[at : at + CHUNK_BYTES] for at in range(0, len(payload), CHUNK_BYTES)] or [b""]
    head = MARK + b"%b %d %d" % (kind, first, len(messages))
    return [
        head + b" %d/%d %b%b\n" % (index, len(chunks), encoding, chunk)
        for index, chunk in enumerate(chunks, start=1)
    ]


def _cost(lines: list[bytes]) -> int:
    return sum(len(line) + LINE_OVERHEAD for line in lines)
