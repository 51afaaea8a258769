"""The choice of the records that make room for others."""

import pytest

from controller.record.archive import choose_evicted
from tests.operator.manifests import make_job


def job_with(name, size=0, params=0, ended="", dropped=False):
    """A RuntimeJob whose record and parameters take so many bytes."""
    annotations = {"qiskit-runtime.dev/record-dropped": "then"} if dropped else {}
    status = {"phase": "Completed", "finishedAt": ended} if ended else {"phase": "Running"}
    spec = {"paramsFrom": {"secretName": name, "bytes": params}} if params else {}
    status["record"] = {"bytes": size}
    return make_job(status, spec=spec, name=name, annotations=annotations)


JOBS = [
    job_with("third", 30, ended="2026-01-03T00:00:00Z"),
    job_with("first", 30, ended="2026-01-01T00:00:00Z"),
    job_with("second", 30, ended="2026-01-02T00:00:00Z"),
    job_with("runs", params=30),
    job_with("gone", 500, ended="2025-01-01T00:00:00Z", dropped=True),
]


@pytest.mark.parametrize(
    ("budget", "evicted"),
    [
        (120, []),
        (119, ["first"]),
        (90, ["first"]),
        (89, ["first", "second"]),
        (0, ["first", "second", "third"]),
    ],
)
def test_records_of_the_jobs_that_ended_first_go(budget, evicted):
    """No more than needed, in the order of their ends; never parameters of a job that waits."""
    assert [job.name for job in choose_evicted(JOBS, budget)] == evicted
