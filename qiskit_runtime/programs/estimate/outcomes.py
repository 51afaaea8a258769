"""Values of measured outcomes: weighted sums of products of single-bit observables.

A term has a letter for each bit, the last for bit 0: I counts nothing, Z (and X or Y, measured in
its own basis) gives +1 or -1, 0 and 1 project on that value. With readout mitigation, the inverse
of each qubit's assignment matrix goes into its letters' values: the mean over all shots is then
unbiased, and its spread includes the mitigation's price.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Outcomes = Sequence[int] | NDArray[np.intp]

_LETTERS = {"I": (1, 1), "X": (1, -1), "Y": (1, -1), "Z": (1, -1), "0": (1, 0), "1": (0, 1)}
_MAX_TABLE_BITS = 12
"""Up to here the values of all outcomes are kept: an evaluation is then a look-up."""

_CHUNK = 2**22
"""The most numbers that are held at a time: outcomes times terms."""


class OutcomeValues:
    """The values of outcomes under one sum of terms."""

    def __init__(
        self,
        labels: Sequence[str],
        coefficients: Sequence[float] | Array,
        inverses: Sequence[Array] | None = None,
    ) -> None:
        self.num_bits = len(labels[0])
        self._coefficients = np.asarray(coefficients, dtype=float)
        # [bit][term, value read]; I stays 1 also with mitigation, as columns of inverses sum to 1.
        self._factors = [
            np.array([_LETTERS[label[-1 - bit]] for label in labels], dtype=float)
            for bit in range(self.num_bits)
        ]
        if inverses is not None:
            self._factors = [
                factor @ inverse for factor, inverse in zip(self._factors, inverses, strict=True)
            ]
        self._table: Array | None = None
        if self.num_bits <= _MAX_TABLE_BITS:
            self._table = self._compute_all(range(2**self.num_bits))

    def of(self, outcomes: Outcomes) -> Array:
        """Return the value of each outcome, whose bit i is the value that bit i had."""
        if self._table is None and len(outcomes) == 2**self.num_bits:
            self._table = self._compute_all(
                range(len(outcomes))
            )  # exact probabilities: all of them
        if self._table is not None:
            return self._table[np.asarray(outcomes, dtype=np.intp)]
        return self._compute_all(outcomes)

    def _compute_all(self, outcomes: Outcomes) -> Array:
        rows = max(_CHUNK // len(self._coefficients), 1)
        starts = range(0, len(outcomes), rows)
        return np.concatenate([self._compute(outcomes[start : start + rows]) for start in starts])

    def _compute(self, outcomes: Outcomes) -> Array:
        bits = unpack_bits(outcomes, self.num_bits)
        products = np.tile(self._coefficients[:, None], len(outcomes))
        for bit, factor in enumerate(self._factors):
            if not np.all(factor == 1):
                products *= factor[:, bits[:, bit]]
        values: Array = products.sum(axis=0)
        return values


def unpack_bits(outcomes: Outcomes, num_bits: int) -> NDArray[np.uint8]:
    """Return a row for each outcome, bit 0 first; integers may be of any size."""
    size = (num_bits + 7) // 8
    packed = b"".join(int(outcome).to_bytes(size, "little") for outcome in outcomes)
    rows = np.frombuffer(packed, dtype=np.uint8).reshape(-1, size)
    return np.unpackbits(rows, axis=1, bitorder="little")[:, :num_bits]


def read_counts(counts: Mapping[str, float], skipped: int = 0) -> tuple[list[int], Array]:
    """Return the outcomes of hexadecimal counts, without their first bits, and their shares."""
    weights = np.fromiter(counts.values(), dtype=float, count=len(counts))
    return [int(key, 16) >> skipped for key in counts], weights / weights.sum()


def mean_and_variance(values: Array, weights: Array) -> tuple[float, float]:
    """Return mean and variance of one shot's value."""
    mean = float(weights @ values)
    return mean, max(float(weights @ (values - mean) ** 2), 0.0)


def tail_mean_and_variance(values: Array, weights: Array, alpha: float) -> tuple[float, float]:
    """Return the mean of the lowest share ``alpha`` (the CVaR), and the variance of one shot.

    Over N shots the estimate's own variance nears this number / N (Trindade et al. 2007).
    """
    if alpha >= 1:
        return mean_and_variance(values, weights)
    order = np.argsort(values, kind="stable")
    values, weights = values[order], weights[order]
    cumulated = np.cumsum(weights)
    kept = np.clip(alpha - (cumulated - weights), 0, weights) / alpha
    threshold = float(values[np.flatnonzero(kept)[-1]])
    mean, variance = mean_and_variance(values, kept)
    return mean, (variance + (1 - alpha) * (mean - threshold) ** 2) / alpha
