"""The small documents: verdict, hand-over, job, names, backends, program metadata."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from qiskit_runtime.contract.lifecycle import Phase, Reason, State
from qiskit_runtime.contract.resources.backend import BACKENDS, UnknownBackend, find_backend
from qiskit_runtime.contract.resources.job import Job, JobSpec, JobStatus
from qiskit_runtime.contract.resources.resource import MAX_NAME_LENGTH, is_name, make_job_id
from qiskit_runtime.contract.wire.job_input import (
    JobInput,
    JobInputError,
    parse_job_input,
    read_job_input,
)
from qiskit_runtime.contract.wire.verdict import (
    EXIT_CODES,
    MAX_VERDICT_BYTES,
    Outcome,
    Verdict,
    parse_verdict,
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2)
    ),
    max_leaves=4,
)


@settings(deadline=None, max_examples=150)
@given(
    message=st.text(max_size=2000), reason=st.text(max_size=100), versions=st.text(max_size=3000)
)
def test_any_verdict_fits_its_line_and_comes_back(message, reason, versions):
    """A verdict of any text is at most a line of ASCII, and is read back with its facts."""
    verdict = Verdict(Outcome.FAILED, 1, reason=reason, message=message, versions={"v": versions})
    text = verdict.to_json()
    assert len(text) <= MAX_VERDICT_BYTES - 100 and text.isascii() and "\n" not in text
    read = parse_verdict(text)
    assert read is not None and (read.outcome, read.exit_code) == (Outcome.FAILED, 1)
    if max(len(message), len(reason), len(versions)) < 60:
        assert read == verdict


@settings(deadline=None, max_examples=200)
@given(
    fields=st.dictionaries(st.sampled_from([*Verdict.__slots__, "other"]), json_values, max_size=5),
    outcome=st.sampled_from(["Succeeded", "Failed", "Nonsense"]),
)
def test_forged_verdict_is_read_as_none_or_whole(fields, outcome):
    """Whatever a program forges: no error, and no verdict that can't be written again."""
    verdict = parse_verdict(json.dumps({"outcome": outcome, **fields}))
    if verdict is not None:
        assert parse_verdict(verdict.to_json()) is not None
        assert verdict.message.encode() is not None and verdict.lines >= 0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "[" * 100_000,
        "null",
        '{"outcome": []}',
        '{"outcome":"Failed","message":"\\ud800"}',
        '{"outcome":"Failed","seconds":NaN}',
        '{"outcome":"Failed","versions":{"a":1}}',
        b"\xff",
    ],
)
def test_text_that_is_no_verdict_is_none(text):
    """Reading a verdict is total."""
    assert parse_verdict(text) is None


def test_every_outcome_has_an_exit_code_of_its_own():
    """The runner's exit code implies the outcome, and 137 is never one."""
    assert set(EXIT_CODES) == set(Outcome)
    assert len(set(EXIT_CODES.values())) == len(Outcome) and 137 not in EXIT_CODES.values()


def test_handover_comes_back_from_its_line():
    """A hand-over is one line, and is read as it was written."""
    job = JobInput("j", "/p.py", '{"a": "\\n é"}', {"name": "b"}, 2.5, 7, "DEBUG")
    assert job.to_line().count(b"\n") == 1 and parse_job_input(job.to_line()) == job


@pytest.mark.parametrize(
    "change",
    [
        {"job_id": 1},
        {"program": None},
        {"params": {}},
        {"backend": []},
        {"extra": 1},
        {"memory_bytes": -1},
        {"memory_bytes": 1.5},
        {"max_execution_seconds": 0},
        {"max_execution_seconds": float("nan")},
        {"max_execution_seconds": float("inf")},
        {"max_execution_seconds": "9"},
        {"log_level": "LOUD"},
    ],
)
def test_wrong_field_is_refused_by_its_name(change):
    """A hand-over with a wrong field is an error that names the field."""
    fields = {"job_id": "j", "program": "p", **change}
    with pytest.raises(JobInputError, match=next(iter(change))):
        parse_job_input(json.dumps(fields).encode())


@pytest.mark.parametrize(
    "document", [b"", b"[]", b"[" * 100_000, b"\xff", b"1", b'{"job_id": "j"}']
)
def test_document_that_is_no_handover_is_refused(document):
    """Anything else is a JobInputError, whatever is wrong with it."""
    with pytest.raises(JobInputError, match="not a hand-over document"):
        parse_job_input(document)
    with pytest.raises(JobInputError, match="not a hand-over document"):
        parse_job_input(document, "{}")


def test_folder_gives_the_params_verbatim(tmp_path):
    """The parameters of a folder are its file's text; a missing or binary file is refused."""
    (tmp_path / "job.json").write_bytes(b'{"job_id": "j", "program": "p"}')
    with pytest.raises(JobInputError, match=r"params\.json"):
        read_job_input(tmp_path)
    (tmp_path / "params.json").write_bytes(b"\xff")
    with pytest.raises(JobInputError, match="no hand-over document"):
        read_job_input(tmp_path)
    (tmp_path / "params.json").write_text('{"a":  1}')
    assert read_job_input(tmp_path).params == '{"a":  1}'


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
