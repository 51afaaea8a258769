"""The pauses between attempts at something that failed. Standard library only.

Used wherever a call, a watch or a process is tried again: by the API's stores, the operator and the
client. Own code and no library, as every use waits in a way of its own (a sleep, an event that may
come earlier, a timer), and what they share is the sequence of pauses alone.
"""

import random
from dataclasses import dataclass


@dataclass(slots=True)
class Backoff:
    """The pauses of one sequence of attempts: each twice as long as the one before it."""

    first: float
    """The first pause, in seconds."""

    longest: float
    """No pause is longer than this, in seconds."""

    failures: int = 0
    """The number of failures since the last success."""

    def next_seconds(self) -> float:
        """Return the pause after one more failure.

        It is drawn between half and the whole of its length, so that those who failed together
        do not come back together.
        """
        whole = min(self.longest, self.first * 2.0 ** min(self.failures, 32))
        self.failures += 1
        return whole * random.uniform(0.5, 1)  # noqa: S311  (no secret)

    def reset(self) -> None:
        """Begin again with the first pause, after a success."""
        self.failures = 0
