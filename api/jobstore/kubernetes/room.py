"""The room for a new job: in the namespace, and in the share of it that an instance has. Pure."""

from dataclasses import dataclass

from api.store_errors import StorageFull
from qiskit_runtime.contract.limits import MIB, WHOLE, take_share
from qiskit_runtime.contract.resources.instance import Instance
from qiskit_runtime.contract.resources.stored_totals import StoredTotals


@dataclass(frozen=True, slots=True)
class Room:
    """The most that is kept: jobs in number, their parameters and records in bytes.

    ``share_percent`` of both is the most of one instance.
    """

    storage_budget: int
    max_jobs: int = 5000
    share_percent: int = WHOLE

    def check(self, known: StoredTotals, instance: Instance, size: int) -> None:
        """See that an instance's next job fits in, of this size, beside those that are known.

        Raises:
            StorageFull: it does not; the text names the limit, what is taken, and by whom.
        """
        _check(known, size, self.storage_budget, self.max_jobs)
        if self.share_percent < WHOLE:
            budget, most = (
                take_share(whole, self.share_percent)
                for whole in (self.storage_budget, self.max_jobs)
            )
            _check(known, size, budget, most, instance)


def _check(
    known: StoredTotals, size: int, budget: int, most: int, of: Instance | None = None
) -> None:
    owner = f"instance {of.name}: " if of else ""
    limit = "RUNTIME_INSTANCE_SHARE_PERCENT of " if of else ""
    if (jobs := known.count_jobs(of)) >= most:
        raise StorageFull(
            f"{owner}there are {jobs} jobs of at most {most} ({limit}RUNTIME_MAX_JOBS), ended"
            " ones among them: DELETE those that nobody needs any more, or wait until their time is"
            " over"
        )
    taken = known.count_bytes(of)
    if taken + size > budget:
        raise StorageFull(
            f"{owner}parameters and records take {taken / MIB:.1f} MiB of at most"
            f" {round(budget / MIB, 1):g} ({limit}RUNTIME_STORAGE_BUDGET_MIB), and these are"
            f" {size / MIB:.1f} MiB more"
        )
