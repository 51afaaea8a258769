"""The state of the installed packages, as numbers that are others after each ``pip install``.

A runner imports Qiskit ahead of its job, and the zygote once for all of them. No job is to run
with the Qiskit of before: what was imported before a change is replaced.
"""

import sys
from functools import cache
from pathlib import Path

Installed = tuple[int, ...]
"""For each folder of packages the moment of its last change."""


def read_installed() -> Installed:
    """Return what differs as soon as a package was installed, upgraded or removed.

    Each of these makes, renames or removes the folder that describes the package. It takes one
    look at each folder of packages, a few microseconds.
    """
    return tuple(map(_changed_at, _find_folders(tuple(sys.path))))


@cache
def _find_folders(path: tuple[str, ...]) -> list[Path]:
    """Return the folders that packages are installed in; those of sources change all the time."""
    return [folder for folder in map(Path, path) if any(folder.glob("*.dist-info"))]


def _changed_at(folder: Path) -> int:
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return 0
