"""The hand-over: how a pod that was started ahead is given the input of its job, once.

The operator connects to the pod's only open port and says hello: ``HELLO``, a nonce, and a proof
that it knows the digest of the pod's token. So the pod tells it from strangers by its first packet,
and keeps its connection while the job's claim is written, however many others come. The pod answers
with a proof of its own: another process that has the pod's address by now can't, and gets nothing.
Then the operator sends the token, which nobody else knows, and the files of the input. The pod
answers ``TAKEN`` when it has all of them, and closes the port for good.

Each proof has its side's name in it, so that none passes for the other's, and the operator's nonce.
There is no nonce of the pod: the operator would have to wait for it, and would be a stranger until
then, for a round trip that a flood of connections may use. The pod remembers the nonces of hellos
instead. It gets a few in its hour, so an overheard one is of no use a second time; and at another
pod it is of none, as each has a digest of its own.

Those who can read the namespace's Pods know the digest. They can say hello, and hold a place of the
operator's; without the token they hand nothing over. Nothing is encrypted: those who can read the
operator's packets read the input too.

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

HELLO = b"qiskit-runtime input 2\n"
"""The first bytes of a connection; a nonce and the operator's proof follow.

The number is that of this protocol: pods of another one are replaced (``digest_template``)."""

NONCE_BYTES = 32
"""The size of the nonce, of a proof and of the token."""

OPERATOR, POD = b"operator\n", b"pod\n"
"""The sides of a hand-over, by which their proofs differ."""

HELLO_BYTES = len(HELLO) + 2 * NONCE_BYTES
"""The size of the operator's first packet."""

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


def prove(digest: bytes, side: bytes, nonce: bytes) -> bytes:
    """Return a side's proof that it knows the digest."""
    return hmac.digest(digest, HELLO + side + nonce, "sha256")


def build_hello(digest: bytes, nonce: bytes) -> bytes:
    """Return the operator's first packet."""
    return HELLO + nonce + prove(digest, OPERATOR, nonce)


def read_hello(received: bytes, digest: bytes) -> bytes | None:
    """Return the nonce of an operator's hello, or None where the hello's end is not there yet.

    Raises:
        HandoverError: it is somebody else's.
    """
    if not HELLO.startswith(received[: len(HELLO)]):
        raise HandoverError("it does not begin as a hand-over does")
    if len(received) < HELLO_BYTES:
        return None
    nonce = received[len(HELLO) : len(HELLO) + NONCE_BYTES]
    if not hmac.compare_digest(received[:HELLO_BYTES], build_hello(digest, nonce)):
        raise HandoverError("it does not know the digest of this pod's token")
    return nonce


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
