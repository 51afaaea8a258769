"""A terminal for the tests: a program in it, its screen as somebody sees it, and keys to press."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
import threading
import time
from contextlib import suppress

import pyte

# A session of its own gets the terminal as its own: Ctrl-C and Ctrl-Z come as from a keyboard.
_TAKE_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
    "os.execv(sys.argv[1], sys.argv[1:])"
)


class Terminal:
    """A pseudo-terminal in which a command runs; pyte draws what it writes."""

    def __init__(self, arguments, environment, columns=80, lines=24):
        self.master, self.slave = pty.openpty()
        self.screen = pyte.Screen(columns, lines)
        self.written = b""
        self._stream, self._lock = pyte.ByteStream(self.screen), threading.Lock()
        self.resize(columns, lines)
        self.before = termios.tcgetattr(self.slave)
        self.process = subprocess.Popen(
            [sys.executable, "-c", _TAKE_TERMINAL, *arguments],
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            env=environment,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        with suppress(OSError):
            while data := os.read(self.master, 4096):
                with self._lock:
                    self.written += data
                    self._stream.feed(data)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(20)
        os.close(self.slave)
        self._reader.join(20)
        os.close(self.master)

    def resize(self, columns, lines):
        """Change the size, as somebody who pulls the window's corner."""
        with self._lock:
            self.screen.resize(lines, columns)
        size = struct.pack("HHHH", lines, columns, 0, 0)
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, size)

    @property
    def lines(self):
        """The screen, line by line."""
        with self._lock:
            return [line.rstrip() for line in self.screen.display]

    @property
    def text(self):
        """The screen as one text."""
        return "\n".join(self.lines)

    def press(self, keys):
        """Press keys."""
        os.write(self.master, keys.encode())

    def wait(self, holds, seconds=20):
        """Wait until this holds of the screen's text; a failure shows the screen."""
        deadline = time.monotonic() + seconds
        while not holds(self.text):
            assert time.monotonic() < deadline, f"not within {seconds} s:\n{self.text}"
            assert self.process.poll() is None, f"ended {self.process.returncode}:\n{self.text}"
            time.sleep(0.02)

    def shows(self, *texts):
        """Wait until all these are on the screen."""
        self.wait(lambda screen: all(text in screen for text in texts))

    def end(self):
        """Wait for the command's end; returns its exit code."""
        return self.process.wait(20)

    @property
    def is_restored(self):
        """True where the first screen, the cursor and the line's settings are back, or soon are."""
        deadline = time.monotonic() + 5
        while not (is_back := self._is_restored()) and time.monotonic() < deadline:
            time.sleep(0.02)
        return is_back

    def _is_restored(self):
        last = self.written[self.written.rfind(b"\x1b[?1049h") :]
        is_shown = b"\x1b[?1049l" in last and b"\x1b[?25h" in last
        return is_shown and termios.tcgetattr(self.slave) == self.before

    def send(self, number):
        """Send a signal."""
        os.kill(self.process.pid, number)
