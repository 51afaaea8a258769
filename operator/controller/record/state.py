"""The state of a record that is being read: what a decision about its job depends on. Pure."""

from dataclasses import dataclass
from datetime import datetime

from qiskit_runtime.contract.wire.progress import Progress
from qiskit_runtime.contract.wire.verdict import Verdict


@dataclass(frozen=True, slots=True)
class RecordState:
    """A record as far as it was read."""

    verdict: Verdict | None = None
    """The verdict in its last line, verified."""
    verdict_read: datetime | None = None
    """The time at which it was read."""
    has_result: bool = False
    """Whether the final result was read."""
    is_done: bool = False
    """Whether all was read that can be read."""
    progress: Progress | None = None
    """The program's progress, where it is time to write it to the status."""
