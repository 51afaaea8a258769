"""The README, executed: every block of it runs, in order, in a copy of the checkout."""

import pytest

from tests.cluster.target import require_cluster
from tests.documents import (
    NOT_RUN,
    README,
    Reader,
    make_checkout,
    make_environment,
    normalise,
    read_blocks,
    read_parts,
)

MAX_LINES = 160


@pytest.fixture
def reader(tmp_path):
    """A reader with a fresh clone of the repository."""
    return Reader(make_checkout(tmp_path / "checkout"), make_environment(tmp_path))


def compare(output, text):
    """A block that shows output shows what was printed."""
    assert normalise(output) == normalise(text)


@pytest.mark.timeout(240)
def test_every_block_runs_and_prints_what_the_readme_says(reader):
    """A reader who copies the blocks in order sees what the README shows."""
    reader.read(read_parts(README, on_a_cluster=False), compare)


@pytest.mark.cluster
@pytest.mark.timeout(600)
def test_every_block_for_a_cluster_runs(reader):
    """The same of the blocks that need a cluster, on the one of the other tests."""
    reader.on_cluster(require_cluster()).read(read_parts(README, on_a_cluster=True), compare)


def test_no_block_is_left_out():
    """The front page has no command that nobody runs, and fits on a few screens."""
    assert not [block for block in read_blocks(README) if block.mark.startswith(NOT_RUN)]
    assert len(README.read_text("utf-8").splitlines()) <= MAX_LINES
