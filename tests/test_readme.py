"""The README, executed: every block of it runs, in order, in a copy of the checkout."""

import json
import os
import sys
from pathlib import Path

import pytest

from tests.cluster.target import require_cluster
from tests.documents import (
    NOT_RUN,
    ON_A_CLUSTER,
    ROOT,
    Reader,
    Shell,
    make_checkout,
    make_environment,
    normalise,
    read_blocks,
)

README = ROOT / "README.md"


def choose_blocks(*, on_a_cluster):
    """The blocks that are (not) for a cluster, with what they print."""
    chosen, is_chosen = [], True
    for block in read_blocks(README):
        if block.language != "json":
            is_chosen = (block.mark == ON_A_CLUSTER) is on_a_cluster
        if is_chosen:
            chosen.append(block)
    return chosen


@pytest.fixture
def reader(tmp_path):
    """Somebody who has just cloned the repository."""
    return Reader(make_checkout(tmp_path / "checkout"), make_environment(tmp_path))


def compare(output, text):
    """A block that shows output shows what was printed."""
    assert normalise(output) == normalise(text)


@pytest.mark.timeout(240)
def test_every_block_runs_and_prints_what_the_readme_says(reader, record_property):
    """A reader who copies the blocks in order sees what the README shows."""
    blocks = choose_blocks(on_a_cluster=False)
    run = [block for block in blocks if not block.mark.startswith(NOT_RUN)]
    reader.read(run, compare)
    not_run = len(blocks) - len(run)
    record_property("blocks not run", not_run)
    print(f"blocks of the README that were not run: {not_run}")
    assert not_run == 5, "a block that nobody runs needs a reason, and its number here"


@pytest.mark.cluster
@pytest.mark.timeout(600)
def test_every_block_for_a_cluster_runs(reader):
    """The same of the blocks that need a cluster, on the one of the other tests."""
    cluster = require_cluster()
    tools = {str(Path(tool).parent) for tool in (cluster.kubectl, cluster.helm)}
    environment = reader.environment | {
        "PATH": os.pathsep.join([*tools, reader.environment["PATH"]]),
        "KUBECONFIG": cluster.kubeconfig,
    }
    output = ""
    with Shell(reader.folder, environment) as shell:
        for block in choose_blocks(on_a_cluster=True):
            if block.language == "bash":
                output = shell.run(block.text.replace(".venv", sys.prefix))
            else:
                compare(output, block.text)


def test_every_block_is_of_a_kind_that_is_checked():
    """No block slips by the tests above unnoticed."""
    for block in read_blocks(README):
        assert block.language in {"bash", "python", "json", "text"}
        assert block.language != "python" or block.mark.startswith("file ")
        if block.language == "json" and "\n" not in block.text.strip():
            json.loads(block.text)
