"""Long texts in pieces: what goes to many clients at once is never whole in memory for each."""

import json
from collections.abc import Iterable, Iterator


def cut(text: str, size: int) -> Iterator[str]:
    """Cut a text into pieces of this many characters; an empty text is one piece."""
    yield text[:size]
    for at in range(size, len(text), size):
        yield text[at : at + size]


def json_pieces(texts: Iterable[str], size: int) -> Iterator[str]:
    """Write texts, one after the other, as one JSON string, in pieces."""
    yield '"'
    for text in texts:
        # A character is escaped by itself, whatever is beside it.
        for piece in cut(text, size):
            yield json.dumps(piece)[1:-1]
    yield '"'
