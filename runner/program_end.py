"""How a program process ended, judged from what its supervisor saw. Pure, standard library only."""

import signal
from dataclasses import dataclass, field

from qiskit_runtime.contract.wire.verdict import Outcome, Verdict


@dataclass(frozen=True, slots=True)
class ProgramEnd:
    """What the supervisor saw.

    ``status`` is the exit code (negative: the signal); ``ending`` is why the supervisor ended it,
    if it did; ``error`` is the ``reason`` and ``message`` that the program process told;
    ``oom_killed`` is whether the kernel killed a process of the job for its memory.
    """

    status: int
    ending: Outcome | None = None
    error: dict[str, str] = field(default_factory=dict)
    oom_killed: bool = False

    def verdict(self) -> Verdict:
        """The verdict as far as the end tells it; the rest is counted elsewhere."""
        return Verdict(
            outcome=self._outcome(),
            exit_code=None if self._died_of else self.status,
            signal=self._died_of,
            reason=self.error.get("reason", ""),
            message=self._sentence(),
        )

    @property
    def _died_of(self) -> int | None:
        return -self.status if self.status < 0 else None

    def _outcome(self) -> Outcome:
        if self.status == 0 and not self.error:
            # It made it, whatever it was told meanwhile.
            return Outcome.SUCCEEDED
        if self.ending is not None:
            return self.ending
        if self._died_of == signal.SIGKILL and self.oom_killed:
            return Outcome.OUT_OF_MEMORY
        return Outcome.FAILED if self.error or not self._died_of else Outcome.SIGNALLED

    def _sentence(self) -> str:
        if self.error:
            return self.error.get("message", "")
        if self._died_of:
            name = signal.strsignal(self._died_of) or "unknown"
            return f"the program was ended by signal {self._died_of} ({name})"
        return f"the program exited with code {self.status}" if self.status else ""
