"""Every random choice of a job from its one seed, so that a rerun repeats it.

The initial point, the optimiser and each of the simulator's runs draw from streams of their own:
one draw more in one of them changes nothing in the others.
"""

import numpy as np


class Seeds:
    """The streams of one job; without a seed they differ from job to job."""

    def __init__(self, seed: int | None) -> None:
        points, optimizer, runs = np.random.SeedSequence(seed).spawn(3)
        self.points = np.random.default_rng(points)
        self.optimizer = int(optimizer.generate_state(1)[0])
        self._runs = np.random.default_rng(runs)

    def draw_run(self) -> int:
        """The seed of the simulator's next run."""
        return int(self._runs.integers(2**31))
