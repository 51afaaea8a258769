"""The job input: read as it was written, and refused by the name of what is wrong with it."""

import hashlib
import json

import pytest

from qiskit_runtime.contract.wire.job_input import (
    JobInput,
    JobInputError,
    parse_job_input,
    read_job_input,
)


def test_job_input_comes_back_from_its_line():
    """A job input is one line, and is read as it was written."""
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
    """A job input with a wrong field is an error that names the field."""
    fields = {"job_id": "j", "program": "p", **change}
    with pytest.raises(JobInputError, match=next(iter(change))):
        parse_job_input(json.dumps(fields).encode())


@pytest.mark.parametrize(
    "document", [b"", b"[]", b"[" * 100_000, b"\xff", b"1", b'{"job_id": "j"}']
)
def test_document_that_is_no_job_input_is_refused(document):
    """Anything else is a JobInputError, whatever is wrong with it."""
    with pytest.raises(JobInputError, match="not a job input"):
        parse_job_input(document)
    with pytest.raises(JobInputError, match="not a job input"):
        parse_job_input(document, "{}")


def test_folder_gives_the_params_verbatim(tmp_path):
    """The parameters of a folder are its file's text; a missing or binary file is refused."""
    (tmp_path / "job.json").write_bytes(b'{"job_id": "j", "program": "p"}')
    with pytest.raises(JobInputError, match=r"params\.json"):
        read_job_input(tmp_path)
    (tmp_path / "params.json").write_bytes(b"\xff")
    with pytest.raises(JobInputError, match="no job input"):
        read_job_input(tmp_path)
    (tmp_path / "params.json").write_text('{"a":  1}')
    assert read_job_input(tmp_path).params == '{"a":  1}'


def test_params_cut_into_parts_are_joined_and_checked(tmp_path):
    """Parameters of several Secrets are one text again; other than what was posted is refused."""
    params = json.dumps({"n": 1, "text": "é" * 50}, ensure_ascii=False)
    digest = hashlib.sha256(params.encode()).hexdigest()
    (tmp_path / "job.json").write_bytes(JobInput("job", "p", params_sha256=digest).to_line())
    for number in range(12):
        # Cut in the middle of a character too.
        part = params.encode()[number * 13 : (number + 1) * 13]
        (tmp_path / f"params.json.{number:03}").write_bytes(part)
    assert read_job_input(tmp_path).params == params
    (tmp_path / "params.json.000").write_bytes(b'{"n": 2, "text'[:13])
    with pytest.raises(JobInputError, match="SHA-256"):
        read_job_input(tmp_path)
