"""A program's metadata: the JSON file beside its code, in the 2021 form or with JSON Schemas."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from qiskit_runtime.contract.job import DEFAULT_MAX_EXECUTION_SECONDS


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
    max_execution_time: Annotated[int, Field(ge=1)] = DEFAULT_MAX_EXECUTION_SECONDS
    """Seconds; a job that runs longer is cancelled."""
    cost: int = 600
    version: str = "1.0"
    is_public: bool = True
    spec: ProgramInterface = ProgramInterface()


class Program(BaseModel):
    """A program that jobs can run: its id, its metadata and the file that holds ``main``."""

    model_config = ConfigDict(frozen=True)

    id: str
    path: str
    metadata: ProgramMetadata
