"""Values of outcomes: signs and projectors, wide registers, mitigation, tails."""

import numpy as np
import pytest

from qiskit_runtime.programs.estimate.outcomes import (
    OutcomeValues,
    mean_and_variance,
    read_counts,
    tail_mean_and_variance,
    unpack_bits,
)
from tests.programs.drawn import draw_rng, draw_terms


@pytest.mark.parametrize("width", [1, 5, 13, 70])
def test_values_are_products_of_letters(width):
    """Each outcome's value is the sum of its terms' products, looked up or computed, any width."""
    rng, seed = draw_rng()
    terms = draw_terms(rng, width, 4, letters="IXYZ01")
    drawn = [int("".join(rng.choice(["0", "1"], width)), 2) for _ in range(20)]
    factors = {"I": (1, 1), "X": (1, -1), "Y": (1, -1), "Z": (1, -1), "0": (1, 0), "1": (0, 1)}
    expected = [
        sum(
            coefficient
            * np.prod([factors[letter][outcome >> i & 1] for i, letter in enumerate(label[::-1])])
            for label, coefficient in terms
        )
        for outcome in drawn
    ]

    found = OutcomeValues(*zip(*terms)).of(drawn)
    assert found == pytest.approx(expected), seed


def test_mitigated_values_have_the_true_mean():
    """The mean of mitigated values over the misread distribution is that of the true one."""
    rng, seed = draw_rng()
    width = 3
    terms = draw_terms(rng, width, 6, letters="IZ01")
    truth = rng.dirichlet(np.ones(2**width))
    matrices = [np.array([[1 - a, b], [a, 1 - b]]) for a, b in rng.uniform(0, 0.3, (width, 2))]
    # Bit 0 is the last factor.
    everything = np.kron(matrices[2], np.kron(matrices[1], matrices[0]))
    inverses = [np.linalg.inv(matrix) for matrix in matrices]
    outcomes = range(2**width)

    raw = OutcomeValues(*zip(*terms)).of(outcomes)
    mitigated = OutcomeValues(*zip(*terms), inverses).of(outcomes)
    assert mitigated @ (everything @ truth) == pytest.approx(raw @ truth), seed


def test_bits():
    """Bit 0 comes first, and integers may be wider than machine words."""
    assert unpack_bits([6, 2**70], 71)[:, [0, 1, 2, 70]].tolist() == [[0, 1, 1, 0], [0, 0, 0, 1]]


def test_counts_become_shares():
    """Hexadecimal counts become outcomes and shares that sum to 1."""
    outcomes, shares = read_counts({"0x3": 30, "0x0": 10})

    assert outcomes == [3, 0]
    assert shares.tolist() == [0.75, 0.25]


def test_mean_and_variance():
    """Mean and variance of a drawn distribution are NumPy's."""
    rng, seed = draw_rng()
    values, shares = rng.normal(size=9), rng.dirichlet(np.ones(9))
    mean = np.average(values, weights=shares)

    found = mean_and_variance(values, shares)
    assert found == pytest.approx((mean, np.average((values - mean) ** 2, weights=shares))), seed


def test_tail_and_its_spread():
    """The tail's mean is that of the sorted samples, and its spread the one of many estimates."""
    rng, seed = draw_rng()
    values, shares = rng.normal(size=200), rng.dirichlet(np.ones(200))
    alpha, shots, repeats = 0.3, 2000, 300
    mean, variance = tail_mean_and_variance(values, shares, alpha)
    samples = np.sort(rng.choice(values, (repeats, shots), p=shares))[:, : int(alpha * shots)]
    estimates = samples.mean(axis=1)

    assert abs(estimates.mean() - mean) < 6 * (variance / shots / repeats) ** 0.5 + 2e-3, seed
    assert 0.8 < estimates.std() / (variance / shots) ** 0.5 < 1.25, seed
    assert tail_mean_and_variance(values, shares, 1.0) == mean_and_variance(values, shares)
