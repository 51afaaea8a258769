"""The part of the console that shows a job in a notebook, as the one text that a notebook loads.

The text holds the console's own modules, each as it is: ``notebook-loader.js``, its end, makes them
modules of the browser's. So nothing is loaded from a server, and nothing is kept twice.
"""

import functools
import hashlib
import json
import re
from pathlib import Path

FOLDER = Path(__file__).parent
"""The folder of the files."""

ENTRY = "./notebook-job.js"
"""The module that shows a job."""

LOADER = "notebook-loader.js"
STYLES = ("style.css", "vendor/uplot.css")

_IMPORT = re.compile(r'(?:^import [^"]*|\bimport\()"([^"]+)"', re.MULTILINE)


@functools.cache
def bundle_notebook() -> str:
    """Return the ES module for ``anywidget``."""
    parts = {
        "MODULES": list(read_modules(ENTRY).items()),
        "STYLES": "".join(_read(name) for name in STYLES),
    }
    version = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    lines = [
        f"const {name} = {json.dumps(value)};"
        for name, value in {**parts, "VERSION": version}.items()
    ]
    return "\n".join([*lines, _read(LOADER)])


def read_modules(entry: str) -> dict[str, str]:
    """Return a module and all that it imports, by their names: each behind those that it needs."""
    found: dict[str, str] = {}

    def add(name: str) -> None:
        text = _read(name)
        # A vendored library is one file, and needs no other.
        needed = [] if name.startswith("./vendor/") else _IMPORT.findall(text)
        for other in needed:
            if other not in found:
                add(other)
        found[name] = text

    add(entry)
    return found


def _read(name: str) -> str:
    return (FOLDER / name).read_text("utf-8")
