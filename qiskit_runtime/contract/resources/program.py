"""A program: its metadata (the JSON file beside its code, in the 2021 form or with JSON Schemas)
and, where it is a user's own, its source: one module, or a tar archive of a package.
"""

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from qiskit_runtime.contract.limits import (
    DEFAULT_MAX_EXECUTION_SECONDS,
    MAX_EXECUTION_SECONDS,
    MAX_SOURCE_BYTES,
)
from qiskit_runtime.contract.resources.instance import DEFAULT_INSTANCE, Instance
from qiskit_runtime.contract.resources.old_schemas import list_to_schema, translate
from qiskit_runtime.contract.resources.resource import MAX_NAME_LENGTH

MODULE_SUFFIX, ARCHIVE_SUFFIX = ".py", ".tar"
"""The suffix of a source's file, by which the runner knows its kind."""

_TAR_MAGIC_AT = 257
_ZIP = b"PK\x03\x04"
_COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ")
"""The first bytes of gzip, bzip2 and xz, which compress tar archives."""


class SourceInvalid(ValueError):
    """The bytes are not a program's source; the text has the reason, and any limit."""


@dataclass(frozen=True, slots=True)
class ProgramSource:
    """A user's program as it was uploaded. Only the runner unpacks and reads it."""

    data: bytes

    def __post_init__(self) -> None:
        """Refuse bytes that can't be a source.

        Raises:
            SourceInvalid: it is empty or too large, or neither an archive nor UTF-8.
        """
        if not self.data:
            raise SourceInvalid("the source is empty")
        if len(self.data) > MAX_SOURCE_BYTES:
            raise SourceInvalid(
                f"the source is {len(self.data)} bytes; at most {MAX_SOURCE_BYTES} are taken"
            )
        if self.data.startswith(_ZIP):
            raise SourceInvalid("the source is a zip archive: a tar archive is taken, or a module")
        if self.suffix == MODULE_SUFFIX:
            try:
                has_nul = "\0" in self.data.decode()
            except UnicodeDecodeError as error:
                raise SourceInvalid(
                    f"the source is neither a tar archive nor a module in UTF-8: {error}"
                ) from None
            if has_nul:
                raise SourceInvalid("the source is no Python module: it has NUL characters")

    @property
    def suffix(self) -> str:
        """Return ``MODULE_SUFFIX`` or ``ARCHIVE_SUFFIX``, by the first bytes."""
        is_tar = self.data[_TAR_MAGIC_AT : _TAR_MAGIC_AT + 5] == b"ustar"
        return ARCHIVE_SUFFIX if is_tar or self.data.startswith(_COMPRESSED) else MODULE_SUFFIX

    @property
    def sha256(self) -> str:
        """The source's digest, in hexadecimal."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def version(self) -> str:
        """The beginning of the digest, as a job's status has it."""
        return f"sha256:{self.sha256[:12]}"

    def file_name(self, program_id: str) -> str:
        """Return the name of its file for the runner."""
        return name_source(program_id, self.suffix)


def name_source(program_id: str, suffix: str) -> str:
    """Return the name of a source's file for the runner: most likely its author's own.

    Tracebacks show it.
    """
    return program_id.replace("-", "_") + suffix


class NameUnusable(ValueError):
    """No id can be made of the program's name; the text says why."""


def make_program_id(name: str) -> str:
    """Return the id of a program of this name: small letters, digits and dashes, at most 40.

    Raises:
        NameUnusable: nothing is left of the name.
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:MAX_NAME_LENGTH].strip("-")
    if not slug:
        raise NameUnusable("it needs a letter of a to z or a digit: the id is made of it")
    return slug


class ProgramInterface(BaseModel):
    """JSON Schemas of a program's parameters and results; the ``spec`` of today's API."""

    backend_requirements: dict[str, Any] | None = None
    parameters: dict[str, Any] | None = None
    return_values: dict[str, Any] | None = None
    interim_results: dict[str, Any] | None = None

    def translated(self) -> tuple["ProgramInterface", list[str]]:
        """Return it with JSON's type names in place of those of 2021, and a warning for each."""
        changed: dict[str, Any] = {}
        warnings: list[str] = []
        for name in ("parameters", "return_values", "interim_results"):
            if (schema := getattr(self, name)) is not None:
                changed[name], found = translate(schema, f"spec.{name}")
                warnings += found
        return (self.model_copy(update=changed) if warnings else self), warnings


class ProgramMetadata(BaseModel):
    """The metadata in a program's JSON file. Unknown keys are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: str
    description: str
    max_execution_time: Annotated[int, Field(ge=1, le=MAX_EXECUTION_SECONDS)] = (
        DEFAULT_MAX_EXECUTION_SECONDS
    )
    """The time limit of its jobs in seconds; a job that runs longer is cancelled."""
    cost: int = 600
    version: str = "1.0"
    is_public: bool = True
    spec: ProgramInterface = ProgramInterface()

    @model_validator(mode="before")
    @classmethod
    def read_2021_form(cls, fields: Any) -> Any:
        """Move the schemas, which 2021 had at the top level as lists, into ``spec``."""
        if not isinstance(fields, dict) or not isinstance(fields.get("spec", {}), dict):
            return fields
        spec = {key: fields[key] for key in ProgramInterface.model_fields if key in fields}
        return fields | {"spec": _with_schemas(spec | fields.get("spec", {}))}


def _with_schemas(spec: dict[str, Any]) -> dict[str, Any]:
    """Return the spec with JSON Schemas in place of the lists of 2021."""
    return {
        key: list_to_schema(value) if isinstance(value, list) else value
        for key, value in spec.items()
    }


class Program(BaseModel):
    """A program that jobs can run: its id and metadata, and where its code is.

    ``path`` is the file that holds ``main``, for a program of the library or of a folder; it is
    empty for a user's own, whose source each job brings along.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    path: str = ""
    metadata: ProgramMetadata
    instance: Instance = DEFAULT_INSTANCE
    """The instance that an uploaded program belongs to. Others see it where it is public."""
    created: datetime | None = None
    updated: datetime | None = None

    @property
    def is_uploaded(self) -> bool:
        """Return whether it is a user's own, which can be changed and deleted."""
        return not self.path
