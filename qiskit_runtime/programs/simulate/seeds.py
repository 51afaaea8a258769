"""The seeds of a job: all that is random in it follows from one number, so a rerun repeats it.

Each run of the simulator has a seed of its own: runs with one seed between them would draw the same
numbers, and share their errors. The rule has two faces:

``seed_of_run`` is for programs whose runs are numbered (``sampler``, ``estimator``,
``circuit-runner``, random circuits, kernels). Run 0 has the job's own seed, so it repeats what Aer
alone gives with that seed.

``Seeds`` is for programs that draw as they go (the variational ones, ``sample-expval``). The
initial point, the optimiser and the runs draw from separate streams: one draw more in one of them
changes nothing in the others.
"""

import numpy as np

_LIMIT = 2**63
"""Aer's seeds are less than this."""

_CALIBRATION = 1_000_003
"""The number of the run that calibrates the readout: beyond those of the job itself."""


class Seeds:
    """The streams of one job; without a seed they differ from job to job."""

    def __init__(self, seed: int | None) -> None:
        points, optimizer, runs = np.random.SeedSequence(seed).spawn(3)
        self.points = np.random.default_rng(points)
        self.optimizer = int(optimizer.generate_state(1)[0])
        self._runs = np.random.default_rng(runs)

    def draw_run(self) -> int:
        """Return the seed of the simulator's next run."""
        return int(self._runs.integers(2**31))


def seed_of_run(seed: int | None, index: int) -> int | None:
    """Return the seed of a job's run number ``index``; None without a seed of the job."""
    return None if seed is None else (seed + index) % _LIMIT


def seed_of_calibration(seed: int | None) -> int | None:
    """Return the seed of the readout's calibration for a run with this seed."""
    return seed_of_run(seed, _CALIBRATION)


def seed_of_transpiler(own: int | None, seed: int | None) -> int | None:
    """Return the transpiler's seed: its own if there is one, otherwise the job's."""
    return seed if own is None else own
