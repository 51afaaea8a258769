"""The places of each instance in local mode: so many of its jobs run at once, the others wait.

A job that waits is in no queue and holds no worker. When one of its instance ends, those that wait
are queued again, each in its old place.
"""

from collections import Counter, defaultdict

from qiskit_runtime.contract.resources.instance import Instance
from qiskit_runtime.contract.resources.job import Job


class InstancePlaces:
    """At most ``most`` jobs of an instance are let in at once; 0 is no limit."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._inside: Counter[Instance] = Counter()
        self._waiting: defaultdict[Instance, list[Job]] = defaultdict(list)

    def enter(self, job: Job) -> bool:
        """Let a job in if its instance has a place; else it waits here."""
        instance = job.spec.instance
        if self._most and self._inside[instance] >= self._most:
            self._waiting[instance].append(job)
            return False
        self._inside[instance] += 1
        return True

    def leave(self, job: Job) -> list[Job]:
        """Give back the place of a job that was let in; return those to be queued again.

        All that wait, and not the next alone: it may be cancelled before its turn comes.
        """
        instance = job.spec.instance
        self._inside[instance] -= 1
        if not self._inside[instance]:
            del self._inside[instance]
        return self._waiting.pop(instance, [])
