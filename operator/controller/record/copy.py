"""The copy of a record as far as it was read: parsed, and compressed as it will be stored."""

import zlib
from collections.abc import Iterator
from datetime import UTC, datetime

from qiskit_runtime.contract.wire.events import EndEvent, Message, ProgressEvent
from qiskit_runtime.contract.wire.progress import Progress
from qiskit_runtime.contract.wire.record import RecordParser
from qiskit_runtime.contract.wire.record_form import MAX_LINE_BYTES
from qiskit_runtime.contract.wire.record_stream import BATCH_BYTES, Batch
from qiskit_runtime.contract.wire.verdict import Verdict

_LEVEL = 3
"""The level of zlib: most of a large record is compressed already, and the job's end waits."""


class RecordCopy:
    """The lines that one reading of a pod's log has brought so far. It holds them compressed."""

    def __init__(self) -> None:
        self._parser = RecordParser()
        self._compressor = zlib.compressobj(_LEVEL)
        self._compressed = bytearray()
        self._rest = b""
        self.lines = 0
        self.result: str | None = None
        self.progress: Progress | None = None
        self.verdict: Verdict | None = None
        """The verdict in the last line, once it was read and matches all lines before."""
        self.verdict_read: datetime | None = None
        """The time at which that was."""

    def feed(self, data: bytes) -> Batch:
        """Take the next bytes; returns the whole lines that they complete."""
        whole, _, rest = (self._rest + data).rpartition(b"\n")
        lines = whole + b"\n" if whole or len(rest) < len(self._rest + data) else b""
        if len(rest) > 2 * MAX_LINE_BYTES:
            # No supervisor writes such a line; what follows is malformed to every reader.
            lines, rest = lines + rest[:MAX_LINE_BYTES] + b"\n", b""
        self._rest = rest
        self._take(lines)
        return Batch(lines, self.lines)

    def _take(self, lines: bytes) -> None:
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
        if verdict and not self.verdict:
            self.verdict, self.verdict_read = verdict, datetime.now(UTC)

    def compress(self) -> bytes:
        """Return all lines, compressed; empty without lines. More may be fed afterwards."""
        if not self.lines:
            return b""
        return bytes(self._compressed) + self._compressor.copy().flush()

    def batches(self) -> Iterator[Batch]:
        """Return all lines again, for a stream that was lost."""
        inflater = zlib.decompressobj()
        rest, last = b"", 0
        data = self.compress()
        while data:
            rest += inflater.decompress(data, BATCH_BYTES)
            data = inflater.unconsumed_tail
            whole, _, rest = rest.rpartition(b"\n")
            last += whole.count(b"\n") + 1
            yield Batch(whole + b"\n", last)
