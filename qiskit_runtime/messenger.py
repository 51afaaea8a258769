"""The messenger: the second argument of a program's ``main``, which it publishes with.

In a job, ``runner.program_process`` makes one that sends to the supervisor. Made by hand
(``UserMessenger()``), it prints, so that a program can be tried without a server.
"""

import json
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

from qiskit_runtime.contract.wire.progress import Progress
from qiskit_runtime.serialization import RuntimeEncoder

_log = logging.getLogger(__name__)

_PLAIN = frozenset((str, int, float, bool, complex, type(None)))
"""The types of most values in a long message, which hold no results."""


class PublishError(RuntimeError):
    """The message can't be published any more, or not from this process."""


class UserMessenger:
    """Publishes messages of a program, in order with what it prints."""

    def __init__(
        self,
        send: Callable[[str, bool], None] | None = None,
        report: Callable[[Progress], None] | None = None,
    ) -> None:
        self._send = send or _print
        self._report = report or _print_progress
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._has_final = False

    def publish(
        self, message: Any, encoder: type[json.JSONEncoder] = RuntimeEncoder, final: bool = False
    ) -> None:
        """Publish a message; with ``final`` it is the job's result, and the last one.

        Returns as soon as the message has its place in the record. Interim messages that the
        record has no room for are dropped, and a gap says so.

        Raises:
            PublishError: the final result was published before, or this is a forked process.
            ResultTooLarge: the final result is over the limit that the text names.
            TypeError, ValueError: the encoder can't encode the message.
        """
        self._publish("the final result" if final else "the message", message, encoder, final)

    def publish_returned(self, value: Any) -> None:
        """Publish the value that ``main`` returned, unless a final result is published already."""
        if value is not None and not self._has_final:
            self._publish("the returned value", value, RuntimeEncoder, final=True)

    def _publish(
        self, what: str, message: Any, encoder: type[json.JSONEncoder], final: bool
    ) -> None:
        text = _encode(what, message, encoder)
        if final and "success" in text:  # a field of every result, in any form
            for sentence in find_failed_results(message):
                _log.warning(sentence)
        if os.getpid() != self._process:
            raise PublishError(
                "publish from the process that main was called in, not from a fork of it"
            )
        with self._lock:
            if self._has_final:
                raise PublishError("the final result is already published; nothing can follow it")
            self._send(text, final)
            self._has_final = final

    def report_progress(self, done: float, total: float, best: float | None = None) -> None:
        """Report the program's progress: ``done`` of ``total`` steps, and the best value so far.

        It is not a message: it shows in the job's status (``progress``), in ``kubectl get rj -o
        wide`` and in the command line's status line. Call it as often as you like: it costs a
        few microseconds, and a report that comes faster than they are shown is left out.

        Raises:
            ValueError: a number that is negative or not finite, or ``done`` over ``total``.
        """
        progress = Progress(done, total, best)
        if os.getpid() == self._process:
            self._report(progress)

    @property
    def has_final(self) -> bool:
        """Return whether the final result was published."""
        return self._has_final


def _encode(what: str, message: Any, encoder: type[json.JSONEncoder]) -> str:
    """Return a message as JSON text; ``what`` names it in the error if it has no JSON form."""
    try:
        return json.dumps(message, cls=encoder)
    except (TypeError, ValueError) as error:
        # The encoder's own exception, so that its traceback leads to the program's to_json.
        if type(error) in {TypeError, ValueError}:
            error.args = (f"{what}: {error}",)
        raise


def _print_progress(progress: Progress) -> None:
    best = "" if progress.best is None else f", best {progress.best:g}"
    print(f"{progress.done:g} of {progress.total:g}{best}", flush=True)  # noqa: T201  (as below)


def _print(text: str, _final: bool) -> None:
    print(text, flush=True)  # noqa: T201  (without a server, printing is publishing)


def find_failed_results(message: Any) -> list[str]:
    """Return a sentence about each ``Result`` in a message that was not successful.

    The message may be a ``Result``, or have some in its lists and objects, as they are or as their
    ``to_dict()``. Qiskit's ``Result`` fails in silence. Whether that fails the job is for the
    program to judge; that nobody looked is for its author to read in the log.
    """
    results = _find_results(message)
    return [_describe(place, result) for place, result in results if not _is_success(result)]


def _find_results(message: Any) -> Iterator[tuple[str, Any]]:
    """Yield each result, and the keys and positions that lead to it."""
    # Not imported here: a program that has a result has imported it.
    kind: Any = getattr(sys.modules.get("qiskit.result.result"), "Result", ())
    waiting, seen = [("", message)], set[int]()
    while waiting:
        place, value = waiting.pop()
        if isinstance(value, kind) or _is_result_dict(value):
            yield place, value
        elif isinstance(value, dict | list | tuple) and id(value) not in seen:
            seen.add(id(value))
            items = value.items() if isinstance(value, dict) else enumerate(value)
            waiting += [
                (f"{place}[{key!r}]", inner) for key, inner in items if type(inner) not in _PLAIN
            ]


def _is_result_dict(value: Any) -> bool:
    """Return whether it is a ``Result.to_dict()``."""
    return isinstance(value, dict) and {"backend_name", "results", "success"} <= value.keys()


def _field(value: Any, name: str, default: Any = None) -> Any:
    if isinstance(value, dict):
        return value.get(name, default)
    return getattr(value, name, default)


def _is_success(result: Any) -> bool:
    return bool(_field(result, "success")) and all(
        _field(experiment, "success", True) for experiment in _field(result, "results", None) or ()
    )


def _describe(place: str, result: Any) -> str:
    experiments = _field(result, "results", None) or ()
    failed = [
        f"; experiment {index}: {_field(experiment, 'status')}"
        for index, experiment in enumerate(experiments)
        if not _field(experiment, "success", True)
    ]
    where = f", at {place}," if place else ""
    status = _field(result, "status")
    return f"the final result{where} is of a simulation that failed: {status}{''.join(failed[:1])}"
