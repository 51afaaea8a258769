"""The RuntimeProgram: a user's program as a resource; ``k8s/crds/runtimeprograms.yaml`` shapes it.

The API writes those that are uploaded, and reads those of kubectl as well; the operator gives their
source to jobs that do not bring their own, and writes their condition. Pure.
"""

import base64
import binascii
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from qiskit_runtime.contract.limits import (
    DEFAULT_MAX_EXECUTION_SECONDS,
    MAX_STATUS_MESSAGE_CHARACTERS,
)
from qiskit_runtime.contract.resources.instance import DEFAULT_INSTANCE, parse_instance
from qiskit_runtime.contract.resources.program import (
    ARCHIVE_SUFFIX,
    MODULE_SUFFIX,
    Program,
    ProgramInterface,
    ProgramMetadata,
    ProgramSource,
    SourceInvalid,
)
from qiskit_runtime.contract.resources.resource import API_VERSION, GROUP, INSTANCE_LABEL

Manifest = dict[str, Any]

KIND = "RuntimeProgram"
"""The kind's name."""

PLURAL = "runtimeprograms"
"""The kind's name in URLs."""

UPDATED_AT = f"{GROUP}/updated-at"
"""Annotation: when the API last changed it."""

_READY = "Ready"

_SCHEMAS = {
    "parameters": "parameters",
    "return_values": "returnValues",
    "interim_results": "interimResults",
    "backend_requirements": "backendRequirements",
}
"""The fields of ``ProgramInterface`` as the resource spells them."""


class NotARuntimeProgram(ValueError):
    """The manifest is none that the CRD admits; the text names what is wrong."""


@dataclass(frozen=True, slots=True)
class Acceptance:
    """The condition ``Ready`` of a RuntimeProgram: whether jobs run it, and why not."""

    is_ready: bool
    reason: str
    message: str

    @classmethod
    def accepted(cls) -> "Acceptance":
        """Make the condition of a program that jobs run."""
        return cls(True, "Accepted", "jobs can run it")

    @classmethod
    def reserved(cls, name: str) -> "Acceptance":
        """Make the condition of a program that has the name of a library program."""
        message = f"the name {name} is reserved: jobs run the library's program of this name"
        return cls(False, "NameReserved", message)

    @classmethod
    def invalid(cls, error: str) -> "Acceptance":
        """Make the condition of a program that no runner could take."""
        return cls(False, "Invalid", error[:MAX_STATUS_MESSAGE_CHARACTERS])

    def build_status(self, now: datetime) -> Manifest:
        """Build the status that has it."""
        condition = {
            "type": _READY,
            "status": str(self.is_ready),
            "reason": self.reason,
            "message": self.message,
            "lastTransitionTime": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        return {"conditions": [condition]}


def parse_acceptance(manifest: Manifest) -> Acceptance | None:
    """Parse the condition that a resource's status has; None where nothing has written one."""
    for one in manifest.get("status", {}).get("conditions") or ():
        if one.get("type") == _READY:
            return Acceptance(
                one.get("status") == "True", one.get("reason", ""), one.get("message", "")
            )
    return None


def build_runtimeprogram(program: Program, source: ProgramSource) -> Manifest:
    """Build the resource that stores a program."""
    metadata = program.metadata
    is_module = source.suffix == MODULE_SUFFIX
    code = (
        {"source": source.data.decode()}
        if is_module
        else {"archive": base64.b64encode(source.data).decode()}
    )
    schemas = {
        theirs: schema
        for ours, theirs in _SCHEMAS.items()
        if (schema := getattr(metadata.spec, ours)) is not None
    }
    updated = program.updated.isoformat(timespec="microseconds") if program.updated else ""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {
            "name": program.id,
            "labels": {INSTANCE_LABEL: program.instance.label},
            "annotations": {UPDATED_AT: updated},
        },
        "spec": {
            "name": metadata.name,
            "description": metadata.description,
            "version": metadata.version,
            "maxExecutionSeconds": metadata.max_execution_time,
            "instance": program.instance.name,
            "visibility": "public" if metadata.is_public else "private",
            **schemas,
            **code,
        },
    }


def parse_runtimeprogram(manifest: Manifest) -> Program:
    """Parse a resource.

    Raises:
        NotARuntimeProgram: the API server would not have admitted it by this version's CRD.
    """
    try:
        metadata, spec = manifest["metadata"], manifest["spec"]
        created = datetime.fromisoformat(metadata["creationTimestamp"])
        noted = metadata.get("annotations", {}).get(UPDATED_AT, "")
        limit = spec.get("maxExecutionSeconds", DEFAULT_MAX_EXECUTION_SECONDS)
        schemas = {ours: spec.get(theirs) for ours, theirs in _SCHEMAS.items()}
        return Program(
            id=metadata["name"],
            metadata=ProgramMetadata(
                name=spec.get("name") or metadata["name"],
                description=spec.get("description", ""),
                max_execution_time=limit,
                cost=limit,
                version=spec.get("version", "1"),
                is_public=spec.get("visibility") == "public",
                spec=ProgramInterface(**schemas).translated()[0],
            ),
            instance=parse_instance(spec["instance"]) if "instance" in spec else DEFAULT_INSTANCE,
            created=created,
            updated=_read_time(noted) or created,
        )
    except (ValidationError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise NotARuntimeProgram(str(error)) from error


def parse_source(manifest: Manifest) -> ProgramSource:
    """Parse the source that a RuntimeProgram holds.

    Raises:
        NotARuntimeProgram: no runner could take it.
    """
    spec = manifest["spec"]
    try:
        if "archive" in spec:
            source = ProgramSource(base64.b64decode(spec["archive"], validate=True))
            if source.suffix != ARCHIVE_SUFFIX:
                raise NotARuntimeProgram("archive: it is no tar archive")
            return source
        return ProgramSource(spec["source"].encode())
    except (SourceInvalid, KeyError, AttributeError, binascii.Error) as error:
        raise NotARuntimeProgram(f"source: {error}") from error


def _read_time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
