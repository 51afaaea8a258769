"""The executor's parameters and its result in the forms of each schema version.

The models are those of the official client (``ibm-quantum-schemas``), and so is the conversion from
a version's model to one ``QuantumProgram``. ``passthrough_data`` is never decoded: what came is
what goes back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from ibm_quantum_schemas.common import (  # type: ignore[import-untyped]  # (ships no types)
    CompressedTensorModel,
    TensorModel,
)
from pydantic import ValidationError
from qiskit_ibm_runtime.decoders.executor.decoder import AVAILABLE_DECODERS
from qiskit_ibm_runtime.quantum_program import QuantumProgram
from qiskit_ibm_runtime.quantum_program.params_converters import QUANTUM_PROGRAM_PARAMS_CONVERTERS

from qiskit_runtime.programs.inputs.checks import MAX_SHOTS, check_integer

PROGRAM, OPTIONS = "quantum_program", "options"

_AS_AER_DOES = {
    "init_qubits": True,
    "rep_delay": None,
    "scheduler_timing": False,
    "stretch_values": False,
}
"""The options, by the values that every simulation fulfils."""

_ECHOED = ("passthrough_data", "semantic_role")
"""Fields of the program that its result has too, by which the client knows what to make of it."""

_PLAIN_TENSORS = (np.float64, np.bool_, np.uint8, np.complex128)
"""The numbers of a ``TensorModel``; a compressed one has them all."""

Arrays = Mapping[str, np.ndarray[Any, Any]]


@dataclass(frozen=True)
class Chunk:
    """The elements of an item, ``start`` to ``stop``, that one run took, and its time."""

    item: int
    shape: tuple[int, ...]
    start: int
    stop: int
    began: datetime
    ended: datetime

    def to_span(self) -> dict[str, Any]:
        """Return it in the form of a result's ``chunk_timing``."""
        part = {
            "idx_item": self.item,
            "size": self.stop - self.start,
            "permutation": list(range(len(self.shape))),
            "element_range": [self.start, self.stop, 1],
        }
        return {"start": self.began, "stop": self.ended, "parts": [part]}


@dataclass(frozen=True)
class Asked:
    """The decoded parameters of a job."""

    version: str
    program: QuantumProgram
    echoed: Mapping[str, Any] = field(default_factory=dict)
    ignored: Sequence[str] = ()
    """The options that Aer can't fulfil, by dotted name."""


def read_params(version: Any, program: Any, options: Any) -> Asked:
    """Decode the parameters.

    Raises:
        ValueError: they are not what the version's schema says, or can't be decoded; the text
            begins with the field.
    """
    if not isinstance(version, str) or version not in QUANTUM_PROGRAM_PARAMS_CONVERTERS:
        known = ", ".join(QUANTUM_PROGRAM_PARAMS_CONVERTERS)
        raise ValueError(f"schema_version: expected one of {known}, got {version!r}")
    for name, value in ((PROGRAM, program), (OPTIONS, options)):
        if not isinstance(value, Mapping):
            raise ValueError(f"{name}: expected an object, got {type(value).__name__}")
    check_integer(f"{PROGRAM}.shots", program.get("shots"), 1, MAX_SHOTS)
    _check_level(program.get("meas_level"))
    converter = QUANTUM_PROGRAM_PARAMS_CONVERTERS[version]
    decoded = {name: value for name, value in program.items() if name not in _ECHOED}
    with _naming_fields():
        # The model's own checks decode what is in it, so that they fail as decoding does.
        model = converter.model.model_validate(
            {"schema_version": version, PROGRAM: decoded, OPTIONS: options}
        )
        quantum_program, _ = converter.decoder(model)
    echoed = {name: program.get(name) for name in _ECHOED}
    return Asked(version, quantum_program, echoed, _find_ignored(model.options.model_dump()))


def write_result(asked: Asked, results: Sequence[Arrays], chunks: Sequence[Chunk]) -> Any:
    """Return the result's JSON form: the items' arrays, and when each chunk of them was run."""
    model = AVAILABLE_DECODERS[asked.version][1]
    tensor = CompressedTensorModel if asked.version >= "v2" else TensorModel
    is_first = asked.version == "v0.1"
    data = [
        {
            "results": {name: _write(tensor, array) for name, array in arrays.items()},
            "metadata": None if is_first else {},
        }
        for arrays in results
    ]
    timing = {"chunk_timing": [chunk.to_span() for chunk in chunks]}
    written = model.model_validate({"data": data, "metadata": timing}).model_dump(mode="json")
    known = {name: value for name, value in asked.echoed.items() if name in model.model_fields}
    if asked.ignored:
        written["metadata"]["ignored_options"] = list(asked.ignored)
    return written | known


@contextmanager
def _naming_fields() -> Iterator[None]:
    """Turn an error of a model, or of decoding what is in it, into one that begins with a field."""
    try:
        yield
    except MemoryError:
        raise
    except ValidationError as error:
        first, *others = error.errors(include_url=False, include_input=False)
        more = f" ({len(others)} more)" if others else ""
        raise ValueError(f"{_join(first['loc'])}: {first['msg']}{more}") from None
    except Exception as error:  # QPY, zlib and samplomatic raise a dozen types for bad bytes
        raise ValueError(f"{PROGRAM}: cannot be decoded: {error}") from error


def _join(place: Sequence[int | str]) -> str:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return path.removeprefix(".")


def _check_level(level: Any) -> None:
    if level not in (None, "classified"):
        raise ValueError(
            f"{PROGRAM}.meas_level: {level!r} is no result of a simulation; use 'classified'"
        )


def _find_ignored(options: Mapping[str, Any]) -> list[str]:
    """Return the options that ask for more than a simulation has."""
    named = [name for name in _AS_AER_DOES if options.get(name) not in (None, _AS_AER_DOES[name])]
    experimental = [f"experimental.{name}" for name in options.get("experimental") or {}]
    return [f"{OPTIONS}.{name}" for name in (*named, *experimental)]


def _write(tensor: type[TensorModel], array: np.ndarray[Any, Any]) -> TensorModel:
    if tensor is TensorModel and array.dtype not in _PLAIN_TENSORS:
        array = array.astype(complex if np.iscomplexobj(array) else float)
    return tensor.from_numpy(array)
