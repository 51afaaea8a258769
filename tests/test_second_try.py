"""The second try of a failed test, which CI gives it (``--reruns 1``)."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
SHARED = """
import pytest

made = []

@pytest.fixture(scope="module")
def names():
    made.append(None)
    return set()

def test_takes_a_name(names):
    assert "job" not in names
    names.add("job")
    assert len(made) == 2, "late"

def test_after_it(names):
    assert "job" in names
"""
"""Tests that share what the first of them leaves in it; it is late at its first try."""


def test_second_try_meets_nothing_of_the_first(tmp_path):
    """Shared fixtures are made anew for it, and the summary tells what the first try failed by."""
    (tmp_path / "test_shared.py").write_text(SHARED)
    pytest = [sys.executable, "-m", "pytest", "-p", "tests.conftest"]
    options = ["--rootdir", str(tmp_path), "-c", "/dev/null", "--reruns", "1", "-rR"]
    command = [*pytest, *options, str(tmp_path)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert "2 passed, 1 rerun" in run.stdout
    assert "first try of test_shared.py::test_takes_a_name" in run.stdout
    assert "AssertionError: late" in run.stdout
