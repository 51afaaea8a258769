"""The port on which a runner that was started ahead waits for its job's input.

Used by the supervisor, in its loop: no call waits. Standard library only. What is exchanged is in
``contract.wire.handover``. Whoever else connects learns nothing, holds up nobody, and costs a few
bytes.
"""

import selectors
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from qiskit_runtime.contract.wire.handover import (
    HELLO,
    NONCE_BYTES,
    TAKEN,
    HandoverError,
    is_token,
    prove,
    read_packet,
    unpack_input,
)

MAX_VISITORS = 8
"""The connections that are open at once; a further one takes the place of the oldest.

Of one that has the token only if all of them have: the input is on its way there."""

_READ_BYTES = 1 << 18


class Visitor:
    """A connection, and what it has sent so far. It has to prove that it is the operator's."""

    def __init__(self, connection: socket.socket, digest: bytes) -> None:
        connection.setblocking(False)
        self.connection = connection
        self._digest = digest
        self._received = bytearray()
        self._was_greeted = False
        self.is_operator = False
        """Whether it has sent the token."""

    def read(self) -> dict[str, bytes] | None:
        """Read what has arrived; returns the files of the input once they are whole.

        Raises:
            HandoverError: it is somebody else's, or was closed.
        """
        try:
            data = self.connection.recv(_READ_BYTES)
        except BlockingIOError:
            return None
        except OSError as error:
            raise HandoverError(str(error)) from error
        if not data:
            raise HandoverError("it was closed")
        self._received += data
        if not self._was_greeted:
            self._greet()
        return self._read_input() if self._was_greeted else None

    def _greet(self) -> None:
        known = bytes(self._received[: len(HELLO)])
        if not HELLO.startswith(known):
            raise HandoverError("it does not begin as a hand-over does")
        end = len(HELLO) + NONCE_BYTES
        if len(self._received) >= end:
            nonce = bytes(self._received[len(HELLO) : end])
            del self._received[:end]
            self._was_greeted = True
            self.answer(prove(self._digest, nonce))

    def _read_input(self) -> dict[str, bytes] | None:
        if not self.is_operator:
            if len(self._received) < NONCE_BYTES:
                return None
            if not is_token(bytes(self._received[:NONCE_BYTES]), self._digest):
                raise HandoverError("it has not the token of this pod")
            del self._received[:NONCE_BYTES]
            self.is_operator = True
        body = read_packet(self._received)
        return None if body is None else unpack_input(body)

    def answer(self, data: bytes) -> None:
        """Send a few bytes, for which a socket has room."""
        with suppress(OSError):
            self.connection.send(data)


class HandoverPort:
    """Takes one input into ``folder``, then closes; ``digest`` is that of this pod's token.

    It opens when ``open`` is called: an open port says that the runner is ready. ``host`` is the
    address that it listens on, all of the machine's if it is empty.
    """

    def __init__(self, number: int, digest: bytes, folder: Path, host: str = "") -> None:
        self._number, self._digest, self._folder, self._host = number, digest, folder, host
        self._visitors: list[Visitor] = []
        self._listener: socket.socket | None = None

    def open(self, selector: selectors.BaseSelector, when_taken: Callable[[], None]) -> None:
        """Listen in the loop of ``selector``; ``when_taken`` is called when the input is there."""
        self._selector, self._when_taken = selector, when_taken
        self._listener = _listen(self._host, self._number)
        selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def close(self) -> None:
        """Close it, and all connections."""
        for visitor in list(self._visitors):
            self._leave(visitor)
        if self._listener is not None:
            self._selector.unregister(self._listener)
            self._listener.close()
            self._listener = None

    def _accept(self) -> None:
        if self._listener is None:
            return
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        if len(self._visitors) == MAX_VISITORS:
            strangers = [one for one in self._visitors if not one.is_operator]
            self._leave((strangers or self._visitors)[0])
        visitor = Visitor(connection, self._digest)
        self._visitors.append(visitor)
        self._selector.register(connection, selectors.EVENT_READ, partial(self._serve, visitor))

    def _serve(self, visitor: Visitor) -> None:
        if visitor not in self._visitors:
            # It was closed by what another one did in the same round.
            return
        try:
            files = visitor.read()
            if files is None:
                return
            for name, data in files.items():
                (self._folder / name).write_bytes(data)
        except (HandoverError, OSError):
            # Without room for the input this pod has no job, and its end says so.
            self._leave(visitor)
            return
        visitor.answer(TAKEN)
        self.close()
        self._when_taken()

    def _leave(self, visitor: Visitor) -> None:
        self._visitors.remove(visitor)
        self._selector.unregister(visitor.connection)
        visitor.connection.close()


def _listen(host: str, number: int) -> socket.socket:
    """Return a socket that listens on an address, or on all of both families."""
    if not host and socket.has_dualstack_ipv6():
        listener = socket.create_server(
            ("", number), family=socket.AF_INET6, dualstack_ipv6=True, backlog=MAX_VISITORS
        )
    else:
        listener = socket.create_server((host, number), backlog=MAX_VISITORS)
    listener.setblocking(False)
    return listener
