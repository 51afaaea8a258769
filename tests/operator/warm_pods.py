"""Pods that were started ahead, for the operator's tests: the runner's own port, served by threads.

Each has an address of its own on the loopback network, as the port is the same for all. Others that
may have a pod's address are here too.
"""

import random
import selectors
import socket
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

from qiskit_runtime.contract.wire.handover import (
    HANDOVER_PORT,
    HELLO_BYTES,
    NONCE_BYTES,
    digest_token,
)
from runner.handover_port import HandoverPort


def draw_address():
    """Return an address that nobody else has."""
    return f"127.{random.randint(1, 254)}.{random.randint(1, 254)}.9"


class WaitingPod:
    """A runner that waits on its port."""

    def __init__(self, token):
        self.address = draw_address()
        self._files, self._taken = {}, threading.Event()
        self._folder = tempfile.TemporaryDirectory()
        self._selector = selectors.DefaultSelector()
        folder = Path(self._folder.name)
        self._port = HandoverPort(HANDOVER_PORT, digest_token(token), folder, self.address)
        self._port.open(self._selector, lambda: True, self._take)
        self._is_closing = False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _take(self):
        paths = Path(self._folder.name).iterdir()
        self._files = {path.name: path.read_bytes() for path in paths}
        self._taken.set()

    @property
    def files(self):
        """The files that were handed over; None if nothing was, a moment later."""
        return self._files if self._taken.wait(0.2) else None

    def _serve(self):
        while not self._is_closing:
            for key, _ in self._selector.select(0.01):
                key.data()

    def close(self):
        """End it: nobody listens any more."""
        self._is_closing = True
        self._thread.join()
        self._port.close()
        self._folder.cleanup()


class Stranger:
    """Another process, which has got a pod's address.

    ``answer`` is what it says to a hello before it leaves: the operator's proof, if it is a text,
    and nothing for ever, if it is None.
    """

    files = None

    def __init__(self, answer):
        self.address, self._answer = draw_address(), answer
        self._is_closing = threading.Event()
        self._listener = socket.create_server((self.address, HANDOVER_PORT))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                with connection:
                    hello = connection.recv(HELLO_BYTES)
                    if self._answer is None:
                        self._is_closing.wait()
                    else:
                        is_proof = isinstance(self._answer, str)
                        connection.sendall(hello[-NONCE_BYTES:] if is_proof else self._answer)

    def close(self):
        """End it."""
        self._is_closing.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


class FarAway:
    """An address of which no packet is answered: more wait for a connection than have room."""

    files = None

    def __init__(self):
        self.address = draw_address()
        self._listener = socket.create_server((self.address, HANDOVER_PORT), backlog=0)
        self._waiting = [socket.socket() for _ in range(3)]
        for one in self._waiting:
            one.setblocking(False)
            one.connect_ex((self.address, HANDOVER_PORT))

    def close(self):
        """End it."""
        for one in (*self._waiting, self._listener):
            one.close()
