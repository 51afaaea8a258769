"""Kubernetes Events: what ``kubectl describe rj`` tells of a job's life. Pure."""

import hashlib
from datetime import UTC, datetime
from typing import Any

from qiskit_runtime.contract.lifecycle import Phase, State
from qiskit_runtime.contract.resources.resource import API_VERSION
from qiskit_runtime.contract.resources.runtimejob import KIND

Manifest = dict[str, Any]

MAX_NOTE_CHARACTERS = 1024
"""What the API server admits."""

COMPONENT = "qiskit-runtime-operator"
"""Who tells."""


def build_event(job: Manifest, state: State, note: str = "") -> Manifest:
    """The Event of a job that has come into a state.

    Its name follows from job and state, so that an operator that tells it again is refused.
    """
    metadata = job["metadata"]
    reason = state.reason.value or state.phase.value
    told = f"{metadata['uid']}/{state.phase}/{reason}/{note and 'note'}"
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": f"{metadata['name']}.{hashlib.sha256(told.encode()).hexdigest()[:16]}"
        },
        "involvedObject": {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
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
