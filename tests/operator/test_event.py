"""Kubernetes Events of a job."""

import pytest

from controller.build.event import MAX_NOTE_CHARACTERS, build_event
from qiskit_runtime.contract.lifecycle import Phase, Reason, State
from tests.operator.manifests import make_job

JOB = make_job()


def test_event_is_of_its_job():
    """``kubectl describe`` finds it by the job's UID, and shows reason and message."""
    event = build_event(JOB, State(Phase.FAILED, Reason.OUT_OF_MEMORY, "too large"))
    assert event["involvedObject"]["uid"] == "u" and event["involvedObject"]["namespace"] == "jobs"
    assert (event["type"], event["reason"], event["message"]) == (
        "Warning", "OutOfMemory", "too large",
    )  # fmt: skip


def test_event_of_a_state_is_created_once():
    """The name follows from job and state: the API server refuses it a second time."""
    states = [State(Phase.RUNNING), State(Phase.QUEUED, Reason.IMAGE_PULL), State(Phase.QUEUED)]
    names = [build_event(JOB, state)["metadata"]["name"] for state in states]
    assert len(set(names)) == 3
    assert (
        build_event(JOB, State(Phase.RUNNING, message="other words"))["metadata"]["name"] in names
    )
    assert build_event(JOB, State(Phase.QUEUED), "note")["metadata"]["name"] not in names
    other = build_event(make_job(uid="other"), State(Phase.RUNNING))
    assert other["metadata"]["name"] not in names


@pytest.mark.parametrize("phase", list(Phase))
def test_every_phase_has_its_sentence(phase):
    """A state without a message says what it is; only trouble is a warning."""
    event = build_event(JOB, State(phase))
    assert event["message"] and event["type"] == "Normal"


def test_event_is_within_the_api_server_s_limit():
    """A long message is cut."""
    event = build_event(JOB, State(Phase.FAILED, Reason.PROGRAM_ERROR, "x" * 5000))
    assert len(event["message"]) == MAX_NOTE_CHARACTERS
