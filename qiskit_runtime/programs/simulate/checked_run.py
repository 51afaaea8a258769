"""The one way of the library's programs to Aer: a simulation that failed is a program that failed.

Aer's job does not raise: a result may say that it failed, wholly or in one circuit of a list, and
some results say that all is well and hold nothing.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any

from qiskit import QuantumCircuit

from qiskit_runtime.programs.inputs.checks import naming

if TYPE_CHECKING:
    from qiskit.result import Result
    from qiskit_aer import AerSimulator


class SimulationFailed(RuntimeError):
    """Aer did not simulate a circuit; the text says which one, in Aer's words."""


def run_circuits(
    backend: "AerSimulator",
    circuits: Sequence[QuantumCircuit],
    *,
    labels: Sequence[str] | None = None,
    field: str | None = None,
    **options: Any,
) -> "Result":
    """Run circuits with options of ``backend.run``, and return what each of them gave.

    In errors, ``labels`` name the circuits, and ``field`` the inputs that Aer's refusal to run at
    all is about.

    Raises:
        SimulationFailed: one of the circuits did.
        ValueError: Aer refuses the options; the text begins with ``field``, where it is given.
    """
    with naming(field) if field else nullcontext():
        result = backend.run(list(circuits), **options).result()
    sentences = [_find_failure(experiment) for experiment in result.results]
    owners = _owners(circuits, options.get("parameter_binds"))
    failures: dict[int, str] = {}
    for owner, experiment, sentence in zip(owners, result.results, sentences, strict=False):
        if sentence or _lacks_data(circuits[owner], experiment):
            failures.setdefault(owner, sentence or "Aer made no shot, and said that it succeeded")
    if failures:
        names = labels or [f"circuit {index}" for index in range(len(circuits))]
        raise SimulationFailed(_describe(failures, circuits, names))
    if not result.success:
        raise SimulationFailed(f"the simulation failed: {_strip(result.status)}")
    return result


def _find_failure(experiment: Any) -> str | None:
    """Return Aer's sentence about a circuit that failed."""
    return None if experiment.success else _strip(getattr(experiment, "status", "no reason given"))


def _strip(status: Any) -> str:
    return str(status).removeprefix("ERROR:").strip()


def _owners(circuits: Sequence[QuantumCircuit], binds: Any) -> "chain[int]":
    """Return the circuit of each of Aer's experiments: one for each set of bound values."""
    first_values = [next(iter(bind.values()), [None]) for bind in binds or ()]
    sizes = [len(values) for values in first_values] or [1] * len(circuits)
    return chain.from_iterable(repeat(index, size) for index, size in enumerate(sizes))


def _lacks_data(circuit: QuantumCircuit, experiment: Any) -> bool:
    """Return whether a circuit that measures, or saves, has nothing to show for it."""
    return not experiment.data.to_dict() and _is_observed(circuit)


def _is_observed(circuit: QuantumCircuit) -> bool:
    return any(
        item.operation.name == "measure"
        or item.operation.name.startswith("save_")
        or any(map(_is_observed, getattr(item.operation, "blocks", ())))
        for item in circuit.data
    )


def _describe(
    failures: dict[int, str], circuits: Sequence[QuantumCircuit], labels: Sequence[str]
) -> str:
    """Return the first failure's sentence, and which other circuits failed."""
    [first, sentence], *others = failures.items()
    named = f"{labels[first]} ({circuits[first].name!r})"
    rest = f" ({len(others)} more failed, {labels[others[0][0]]} the next)" if others else ""
    return f"the simulation failed: {named}: {sentence}{rest}"
