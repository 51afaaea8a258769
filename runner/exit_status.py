"""The judgement of how a program process ended, from what its supervisor saw.

Pure; standard library only.
"""

import signal
from typing import NamedTuple

from qiskit_runtime.contract.wire.verdict import Outcome, Verdict


class ExitStatus(NamedTuple):
    """The end of a program process.

    ``code`` is its exit code (negative: the signal); ``stopped_for`` is the reason for which the
    supervisor stopped it, if it did; ``error`` has the ``reason`` and ``message`` that the process
    sent before it ended; ``oom_killed`` is whether the kernel killed a process of the job for its
    memory.
    """

    code: int
    stopped_for: Outcome | None = None
    error: dict[str, str] = {}  # noqa: RUF012  (never changed)
    oom_killed: bool = False

    def verdict(self) -> Verdict:
        """Return the verdict, without what the supervisor and the record's writer count."""
        return Verdict(
            outcome=self._outcome(),
            exit_code=None if self._signal else self.code,
            signal=self._signal,
            reason=self.error.get("reason", ""),
            message=self._message(),
        )

    @property
    def _signal(self) -> int | None:
        return -self.code if self.code < 0 else None

    def _outcome(self) -> Outcome:
        if self.code == 0 and not self.error:
            # Also where a stop was requested while the program finished.
            return Outcome.SUCCEEDED
        if self.stopped_for is not None:
            return self.stopped_for
        if self._signal == signal.SIGKILL and self.oom_killed:
            return Outcome.OUT_OF_MEMORY
        return Outcome.FAILED if self.error or not self._signal else Outcome.SIGNALLED

    def _message(self) -> str:
        if self.error:
            return self.error.get("message", "")
        if self._signal:
            name = signal.strsignal(self._signal) or "unknown"
            return f"the program was ended by signal {self._signal} ({name})"
        return f"the program exited with code {self.code}" if self.code else ""
