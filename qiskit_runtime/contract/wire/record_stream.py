"""A running job's record in Redis: one stream for each job, and a channel of notifications.

The operator appends, the API's readers follow the stream; the channel is for other clients. An
entry is a batch of whole lines, its id the number of the last one: Redis refuses an id that is not
above all others, so a repeat changes nothing, even where two operators write. After Redis lost the
stream it is written again in other batches, which may overlap with those that a reader has; lines
have numbers, so it drops the repeated ones. Pure.
"""

from dataclasses import dataclass

ATTEMPT = 1
"""The first part of an entry's id. A job's program runs once; a second attempt would sort later."""

LINES_FIELD = b"lines"
"""The one field of an entry."""

BATCH_BYTES = 256 * 1024
"""The most that an entry holds, but for its last line: larger ones would delay other readers."""


def stream_key(uid: str) -> str:
    """Return the key of a job's stream; a job of the same name has another uid, and so stream."""
    return f"runtimejob:{uid}"


def notification_channel(name: str) -> str:
    """Return the channel on which the operator publishes the number of a job's newest line."""
    return f"job-results:{name}"


@dataclass(frozen=True, slots=True)
class Batch:
    """Whole lines of a record, with their newlines; ``last`` is the number of the last line."""

    lines: bytes
    last: int

    @property
    def first(self) -> int:
        """Return the number of the first line."""
        return self.last - self.lines.count(b"\n") + 1

    @property
    def entry_id(self) -> str:
        """Return the id of the entry."""
        return f"{ATTEMPT}-{self.last}"

    @classmethod
    def from_entry(cls, entry_id: bytes, fields: dict[bytes, bytes]) -> "Batch":
        """Return the batch that an entry holds."""
        return cls(fields[LINES_FIELD], int(entry_id.partition(b"-")[2]))

    def after(self, line: int) -> "Batch":
        """Return the lines after this number; no lines where the batch has no later ones."""
        known = min(max(line - self.first + 1, 0), self.last - self.first + 1)
        return Batch(self.lines.split(b"\n", known)[known], self.last)
