"""The README, executed: every block of it runs, in order, in a copy of the checkout."""

import json
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

from tests.cluster.target import require_cluster

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
BLOCK = re.compile(
    r"(?:<!-- (?P<mark>[^\n]*) -->\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
END = "--- end of block"
NOT_RUN = "not run here: "
ON_A_CLUSTER = "on a cluster"
BACKGROUND = "in the background until "


@dataclass(frozen=True)
class Block:
    """A fenced block, with the comment before it that says how to take it."""

    mark: str
    language: str
    text: str


def read_blocks(*, on_a_cluster=None):
    """The README's fenced blocks, in order: all, or those (not) for a cluster."""
    blocks = [
        Block(found["mark"] or "", found["language"], found["text"])
        for found in BLOCK.finditer(README.read_text(encoding="utf-8"))
    ]
    if on_a_cluster is None:
        return blocks
    chosen, is_chosen = [], True
    for block in blocks:
        if block.language != "json":
            is_chosen = (block.mark == ON_A_CLUSTER) is on_a_cluster
        if is_chosen:
            chosen.append(block)
    return chosen


class Shell:
    """One bash for all blocks, as a reader has one terminal."""

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


def normalise(text):
    """The text without what a run may change: ids, times, counts, and the counts' order."""
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<id>", text.strip())
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "<time>", text)
    text = re.sub(r'"(Queued|Running|Completed)"', '"<status>"', text)
    text = re.sub(r'"(started|finished)":(null|"<time>")', r'"\1":<time>', text)
    text = re.sub(r"  ([01 ]+)  [█▏▎▍▌▋▊▉]+ +\d+ +[\d.]+ %", r"  \1 <bar>", text)
    text = re.sub(r"after \d+\.\d s", "after <seconds>", text)
    outcome = r'\\?"(?:00|11) 00\\?": \d+'
    return re.sub(rf"\{{{outcome}, {outcome}\}}", "<counts>", text)


@pytest.fixture
def checkout(tmp_path):
    """A copy of the checkout's files, as a clone has them."""
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    folder = tmp_path / "checkout"
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


@pytest.fixture
def port():
    """A free port, in place of the README's."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def background():
    """Starts commands that stay; ends them as Ctrl-C would."""
    processes = []

    def start(command, folder, environment, address):
        process = subprocess.Popen(
            ["bash", "-c", f"exec {command}"], cwd=folder, env=environment, start_new_session=True
        )
        processes.append(process)
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

    yield start
    for process in processes:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(timeout=20)


@pytest.fixture
def environment(tmp_path):
    """This environment, with the tests' own virtual environment in place of .venv."""
    ready = Path(sys.prefix) / ".runtime-ready"
    if not ready.exists():
        # The tests run, so it is installed; make need not do it again.
        ready.touch()
    kept = {key: value for key, value in os.environ.items() if not key.startswith("RUNTIME_")}
    return kept | {
        "VENV": sys.prefix,
        "RUNTIME_DATA": str(tmp_path / "data"),
        "NO_COLOR": "1",
        "COLUMNS": "100",
    }


@pytest.mark.timeout(240)
def test_every_block_runs_and_prints_what_the_readme_says(
    checkout, port, background, environment, record_property
):
    """A reader who copies the blocks in order sees what the README shows."""
    environment["RUNTIME_URL"] = f"http://127.0.0.1:{port}"
    output = ""
    not_run = 0
    with Shell(checkout, environment) as shell:
        for block in read_blocks(on_a_cluster=False):
            text = block.text.replace("8000", str(port)).replace(".venv", sys.prefix)
            if block.mark.startswith("file "):
                path = checkout / block.mark.removeprefix("file ")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
            elif block.mark.startswith(NOT_RUN):
                not_run += 1
            elif block.mark.startswith(BACKGROUND):
                address = block.mark.removeprefix(BACKGROUND).replace("8000", str(port))
                background(text.strip(), checkout, environment, address)
            elif block.language == "bash":
                output = shell.run(text)
            else:
                assert normalise(output) == normalise(text)
    record_property("blocks not run", not_run)
    print(f"blocks of the README that were not run: {not_run}")
    assert not_run == 5, "a block that nobody runs needs a reason, and its number here"


@pytest.mark.cluster
@pytest.mark.timeout(600)
def test_every_block_for_a_cluster_runs(checkout, environment):
    """The same of the blocks that need a cluster, on the one of the other tests."""
    cluster = require_cluster()
    tools = {str(Path(tool).parent) for tool in (cluster.kubectl, cluster.helm)}
    environment["PATH"] = os.pathsep.join([*tools, environment["PATH"]])
    environment["KUBECONFIG"] = cluster.kubeconfig
    output = ""
    with Shell(checkout, environment) as shell:
        for block in read_blocks(on_a_cluster=True):
            if block.language == "bash":
                output = shell.run(block.text.replace(".venv", sys.prefix))
            else:
                assert normalise(output) == normalise(block.text)


def test_every_block_is_of_a_kind_that_is_checked():
    """No block slips by the test above unnoticed."""
    blocks = read_blocks()
    assert len(blocks) == README.read_text(encoding="utf-8").count("\n```") / 2
    for block in blocks:
        assert block.language in {"bash", "python", "json", "text"}
        assert block.language != "python" or block.mark.startswith("file ")
        if block.language == "json":
            json.loads(
                block.text.strip().splitlines()[0]
            ) if "\n" not in block.text.strip() else None
