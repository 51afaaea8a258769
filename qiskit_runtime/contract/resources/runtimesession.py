"""The RuntimeSession: a session as a resource; ``k8s/crds/runtimesessions.yaml`` shapes it.

The API writes those that clients open, and reads those of kubectl as well; the operator writes
their status. Pure.
"""

from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from qiskit_runtime.contract.moment import format_moment, format_optional_moment
from qiskit_runtime.contract.resources.resource import API_VERSION, SUBMITTED_AT
from qiskit_runtime.contract.resources.runtimejob import submission_time
from qiskit_runtime.contract.resources.session import Session, SessionSpec
from qiskit_runtime.contract.resources.session_course import SessionReport

Manifest = dict[str, Any]

KIND = "RuntimeSession"
"""The kind's name."""

PLURAL = "runtimesessions"
"""The kind's name in URLs."""

_REQUESTS = ("acceptingJobs", "cancelRequested", "closeRequestedAt", "lastAdmittedAt")
"""The fields of the spec that change."""

_MEMORY = ("timestamps", "lastJobStartedAt", "lastJobCompletedAt", "usageSeconds")
"""The fields of the status that outlast the session's jobs."""


class NotARuntimeSession(ValueError):
    """The manifest is none that the CRD admits; the text names what is wrong."""


@dataclass(frozen=True, slots=True)
class RuntimeSession:
    """A session with what the cluster knows of it besides."""

    session: Session
    uid: str
    version: int = 0
    """Its ``metadata.resourceVersion``."""
    is_deleted: bool = False
    """Whether Kubernetes is about to remove it."""
    status: Manifest = field(default_factory=dict)
    """Its status as it is in the cluster: a change of it is found by comparison."""

    @property
    def name(self) -> str:
        """The name of the resource, which is the session's id."""
        return self.session.id


def build_runtimesession(session: Session) -> Manifest:
    """Build the resource that asks for a session."""
    spec = session.spec.model_dump(by_alias=True, mode="json", exclude_defaults=True)
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {
            "name": session.id,
            "annotations": {SUBMITTED_AT: session.created.isoformat(timespec="microseconds")},
        },
        "spec": {
            **spec,
            "mode": session.spec.mode.value,
            "maxTtlSeconds": session.spec.max_ttl_seconds,
        },
    }


def parse_runtimesession(manifest: Manifest) -> RuntimeSession:
    """Parse a resource.

    Raises:
        NotARuntimeSession: the API server would not have admitted it by this version's CRD.
    """
    try:
        metadata, spec = manifest["metadata"], manifest["spec"]
        status = manifest.get("status", {})
        wanted = {name: value for name, value in spec.items() if name not in _REQUESTS}
        return RuntimeSession(
            session=Session(
                id=metadata["name"],
                created=submission_time(metadata),
                spec=SessionSpec.model_validate(wanted),
                **{name: spec[name] for name in _REQUESTS if name in spec},
                **{name: status[name] for name in _MEMORY if name in status},
            ),
            uid=metadata["uid"],
            version=int(metadata.get("resourceVersion", 0)),
            is_deleted="deletionTimestamp" in metadata,
            status=status,
        )
    except (ValidationError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise NotARuntimeSession(str(error)) from error


def build_session_status(report: SessionReport, before: Manifest) -> Manifest:
    """Build the change of a RuntimeSession's status; empty where nothing is worth a write.

    The time that it has used grows while a job runs, so it alone is not written.
    """
    session = report.session
    status: Manifest = {
        "state": report.state.value,
        "activatedAt": format_optional_moment(report.activated_at),
        "closedAt": format_optional_moment(report.closed_at),
        "lastJobStartedAt": format_optional_moment(session.last_job_started_at),
        "lastJobCompletedAt": format_optional_moment(session.last_job_completed_at),
        "timestamps": [
            {"status": one.status.value, "timestamp": format_moment(one.timestamp)}
            for one in session.timestamps
        ],
    }
    changed = {name: value for name, value in status.items() if before.get(name) != value}
    if changed:
        changed["usageSeconds"] = round(session.usage_seconds, 3)
    return changed
