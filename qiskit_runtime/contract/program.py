"""A program's metadata: the JSON file beside its code, in the 2021 form or with JSON Schemas."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from qiskit_runtime.contract.job import DEFAULT_MAX_EXECUTION_SECONDS, MAX_EXECUTION_SECONDS


class ProgramInterface(BaseModel):
    """JSON Schemas of what goes into a program and what comes out; the ``spec`` of today's API."""

    backend_requirements: dict[str, Any] | None = None
    parameters: dict[str, Any] | None = None
    return_values: dict[str, Any] | None = None
    interim_results: dict[str, Any] | None = None


class ProgramMetadata(BaseModel):
    """What a program's JSON file says. Keys that are not ours are left alone."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: str
    description: str
    max_execution_time: Annotated[int, Field(ge=1, le=MAX_EXECUTION_SECONDS)] = (
        DEFAULT_MAX_EXECUTION_SECONDS
    )
    """Seconds; a job that runs longer is cancelled."""
    cost: int = 600
    version: str = "1.0"
    is_public: bool = True
    spec: ProgramInterface = ProgramInterface()

    @model_validator(mode="before")
    @classmethod
    def read_2021_form(cls, fields: Any) -> Any:
        """Take what 2021 had at the top level into ``spec``, lists as JSON Schemas."""
        if not isinstance(fields, dict) or not isinstance(fields.get("spec", {}), dict):
            return fields
        spec = {key: fields[key] for key in ProgramInterface.model_fields if key in fields}
        return fields | {"spec": {**_with_schemas(spec), **fields.get("spec", {})}}


def _with_schemas(spec: dict[str, Any]) -> dict[str, Any]:
    """The same with JSON Schemas in place of lists of ``{name, description, type, required}``."""
    return {
        key: _schema_of(value) if isinstance(value, list) else value for key, value in spec.items()
    }


def _schema_of(described: list[Any]) -> dict[str, Any]:
    named = [entry for entry in described if isinstance(entry, dict) and "name" in entry]
    return {
        "type": "object",
        "properties": {
            str(entry["name"]): {key: entry[key] for key in ("description", "type") if key in entry}
            for entry in named
        },
        "required": [str(entry["name"]) for entry in named if entry.get("required")],
    }


class Program(BaseModel):
    """A program that jobs can run: its id, its metadata and the file that holds ``main``."""

    model_config = ConfigDict(frozen=True)

    id: str
    path: str
    metadata: ProgramMetadata
