"""Bytes as text in JSON, compressed; a value that would inflate without end is refused."""

import base64
import zlib

MAX_INFLATED_BYTES = 256 * 2**20
"""Most bytes one compressed value may inflate to: far more than real circuits need."""


def write_deflated(data: bytes) -> str:
    """Return the bytes, compressed, as base64 text."""
    return base64.b64encode(zlib.compress(data)).decode()


def read_bytes(text: str) -> bytes:
    """Return the bytes that base64 text stands for."""
    return base64.b64decode(text, validate=True)


def inflate(data: bytes) -> bytes:
    """Return what the bytes were before they were compressed.

    Raises:
        ValueError: they inflate to more than ``MAX_INFLATED_BYTES``, or end early.
    """
    stream = zlib.decompressobj()
    inflated = stream.decompress(data, MAX_INFLATED_BYTES + 1)
    check_size(len(inflated))
    if not stream.eof:
        raise ValueError("the compressed data ends early")
    return inflated


def check_size(size: int) -> None:
    """Refuse a value of more than ``MAX_INFLATED_BYTES``."""
    if size > MAX_INFLATED_BYTES:
        raise ValueError(f"inflates to more than the limit of {MAX_INFLATED_BYTES} bytes")
