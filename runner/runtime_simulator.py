"""The simulator that a program is given: Aer's, with a job's memory, random numbers and device.

Used by ``quantum_backend``, which makes one from a backend's description.
"""

import logging
import random
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from qiskit import QuantumCircuit
from qiskit.circuit.classical import expr, types
from qiskit.transpiler import Target
from qiskit_aer import AerSimulator
from qiskit_aer.backends.aerbackend import AerError

from qiskit_runtime.contract.nearest import suggest
from qiskit_runtime.programs.simulate import targets
from qiskit_runtime.programs.simulate.memory import check_memory
from runner.backend_properties import BackendStatus, make_properties

logger = logging.getLogger(__name__)


class RuntimeSimulator(AerSimulator):  # type: ignore[misc]  # (ships no types)
    """Aer's simulator, within a job's memory, and with random numbers from the job's seed.

    A run that names no seed of its own gets the next of a series: runs differ from each other, and
    a job that is run again with the same seed has them all again. It answers what programs since
    2021 ask of a backend, where there is an honest answer.
    """

    name: str
    seeds: random.Random | None = None
    width: int | None = None
    """The qubits of a device that has a number of them."""
    described_noise: Mapping[str, Any] | None = None
    """The ``NoiseSpec`` that the noise was made from; None where it is a fake device's own."""
    _device: Target | None = None
    """The gates and connections of a device that has some of its own."""
    _fitted: Target | None = None

    @property
    def device(self) -> Target:
        """The qubits, gates and connections that this is a simulation of, by whatever method."""
        if self._device is not None:
            return self._device
        names = targets.list_noisy_gates(self.options.noise_model)
        return targets.make_device(super().configuration().n_qubits, names)

    @property
    def target(self) -> Target:
        """The device, as far as the method runs it, and what it can do beside gates."""
        if self._fitted is None:
            self._fitted = targets.fit_method(self.device, self.options.method)
        return self._fitted

    def get_translation_stage_plugin(self) -> str | None:
        """The translation stage that the transpiler takes for this backend; None is its own."""
        return targets.choose_translation(self.options.method)

    def take_device(self, device: Target) -> None:
        """Become a simulation of this device."""
        # By a target of its own Aer knows that it shall run the device's gates only.
        self._device = self._target = device
        self._fitted = None
        connections = device.build_coupling_map()
        edges = None if connections is None else [list(edge) for edge in connections.get_edges()]
        self.set_options(n_qubits=device.num_qubits, coupling_map=edges)

    def properties(self) -> Any:
        """What is known of a device's qubits and gates; None where it has no number of them."""
        if self.width is None:
            return None
        version = self.configuration().backend_version
        return make_properties(self.name, version, self.device, self.described_noise)

    def set_option(self, key: str, value: Any) -> None:
        """As ``AerSimulator.set_option``; a method changes neither the name nor the width."""
        name = self.name
        width = super().configuration().n_qubits
        super().set_option(key, value)
        if key == "method":
            self.name = name
            super().set_option("n_qubits", width)
        self._fitted = None

    def configuration(self) -> Any:
        """As ``AerSimulator.configuration``, with what programs of 2021 read there."""
        configuration = super().configuration()
        configuration.backend_name = self.name
        configuration.dt = None if self._device is None else self._device.dt
        # No number limits a run; this one is Qiskit's own of 2021 for that.
        configuration.max_experiments = sys.maxsize
        if self._device is not None:
            # Aer runs no other gates then: those of the device, as each method spells them.
            names = {*self._device.operation_names, *self.target.operation_names}
            spelt = targets.TURNS if "rz" in names else ()
            configuration.basis_gates = sorted(names.union(spelt))
        return configuration

    @property
    def max_circuits(self) -> None:
        """No number limits a run."""
        return

    def provider(self) -> None:
        """None: the backend is the program's argument, and of no provider."""

    def defaults(self) -> None:
        """None: there are no pulses, and no defaults of them."""

    def status(self) -> BackendStatus:
        """It is there, and no job waits before this one."""
        return BackendStatus(self.name, self.configuration().backend_version)

    def run(self, circuits: Any, parameter_binds: Any = None, **run_options: Any) -> Any:
        """As ``AerSimulator.run``.

        Raises:
            TooLarge: a circuit needs more memory than the job has.
            ValueError: it has more qubits than the device, or variables that Aer can't read.
        """
        self._check_width(circuits)
        _check_variables(circuits)
        self._warn_of_unknown(run_options)
        check_memory(self, circuits, run_options, as_they_are=True)
        if run_options.get("seed_simulator") is None:
            run_options.pop("seed_simulator", None)
            if self.seeds is not None and self.options.seed_simulator is None:
                run_options["seed_simulator"] = self.seeds.randrange(2**31)
        return super().run(circuits, parameter_binds, **run_options)

    def _warn_of_unknown(self, names: Iterable[str]) -> None:
        """Log which options do nothing: Aer drops a name that it does not know without a word."""
        if not (unknown := [name for name in names if name not in self.options]):
            return
        # Imported here: a run with known options, as most are, does without.
        from qiskit_runtime.programs.simulate.aer_options import DEVICE_OPTIONS, option_names

        known = option_names(self)
        for name in unknown:
            if name not in known | DEVICE_OPTIONS:
                logger.warning(
                    "run: Aer has no option %r, so it does nothing%s", name, suggest(name, known)
                )

    def _check_width(self, circuits: Any) -> None:
        for circuit in circuits if isinstance(circuits, list | tuple) else [circuits]:
            if self.width is not None and circuit.num_qubits > self.width:
                raise ValueError(
                    f"circuit {circuit.name!r} has {circuit.num_qubits} qubits,"
                    f" and the backend {self.name} has {self.width}"
                )

    def _execute_circuits_job(self, *args: Any, **kwargs: Any) -> Any:
        """As Aer's, which says of an untranspiled circuit no more than a gate's name."""
        try:
            return super()._execute_circuits_job(*args, **kwargs)
        except AerError as error:
            what, _, name = error.message.partition("unknown instruction: ")
            if what or not name:
                raise
            raise AerError(
                f"unknown instruction: {name} is none of the backend {self.name}'s;"
                " translate the circuit for it first: transpile(circuit, backend)"
            ) from error


def _check_variables(circuits: Any) -> None:
    """See that Aer can simulate the circuits' variables.

    Raises:
        ValueError: one is read, or is a Bool; circuit and variable are named.
    """
    for circuit in circuits if isinstance(circuits, list | tuple) else [circuits]:
        if not isinstance(circuit, QuantumCircuit):
            continue
        for variable in _find_broken(circuit):
            raise ValueError(
                f"circuit {circuit.name!r} uses the variable {variable.name!r}, and Aer can't read"
                " variables: use a bit of a classical register"
            )


def _find_broken(circuit: QuantumCircuit) -> Iterator[expr.Var]:
    # Most circuits have none, and are not looked through.
    variables = [*circuit.iter_vars()]
    yield from (variable for variable in variables if isinstance(variable.type, types.Bool))
    if variables:
        yield from _find_read(circuit)


def _find_read(circuit: QuantumCircuit) -> Iterator[expr.Var]:
    """The variables in conditions, in what is switched by, and in what is stored."""
    for item in circuit.data:
        for name in ("condition", "target", "rvalue"):
            value = getattr(item.operation, name, None)
            if isinstance(value, expr.Expr):
                yield from (found for found in expr.iter_vars(value) if found.standalone)
        for block in getattr(item.operation, "blocks", ()):
            yield from _find_read(block)
