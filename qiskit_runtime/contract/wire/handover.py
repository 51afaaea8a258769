"""The hand-over: how a pod that was started ahead is given the input of its job, once.

The operator connects to the pod's only open port and sends ``HELLO`` with a nonce. The pod answers
with a proof that it knows the digest of its token: another process that has the pod's address by
now does not, and gets nothing. Then the operator sends the token, which nobody else knows, and the
files of the input. The pod answers ``TAKEN`` when it has all of them, and closes the port for good.
Standard library only: the supervisor imports it.
"""

import hashlib
import hmac
import json
import re
import struct

from qiskit_runtime.contract.limits import MAX_PARAMS_BYTES, MIB

HANDOVER_PORT = 8790
"""The port of a pod that waits for its job."""

DIGEST_VARIABLE = "RUNTIME_HANDOVER_DIGEST"
"""The environment variable that has the digest of the pod's token, in hexadecimal."""

HELLO = b"qiskit-runtime input 1\n"
"""The first bytes of a connection; a nonce follows."""

NONCE_BYTES = 32
"""The size of the nonce, of the proof and of the token."""

TAKEN = b"T"
"""The pod's last answer: the job is its own."""

MAX_INPUT_BYTES = MAX_PARAMS_BYTES + 2 * MIB
"""The most that the files of an input have together: parameters, source and document."""

_LENGTH = struct.Struct("!I")
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


class HandoverError(ValueError):
    """The bytes are not those of a hand-over; the text says why."""


def digest_token(token: bytes) -> bytes:
    """Return the digest of a token, which the pod is given in its place."""
    return hashlib.sha256(token).digest()


def is_token(token: bytes, digest: bytes) -> bool:
    """Return whether this is the token of that digest."""
    return hmac.compare_digest(digest_token(token), digest)


def prove(digest: bytes, nonce: bytes) -> bytes:
    """Return the proof that one knows the digest."""
    return hmac.digest(digest, HELLO + nonce, "sha256")


def pack_input(files: dict[str, bytes]) -> bytes:
    """Return the files of an input as one packet: its length, the files' sizes, their bytes."""
    sizes = json.dumps({name: len(data) for name, data in files.items()}).encode()
    body = b"".join([_LENGTH.pack(len(sizes)), sizes, *files.values()])
    return _LENGTH.pack(len(body)) + body


def read_packet(received: bytes | bytearray) -> bytes | None:
    """Return the body of a packet, or None where its end is not there yet.

    Raises:
        HandoverError: it is over ``MAX_INPUT_BYTES``.
    """
    if len(received) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack_from(received)
    if length > MAX_INPUT_BYTES:
        raise HandoverError(f"an input of {length} bytes: at most {MAX_INPUT_BYTES}")
    end = _LENGTH.size + length
    return bytes(received[_LENGTH.size : end]) if len(received) >= end else None


def unpack_input(body: bytes) -> dict[str, bytes]:
    """Return the files of a packet's body.

    Raises:
        HandoverError: it is not what ``pack_input`` made.
    """
    try:
        (length,) = _LENGTH.unpack_from(body)
        start = _LENGTH.size + length
        sizes = json.loads(body[_LENGTH.size : start])
        files = {}
        for name, size in sizes.items():
            files[name] = body[start : start + size]
            start += size
    except (struct.error, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise HandoverError(f"not the files of an input: {error}") from error
    if start != len(body) or not all(map(_FILE_NAME.fullmatch, files)):
        raise HandoverError("not the files of an input: their names or sizes are wrong")
    return files
