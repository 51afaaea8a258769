"""The room for a new job: in the namespace, and in the share of it that an instance has. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from api.store_errors import StorageFull
from qiskit_runtime.contract.limits import MIB, WHOLE, take_share
from qiskit_runtime.contract.resources.instance import Instance
from qiskit_runtime.contract.resources.runtimejob import RuntimeJob


@dataclass(frozen=True, slots=True)
class Room:
    """The most that is kept: jobs in number, their parameters and records in bytes.

    ``share_percent`` of both is the most of one instance.
    """

    storage_budget: int
    max_jobs: int = 5000
    share_percent: int = WHOLE

    def check(self, known: Sequence[RuntimeJob], instance: Instance, size: int) -> None:
        """See that an instance's next job fits in, of this size, beside those that are known.

        Raises:
            StorageFull: it does not; the text names the limit, what is taken, and by whom.
        """
        _check(known, size, self.storage_budget, self.max_jobs)
        if self.share_percent < WHOLE:
            own = [found for found in known if found.job.spec.instance == instance]
            budget, most = (
                take_share(whole, self.share_percent)
                for whole in (self.storage_budget, self.max_jobs)
            )
            _check(own, size, budget, most, instance)


def count_stored(known: Iterable[RuntimeJob], instances: frozenset[Instance] | None) -> int:
    """Return the bytes that the jobs of these instances, or all, take of the budget."""
    return sum(
        found.stored_bytes
        for found in known
        if instances is None or found.job.spec.instance in instances
    )


def _check(
    known: Sequence[RuntimeJob], size: int, budget: int, most: int, of: Instance | None = None
) -> None:
    owner = f"instance {of.name}: " if of else ""
    limit = "RUNTIME_INSTANCE_SHARE_PERCENT of " if of else ""
    if len(known) >= most:
        raise StorageFull(
            f"{owner}there are {len(known)} jobs of at most {most} ({limit}RUNTIME_MAX_JOBS), ended"
            " ones among them: DELETE those that nobody needs any more, or wait until their time is"
            " over"
        )
    taken = sum(found.stored_bytes for found in known)
    if taken + size > budget:
        raise StorageFull(
            f"{owner}parameters and records take {taken / MIB:.1f} MiB of at most"
            f" {round(budget / MIB, 1):g} ({limit}RUNTIME_STORAGE_BUDGET_MIB), and these are"
            f" {size / MIB:.1f} MiB more"
        )
