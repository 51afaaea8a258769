"""The documents' example of the official client, with the client from PyPI in its environment.

``tests/docs`` and ``tests/test_readme`` run the same blocks with the library that is installed
beside the server; here nothing of this project is on the client's path.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.clients.environments import NEWEST, require_client
from tests.documents import DOCS, FILE, PORT, README, read_blocks

EXAMPLE = f"{FILE}bell.py"

DOCUMENTS = [
    document
    for document in (README, *sorted(DOCS.rglob("*.md")))
    if EXAMPLE in document.read_text("utf-8")
]
"""The documents that have it."""

LINES = 12
"""An example is short, or nobody reads it."""


def find_example(document):
    """Return the example's source, and the commands of the block after it."""
    blocks = read_blocks(document)
    at = next(number for number, block in enumerate(blocks) if block.mark == EXAMPLE)
    return blocks[at].text, blocks[at + 1].text


def run_example(document, target, folder):
    """Run the commands as a reader does whose Python has the official client alone."""
    source, commands = find_example(document)
    (folder / "bell.py").write_text(source, encoding="utf-8")
    # The shell asks this project's command for the variables, as the documents say.
    tools = folder / "tools"
    tools.mkdir()
    (tools / "qiskit-runtime").symlink_to(Path(sys.prefix, "bin", "qiskit-runtime"))
    path = os.pathsep.join([str(require_client(NEWEST).parent), str(tools), os.environ["PATH"]])
    variables = {"PATH": path, "RUNTIME_URL": target.url, "RUNTIME_TOKEN": target.token}
    environment = target.variables() | variables | {"HOME": str(folder)}
    del environment["PYTHONPATH"]
    setting = 'set -e\neval "$(qiskit-runtime env)"\n'
    done = subprocess.run(
        ["bash", "-c", setting + commands.replace(PORT, target.url.rpartition(":")[2])],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.stem)
def test_example_runs(document, local, tmp_path):
    """The example prints something, without a change to it."""
    assert run_example(document, local, tmp_path).strip()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.stem)
def test_example_is_short(document):
    """A reader sees at a glance that nothing but the environment differs from IBM's own."""
    source, _ = find_example(document)
    assert len([line for line in source.splitlines() if line.strip()]) <= LINES
    assert "127.0.0.1" not in source


def test_a_document_has_the_example():
    """The example is not lost."""
    assert DOCUMENTS
