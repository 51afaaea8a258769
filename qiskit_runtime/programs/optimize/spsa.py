"""SPSA and QN-SPSA of qiskit-algorithms, with options as JSON has them.

One defect of qiskit-algorithms 0.4 is mended here: where the function is flat around the start,
``SPSA.calibrate`` divides by zero and the parameters become NaN. So the calibration is called here,
and a learning rate that is not finite is replaced.
"""

import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qiskit_runtime.contract.nearest import suggest
from qiskit_runtime.programs.estimate.fidelity import check_invertible
from qiskit_runtime.programs.inputs.checks import check_flag, check_integer, check_number
from qiskit_runtime.programs.optimize.minimization import Minimum, Objective, OptimizerContext

if TYPE_CHECKING:
    from qiskit import QuantumCircuit
    from qiskit_algorithms.optimizers import SPSA

Array = NDArray[np.float64]

NAMES = ("SPSA", "QN-SPSA")

_CALIBRATION = 50
"""Evaluations that find the first step's length."""
_STDDEV = 25
"""Evaluations that find the loss's spread, for ``blocking``."""
_BATCH = 10
"""Points that are evaluated in one run at most: more would make the progress jumpy."""


def _check_rate(name: str, value: Any) -> Any:
    """Return a number for all iterations, or an array with one for each; None is calibrated."""
    if value is None:
        return None
    items = value.tolist() if isinstance(value, np.ndarray) else value
    if isinstance(items, list | tuple):
        return np.array([check_number(f"{name}[{i}]", item) for i, item in enumerate(items)])
    return check_number(name, items)


def _check_perturbation(name: str, value: Any) -> Any:
    """Return a perturbation, in the form of a rate; slopes are divided by it."""
    perturbation = _check_rate(name, value)
    if perturbation is not None and np.any(np.asarray(perturbation) <= 0):
        raise ValueError(f"{name}: expected numbers over 0, got {value!r}")
    return perturbation


def _check_resamplings(name: str, value: Any) -> int | dict[int, int]:
    """Return a number, or numbers by iteration; JSON's keys are text."""
    if not isinstance(value, Mapping):
        return check_integer(name, value, 1)
    if not all(str(key).isdecimal() for key in value):
        raise ValueError(f"{name}: expected numbers of iterations as keys, got {list(value)!r}")
    return {int(key): check_integer(f"{name}[{key}]", item, 1) for key, item in value.items()}


def _check_hessian(name: str, value: Any) -> Array | None:
    if value is None:
        return None
    try:
        matrix = np.asarray(value)
    except ValueError:
        matrix = np.zeros(0)
    is_real = matrix.dtype.kind in "iuf"
    if not is_real or matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"{name}: expected a square matrix of real numbers")
    return matrix.astype(float)


_OPTIONS: dict[str, tuple[Callable[[str, Any], Any], Any]] = {
    "maxiter": (lambda name, value: check_integer(name, value, 1), 100),
    "blocking": (check_flag, None),
    "allowed_increase": (
        lambda name, value: None if value is None else check_number(name, value),
        None,
    ),
    "trust_region": (check_flag, False),
    "learning_rate": (_check_rate, None),
    "perturbation": (_check_perturbation, None),
    "resamplings": (_check_resamplings, 1),
    "last_avg": (lambda name, value: check_integer(name, value, 1), 1),
    "second_order": (check_flag, False),
    "hessian_delay": (lambda name, value: check_integer(name, value, 0), 0),
    "regularization": (
        lambda name, value: None if value is None else check_number(name, value, 0),
        None,
    ),
    "initial_hessian": (_check_hessian, None),
}
"""By option: its check, and its default."""

_NOT_OF_QN_SPSA = ("trust_region", "second_order")


def read(field: str, name: str, options: Mapping[str, Any]) -> "Spsa":
    """Return the optimiser with these options.

    Raises:
        ValueError: an option that is unknown, refused, or of a wrong value.
    """
    for option in options:
        if option not in _OPTIONS:
            hint = suggest(option, _OPTIONS)
            known = ", ".join(_OPTIONS)
            raise ValueError(f"{field}: {option!r} is no option of {name}: {known}{hint}")
        if name == "QN-SPSA" and option in _NOT_OF_QN_SPSA and options[option] is not None:
            raise ValueError(f"{field}.{option}: QN-SPSA does not have this option")
    values = {option: default for option, (_, default) in _OPTIONS.items()}
    # By default QN-SPSA takes a step only if the loss allows it, and SPSA takes every step.
    values["blocking"] = name == "QN-SPSA"
    for option, value in options.items():
        if value is not None:  # which stands for the default
            values[option] = _OPTIONS[option][0](f"{field}.{option}", value)
    if (values["learning_rate"] is None) != (values["perturbation"] is None):
        raise ValueError(f"{field}: learning_rate and perturbation go together: give both or none")
    for rate in ("learning_rate", "perturbation"):
        if np.ndim(values[rate]) and len(values[rate]) < values["maxiter"]:
            raise ValueError(
                f"{field}.{rate}: has {len(values[rate])} numbers for"
                f" {values['maxiter']} iterations"
            )
    return Spsa(field, name == "QN-SPSA", values)


@dataclass(frozen=True)
class Spsa:
    """SPSA, or QN-SPSA, which scales its steps by the ansatz's own geometry."""

    field: str
    is_natural: bool
    options: Mapping[str, Any]

    def check_ansatz(self, ansatz: "QuantumCircuit") -> None:
        """Refuse one of another size than the Hessian, or one that QN-SPSA can't undo."""
        hessian, size = self.options["initial_hessian"], ansatz.num_parameters
        if hessian is not None and len(hessian) != size:
            raise ValueError(
                f"{self.field}.initial_hessian: has {len(hessian)} rows for {size} parameters"
            )
        if self.is_natural:
            check_invertible(ansatz)

    def count_evaluations(self, num_parameters: int) -> int:
        """Return their exact number."""
        del num_parameters
        maxiter, resamplings = self.options["maxiter"], self.options["resamplings"]
        samples = (
            sum(resamplings.get(step, 1) for step in range(1, maxiter + 1))
            if isinstance(resamplings, dict)
            else maxiter * resamplings
        )
        count: int = samples * (4 if self.options["second_order"] else 2) + 1
        if self.options["learning_rate"] is None:
            count += _CALIBRATION
        if self.options["blocking"]:
            count += 1 + maxiter
            count += _STDDEV if self.options["allowed_increase"] is None else 0
        return count

    def minimize(self, objective: Objective, start: Array, context: OptimizerContext) -> Minimum:
        """Search; the history has the loss, point and time of each step that was taken.

        Without ``blocking``, a step's loss is the mean of those that its gradient was made of:
        the new point's own would cost one evaluation more.
        """
        from qiskit_algorithms.utils import algorithm_globals

        algorithm_globals.random_seed = context.seed
        history: dict[str, list[Any]] = {"loss": [], "params": [], "time": []}

        def note_step(_nfev: int, point: Array, loss: Any, _step: Any, _accepted: bool) -> bool:
            history["loss"].append(float(loss))
            history["params"].append(point.tolist())
            history["time"].append(time.time())
            context.on_step(point)
            return False

        learning_rate, perturbation = self._rates(objective, start)
        optimizer = self._build(learning_rate, perturbation, note_step, context)
        optimizer.set_max_evals_grouped(_BATCH)
        result = optimizer.minimize(objective, start.copy())
        return Minimum(
            point=np.asarray(result.x, dtype=float),
            value=float(result.fun),
            evaluations=int(result.nfev),
            iterations=int(result.nit),
            is_success=True,
            message="Optimization terminated successfully.",
            history=history,
        )

    def _rates(self, objective: Objective, start: Array) -> tuple[Any, Any]:
        from qiskit_algorithms.optimizers import SPSA

        if self.options["learning_rate"] is not None:
            return self.options["learning_rate"], self.options["perturbation"]
        with np.errstate(divide="ignore", invalid="ignore"), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Calibration failed")
            rate, perturbation = SPSA.calibrate(objective, start, max_evals_grouped=_BATCH)
        if not np.isfinite(next(rate())):
            return lambda: iter(_decreasing(0.2 * np.pi)), perturbation
        return rate, perturbation

    def _build(
        self,
        learning_rate: Any,
        perturbation: Any,
        note_step: Callable[..., bool],
        context: OptimizerContext,
    ) -> "SPSA":
        from qiskit_algorithms.optimizers import QNSPSA, SPSA

        options = dict(self.options)
        options |= {"learning_rate": learning_rate, "perturbation": perturbation}
        options["termination_checker"] = note_step
        if not self.is_natural:
            return SPSA(**options)
        # Its constructor does not take it, but it averages as SPSA does.
        last_avg = options.pop("last_avg")
        for name in _NOT_OF_QN_SPSA:
            del options[name]
        optimizer = QNSPSA(context.make_fidelity(), **options)
        optimizer.last_avg = last_avg
        return optimizer


def _decreasing(first: float) -> Iterator[float]:
    step = 0
    while True:
        step += 1
        yield first / step**0.602
