"""The environments of real clients: each from PyPI, in a virtual environment of its own.

``make clients`` makes those that are missing, in a cache outside the repository; a folder's name
has the sum of its lock file, so that a changed one is made anew. Tests find them there.
"""

import argparse
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ENVIRONMENTS = {
    "0.51.0": ("qiskit-ibm-runtime==0.51.0",),
    "0.50.0": ("qiskit-ibm-runtime==0.50.0",),
    "0.49.0": ("qiskit-ibm-runtime==0.49.0",),
    # The last client with programs of one's own; websocket-client 1.9 reports a close as an error.
    "0.15.1": (
        "qiskit-ibm-runtime==0.15.1",
        "qiskit<1",
        "numpy<2",
        "websocket-client<=1.8",
        "setuptools<81",  # it imports pkg_resources
    ),
    # The client of 2021.
    "provider": (
        "qiskit-ibmq-provider==0.20.2",
        "qiskit-terra<0.46",
        "websocket-client<=1.8",
        "setuptools<81",
    ),
    # A third party's program over today's client.
    "mcp": ("qiskit-ibm-runtime-mcp-server==0.6.2",),
}
"""The packages of each environment, by the name of its lock file."""

NEWEST = "0.51.0"

PYTHON = "3.11"
"""The newest that all of these clients run on."""

LOCKS = Path(__file__).with_name("locks")

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "qiskit-runtime-clients")

UV = Path(sys.prefix, "bin", "uv")

BUILDS = ("--build-constraints", LOCKS / "build-constraints.in")


def find_folder(name: str) -> Path:
    """Return the folder of an environment, by what is locked for it."""
    digest = hashlib.sha256((LOCKS / f"{name}.txt").read_bytes()).hexdigest()
    return CACHE / f"{name}-{digest[:12]}"


def is_made(name: str) -> bool:
    """Return whether an environment is there, whole."""
    return (find_folder(name) / "ready").exists()


def require_client(name: str) -> Path:
    """Return a client's Python; without one skip the test, or fail it if it may not be skipped."""
    if not is_made(name):
        missing = f"no environment of the client {name}: make clients"
        if os.environ.get("REQUIRE_CLIENTS") == "1":
            pytest.fail(missing)
        pytest.skip(missing)
    return find_folder(name) / "bin" / "python"


def make(name: str) -> None:
    """Make an environment, unless it is there; another process may be making it."""
    folder = find_folder(name)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if is_made(name):
            return
        begun = time.monotonic()
        # What is left of one that was interrupted.
        shutil.rmtree(folder, ignore_errors=True)
        _run_uv("venv", "--python", PYTHON, folder)
        _run_uv(
            "pip", "install", "--python", folder, "--require-hashes", "--no-deps",
            "--compile-bytecode", *BUILDS, "-r", LOCKS / f"{name}.txt",
        )  # fmt: skip
        (folder / "ready").touch()
        print(f"{name}: {time.monotonic() - begun:.0f} s", flush=True)


def lock(name: str) -> None:
    """Lock what an environment is made of, with hashes."""
    _run_uv(
        "pip", "compile", "--universal", "--python-version", PYTHON, "--generate-hashes",
        "--no-header", "--upgrade", *BUILDS, "-", "-o", LOCKS / f"{name}.txt",
        stdin="\n".join(ENVIRONMENTS[name]),
    )  # fmt: skip


def _run_uv(*arguments: str | Path, stdin: str = "") -> None:
    subprocess.run(
        [UV, *arguments, "--quiet"], input=stdin, text=True, stdout=subprocess.DEVNULL, check=True
    )


def main() -> None:
    """Make, or lock, the environments that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lock", action="store_true", help="lock the newest versions first")
    parser.add_argument("names", nargs="*", default=[], metavar="NAME")
    given = parser.parse_args()
    for name in given.names or ENVIRONMENTS:
        if given.lock:
            lock(name)
        make(name)


if __name__ == "__main__":
    main()
