"""The choice of the records that make room for others."""

import pytest

from controller.record.archive import choose_evicted
from tests.operator.manifests import make_job


def job_with(name, size=0, params=0, ended="", dropped=False, of=None):
    """A RuntimeJob whose record and parameters take so many bytes."""
    annotations = {"qiskit-runtime.dev/record-dropped": "then"} if dropped else {}
    status = {"phase": "Completed", "finishedAt": ended} if ended else {"phase": "Running"}
    spec = {"paramsFrom": {"secretName": name, "bytes": params}} if params else {}
    spec |= of or {}
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
    assert [job.name for job in choose_evicted(JOBS, budget, budget)] == evicted


CHEM = {"hub": "chem", "group": "lab", "project": "vqe"}
BIO = {"hub": "bio", "group": "lab", "project": "main"}

TENANTS = [
    job_with("old-bio", 40, ended="2026-01-01T00:00:00Z", of=BIO),
    job_with("old-chem", 60, ended="2026-01-02T00:00:00Z", of=CHEM),
    job_with("new-chem", 60, ended="2026-01-03T00:00:00Z", of=CHEM),
    job_with("waits", params=20, of=CHEM),
]


@pytest.mark.parametrize(
    ("budget", "of_instance", "evicted"),
    [
        (180, 180, []),
        (180, 140, []),
        (180, 139, ["old-chem"]),
        (180, 79, ["old-chem", "new-chem"]),
        (179, 179, ["old-bio"]),
        (150, 139, ["old-chem"]),
        (110, 139, ["old-chem", "old-bio"]),
    ],
)
def test_an_instance_over_its_share_makes_room_by_its_own(budget, of_instance, evicted):
    """A tenant with many records pushes out its own, and others' only where all are too many."""
    assert [job.name for job in choose_evicted(TENANTS, budget, of_instance)] == evicted
