"""The requests that upload or change a program: each of their forms as one model.

The forms: the JSON of the clients of 2021 to 2023 (``data`` is base64), camelCase as well, and a
multipart form with the file as a part. A source is bytes here, and is never run or imported.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic.alias_generators import to_camel

from api.bodies import JSON, MULTIPART, Body
from api.errors import InvalidField, InvalidFields, TooLarge
from api.multipart import FormInvalid, Part, parse_form
from api.strict_json import StrictJSONError, load_body
from qiskit_runtime.contract.limits import (
    MAX_EXECUTION_SECONDS,
    MAX_LABEL_CHARACTERS,
    MAX_SOURCE_BYTES,
)
from qiskit_runtime.contract.resources.program import (
    ProgramInterface,
    ProgramSource,
    SourceInvalid,
)
from qiskit_runtime.contract.schemas.params_schema import MAX_SCHEMA_BYTES

Model = TypeVar("Model", bound=BaseModel)

MAX_SCHEMA_CONTAINERS = 2000
"""The most lists and objects in all schemas of a program. Each takes about 250 bytes."""

FILE_PARTS = ("data", "program", "file")
"""The names for the part with the file in a form."""

_JSON_PARTS = ("spec", "is_public", "isPublic")
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]+={0,2}\s*\Z")


class ProgramFields(BaseModel):
    """The editable metadata of a program; omitted fields stay unchanged."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True)

    name: (
        Annotated[str, StringConstraints(min_length=1, max_length=MAX_LABEL_CHARACTERS)] | None
    ) = None
    description: Annotated[str, StringConstraints(max_length=4096)] | None = None
    max_execution_time: Annotated[int, Field(ge=1, le=MAX_EXECUTION_SECONDS)] | None = Field(
        None,
        validation_alias=AliasChoices(
            "cost", "max_execution_time", "maxExecutionTime", "maxExecutionSeconds"
        ),
        description="The time limit of its jobs, in seconds.",
    )
    is_public: bool | None = Field(None, validation_alias=AliasChoices("is_public", "isPublic"))
    spec: dict[str, Any] | None = Field(
        None,
        description="JSON Schemas: `parameters`, `return_values`, `interim_results`, and"
        " `backend_requirements`.",
    )

    def to_metadata(self) -> tuple[dict[str, Any], list[str]]:
        """Return the fields of ``ProgramMetadata`` that were given, and warnings about ``spec``.

        Raises:
            InvalidField: a schema in ``spec`` can't be used; the field is named.
        """
        given = self.model_dump(exclude_none=True, exclude={"spec", "data"})
        if self.spec is None:
            return given, []
        spec, warnings = _read_spec(self.spec)
        return given | {"spec": spec}, warnings


class ProgramUpload(ProgramFields):
    """A whole program: its metadata, and its source in base64."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=MAX_LABEL_CHARACTERS)]
    data: str = Field(
        description=f"The source in base64, of at most {MAX_SOURCE_BYTES} bytes: a module, or a tar"
        " archive of a package."
    )


class ProgramData(BaseModel):
    """A program's source, as JSON."""

    data: str = Field(description="The source in base64.")


def read_upload(body: Body) -> tuple[ProgramFields, ProgramSource]:
    """Read a whole program from JSON or a form.

    Raises:
        InvalidField, InvalidFields: a field is wrong; it is named.
        TooLarge: the source is over its limit.
    """
    fields = _read_form(body) if body.kind == MULTIPART else _read_object(body)
    files = [value for value in fields.values() if isinstance(value, Part)]
    if files:
        return _validate(_WithoutData, fields), make_source(files[0].content)
    whole = _validate(ProgramUpload, fields)
    return whole, make_source(decode_base64(whole.data))


def read_fields(body: Body) -> ProgramFields:
    """Read a change of metadata. Raises as ``read_upload``."""
    return _validate(ProgramFields, _read_object(body))


def read_source(body: Body) -> ProgramSource:
    """Read a source alone. Raises as ``read_upload``."""
    if body.kind in ("", JSON):
        return make_source(decode_base64(_validate(ProgramData, _read_object(body)).data))
    # The clients of 2021 to 2023 send base64 here too, whose letters alone make no program.
    if _BASE64.match(body.content) and len(body.content) % 4 == 0:
        return make_source(decode_base64(body.content.decode("ascii")))
    return make_source(body.content)


def make_source(data: bytes) -> ProgramSource:
    """Make a source of bytes.

    Raises:
        TooLarge: it is over the limit.
        InvalidField: it can't be a program.
    """
    try:
        return ProgramSource(data)
    except SourceInvalid as error:
        if len(data) > MAX_SOURCE_BYTES:
            raise TooLarge(f"data: {error}") from None
        raise InvalidField(("body", "data"), f"data: {error}") from None


def decode_base64(text: str) -> bytes:
    """Decode base64 of either alphabet.

    Raises:
        InvalidField: the text is not base64.
    """
    try:
        plain = "".join(text.split()).replace("-", "+").replace("_", "/")
        return base64.b64decode(plain, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidField(("body", "data"), f"data: not base64: {error}") from None


class _WithoutData(ProgramFields):
    """The metadata in a form whose file is the source."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=MAX_LABEL_CHARACTERS)]


def _read_object(body: Body) -> dict[str, Any]:
    if not isinstance(body.value, dict):
        raise InvalidField(("body",), "body: a JSON object is needed", "dict_type")
    return body.value


def _read_form(body: Body) -> dict[str, Any]:
    """Return the fields of a form; a file stays a ``Part``. ``metadata`` is JSON of the others."""
    try:
        parts = parse_form(body.content_type, body.content)
    except FormInvalid as error:
        raise InvalidField(("body",), f"body: {error}", "form_invalid") from None
    metadata = parts.pop("metadata", None)
    fields: dict[str, Any] = {}
    if metadata is not None:
        fields = _decode_part(metadata)
        if not isinstance(fields, dict):
            raise InvalidField(("body", "metadata"), "metadata: an object is needed", "dict_type")
    for name, part in parts.items():
        if name in FILE_PARTS:
            fields[name] = part
        elif part.content:
            # A field that was not filled in is sent empty.
            fields[name] = _decode_part(part) if name in _JSON_PARTS else _text(part)
    return fields


def _decode_part(part: Part) -> Any:
    try:
        return load_body(part.content)
    except StrictJSONError as error:
        if part.name in ("is_public", "isPublic"):
            # "True", "yes": pydantic reads these words.
            return _text(part)
        message = f"{part.name}: {error}"
        raise InvalidField(("body", part.name), message, "json_invalid") from None


def _text(part: Part) -> str:
    try:
        return part.content.decode()
    except UnicodeDecodeError:
        raise InvalidField(("body", part.name), f"{part.name}: not UTF-8") from None


def _validate(model: type[Model], fields: Mapping[str, Any]) -> Model:
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise InvalidFields(
            [{**one, "loc": ("body", *one["loc"])} for one in error.errors(include_input=False)]
        ) from None


def _read_spec(spec: dict[str, Any]) -> tuple[ProgramInterface, list[str]]:
    """Return the schemas, by either spelling of their names, and what was translated in them.

    Raises:
        InvalidField: a schema is no object, too large or invalid; it is named.
    """
    known, warnings = {}, []
    for name in ProgramInterface.model_fields:
        given = to_camel(name) if name not in spec else name
        if spec.get(given) is None:
            continue
        try:
            one = ProgramInterface(**{name: _read_schema(spec[given])})
            translated, warned = one.translated()
            known[name] = getattr(translated, name)
            warnings += warned
        except ValueError as error:
            raise InvalidField(("body", "spec", given), f"spec.{given}: {error}") from None
    _check_common_limits(list(known.values()))
    return ProgramInterface(**known), warnings


def _read_schema(value: Any) -> dict[str, Any]:
    """Return the value, if it is an object that can be stored.

    Raises:
        ValueError: it is no object, is too large, or has NaN or half a character.
    """
    if not isinstance(value, dict):
        raise ValueError("an object is needed")
    size = len(json.dumps(value, allow_nan=False, ensure_ascii=False).encode())
    if size > MAX_SCHEMA_BYTES:
        raise ValueError(f"it is {size} bytes; at most {MAX_SCHEMA_BYTES} are taken")
    return value


def _check_common_limits(schemas: list[dict[str, Any]]) -> None:
    """See that a program's schemas are within their common limits: all are kept in memory.

    Raises:
        InvalidField: they are over a limit.
    """
    text = json.dumps(schemas, ensure_ascii=False)
    size, containers = len(text.encode()), count_containers(schemas)
    if size > MAX_SCHEMA_BYTES:
        limit = f"they are {size} bytes in all; at most {MAX_SCHEMA_BYTES} are taken"
    elif containers > MAX_SCHEMA_CONTAINERS:
        limit = f"they have {containers} lists and objects; at most {MAX_SCHEMA_CONTAINERS}"
        limit += " are taken"
    else:
        return
    raise InvalidField(("body", "spec"), f"spec: {limit}")


def count_containers(value: Any) -> int:
    """Count the lists and objects in a JSON value, itself included."""
    if isinstance(value, dict):
        return 1 + sum(map(count_containers, value.values()))
    return 1 + sum(map(count_containers, value)) if isinstance(value, list) else 0
