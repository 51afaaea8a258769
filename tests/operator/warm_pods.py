"""Pods that were started ahead, for the operator's tests: the runner's own port, served by threads.

Each has an address of its own on the loopback network, as the port is the same for all.
"""

import random
import selectors
import tempfile
import threading
from pathlib import Path

from qiskit_runtime.contract.wire.handover import HANDOVER_PORT, digest_token
from runner.handover_port import HandoverPort


class WaitingPod:
    """A runner that waits on its port."""

    def __init__(self, token):
        self.address = f"127.{random.randint(1, 254)}.{random.randint(1, 254)}.9"
        self._files, self._taken = {}, threading.Event()
        self._folder = tempfile.TemporaryDirectory()
        self._selector = selectors.DefaultSelector()
        folder = Path(self._folder.name)
        self._port = HandoverPort(HANDOVER_PORT, digest_token(token), folder, self.address)
        self._port.open(self._selector, self._take)
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
