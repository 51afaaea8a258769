"""Seeds for tests that draw their inputs: the same in each run, unless TEST_SEED says otherwise.

``make test`` never fails by chance; ``TEST_SEED=7 make test`` tries other inputs, and the same ones
again with the same number. ``conftest`` starts a new series for each test.
"""

import os
import random

SEED = os.environ.get("TEST_SEED", "")
"""What all series of this run are made of."""

_series = random.Random()


def start_series(test: str) -> None:
    """Have a test draw the same as in any other run of this seed, whichever tests ran before it."""
    _series.seed(f"{SEED} {test}")
    random.seed(_series.getrandbits(64))


def draw_seed(bits: int = 64) -> int:
    """Return the next seed of the running test: less than 2**bits."""
    return _series.getrandbits(bits)
