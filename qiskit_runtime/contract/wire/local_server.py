"""A local server's address and token file: the meeting point of ``serve`` and clients nearby.

Standard library only. ``serve`` writes the token, the Python client and the command line read it.
"""

import ipaddress
import os
from pathlib import Path

DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 8000

DEFAULT_URL = f"http://{DEFAULT_HOST}:{DEFAULT_PORT}"
"""The address that ``qiskit-runtime serve`` listens at."""

DEFAULT_DATA = Path.home() / ".qiskit-runtime"
"""The data folder of local mode."""

TOKEN_FILE = "token"  # noqa: S105  (a file name)
"""The file in the data folder that holds the token of a server that made one itself."""

_MAX_TOKEN_BYTES = 4096


def is_loopback_host(host: str) -> bool:
    """Return whether a host's name means this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def read_token(file: str | Path) -> str:
    """Return the token in a file; the end of its line is not part of it.

    Raises:
        OSError: it can't be read.
    """
    with Path(file).expanduser().open("rb") as opened:
        return opened.read(_MAX_TOKEN_BYTES).decode("latin-1").rstrip("\r\n")


def find_token() -> str:
    """Return the token that a server of this user made; empty without one."""
    data = os.environ.get("RUNTIME_DATA") or DEFAULT_DATA
    try:
        return read_token(Path(data) / TOKEN_FILE)
    except OSError:
        return ""
