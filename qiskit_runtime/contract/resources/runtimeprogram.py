"""The RuntimeProgram: a user's program as a resource; ``k8s/crds/runtimeprograms.yaml`` shapes it.

The API writes them for who uploads a program, and reads those of kubectl as well; the operator
reads the source of a job that does not bring its own. Pure.
"""

import base64
import binascii
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from qiskit_runtime.contract.limits import DEFAULT_MAX_EXECUTION_SECONDS
from qiskit_runtime.contract.resources.program import (
    ARCHIVE_SUFFIX,
    MODULE_SUFFIX,
    Program,
    ProgramInterface,
    ProgramMetadata,
    ProgramSource,
    SourceInvalid,
)
from qiskit_runtime.contract.resources.resource import API_VERSION, GROUP

Manifest = dict[str, Any]

KIND = "RuntimeProgram"
"""The kind's name."""

PLURAL = "runtimeprograms"
"""The kind's name in URLs."""

UPDATED_AT = f"{GROUP}/updated-at"
"""Annotation: when the API last changed it."""

_SCHEMAS = {
    "parameters": "parameters",
    "return_values": "returnValues",
    "interim_results": "interimResults",
    "backend_requirements": "backendRequirements",
}
"""The fields of ``ProgramInterface`` as the resource spells them."""


class NotARuntimeProgram(ValueError):
    """The manifest is none that the CRD admits; the text says what is wrong."""


def build_runtimeprogram(program: Program, source: ProgramSource) -> Manifest:
    """The resource that keeps a program."""
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
        "metadata": {"name": program.id, "annotations": {UPDATED_AT: updated}},
        "spec": {
            "name": metadata.name,
            "description": metadata.description,
            "version": metadata.version,
            "maxExecutionSeconds": metadata.max_execution_time,
            "visibility": "public" if metadata.is_public else "private",
            **schemas,
            **code,
        },
    }


def parse_runtimeprogram(manifest: Manifest) -> Program:
    """The program that a resource is.

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
            created=created,
            updated=_read_time(noted) or created,
        )
    except (ValidationError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise NotARuntimeProgram(str(error)) from error


def parse_source(manifest: Manifest) -> ProgramSource:
    """The source that a RuntimeProgram holds.

    Raises:
        NotARuntimeProgram: it holds none that a runner could take.
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
