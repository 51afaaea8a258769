"""Which records make room for others."""

import pytest

from controller.record.archive import choose_dropped


def make_job(name, size=0, params=0, ended="", dropped=False):
    """A RuntimeJob whose record and parameters take so many bytes."""
    annotations = {"qiskit-runtime.dev/record-dropped": "then"} if dropped else {}
    status = {"phase": "Completed", "finishedAt": ended} if ended else {"phase": "Running"}
    return {
        "metadata": {"name": name, "annotations": annotations},
        "spec": {"paramsFrom": {"secretName": name, "bytes": params}} if params else {},
        "status": {**status, "record": {"bytes": size}},
    }


JOBS = [
    make_job("third", 30, ended="2026-01-03T00:00:00Z"),
    make_job("first", 30, ended="2026-01-01T00:00:00Z"),
    make_job("second", 30, ended="2026-01-02T00:00:00Z"),
    make_job("runs", params=30),
    make_job("gone", 500, ended="2025-01-01T00:00:00Z", dropped=True),
]


@pytest.mark.parametrize(
    ("budget", "dropped"),
    [
        (120, []),
        (119, ["first"]),
        (90, ["first"]),
        (89, ["first", "second"]),
        (0, ["first", "second", "third"]),
    ],
)
def test_records_of_the_jobs_that_ended_first_go(budget, dropped):
    """No more than needed, in the order of their ends; never parameters of a job that waits."""
    assert [job["metadata"]["name"] for job in choose_dropped(JOBS, budget)] == dropped
