"""The name that was meant."""

import subprocess
import sys

import pytest

from qiskit_runtime.contract.nearest import suggest


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("shotz", "shots"),
        ("SHOTS", "shots"),
        ("seed_simulater", "seed_simulator"),
        ("seed", "seed_simulator"),
        (3, None),
    ],
)
def test_nearest_name(name, meant):
    """A near name is suggested as it is written; without one there is no suggestion."""
    known = ["method", "seed_simulator", None, "shots", 3]

    assert suggest(name, known) == (f"; did you mean {meant!r}?" if meant else "")


HOSTILE = """
import random, time
from qiskit_runtime.contract.nearest import suggest
rng = random.Random(1)
known = ["".join(rng.sample("ab" * 32, 64)) for _ in range(5000)]
start = time.process_time()
suggest("".join(rng.sample("ab" * 32, 64)), known)
suggest("a" * 10**6, known)
print(time.process_time() - start)
"""


@pytest.mark.unmeasured
def test_hostile_names_take_no_time():
    """However many and long the names are, a suggestion takes well under a tenth of a second."""
    # In a process of its own: coverage would be half of the time.
    done = subprocess.run([sys.executable, "-c", HOSTILE], capture_output=True, check=True)
    assert float(done.stdout) < 0.1
