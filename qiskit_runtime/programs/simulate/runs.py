"""Runs on Aer: the one way of the library's programs to the simulator.

A simulation that failed is a program that failed. Aer's job does not raise: a result may say that
it failed, wholly or in one circuit of a list, and some results say that all is well and are empty.
"""

import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from qiskit import QuantumCircuit

from qiskit_runtime.programs.inputs.checks import naming
from qiskit_runtime.programs.simulate.circuit_words import describe
from qiskit_runtime.programs.simulate.seeds import seed_of_run

if TYPE_CHECKING:
    from qiskit.result import Result
    from qiskit_aer import AerSimulator

    from qiskit_runtime.messenger import UserMessenger

Pub = TypeVar("Pub")
PubResult = TypeVar("PubResult")

logger = logging.getLogger(__name__)

SMALL_QUBITS = 12
"""A state of fewer qubits is no work for two threads."""


class SimulationFailed(RuntimeError):
    """Aer did not simulate a circuit; the text says which one, in Aer's words."""


class Task(NamedTuple):
    """A circuit to be run once for each row of values of its parameters."""

    circuit: QuantumCircuit
    rows: int
    values: Mapping[str, list[float]]
    """By the name of each parameter; more names than the circuit's are allowed."""


def run_tasks(
    backend: "AerSimulator",
    tasks: Sequence[Task],
    *,
    labels: Sequence[str] | None = None,
    field: str | None = None,
    **options: Any,
) -> "Result":
    """Run circuits with many values each by one call of Aer, which binds them.

    The result has an experiment for each row of each task, in order. Binding in Aer costs a
    hundredth of binding in Python. ``labels`` and ``field`` as in ``run_circuits``.
    """
    circuits, binds, numbers = [], [], []
    for number, (circuit, rows, values) in enumerate(tasks):
        # Aer would run a circuit without parameters once, not once for each row.
        copies = 1 if circuit.num_parameters else rows
        circuits += [circuit] * copies
        binds += [{parameter: values[parameter.name] for parameter in circuit.parameters}] * copies
        numbers += [number] * copies
    if any(binds):
        options["parameter_binds"] = binds
    if labels is not None:
        labels = [labels[number] for number in numbers]
    return run_circuits(backend, circuits, labels=labels, field=field, **options)


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
    began = time.perf_counter()
    with naming(field) if field else nullcontext():
        result = backend.run(list(circuits), **options).result()
    _log_run(circuits, result, time.perf_counter() - began)
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


def run_pubs(
    pubs: Sequence[Pub],
    seed: int | None,
    run: Callable[[Pub, int | None], PubResult],
    messenger: "UserMessenger",
    field: str = "pubs",
) -> list[PubResult]:
    """Return the result of each pub, run with a seed of its own; progress is reported by pub."""
    messenger.report_progress(0, len(pubs))
    results = []
    for index, pub in enumerate(pubs):
        logger.info("%s[%d] of %d", field, index, len(pubs))
        with naming(f"{field}[{index}]"):
            results.append(run(pub, seed_of_run(seed, index)))
        messenger.report_progress(index + 1, len(pubs))
    return results


def choose_parallelism(num_qubits: int, runs: int) -> dict[str, Any]:
    """Return options of ``backend.run`` that give each thread circuits of its own.

    Left alone, Aer gives all threads to one circuit at a time; where the state is small, they spend
    two thirds of their time waiting for each other.

    Args:
        num_qubits: how many qubits the circuits use; large ones are left to Aer.
        runs: how many circuits there are, each row of parameter values counted.
    """
    if num_qubits >= SMALL_QUBITS:
        return {}
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"max_parallel_threads": min(runs, cores or 1), "max_parallel_experiments": 0}


def _log_run(circuits: Sequence[QuantumCircuit], result: "Result", seconds: float) -> None:
    """Log what was run, in one line."""
    if not logger.isEnabledFor(logging.INFO):
        return
    first = next(iter(result.results), None)
    logger.info(
        "ran %s, %d executions of %s shots with the seed %s in %.3f s",
        describe(circuits),
        len(result.results),
        getattr(first, "shots", 0),
        getattr(first, "seed_simulator", None),
        seconds,
    )


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
