"""A running job's record in Redis: one stream for each job, and a channel that rings.

The operator appends, the API's readers follow. An entry is a batch of whole lines, its id the
number of the last one: Redis refuses an id that is not above all others, so a repeat changes
nothing, also where two operators write. After Redis lost the stream, batches are cut anew and may
overlap with what a reader has; lines have numbers, so it drops those. Pure.
"""

from dataclasses import dataclass

ATTEMPT = 1
"""A job's program runs once. The ids leave room for a second attempt, above all of the first."""

LINES_FIELD = b"lines"
"""The one field of an entry."""

BATCH_BYTES = 256 * 1024
"""What an entry holds at most, but for its last line: more in one piece would hold others up."""


def stream_key(uid: str) -> str:
    """The key of a job's stream. By uid: a job that was deleted and made again has another."""
    return f"runtimejob:{uid}"


def doorbell(name: str) -> str:
    """The channel on which a job's name rings when there is more to read."""
    return f"job-results:{name}"


@dataclass(frozen=True, slots=True)
class Batch:
    """Whole lines of a record, with their newlines; ``last`` is the number of the last one."""

    lines: bytes
    last: int

    @property
    def first(self) -> int:
        """The number of the first line."""
        return self.last - self.lines.count(b"\n") + 1

    @property
    def entry_id(self) -> str:
        """The id of the entry."""
        return f"{ATTEMPT}-{self.last}"

    @classmethod
    def of_entry(cls, entry_id: bytes, fields: dict[bytes, bytes]) -> "Batch":
        """The batch that an entry holds."""
        return cls(fields[LINES_FIELD], int(entry_id.partition(b"-")[2]))

    def after(self, line: int) -> "Batch":
        """The lines after this number; empty where there are none."""
        known = min(max(line - self.first + 1, 0), self.last - self.first + 1)
        return Batch(self.lines.split(b"\n", known)[known], self.last)
