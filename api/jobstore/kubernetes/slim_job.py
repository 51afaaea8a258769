"""A RuntimeJob as the API keeps it in memory: without what is seldom read. Pure."""

from dataclasses import replace

from qiskit_runtime.contract.resources.runtimejob import Manifest, RuntimeJob, parse_runtimejob

_KEPT_RESULT_CHARACTERS = 4096
"""The longest result that stays in memory: those of thousands of jobs may be 32 KiB each."""

PENDING = "pending"
"""The group of the jobs that have not ended: few among thousands that are kept."""


def parse_slim(manifest: Manifest) -> RuntimeJob:
    """Parse a RuntimeJob without what is seldom read, or never: thousands are in memory.

    A long result is read from the record, where that is there, as a large one is. The status as it
    is in the cluster matters to its writer alone.
    """
    job = replace(parse_runtimejob(manifest), status={})
    has_record = job.record is not None and job.record.complete and not job.record_dropped
    if has_record and job.result and len(job.result) > _KEPT_RESULT_CHARACTERS:
        return replace(job, result=None, result_in_record=True)
    return job


def name_group(job: RuntimeJob) -> str:
    """Return the group of a job in the cache."""
    return "" if job.is_final else PENDING
