"""The numbers of the pods that are started ahead: the operator leaves them in Redis for the API.

They are news of a minute at most, and nobody decides by them. Pure.
"""

import json
from dataclasses import asdict, dataclass

POOL_SECONDS = 60
"""After so long without a newer report they are gone: no operator says that they are true."""


def pool_key(namespace: str) -> str:
    """Return the key under which the operator of a namespace keeps them."""
    return f"warm-pool:{namespace}"


@dataclass(frozen=True, slots=True)
class PoolNumbers:
    """The pods that wait for a job, and those that are on their way to it."""

    ready: int
    starting: int

    def pack(self) -> str:
        """Return their text."""
        return json.dumps(asdict(self))

    @classmethod
    def parse(cls, text: bytes | str | None) -> "PoolNumbers | None":
        """Return the numbers of a text; None for none, and for another release's."""
        try:
            fields = json.loads(text or b"null")
            return cls(int(fields["ready"]), int(fields["starting"]))
        except (ValueError, TypeError, KeyError):
            return None
