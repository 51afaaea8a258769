"""Forms with files (multipart/form-data, RFC 7578): the parts of a body that is in memory.

Strict, and bounded by the body's own limit. Nothing of a part is decoded here but its header.
"""

from dataclasses import dataclass
from email.message import Message
from email.parser import HeaderParser

MAX_PARTS = 32
"""How many parts a form may have."""

MAX_HEADER_BYTES = 4096
"""What stands before a part's content."""

_MAX_BOUNDARY = 70
"""Characters, by RFC 2046."""


class FormInvalid(ValueError):
    """The body is no form; the text says why."""


@dataclass(frozen=True, slots=True)
class Part:
    """One field of a form. ``file_name`` is that of a file, which is a text of the client's."""

    name: str
    content: bytes
    file_name: str | None = None


def parse_form(content_type: str, body: bytes) -> dict[str, Part]:
    """The parts by their names.

    Raises:
        FormInvalid: the Content-Type has no boundary, the form no end, or a part no name, or a
            name that another has.
    """
    boundary = _find_boundary(content_type)
    # What is before the first boundary, and after the last, is for nobody.
    _, *pieces = (b"\r\n" + body).split(b"\r\n--" + boundary, MAX_PARTS + 2)
    parts: dict[str, Part] = {}
    for piece in pieces:
        if piece.startswith(b"--"):
            return parts
        part = _parse_part(piece)
        if part.name in parts:
            raise FormInvalid(f"the part {part.name[:100]!r} is there twice")
        if len(parts) == MAX_PARTS:
            raise FormInvalid(f"the form has more than {MAX_PARTS} parts")
        parts[part.name] = part
    raise FormInvalid("the form breaks off before its last boundary")


def _find_boundary(content_type: str) -> bytes:
    message = Message()
    message["Content-Type"] = content_type
    boundary = message.get_param("boundary")
    if not isinstance(boundary, str) or not 0 < len(boundary) <= _MAX_BOUNDARY:
        raise FormInvalid("its Content-Type names no boundary")
    try:
        return boundary.encode("ascii")
    except UnicodeEncodeError:
        raise FormInvalid("its boundary is not ASCII") from None


def _parse_part(piece: bytes) -> Part:
    # A boundary's line may end in blanks.
    head, found, content = piece.lstrip(b" \t").removeprefix(b"\r\n").partition(b"\r\n\r\n")
    if not found or len(head) > MAX_HEADER_BYTES:
        raise FormInvalid("a part has no header, or too long a one")
    header = HeaderParser().parsestr(head.decode(errors="replace"))
    name = header.get_param("name", header="Content-Disposition")
    if header.get_content_disposition() != "form-data" or not isinstance(name, str):
        raise FormInvalid("a part has no Content-Disposition of form-data with a name")
    if header.get("Content-Transfer-Encoding", "binary").lower() not in ("binary", "8bit", "7bit"):
        raise FormInvalid(f"the part {name[:100]!r} has a Content-Transfer-Encoding")
    return Part(name, content, header.get_filename())
