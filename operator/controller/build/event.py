"""Kubernetes Events: the story of a job that ``kubectl describe rj`` shows. Pure."""

import hashlib
from datetime import UTC, datetime

from qiskit_runtime.contract.lifecycle import Phase, State
from qiskit_runtime.contract.resources.resource import API_VERSION, Manifest
from qiskit_runtime.contract.resources.runtimejob import KIND, RuntimeJob

MAX_NOTE_CHARACTERS = 1024
"""The longest note that the API server accepts."""

COMPONENT = "qiskit-runtime-operator"
"""The Event's reporting component."""


def build_event(job: RuntimeJob, state: State, note: str = "") -> Manifest:
    """Build the Event of a job that has come into a state.

    Its name follows from job and state, so the API server refuses to create it twice.
    """
    reason = state.reason.value or state.phase.value
    identity = f"{job.uid}/{state.phase}/{reason}/{note and 'note'}"
    digest = hashlib.sha256(identity.encode()).hexdigest()[:16]
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{job.name}.{digest}"},
        "involvedObject": {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "name": job.name,
            "namespace": job.namespace,
            "uid": job.uid,
        },
        "type": "Warning" if state.reason and state.phase is not Phase.COMPLETED else "Normal",
        "reason": reason if not note else "Started",
        "message": (note or state.message or _SENTENCES[state.phase])[:MAX_NOTE_CHARACTERS],
        "source": {"component": COMPONENT},
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }


_SENTENCES = {
    Phase.QUEUED: "waits for its pod",
    Phase.RUNNING: "its program runs",
    Phase.COMPLETED: "its program has ended, the result is there",
    Phase.FAILED: "has failed",
    Phase.CANCELLED: "was cancelled",
}
