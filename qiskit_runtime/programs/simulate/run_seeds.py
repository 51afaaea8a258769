"""One seed for a whole job: each of its runs has a seed that follows from its number.

For programs whose runs are numbered, and whose first one is to repeat what the same seed gives
with Aer alone. ``algorithms.seeds`` is for those that draw as they go.
"""

MOST_SEEDS = 2**63


def seed_of_run(seed: int | None, index: int) -> int | None:
    """The seed of a job's run number ``index``: run 0 has the job's own seed.

    Runs with one seed between them would draw the same numbers, and share their errors.
    """
    return None if seed is None else (seed + index) % MOST_SEEDS
