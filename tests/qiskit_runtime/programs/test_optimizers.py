"""Optimisers: each finds a known minimum, counts, reports, and has its options checked."""

import numpy as np
import pytest
from qiskit.circuit.library import real_amplitudes

from qiskit_runtime.programs.optimize.minimization import Objective, OptimizerContext
from qiskit_runtime.programs.optimize.optimizers import read_optimizer
from qiskit_runtime.programs.optimize.scipy_minimizers import METHODS
from tests.programs.conftest import RecordingMessenger
from tests.programs.drawn import check_progress, draw_rng

RATES = {"learning_rate": 0.1, "perturbation": 0.05}


class Bowl:
    """A quadratic function with a drawn minimum; counts the rows that it was asked for."""

    def __init__(self, center):
        self.center, self.rows = center, 0

    def evaluate(self, points):
        """The values at the rows."""
        self.rows += len(points)
        return ((points - self.center) ** 2).sum(axis=1) - 1, np.zeros(len(points))


def search(optimizer, function, start, is_sampled=False):
    """Minimise; give what was found, the objective and the progress."""
    messenger = RecordingMessenger()
    objective = Objective(function, messenger)
    objective.total = optimizer.count_evaluations(len(start))
    context = OptimizerContext(
        seed=7,
        is_sampled=is_sampled,
        make_fidelity=lambda: lambda a, b: np.exp(-((np.array(a) - b) ** 2).sum(axis=-1) / 4),
    )
    minimum = optimizer.minimize(objective, start, context)
    expected = objective.total
    objective.finish()
    check_progress(messenger.progress, objective.evaluations)
    return minimum, objective, expected


@pytest.mark.parametrize("is_sampled", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_every_minimizer_of_scipy(method, is_sampled):
    """Each finds a drawn minimum, with its gradients and Hessians of either width."""
    rng, seed = draw_rng()
    bowl = Bowl(rng.uniform(-1, 1, 3))
    start = rng.uniform(-1, 1, 3)
    kept = start.copy()
    optimizer = read_optimizer("optimizer", {"name": method.lower(), "maxiter": 400})
    minimum, objective, _ = search(optimizer, bowl, start, is_sampled)

    assert minimum.value == pytest.approx(-1, abs=1e-3), seed
    assert minimum.point == pytest.approx(bowl.center, abs=0.03), seed
    assert objective.evaluations == bowl.rows
    assert minimum.history is None
    assert start.tolist() == kept.tolist()


@pytest.mark.parametrize(
    "options",
    [
        {"name": "SPSA"},
        {"name": "spsa", "blocking": True},
        {"name": "SPSA", "blocking": True, "allowed_increase": 0.1} | RATES,
        {"name": "SPSA", "trust_region": True, "last_avg": 5} | RATES,
        {"name": "SPSA", "learning_rate": 1, "perturbation": 1, "trust_region": True, "maxiter": 3},
        {"name": "SPSA", "learning_rate": [0.1] * 60, "perturbation": np.full(60, 0.1)},
        {"name": "SPSA", "resamplings": {"1": 4, "2": 2}},
        {"name": "SPSA", "second_order": True, "resamplings": 2, "hessian_delay": 3} | RATES,
        {"name": "QN-SPSA"},
        {"name": "qn_spsa", "blocking": False, "regularization": 0.1, "last_avg": 3, "maxiter": 9},
        {"name": "QNSPSA", "initial_hessian": np.eye(3).tolist(), "hessian_delay": 5},
    ],
)
def test_options_of_spsa(options):
    """Each option does its work: the minimum is near, and the number of evaluations foreseen."""
    rng, seed = draw_rng()
    bowl = Bowl(rng.uniform(-1, 1, 3))
    # From a start that is near the minimum, steps are too long, and blocking refuses them all.
    start = bowl.center + rng.uniform(0.5, 1, 3) * rng.choice([-1, 1], 3)
    optimizer = read_optimizer("optimizer", {"maxiter": 60} | options)
    minimum, objective, expected = search(optimizer, bowl, start)

    assert objective.evaluations == expected == bowl.rows
    assert minimum.iterations == options.get("maxiter", 60)
    assert 0 < len(minimum.history["loss"]) <= minimum.iterations
    if "maxiter" not in options:
        assert minimum.value < -0.8, seed


def test_one_seed_is_one_search():
    """The perturbations of SPSA follow from the seed."""
    start = np.zeros(3)
    optimizer = read_optimizer("optimizer", {"name": "SPSA", "maxiter": 5})
    first, second = (search(optimizer, Bowl(np.ones(3)), start)[0] for _ in range(2))

    assert first.point.tolist() == second.point.tolist()


@pytest.mark.parametrize("name", ["SPSA", "QN-SPSA"])
def test_flat_function(name):
    """A function that is flat everywhere leaves the point finite."""

    class Flat:
        def evaluate(self, points):
            return np.full(len(points), 2.0), np.zeros(len(points))

    optimizer = read_optimizer("optimizer", {"name": name, "maxiter": 3})
    minimum, _, _ = search(optimizer, Flat(), np.zeros(2))

    assert minimum.value == 2
    assert np.all(np.isfinite(minimum.point))


def test_default_is_spsa():
    """None and an object without a name are SPSA; a name alone is enough."""
    assert read_optimizer("o", None) == read_optimizer("o", {}) == read_optimizer("o", "SPSA")
    assert read_optimizer("o", None, default_maxiter=300).options["maxiter"] == 300


def test_scipy_options():
    """maxiter, tol and SciPy's own options reach the method; an unknown one is refused."""
    bowl = Bowl(np.ones(2))
    few = read_optimizer("o", {"name": "TNC", "maxiter": 2, "tol": 1e-3})
    assert search(few, bowl, np.zeros(2))[0].evaluations <= 3
    named = read_optimizer("o", {"name": "COBYLA", "options": {"rhobeg": 0.5, "maxiter": 9}})
    assert search(named, bowl, np.zeros(2))[0].evaluations == 9
    wrong = read_optimizer("o", {"name": "COBYLA", "options": {"speed": 1}})
    with pytest.raises(ValueError, match="^o.options: COBYLA: Unknown solver options: speed"):
        search(wrong, bowl, np.zeros(2))


@pytest.mark.parametrize(
    ("method", "meant"),
    [
        ("COBYLA", "rhobeg"),
        ("COBYQA", "initial_tr_radius"),
        ("Nelder-Mead", "maxfev"),
        ("Powell", "direc"),
        ("SLSQP", "ftol"),
        ("L-BFGS-B", "maxcor"),
        ("BFGS", "xrtol"),
        ("CG", "norm"),
        ("TNC", "stepmx"),
        ("Newton-CG", "xtol"),
        ("trust-constr", "barrier_tol"),
        ("dogleg", "eta"),
        ("trust-ncg", "max_trust_radius"),
        ("trust-krylov", "inexact"),
        ("trust-exact", "gtol"),
    ],
)
def test_misspelt_scipy_option_is_refused_with_the_nearest(method, meant):
    """An option that is nearly one of the method's is refused with that one's name."""
    wrong = read_optimizer("o", {"name": method, "options": {meant + "z": 1}})
    with pytest.raises(ValueError, match=f"^o.options: .*{meant}z.*; did you mean '{meant}'"):
        search(wrong, Bowl(np.ones(2)), np.zeros(2))


@pytest.mark.parametrize(
    ("begin", "value"),
    [
        ("o: expected an object", 3),
        ("o: there is no optimizer 5; there are SPSA", {"name": 5}),
        ("o: there is no optimizer 'SLSQ'; there are SPSA, .*SLSQP", {"name": "SLSQ"}),
        ("o.maxiter: expected an integer of 1 or more, got 1.5", {"maxiter": 1.5}),
        ("o.blocking: ", {"blocking": "yes"}),
        ("o.allowed_increase: ", {"allowed_increase": "much"}),
        (
            r"o.learning_rate\[1\]: .*got 'a'",
            {"learning_rate": [0.1, "a"], "perturbation": 0.1},
        ),
        ("o.perturbation: expected numbers over 0", {"learning_rate": 1, "perturbation": 0}),
        (
            "o.perturbation: expected numbers over 0",
            {"learning_rate": 1, "perturbation": [0.1, 0], "maxiter": 2},
        ),
        ("o: 'speed' is no option", {"speed": None}),
        (
            "o.learning_rate: has 2 numbers for 5",
            {"learning_rate": [1, 1], "perturbation": 1, "maxiter": 5},
        ),
        ("o.resamplings: ", {"resamplings": {"first": 2}}),
        ("o.last_avg: ", {"last_avg": 0}),
        ("o.hessian_delay: ", {"hessian_delay": -1}),
        ("o.regularization: ", {"regularization": -1}),
        ("o.initial_hessian: expected a square", {"initial_hessian": [1, 2]}),
        ("o.initial_hessian: expected .*real", {"initial_hessian": np.eye(2) * 1j}),
        ("o.maxiter: ", {"name": "CG", "maxiter": 0}),
        ("o.tol: ", {"name": "CG", "tol": -1}),
        ("o.options: expected an object", {"name": "CG", "options": [1]}),
    ],
)
def test_names_the_wrong_option(begin, value):
    """A wrong option is refused by its name."""
    with pytest.raises(ValueError, match=f"^{begin}"):
        read_optimizer("o", value)


def test_hessian_of_another_size():
    """An initial Hessian that is not the parameters' is refused with both numbers."""
    optimizer = read_optimizer("o", {"name": "QN-SPSA", "initial_hessian": [[1.0]]})
    with pytest.raises(ValueError, match="^o.initial_hessian: has 1 rows for 2 parameters"):
        optimizer.check_ansatz(real_amplitudes(2, reps=0))


@pytest.mark.parametrize("name", ["SPSA", "QN-SPSA"])
def test_none_is_the_default(name):
    """An option that is None has its default, the program's own for maxiter."""
    fields = ("maxiter", "blocking", "last_avg", "resamplings", "hessian_delay", "trust_region")
    nothing = {"name": name} | dict.fromkeys(fields)

    assert read_optimizer("o", nothing, 300) == read_optimizer("o", {"name": name}, 300)


@pytest.mark.parametrize("method", ["COBYLA", "Nelder-Mead", "BFGS"])
def test_wrong_values_of_scipy_options(method):
    """A value that SciPy can't use is refused by the field of the options."""
    option = {"COBYLA": "rhobeg", "Nelder-Mead": "xatol", "BFGS": "gtol"}[method]
    optimizer = read_optimizer("o", {"name": method, "options": {option: "a"}})
    with pytest.raises(ValueError, match=f"^o.options: {method}: "):
        search(optimizer, Bowl(np.ones(2)), np.zeros(2))


def test_errors_of_the_function_are_its_own():
    """Errors of the function are not blamed on SciPy's options."""

    class Broken:
        def evaluate(self, points):
            raise ValueError("broken")

    optimizer = read_optimizer("o", {"name": "COBYLA", "options": {"rhobeg": 1.0}})
    with pytest.raises(ValueError, match="^broken"):
        search(optimizer, Broken(), np.zeros(2))
