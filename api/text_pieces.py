"""Long texts in pieces: what goes to many clients at once is never whole in memory for each."""

import json
from collections.abc import Iterable, Iterator

PIECE = 1 << 14
"""How many characters are sent at once."""


def cut(text: str) -> Iterator[str]:
    """Cut a text into pieces; an empty text is one piece."""
    yield text[:PIECE]
    for at in range(PIECE, len(text), PIECE):
        yield text[at : at + PIECE]


def join_small(texts: Iterable[str]) -> Iterator[str]:
    """The same text in pieces that are neither large nor many."""
    held: list[str] = []
    size = 0
    for piece in (piece for text in texts for piece in cut(text)):
        held.append(piece)
        size += len(piece)
        if size >= PIECE:
            yield "".join(held)
            held, size = [], 0
    yield "".join(held)


def json_pieces(texts: Iterable[str], *, ascii_only: bool = False) -> Iterator[str]:
    """Write texts, one after the other, as one JSON string, in pieces."""
    yield '"'
    for piece in join_small(texts):
        # A character is escaped by itself, whatever is beside it.
        yield json.dumps(piece, ensure_ascii=ascii_only)[1:-1]
    yield '"'
