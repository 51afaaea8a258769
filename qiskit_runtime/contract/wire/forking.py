"""The packets between local mode's server and its zygote: a runner is asked for, and answered.

Each is one packet of a socket pair that keeps packets apart (SOCK_SEQPACKET). With a request come
three descriptors, for the runner's standard input, output and error. Standard library only.
"""

import json
from dataclasses import asdict, dataclass

MAX_PACKET_BYTES = 1 << 16
"""The size of a packet; a folder's path is the longest part of one."""


@dataclass(frozen=True, slots=True)
class ForkRequest:
    """The runner that is asked for: its options, as those of ``python -m runner``."""

    folder: str
    """The folder to create and to work in, which the server removes."""
    grace_seconds: float
    """The time between SIGTERM and SIGKILL for a program that is stopped."""
    mark: int
    """What the job's processes inherit, by which the server knows those it adopts."""

    def to_packet(self) -> bytes:
        """Return the request as a packet."""
        return json.dumps(asdict(self)).encode()


@dataclass(frozen=True, slots=True)
class ForkAnswer:
    """The process id of a runner, the server's child, or the error that there was instead.

    The first answer, with neither, comes before any request: it says that the zygote is ready.
    """

    pid: int = 0
    errno: int = 0

    def to_packet(self) -> bytes:
        """Return the answer as a packet."""
        return json.dumps(asdict(self)).encode()


def parse_request(packet: bytes) -> ForkRequest:
    """Parse a request; the server wrote it."""
    return ForkRequest(**json.loads(packet))


def parse_answer(packet: bytes) -> ForkAnswer:
    """Parse an answer; the zygote wrote it."""
    return ForkAnswer(**json.loads(packet))
