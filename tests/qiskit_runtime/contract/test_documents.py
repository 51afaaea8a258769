"""The small documents: job, names and backends."""

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from qiskit_runtime.contract.lifecycle import Phase, Reason, State
from qiskit_runtime.contract.resources.backend import BACKENDS, UnknownBackend, find_backend
from qiskit_runtime.contract.resources.job import Job, JobSpec, JobStatus
from qiskit_runtime.contract.resources.resource import MAX_NAME_LENGTH, is_name, make_job_id


def test_job_comes_back_from_its_json():
    """A job is camelCase JSON and is read back equal; unknown fields are refused."""
    job = Job(
        id="j",
        sequence=1,
        created=datetime.now(UTC),
        spec=JobSpec(program_id="p", backend="b", tags=("t",)),
    )
    text = job.model_dump_json(by_alias=True)
    assert '"programId":"p"' in text and Job.model_validate_json(text) == job
    with pytest.raises(ValidationError):
        Job.model_validate_json(text[:-1] + ',"more":1}')


@pytest.mark.parametrize(
    "change",
    [
        {"program_id": ""},
        {"program_id": "p" * 129},
        {"backend": "b" * 64},
        {"tags": ("t",) * 33},
        {"tags": ("t" * 129,)},
        {"hub": "h" * 129},
        {"max_execution_seconds": 0},
    ],
)
def test_spec_over_its_bounds_is_refused(change):
    """Every field of a spec that a client sends has a bound."""
    with pytest.raises(ValidationError):
        JobSpec(**{"program_id": "p", "backend": "b", **change})


def test_status_takes_its_times_from_the_phase():
    """A job starts once, and its end is set with its final phase."""
    status = JobStatus()
    assert status.started_at is None and not status.phase.is_final
    running = status.with_state(State(Phase.RUNNING))
    again = running.with_state(State(Phase.RUNNING))
    assert running.started_at is not None and again.started_at == running.started_at
    done = again.with_state(State(Phase.FAILED, Reason.PROGRAM_ERROR, "m"))
    assert done.finished_at >= done.started_at == running.started_at and done.message == "m"
    assert status.with_state(State(Phase.CANCELLED)).started_at is None


def test_made_job_ids_are_names():
    """A job's id is new each time and is a resource name."""
    ids = {make_job_id() for _ in range(100)}
    assert len(ids) == 100 and all(map(is_name, ids))


@pytest.mark.parametrize(
    "text",
    ["", "-a", "a-", "A", "a_b", "a.b", "a/b", "..", "a\n", "é", "a" * (MAX_NAME_LENGTH + 1)],
)
def test_text_that_is_no_name_is_refused(text):
    """A text that is no RFC 1123 label never becomes a path, a label or a key."""
    assert not is_name(text)


def test_name_of_the_greatest_length_is_one():
    """The bound itself is allowed, and so is one character."""
    assert is_name("a" * MAX_NAME_LENGTH) and is_name("a") and is_name("0-9")


def test_every_backend_is_found_by_its_name():
    """The backends that are always there have names of their own; others are unknown."""
    assert len({b.name for b in BACKENDS}) == len(BACKENDS) >= 6
    assert all(find_backend(b.name) is b for b in BACKENDS)
    assert sum(b.fake_device is not None and b.qubits == 27 for b in BACKENDS) == 1
    with pytest.raises(UnknownBackend, match="nope"):
        find_backend("nope")
