"""Forms with files (multipart/form-data, RFC 7578): the parts of a body that is in memory.

python-multipart reads them, within bounds; only the headers of parts are decoded. Starlette's
``request.form()`` is not enough: it takes a form that breaks off before its last boundary, drops
the encoding header of a field, takes a name twice, and answers 400 where this API answers 422.
"""

from dataclasses import dataclass
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

MAX_PARTS = 32
"""The most parts of a form."""

MAX_HEADERS = 8
"""The most headers of a part."""

MAX_HEADER_BYTES = 512
"""The longest Content-Type, and header of a part: they hold names, not data."""

_ENCODINGS = (b"binary", b"8bit", b"7bit")


class FormInvalid(ValueError):
    """The body is not a form; the text says why."""


@dataclass(frozen=True, slots=True)
class Part:
    """A field of a form. ``file_name`` is a file's: any text that the client chose, or None."""

    name: str
    content: bytes
    file_name: str | None = None


def parse_form(content_type: str, body: bytes) -> dict[str, Part]:
    """Return the parts by their names.

    Raises:
        FormInvalid: the Content-Type has no boundary, the form no end, or a part no name, or a
            name that another has.
    """
    form = _Form()
    try:
        parser = MultipartParser(
            _find_boundary(content_type),
            form.callbacks,
            max_header_count=MAX_HEADERS,
            max_header_size=MAX_HEADER_BYTES,
        )
        parser.write(body)
    except FormParserError as error:
        raise FormInvalid(f"the form is broken: {error}") from None
    if not form.has_ended:
        raise FormInvalid("the form breaks off before its last boundary")
    return form.parts


def _find_boundary(content_type: str) -> bytes:
    if len(content_type) > MAX_HEADER_BYTES:
        raise FormInvalid(f"its Content-Type is longer than {MAX_HEADER_BYTES} characters")
    boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
    if not boundary:
        raise FormInvalid("its Content-Type names no boundary")
    if not boundary.isascii():
        raise FormInvalid("its boundary is not ASCII")
    return boundary


class _Form:
    """The parts that the parser has found so far."""

    def __init__(self) -> None:
        self.parts: dict[str, Part] = {}
        self.has_ended = False
        self._headers: dict[bytes, bytes] = {}
        self._field, self._value, self._content = bytearray(), bytearray(), bytearray()
        self.callbacks: Any = {
            "on_header_field": lambda data, start, end: self._field.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._end_header,
            "on_part_data": lambda data, start, end: self._content.extend(data[start:end]),
            "on_part_end": self._end_part,
            "on_end": self._end,
        }

    def _end_header(self) -> None:
        self._headers[bytes(self._field).lower()] = bytes(self._value)
        self._field.clear()
        self._value.clear()

    def _end_part(self) -> None:
        part = _make_part(self._headers, bytes(self._content))
        if part.name in self.parts:
            raise FormInvalid(f"the part {part.name[:100]!r} appears twice")
        if len(self.parts) == MAX_PARTS:
            raise FormInvalid(f"the form has more than {MAX_PARTS} parts")
        self.parts[part.name] = part
        self._headers.clear()
        self._content.clear()

    def _end(self) -> None:
        self.has_ended = True


def _make_part(headers: dict[bytes, bytes], content: bytes) -> Part:
    kind, options = parse_options_header(headers.get(b"content-disposition", b""))
    if kind != b"form-data" or b"name" not in options:
        raise FormInvalid("a part has no Content-Disposition of form-data with a name")
    name = options[b"name"].decode(errors="replace")
    if headers.get(b"content-transfer-encoding", b"binary").lower() not in _ENCODINGS:
        raise FormInvalid(f"the part {name[:100]!r} has a Content-Transfer-Encoding")
    file_name = options.get(b"filename")
    return Part(name, content, None if file_name is None else file_name.decode(errors="replace"))
