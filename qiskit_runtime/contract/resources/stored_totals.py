"""The number of RuntimeJobs that are kept, and the bytes that they take: of all, and by instance.

The API asks it before a job is taken, the operator at each job's end: neither adds up thousands of
jobs then. A cache keeps it (``cluster.cache``).
"""

from collections import Counter

from qiskit_runtime.contract.resources.instance import Instance
from qiskit_runtime.contract.resources.runtimejob import RuntimeJob


class StoredTotals:
    """Bytes are those of the namespace's storage budget: parameters, programs and records."""

    def __init__(self) -> None:
        self._jobs: Counter[Instance] = Counter()
        self._bytes: Counter[Instance] = Counter()

    def swap(self, before: RuntimeJob | None, after: RuntimeJob | None) -> None:
        """Count a job as it is now, and no more as it was; None is a job that does not exist."""
        for job, sign in ((before, -1), (after, 1)):
            if job is not None:
                instance = job.job.spec.instance
                self._jobs[instance] += sign
                self._bytes[instance] += sign * job.stored_bytes
        if before is not None and not self._jobs[instance := before.job.spec.instance]:
            del self._jobs[instance], self._bytes[instance]

    def count_jobs(self, instance: Instance | None = None) -> int:
        """Return the number of jobs of an instance, or of all."""
        return self._jobs.total() if instance is None else self._jobs[instance]

    def count_bytes(self, instance: Instance | None = None) -> int:
        """Return the bytes that the jobs of an instance, or of all, take."""
        return self._bytes.total() if instance is None else self._bytes[instance]

    def exceeds(self, budget: int, instance_budget: int) -> bool:
        """Return whether all take more bytes than the budget, or one instance more than its own."""
        return self.count_bytes() > budget or any(
            size > instance_budget for size in self._bytes.values()
        )
