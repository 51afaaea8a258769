"""What a program publishes with: the second argument of its ``main``.

In a job, ``runner.program_process`` makes one that sends to the supervisor. Made by hand
(``UserMessenger()``), it prints, so that a program can be tried without a server.
"""

import json
import logging
import os
import threading
from collections.abc import Callable
from typing import Any

from qiskit_runtime.codec.failed_results import find_failed_results
from qiskit_runtime.contract.wire.progress import Progress
from qiskit_runtime.serialization import RuntimeEncoder

_log = logging.getLogger(__name__)


class PublishError(RuntimeError):
    """This message can't be published any more, or not from here."""


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
        """Publish what ``main`` returned, where it is the job's result: what is published wins."""
        if value is not None and not self._has_final:
            self._publish("the returned value", value, RuntimeEncoder, final=True)

    def _publish(
        self, what: str, message: Any, encoder: type[json.JSONEncoder], final: bool
    ) -> None:
        text = _encode(what, message, encoder)
        if final and "success" in text:  # as every result says of itself, in any form
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
        """Say how far the program is: ``done`` of ``total`` steps, and the best value so far.

        It is no message: it shows in the job's status (``progress``), in ``kubectl get rj -o
        wide`` and in the command line's status line. Call it as often as you like: it costs a
        few microseconds, and what comes faster than it is shown is passed over.

        Raises:
            ValueError: a number that is negative or not finite, or ``done`` over ``total``.
        """
        progress = Progress(done, total, best)
        if os.getpid() == self._process:
            self._report(progress)

    @property
    def has_final(self) -> bool:
        """Whether the final result was published."""
        return self._has_final


def _encode(what: str, message: Any, encoder: type[json.JSONEncoder]) -> str:
    """Return a message as JSON text; where there is none for it, the error says for what."""
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
