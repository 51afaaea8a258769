"""The port on which a runner that was started ahead waits for its job's input.

Used by the supervisor, in its loop: no call waits. Standard library only. What is exchanged is in
``contract.wire.handover``. Whoever else connects learns nothing, holds up nobody, and costs a few
bytes.
"""

import selectors
import socket
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from functools import partial
from pathlib import Path

from qiskit_runtime.contract.wire.handover import (
    HELLO_BYTES,
    NONCE_BYTES,
    POD,
    TAKEN,
    HandoverError,
    is_token,
    prove,
    read_hello,
    read_packet,
    unpack_input,
)

KNOWN_HELLOS = 1000
"""The hellos that are remembered, so that none is used twice: far more than operators send."""

_BACKLOG = 128
"""The connections that wait to be accepted; a further one is tried again a second later."""

_READ_BYTES = 1 << 18


class Rank(Enum):
    """The most that a connection has proved."""

    STRANGER = "nothing"
    OPERATOR = "that it knows the digest of the token"
    GIVER = "that it has the token"


PLACES = {Rank.STRANGER: 64, Rank.OPERATOR: 8, Rank.GIVER: 8}
"""The connections of a rank that are open at once; one more takes the place of the oldest.

So nobody is pushed out by those who have proved less. There are many places for strangers: it takes
a busy operator a few milliseconds to say hello.
"""


class Hellos:
    """Knows an operator by its hello; each hello counts once."""

    def __init__(self, digest: bytes) -> None:
        self.digest = digest
        self._used: deque[bytes] = deque(maxlen=KNOWN_HELLOS)

    def answer(self, received: bytes) -> bytes | None:
        """Return the pod's answer to a hello, or None where its end is not there yet.

        Raises:
            HandoverError: it is somebody else's, or was used before.
        """
        nonce = read_hello(received, self.digest)
        if nonce is None:
            return None
        if nonce in self._used:
            raise HandoverError("its hello was used before")
        self._used.append(nonce)
        return prove(self.digest, POD, nonce)


class Visitor:
    """A connection, and what it has sent so far. It has to prove that it is the operator's."""

    def __init__(self, connection: socket.socket, hellos: Hellos) -> None:
        connection.setblocking(False)
        self.connection = connection
        self.rank = Rank.STRANGER
        self._hellos = hellos
        self._received = bytearray()

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
        if self.rank is Rank.STRANGER:
            self._greet()
        if self.rank is Rank.OPERATOR:
            self._check_token()
        return self._read_input() if self.rank is Rank.GIVER else None

    def _greet(self) -> None:
        answer = self._hellos.answer(bytes(self._received[:HELLO_BYTES]))
        if answer is not None:
            del self._received[:HELLO_BYTES]
            self.rank = Rank.OPERATOR
            self.answer(answer)

    def _check_token(self) -> None:
        if len(self._received) < NONCE_BYTES:
            return
        if not is_token(bytes(self._received[:NONCE_BYTES]), self._hellos.digest):
            raise HandoverError("it has not the token of this pod")
        del self._received[:NONCE_BYTES]
        self.rank = Rank.GIVER

    def _read_input(self) -> dict[str, bytes] | None:
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
        self._number, self._folder, self._host = number, folder, host
        self._hellos = Hellos(digest)
        self._visitors: list[Visitor] = []
        self._listener: socket.socket | None = None

    def open(
        self,
        selector: selectors.BaseSelector,
        may_take: Callable[[], bool],
        when_taken: Callable[[], None],
    ) -> None:
        """Listen in the loop of ``selector``; ``when_taken`` is called when the input is there.

        ``may_take`` is asked before the input is taken: where it may not be, the port closes.
        """
        self._selector, self._may_take, self._when_taken = selector, may_take, when_taken
        self._listener = _listen(self._host, self._number)
        selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def close(self) -> None:
        """Close it, and all connections."""
        if self._listener is not None:
            self._selector.unregister(self._listener)
            self._listener.close()
            self._listener = None
        for visitor in list(self._visitors):
            self._leave(visitor)

    def _accept(self) -> None:
        if self._listener is None:
            return
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        visitor = Visitor(connection, self._hellos)
        self._visitors.append(visitor)
        self._selector.register(connection, selectors.EVENT_READ, partial(self._serve, visitor))
        # As a rule its hello is there already.
        self._serve(visitor)
        self._keep_places(Rank.STRANGER)

    def _serve(self, visitor: Visitor) -> None:
        if visitor not in self._visitors:
            # It was closed by what another one did in the same round.
            return
        known = visitor.rank
        try:
            files = visitor.read()
            for name, data in (files or {}).items():
                (self._folder / name).write_bytes(data)
        except (HandoverError, OSError):
            # Without room for the input this pod has no job, and its end says so.
            self._leave(visitor)
            return
        if files is not None:
            self._take(visitor)
        elif visitor.rank is not known:
            self._keep_places(visitor.rank)

    def _take(self, visitor: Visitor) -> None:
        is_taken = self._may_take()
        if is_taken:
            visitor.answer(TAKEN)
        self.close()
        if is_taken:
            self._when_taken()

    def _keep_places(self, rank: Rank) -> None:
        """Close the oldest connection of a rank if there are too many."""
        found = [one for one in self._visitors if one.rank is rank]
        if len(found) <= PLACES[rank]:
            return
        oldest = found[0]
        # Perhaps its proof has come in this very round.
        self._serve(oldest)
        if oldest in self._visitors and oldest.rank is rank:
            self._leave(oldest)

    def _leave(self, visitor: Visitor) -> None:
        self._visitors.remove(visitor)
        self._selector.unregister(visitor.connection)
        visitor.connection.close()


def _listen(host: str, number: int) -> socket.socket:
    """Return a socket that listens on an address, or on all of both families."""
    if not host and socket.has_dualstack_ipv6():
        listener = socket.create_server(
            ("", number), family=socket.AF_INET6, dualstack_ipv6=True, backlog=_BACKLOG
        )
    else:
        listener = socket.create_server((host, number), backlog=_BACKLOG)
    listener.setblocking(False)
    return listener
