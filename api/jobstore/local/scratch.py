"""The scratch folder: where runners work, and where what is deleted waits until it is removed.

Whatever programs left there, and however much, keeps nobody waiting: one thread removes it. What
it does not get done before the server ends is removed after the next start.
"""

import os
import secrets
import stat
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue

from qiskit_runtime.host.left_behind import remove_tree, take_rights

_CLOSE_SECONDS = 2.0
"""How long a close waits for what is still to be removed."""


class Scratch:
    """The folder; open it with the data folder's lock held, as it removes all that it finds."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # What this server makes is called so; what is called otherwise was left by one before it.
        self._prefix = secrets.token_hex(8)
        self._doomed: SimpleQueue[Path | None] = SimpleQueue()
        self._stopped = threading.Event()
        self._remover = threading.Thread(target=self._remove_all, daemon=True)

    def open(self) -> None:
        """Make the folder where it is missing, and begin to remove what is in it."""
        self.make()
        self._remover.start()

    def close(self) -> None:
        """Stop removing, after a moment."""
        self._doomed.put(None)
        self._remover.join(_CLOSE_SECONDS)
        self._stopped.set()

    def make(self) -> None:
        """Have the folder be there. A link is none: what it leads to is not ours to remove."""
        with suppress(FileNotFoundError):
            if not stat.S_ISDIR(self.path.lstat().st_mode):
                self.path.unlink()
        self.path.mkdir(mode=0o700, exist_ok=True)
        if not os.access(self.path, os.R_OK | os.W_OK | os.X_OK):
            take_rights(self.path)

    def name_folder(self) -> Path:
        """A name in it that nothing has, for its caller to make and to ``discard``."""
        self.make()
        return self.path / f"{self._prefix}-{secrets.token_hex(8)}"

    def discard(self, path: Path) -> None:
        """Take a file or a folder out of its place at once, and remove it soon.

        Raises:
            FileNotFoundError: it is not there.
            OSError: it can't be moved.
        """
        doomed = self.name_folder()
        # A folder that changes its parent must be writable itself.
        take_rights(path)
        path.rename(doomed)
        self._doomed.put(doomed)

    def remove(self, path: Path) -> None:
        """Remove a folder that is here, soon, if it is there at all."""
        self._doomed.put(path)

    def _remove_all(self) -> None:
        with suppress(OSError):
            for path in self._find_left():
                remove_tree(path, is_stopped=self._stopped.is_set)
        while doomed := self._doomed.get():
            remove_tree(doomed, is_stopped=self._stopped.is_set)

    def _find_left(self) -> Iterator[Path]:
        with os.scandir(self.path) as entries:
            for entry in entries:
                if not entry.name.startswith(self._prefix):
                    yield Path(entry.path)
