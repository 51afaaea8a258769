"""A finished job's record as the cluster keeps it: compressed, and cut into Secrets.

The operator writes them, the API reads them back. Pure.
"""

import hashlib
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

from qiskit_runtime.contract.resources.resource import SECRET_BYTES, Manifest
from qiskit_runtime.contract.wire.record_form import RECORD_BUDGET

RECORD_KEY = "record"
"""The key of each such Secret."""


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """The record of an ended job: the names of its Secrets, in order, and their size."""

    secrets: tuple[str, ...]
    lines: int = 0
    size: int = 0
    complete: bool = False

    @classmethod
    def parse(cls, record: Manifest) -> "StoredRecord":
        """Parse the record on a status."""
        return cls(
            secrets=tuple(record.get("secrets", ())),
            lines=record.get("lines", 0),
            size=record.get("bytes", 0),
            complete=record.get("complete", False),
        )


class RecordDamaged(ValueError):
    """The Secrets hold no compressed record."""


def split_record(base: str, compressed: bytes) -> dict[str, bytes]:
    """Cut a compressed record into the parts of its Secrets, by name; ``base`` is the Job's name.

    Another record has other names: an operator that knows less can't write over a whole one.
    """
    digest = hashlib.sha256(compressed).hexdigest()[:8]
    starts = range(0, len(compressed), SECRET_BYTES)
    return {
        f"{base}-record-{digest}-{number}": compressed[start : start + SECRET_BYTES]
        for number, start in enumerate(starts)
    }


def join_record(parts: Iterable[bytes]) -> bytes:
    """Return the record's lines, from the parts in their order.

    Raises:
        RecordDamaged: a part is missing or is not what was written.
    """
    inflater = zlib.decompressobj()
    try:
        lines = inflater.decompress(b"".join(parts), RECORD_BUDGET)
    except zlib.error as error:
        raise RecordDamaged(str(error)) from error
    if not inflater.eof:
        raise RecordDamaged(f"it has no end within {RECORD_BUDGET} bytes")
    return lines
