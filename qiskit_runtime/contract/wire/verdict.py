"""The verdict: the supervisor's account of how the program ended.

The supervisor writes it as the record's last line (and in a pod as the termination message); the
life cycle turns it into a phase and a reason. Standard library only: the supervisor imports it.
"""

import json
import zlib
from enum import StrEnum
from typing import Any, NamedTuple

from qiskit_runtime.contract.wire.circuit_metrics import CircuitMetrics, read_circuit_metrics

MAX_VERDICT_BYTES = 4096
"""Kubernetes' own limit of a termination message, and within the limit of a frame line."""

MAX_MESSAGE_CHARACTERS = 1000
"""The limit of an exception's text, which in JSON's longest escapes still fits a frame line."""

MAX_REASON_CHARACTERS = 64
"""The limit of a reason. The life cycle's are shorter, but a program could send any text."""

MAX_VERSIONS = 16
"""The limit of the number of versions: a program can send any."""

MAX_VERSION_CHARACTERS = 128
"""The limit of the name and of the text of one version."""

_MAX_NUMBER = 2**53


class Outcome(StrEnum):
    """The ways in which a program process ends, as the supervisor sees it."""

    SUCCEEDED = "Succeeded"
    """It returned and exited with 0."""
    FAILED = "Failed"
    """It raised, or exited with another code; ``reason`` says more."""
    SIGNALLED = "Signalled"
    """A signal that the supervisor did not send ended it."""
    OUT_OF_MEMORY = "OutOfMemory"
    """It was killed for, or failed by, asking for more memory than its limit."""
    OVER_TIME = "OverTime"
    """The supervisor ended it: it ran longer than its limit."""
    TERMINATED = "Terminated"
    """The supervisor ended it, because it got SIGTERM itself or its standard input was closed."""


EXIT_CODES = {
    Outcome.SUCCEEDED: 0,
    Outcome.FAILED: 1,
    Outcome.SIGNALLED: 2,
    Outcome.OUT_OF_MEMORY: 3,
    Outcome.OVER_TIME: 4,
    Outcome.TERMINATED: 143,
}
"""The runner's own exit codes; never 137, which means that the runner was killed."""

EXIT_UNREADABLE = 64
"""The runner's exit code where it could not read its job input, so that it has no verdict."""

EXIT_UNUSED = 75
"""The runner's exit code where it waited for a job and was given none: nothing of any job ran."""


class Verdict(NamedTuple):
    """The facts about a program that has ended.

    ``reason`` is a ``lifecycle.Reason`` by value, or empty; ``final`` says whether a final result
    was published; ``lines`` and ``sha256`` cover the record's lines before this one.
    """

    outcome: Outcome
    exit_code: int | None = None
    signal: int | None = None
    reason: str = ""
    message: str = ""
    final: bool = False
    lines: int = 0
    sha256: str = ""
    messages: int = 0
    dropped_messages: int = 0
    dropped_console_bytes: int = 0
    peak_memory_bytes: int | None = None
    seconds: float = 0.0
    versions: dict[str, str] | None = None
    seed: int | None = None
    """The seed of its random numbers: a run with it, on the same versions, gives the same."""
    circuits: CircuitMetrics | None = None
    """The circuits that it ran on the job's backend; None where it ran none, or was killed."""

    def to_json(self) -> str:
        """Return the verdict as one line of ASCII JSON, at most ``MAX_VERDICT_BYTES`` long."""
        fields = self._asdict()
        fields["reason"] = shorten(self.reason, MAX_REASON_CHARACTERS)
        if self.versions is not None and not is_version_map(self.versions):
            fields["versions"] = None
        for keep in (MAX_MESSAGE_CHARACTERS, 300, 0):
            fields["message"] = shorten(self.message, keep)
            text = json.dumps(fields, separators=(",", ":"))
            # 100 bytes stay free for the frame's header.
            if len(text) <= MAX_VERDICT_BYTES - 100:
                break
            fields["versions"] = fields["circuits"] = None
        return text


def checksum(verdict: bytes) -> bytes:
    """Return the CRC-32 of a verdict's text, which can't be in the digest that it carries."""
    return b"%08x" % zlib.crc32(verdict)


def parse_verdict(text: str | bytes) -> Verdict | None:
    """Parse a verdict; returns None for any other text, as a program can forge the text."""
    try:
        fields = json.loads(text)
        verdict = Verdict(**{**fields, **_read_parts(fields)})
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return verdict if _is_valid(verdict) else None


def _read_parts(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that are more than JSON's own types."""
    circuits = fields.get("circuits")
    return {
        "outcome": Outcome(fields["outcome"]),
        "circuits": None if circuits is None else read_circuit_metrics(circuits),
    }


def _is_valid(verdict: Verdict) -> bool:
    """Return whether every field has its declared type and range: JSON could bring any other."""
    optional_numbers: tuple[Any, ...] = (
        verdict.exit_code,
        verdict.signal,
        verdict.peak_memory_bytes,
        verdict.seed,
    )
    counts = (
        verdict.lines,
        verdict.messages,
        verdict.dropped_messages,
        verdict.dropped_console_bytes,
    )
    return (
        all(
            number is None or (type(number) is int and abs(number) < _MAX_NUMBER)
            for number in optional_numbers
        )
        and all(map(_is_count, counts))
        and all(is_text(text) for text in (verdict.reason, verdict.message, verdict.sha256))
        and len(verdict.sha256) <= 64
        and type(verdict.final) is bool
        and type(verdict.seconds) in (int, float)
        and 0 <= verdict.seconds < _MAX_NUMBER
        and (verdict.versions is None or is_version_map(verdict.versions))
    )


def _is_count(number: Any) -> bool:
    return type(number) is int and 0 <= number < _MAX_NUMBER


def is_version_map(value: Any) -> bool:
    """Return whether these are versions by name, as many and as long as a status takes."""
    return (
        is_text_map(value)
        and len(value) <= MAX_VERSIONS
        and all(len(text) <= MAX_VERSION_CHARACTERS for text in (*value, *value.values()))
    )


def is_text(value: Any) -> bool:
    """Return whether it is a string that UTF-8 can hold: JSON can bring half a surrogate pair."""
    return isinstance(value, str) and value == value.encode(errors="replace").decode()


def is_text_map(value: Any) -> bool:
    """Return whether it is an object of nothing but such strings."""
    return isinstance(value, dict) and all(map(is_text, (*value, *value.values())))


def shorten(text: str, keep: int) -> str:
    """Return the text, or its beginning and an ellipsis, in at most ``keep`` characters."""
    return text if len(text) <= keep else text[: max(keep - 1, 0)] + "…" * (keep > 0)
