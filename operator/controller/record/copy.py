"""A job's record as far as it was read: parsed, and compressed as it will be kept."""

import zlib
from collections.abc import Iterator

from qiskit_runtime.contract.wire.progress import Progress
from qiskit_runtime.contract.wire.record import (
    MAX_LINE_BYTES,
    EndEvent,
    Message,
    ProgressEvent,
    RecordParser,
)
from qiskit_runtime.contract.wire.record_stream import BATCH_BYTES, Batch
from qiskit_runtime.contract.wire.verdict import Verdict

_LEVEL = 3
"""zlib's: most of a large record is compressed already, and everybody waits for it."""


class RecordCopy:
    """One reading of a pod's log from its first line on. Holds the lines compressed only."""

    def __init__(self) -> None:
        self._parser = RecordParser()
        self._compressor = zlib.compressobj(_LEVEL)
        self._compressed = bytearray()
        self._rest = b""
        self.lines = 0
        self.result: str | None = None
        self.progress: Progress | None = None
        self.verdict: Verdict | None = None
        """The last line's, once it was read and vouches for all of them."""

    def feed(self, data: bytes) -> Batch:
        """Take the next bytes; returns the whole lines among them."""
        whole, _, rest = (self._rest + data).rpartition(b"\n")
        lines = whole + b"\n" if whole or len(rest) < len(self._rest + data) else b""
        if len(rest) > 2 * MAX_LINE_BYTES:
            # No supervisor wrote that; what follows is garbage to every reader.
            lines, rest = lines + rest[:MAX_LINE_BYTES] + b"\n", b""
        self._rest = rest
        self._keep(lines)
        return Batch(lines, self.lines)

    def _keep(self, lines: bytes) -> None:
        self.lines += lines.count(b"\n")
        self._compressed += self._compressor.compress(lines)
        verdict = None
        # One by one: a few bytes of a record may hold a million messages.
        for event in self._parser.feed(lines):
            verdict = event.verdict if isinstance(event, EndEvent) and event.intact else None
            if isinstance(event, Message) and event.final:
                self.result = event.text
            elif isinstance(event, ProgressEvent):
                self.progress = event.progress
        self.verdict = verdict or self.verdict

    def compress(self) -> bytes:
        """All lines, compressed; empty where there are none. More may follow."""
        if not self.lines:
            return b""
        return bytes(self._compressed) + self._compressor.copy().flush()

    def batches(self) -> Iterator[Batch]:
        """All lines again, for a stream that was lost."""
        inflater = zlib.decompressobj()
        rest, last = b"", 0
        data = self.compress()
        while data:
            rest += inflater.decompress(data, BATCH_BYTES)
            data = inflater.unconsumed_tail
            whole, _, rest = rest.rpartition(b"\n")
            last += whole.count(b"\n") + 1
            yield Batch(whole + b"\n", last)
