"""Documents that are executed: their fenced blocks, a shell to run them in, allowed differences.

A comment before a block says how to take it: ``file PATH`` (it is written there), ``from PATH`` (it
is part of that file), ``in the background until URL``, ``on a cluster``, ``drawn as PICTURE``, or
``not run here: WHY``. Any other block of bash is run; any other block is the output of the last.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
DOCS = ROOT / "docs"
BLOCK = re.compile(
    r"(?:<!-- (?P<mark>[^\n]*) -->\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
END = "--- end of block"
NOT_RUN = "not run here: "
ON_A_CLUSTER = "on a cluster"
BACKGROUND = "in the background until "
FILE = "file "
PART = "from "
DRAWN = "drawn as "
PORT = "8000"
"""The port in documents; tests take a free one."""


@dataclass(frozen=True)
class Block:
    """A fenced block, with the comment before it that says how to take it."""

    mark: str
    language: str
    text: str


def read_blocks(document):
    """A document's fenced blocks, in order."""
    text = document.read_text(encoding="utf-8")
    blocks = [
        Block(found["mark"] or "", found["language"], found["text"])
        for found in BLOCK.finditer(text)
    ]
    assert len(blocks) == text.count("\n```") / 2, f"{document}: a block that is not seen"
    return blocks


def read_parts(document, *, on_a_cluster):
    """Return the blocks of a document that are (not) for a cluster."""
    return [one for one in read_blocks(document) if (one.mark == ON_A_CLUSTER) is on_a_cluster]


class Shell:
    """A bash that runs all blocks, as a reader has one terminal."""

    def __init__(self, folder, environment):
        self.process = subprocess.Popen(
            ["bash"], cwd=folder, env=environment, text=True, encoding="utf-8",
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def run(self, text):
        """The block's output; a command that fails ends it."""
        self.process.stdin.write(f"{{ set -e\n{text}\n}} </dev/null\necho; echo '{END}'\n")
        self.process.stdin.flush()
        lines = []
        for line in self.process.stdout:
            if line.rstrip("\n") == END:
                return "".join(lines)
            lines.append(line)
        pytest.fail(f"a command of this block failed:\n{text}\n{''.join(lines)}")
        return None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(timeout=10)


class Background:
    """Commands that stay, until ``stop`` ends them as Ctrl-C would."""

    def __init__(self, folder, environment):
        self.folder, self.environment = folder, environment
        self.processes = []

    def start(self, command, address):
        """Start it, and wait until the address answers."""
        process = subprocess.Popen(
            ["bash", "-c", f"exec {command}"],
            cwd=self.folder, env=self.environment, start_new_session=True,
        )  # fmt: skip
        self.processes.append(process)
        deadline = time.monotonic() + 60
        while True:
            assert process.poll() is None, f"{command!r} ended by itself"
            try:
                urllib.request.urlopen(address, timeout=5).close()
            except OSError:
                assert time.monotonic() < deadline, f"{address} never answered"
                time.sleep(0.1)
            else:
                return

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            os.killpg(process.pid, signal.SIGINT)
            process.wait(timeout=20)


@dataclass(frozen=True)
class Reader:
    """Somebody who copies a document's blocks, in order, in a checkout of their own."""

    folder: Path
    environment: dict[str, str]
    venv: str = sys.prefix
    """The virtual environment in place of .venv."""

    def read(self, blocks, compare):
        """Take the blocks; returns the output of each block of bash that ran.

        ``compare(output, text)`` is called for each block that is what the last one prints.
        """
        port = str(find_free_port())
        environment = self.environment | {"RUNTIME_URL": f"http://127.0.0.1:{port}"}
        outputs = []
        with Shell(self.folder, environment) as shell, Background(self.folder, environment) as stay:
            for block in blocks:
                text = block.text.replace(PORT, port).replace(".venv", self.venv)
                if block.mark.startswith((NOT_RUN, DRAWN)):
                    continue
                if block.mark.startswith(FILE):
                    self._write(block.mark.removeprefix(FILE), text)
                elif block.mark.startswith(PART):
                    assert block.text in (ROOT / block.mark.removeprefix(PART)).read_text("utf-8")
                elif block.mark.startswith(BACKGROUND):
                    stay.start(
                        text.strip(), block.mark.removeprefix(BACKGROUND).replace(PORT, port)
                    )
                elif block.language == "bash":
                    outputs.append(shell.run(text))
                else:
                    compare(outputs[-1], text)
        return outputs

    def on_cluster(self, cluster):
        """Return the same reader, with kubectl and helm for this cluster."""
        tools = {str(Path(tool).parent) for tool in (cluster.kubectl, cluster.helm)}
        path = os.pathsep.join([*tools, self.environment["PATH"]])
        environment = self.environment | {"PATH": path, "KUBECONFIG": cluster.kubeconfig}
        return Reader(self.folder, environment, self.venv)

    def _write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def normalise(text):
    """The text without what a run may change: ids, times, counts, and the counts' order."""
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<id>", text.strip())
    # kubectl's, where another group of the cluster has the same short names.
    text = re.sub(r"^Warning: short name .*\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "<time>", text)
    text = re.sub(r'"(Queued|Running|Completed)"', '"<status>"', text)
    text = re.sub(r'"(started|finished)":(null|"<time>")', r'"\1":<time>', text)
    # A short job may have ended when it is looked at.
    text = re.sub(r'"(progress|seeds|versions)":(null|\{[^}]*\})', r'"\1":<at the end>', text)
    text = re.sub(r"  ([01 ]+)  [█▏▎▍▌▋▊▉]+ +\d+ +[\d.]+ %", r"  \1 <bar>", text)
    text = re.sub(r"after \d+\.\d s", "after <seconds>", text)
    outcome = r'\\?"(?:00|11) 00\\?": \d+'
    return re.sub(rf"\{{{outcome}, {outcome}\}}", "<counts>", text)


def make_checkout(folder):
    """A copy of the checkout's files, as a clone has them."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    for name in listed.stdout.splitlines():
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)
    return folder


def make_environment(folder):
    """This environment, with the tests' own virtual environment in place of .venv.

    To make it is ready whatever its age: the tests run, so it is installed.
    """
    venv = folder / "venv"
    venv.mkdir()
    (venv / "bin").symlink_to(Path(sys.prefix) / "bin")
    (venv / ".runtime-ready").touch()
    kept = {key: value for key, value in os.environ.items() if not key.startswith("RUNTIME_")}
    return kept | {
        "VENV": str(venv),
        "RUNTIME_DATA": str(folder / "data"),
        "NO_COLOR": "1",
        "COLUMNS": "100",
        "NO_PROXY": "127.0.0.1",
    }


def find_free_port():
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
