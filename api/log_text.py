"""A record as people read it: the logs of a job."""

from collections.abc import Iterable, Iterator

from qiskit_runtime.contract.wire.record import (
    CONSOLE_BUDGET,
    Console,
    ConsoleTruncated,
    Event,
    Gap,
    Message,
)


def log_pieces(events: Iterable[Event]) -> Iterator[str]:
    """Everything printed, and a line for each message, in the order they happened; in pieces."""
    at_line_start = True
    for event in events:
        if isinstance(event, Console):
            yield event.data.decode(errors="replace") + "\n" * event.newline
            at_line_start = event.newline
        elif line := _format_line(event):
            # The line may be large: it is not put together.
            yield from ("\n" * (not at_line_start), line, "\n")
            at_line_start = True


def _format_line(event: Event) -> str:
    match event:
        case Message(text=text):
            return text
        case ConsoleTruncated():
            return f"[the console is cut here: its limit is {CONSOLE_BUDGET} bytes]"
        case Gap(first=first, count=count):
            return f"[{count} interim results from number {first} on were dropped: over the limit]"
        case _:
            return ""
