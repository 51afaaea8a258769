"""The JSON forms agree with the official client's, and hostile data gets nothing for its trouble.

The payloads of 2021 are built here by hand, from the layout that Qiskit documents for QPY 1 to 3.
"""

import base64
import io
import json
import struct
import subprocess
import sys
import uuid
import zipfile
import zlib
from datetime import UTC, date, datetime
from typing import Any

import numpy
import pytest
import scipy.sparse
from qiskit import QuantumCircuit, qpy
from qiskit.circuit import Gate, Parameter, ParameterVector
from qiskit.circuit.library import CXGate, RXGate
from qiskit.primitives import StatevectorEstimator, StatevectorSampler
from qiskit.primitives.containers import BindingsArray, DataBin, PrimitiveResult, PubResult
from qiskit.quantum_info import (
    Choi,
    DensityMatrix,
    Kraus,
    Operator,
    Pauli,
    PauliLindbladMap,
    PauliList,
    SparsePauliOp,
    Statevector,
    Z2Symmetries,
)
from qiskit.result import Result
from qiskit.transpiler import CouplingMap
from qiskit_aer.noise import NoiseModel, depolarizing_error
from qiskit_ibm_runtime import RuntimeDecoder as LibraryDecoder
from qiskit_ibm_runtime import RuntimeEncoder as LibraryEncoder
from qiskit_ibm_runtime.results import EstimatorPubResult
from qiskit_ibm_runtime.results.noise_learner import PauliLindbladError

from qiskit_runtime import serialization
from qiskit_runtime.codec import compressed_text
from qiskit_runtime.serialization import RuntimeDecoder, RuntimeEncoder

PATHS = pytest.mark.parametrize(
    ("encoder", "decoder"),
    [
        pytest.param(RuntimeEncoder, RuntimeDecoder, id="ours-ours"),
        pytest.param(RuntimeEncoder, LibraryDecoder, id="ours-library"),
        pytest.param(LibraryEncoder, RuntimeDecoder, id="library-ours"),
    ],
)


def through(
    value: Any,
    encoder: type[json.JSONEncoder] = RuntimeEncoder,
    decoder: type[json.JSONDecoder] = RuntimeDecoder,
) -> Any:
    return json.loads(json.dumps(value, cls=encoder), cls=decoder)


def decoded(kind: str, value: Any, **more: Any) -> Any:
    return json.loads(
        json.dumps({"__type__": kind, "__value__": value, **more}), cls=RuntimeDecoder
    )


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def bell() -> QuantumCircuit:
    circuit = QuantumCircuit(2, 2, name="bell", metadata={"shots": 3})
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure([0, 1], [0, 1])
    return circuit


def ansatz() -> QuantumCircuit:
    """A circuit with parameters, an expression, a gate of one's own and control flow."""
    theta, phases = Parameter("θ"), ParameterVector("φ", 2)
    circuit = QuantumCircuit(2, 1, global_phase=0.25)
    circuit.rx(2 * theta + 1, 0)
    circuit.rz(phases[1], 1)
    circuit.append(Gate("oracle", 2, [0.5]), [0, 1])
    circuit.measure(0, 0)
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.x(1)
    return circuit


def primitive_result() -> PrimitiveResult[Any]:
    sampled = StatevectorSampler(seed=1).run([bell()], shots=20).result()[0]
    values = numpy.array([0.5, 1])
    data = DataBin(evs=values, stds=values, shape=(2,))
    pubs = [sampled, PubResult(data, {"shots": 3}), EstimatorPubResult(data), PubResult(DataBin())]
    return PrimitiveResult(pubs, {"version": 2})


def counts_result() -> Result:
    return Result.from_dict(
        {
            "backend_name": "aer_simulator",
            "backend_version": "0.8.2",
            "qobj_id": "q1",
            "job_id": "j1",
            "success": True,
            "results": [
                {
                    "shots": 4,
                    "success": True,
                    "status": "DONE",
                    "data": {"counts": {"0x0": 1, "0x3": 3}},
                    "header": {"name": "bell", "memory_slots": 2, "creg_sizes": [["c", 2]]},
                }
            ],
        }
    )


# The frequent types, which this module handles itself.


@PATHS
@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        "text",
        [1, 2.5, {"deep": [1]}],
        1 + 2j,
        complex(float("inf"), -0.0),
        {1, 2, 3},
        datetime(2021, 7, 1, 12, 30, 15, 250, tzinfo=UTC),
        datetime(2021, 7, 1),
        bell(),
        ansatz(),
        {"nested": [{"z": 1j, "circuits": [bell(), bell()]}]},
    ],
    ids=lambda value: type(value).__name__,
)
def test_frequent_value_sent_and_read_is_equal(
    value: Any, encoder: type[json.JSONEncoder], decoder: type[json.JSONDecoder]
) -> None:
    """A frequent value survives between any two of our codec and the official client's."""
    result = through(value, encoder, decoder)
    assert result == value
    assert type(result) is type(value)


@PATHS
@pytest.mark.parametrize(
    "array",
    [
        numpy.arange(6).reshape(2, 3),
        numpy.asfortranarray(numpy.arange(6.0).reshape(2, 3)),
        numpy.array(0.5),
        numpy.zeros((0, 3)),
        numpy.array([1j, 2], dtype=numpy.complex64),
        numpy.array([True, False]),
        numpy.array(["0", "11"]),
        numpy.array(["2021-07-01"], dtype="datetime64[D]"),
        numpy.zeros(2, dtype=[("a", "<i4"), ("b", "<f8")]),
    ],
    ids=lambda array: f"{array.dtype}{array.shape}",
)
def test_array_sent_and_read_keeps_values_shape_and_dtype(
    array: Any, encoder: type[json.JSONEncoder], decoder: type[json.JSONDecoder]
) -> None:
    """An array survives with its shape and data type, whichever side wrote or read it."""
    result = through(array, encoder, decoder)
    numpy.testing.assert_array_equal(result, array)
    assert (result.shape, result.dtype) == (array.shape, array.dtype)


@pytest.mark.parametrize(
    "value",
    [1j, {1}, numpy.arange(3), date(2021, 7, 1), bell(),
     counts_result(), numpy.int64(3), numpy.float64(0.1), numpy.complex128(1j),
     primitive_result(), primitive_result()[0], primitive_result()[1].data,
     primitive_result()[0].data.c],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_frequent_value_is_written_as_the_library_writes_it(value: Any) -> None:
    """For a frequent type our JSON text is the library's, byte for byte."""
    assert json.dumps(value, cls=RuntimeEncoder) == json.dumps(value, cls=LibraryEncoder)


@pytest.mark.parametrize(
    ("scalar", "plain"),
    [
        (numpy.int8(-3), -3),
        (numpy.int32(7), 7),
        (numpy.uint64(2**64 - 1), 2**64 - 1),
        (numpy.float16(0.5), 0.5),
        (numpy.float32(0.25), 0.25),
        (numpy.longdouble(0.5), 0.5),
        (numpy.bool_(True), True),
        (numpy.complex64(1 + 2j), 1 + 2j),
        (numpy.str_("x"), "x"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_numpy_scalar_arrives_as_a_plain_number(scalar: Any, plain: Any) -> None:
    """Every NumPy scalar is written as the Python value that it equals."""
    result = through({"value": scalar}, RuntimeEncoder, LibraryDecoder)["value"]
    assert result == plain
    assert type(result) is type(plain)


@pytest.mark.parametrize("value", [b"raw", numpy.bytes_(b"raw"), numpy.timedelta64(3, "s")])
def test_value_without_a_json_form_is_refused_by_name(value: Any) -> None:
    """Bytes and time spans raise a TypeError that names their type."""
    with pytest.raises(TypeError, match=type(value).__name__):
        json.dumps(value, cls=RuntimeEncoder)


def test_unknown_object_is_refused_by_name() -> None:
    """An object of a class nobody knows raises the TypeError of plain JSON."""

    class Secret:
        pass

    with pytest.raises(TypeError, match="Secret is not JSON serializable"):
        json.dumps(Secret(), cls=RuntimeEncoder)


@PATHS
def test_date_sent_arrives_as_its_midnight(
    encoder: type[json.JSONEncoder], decoder: type[json.JSONDecoder]
) -> None:
    """A date is read as a datetime at midnight, as the library reads it."""
    assert through(date(2021, 7, 1), encoder, decoder) == datetime(2021, 7, 1)


def test_set_of_pairs_sent_comes_back_whole() -> None:
    """A set of tuples, such as the edges of a device, is a set of tuples again."""
    assert through({(0, 1), (1, 2)}) == {(0, 1), (1, 2)}


@PATHS
def test_circuit_metadata_with_an_array_can_be_sent(
    encoder: type[json.JSONEncoder], decoder: type[json.JSONDecoder]
) -> None:
    """Metadata of a circuit may hold what plain JSON lacks."""
    circuit = bell()
    circuit.metadata = {"weights": numpy.arange(2)}
    assert through(circuit, encoder, decoder).data == circuit.data


def test_circuit_metadata_comes_back_decoded() -> None:
    """Our decoder restores the metadata that our encoder wrote."""
    circuit = bell()
    circuit.metadata = {"gain": 1j, "edges": {(0, 1)}}
    assert through(circuit).metadata == circuit.metadata


def test_circuit_is_written_in_a_qpy_version_clients_read() -> None:
    """A circuit is written in QPY 17 or what an older Qiskit has, as the library does."""
    value = json.loads(json.dumps(bell(), cls=RuntimeEncoder))["__value__"]
    version = qpy.get_qpy_version(io.BytesIO(zlib.decompress(base64.b64decode(value))))
    assert version == min(17, qpy.QPY_VERSION)


@PATHS
def test_result_sent_keeps_its_counts(
    encoder: type[json.JSONEncoder], decoder: type[json.JSONDecoder]
) -> None:
    """A backend's Result survives, its counts included."""
    result = through(counts_result(), encoder, decoder)
    assert result.to_dict() == counts_result().to_dict()
    assert result.get_counts() == {"00": 1, "11": 3}


def test_callable_becomes_null_with_a_warning() -> None:
    """A callable is written as null, and the library's warning says so."""
    with pytest.warns(UserWarning, match="will be set to None"):
        assert json.dumps({"callback": print}, cls=RuntimeEncoder) == '{"callback": null}'


@PATHS
@pytest.mark.parametrize("text", ['{"a": 1}', {"a": [1]}])
def test_object_with_to_json_arrives_as_what_it_returned(
    text: Any, encoder: type[json.JSONEncoder], decoder: type[json.JSONDecoder]
) -> None:
    """The value that to_json returned arrives untouched, text or not."""

    class Model:
        def to_json(self) -> Any:
            return text

    assert through(Model(), encoder, decoder) == text


# The rest: written and read by the library's classes.


@PATHS
@pytest.mark.parametrize(
    "value",
    [
        Pauli("-iXYZ"),
        PauliList(["XX", "ZI"]),
        SparsePauliOp(["XX", "ZI"], [0.5, 1j]),
        Operator.from_label("XH"),
        Choi(Operator.from_label("X")),
        Kraus(Operator.from_label("H")),
        Parameter("θ"),
        RXGate(0.25),
        CXGate(label="mine"),
        PauliLindbladMap.from_list([("XX", 0.1), ("ZI", 0.2)]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_rare_value_sent_and_read_is_equal(
    value: Any, encoder: type[json.JSONEncoder], decoder: type[json.JSONDecoder]
) -> None:
    """Operators, parameters and gates survive between any two of the codecs."""
    result = through(value, encoder, decoder)
    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize("encoder", [RuntimeEncoder, LibraryEncoder])
@pytest.mark.parametrize(
    "value",
    [
        Statevector.from_label("0+"),
        DensityMatrix.from_label("r1"),
        Z2Symmetries.find_z2_symmetries(SparsePauliOp(["ZZ", "XX"])),
    ],
    ids=lambda value: type(value).__name__,
)
def test_state_that_the_library_cannot_read_back_is_read_here(
    value: Any, encoder: type[json.JSONEncoder]
) -> None:
    """States are written by the library and read by us, although the library reads no states."""
    assert through(value, encoder) == value


@PATHS
def test_parameter_sent_is_the_same_parameter(
    encoder: type[json.JSONEncoder], decoder: type[json.JSONDecoder]
) -> None:
    """A parameter keeps its identity, so that it still binds the circuit sent with it."""
    circuit = QuantumCircuit(1)
    theta = Parameter("θ")
    circuit.rx(theta, 0)
    read_circuit, read_theta = through([circuit, theta], encoder, decoder)
    assert read_circuit.assign_parameters({read_theta: 0.5}).data[0].params == [0.5]


@PATHS
def test_sparse_matrix_sent_and_read_is_equal(
    encoder: type[json.JSONEncoder], decoder: type[json.JSONDecoder]
) -> None:
    """A SciPy sparse matrix survives."""
    matrix = scipy.sparse.csr_matrix([[0, 1.5], [0, 0]])
    assert (through(matrix, encoder, decoder) != matrix).nnz == 0


@PATHS
def test_sampler_result_sent_keeps_its_bits(
    encoder: type[json.JSONEncoder], decoder: type[json.JSONDecoder]
) -> None:
    """A sampler's PrimitiveResult, nested five types deep, keeps counts and metadata."""
    result = StatevectorSampler(seed=1).run([bell()], shots=20).result()
    read = through(result, encoder, decoder)
    assert read[0].data.c.get_counts() == result[0].data.c.get_counts()
    assert read[0].metadata == result[0].metadata
    assert type(read[0]) is type(result[0])


@PATHS
def test_estimator_result_sent_keeps_its_values(
    encoder: type[json.JSONEncoder], decoder: type[json.JSONDecoder]
) -> None:
    """An estimator's PrimitiveResult keeps its values and their errors."""
    circuit = bell().remove_final_measurements(inplace=False)
    result = StatevectorEstimator().run([(circuit, [["ZZ", "XX"]])]).result()
    read = through(result, encoder, decoder)
    numpy.testing.assert_array_equal(read[0].data.evs, result[0].data.evs)
    numpy.testing.assert_array_equal(read[0].data.stds, result[0].data.stds)


@PATHS
def test_bindings_sent_keep_names_and_shape(
    encoder: type[json.JSONEncoder], decoder: type[json.JSONDecoder]
) -> None:
    """A BindingsArray keeps its parameter names, values and shape."""
    bindings = BindingsArray({("a", "b"): numpy.arange(6.0).reshape(3, 2), "c": [1, 2, 3]})
    read = through(bindings, encoder, decoder)
    assert read.shape == (3,)
    numpy.testing.assert_array_equal(
        read.as_array(["c", "b", "a"]), bindings.as_array(["c", "b", "a"])
    )


# Aer deprecates from_dict without offering another way; the official client calls it too.
@pytest.mark.filterwarnings("ignore:from_dict has been deprecated:DeprecationWarning")
@PATHS
def test_noise_model_sent_and_read_is_equal(
    encoder: type[json.JSONEncoder], decoder: type[json.JSONDecoder]
) -> None:
    """Aer's NoiseModel survives."""
    noise = NoiseModel()
    noise.add_all_qubit_quantum_error(depolarizing_error(0.1, 1), ["x"])
    assert through(noise, encoder, decoder) == noise


@PATHS
def test_learned_noise_sent_keeps_its_rates(
    encoder: type[json.JSONEncoder], decoder: type[json.JSONDecoder]
) -> None:
    """A learned Pauli noise, written in the library's _json form, is read again."""
    read = through(PauliLindbladError(PauliList(["X", "Z"]), [0.1, 0.2]), encoder, decoder)
    assert read.rates.tolist() == [0.1, 0.2]


def test_coupling_map_is_written_as_its_edges() -> None:
    """A coupling map is a list of edges."""
    assert through(CouplingMap([(0, 1), (1, 2)])) == [[0, 1], [1, 2]]


# What clients of 2021 wrote.

THETA = Parameter("theta", uuid=uuid.UUID(int=5))


def parameter_bytes() -> bytes:
    return struct.pack("!H16s", 5, THETA.uuid.bytes) + b"theta"


def expression_bytes(srepr: str, symbol_letter: bytes = b"") -> bytes:
    """PARAMETER_EXPR; ``symbol_letter`` is what version 3 added before the kind of the value."""
    element = symbol_letter + struct.pack("!cQ", b"p", 0) + parameter_bytes()
    return struct.pack("!QQ", 1, len(srepr)) + srepr.encode() + element


def instruction_bytes(
    name: bytes, qubits: int, clbits: int = 0, angle: float | None = None, label: bytes = b""
) -> bytes:
    """INSTRUCTION of QPY 1 to 4."""
    counts = (len(name), len(label), int(angle is not None), qubits, clbits, False, 0, 0)
    bits = [struct.pack("!cI", b"q", i) for i in range(qubits)]
    bits += [struct.pack("!cI", b"c", i) for i in range(clbits)]
    parameter = b"" if angle is None else struct.pack("!cQ", b"f", 8) + struct.pack("<d", angle)
    return struct.pack("!HHHII?Hq", *counts) + name + label + b"".join(bits) + parameter


def circuit_bytes(version: int) -> bytes:
    """A whole file: h on the first of two qubits, which are the register q."""
    header = {
        1: struct.pack("!HdIIQIQ", 3, 0.5, 2, 0, 2, 1, 1),
        2: struct.pack("!HcHIIQIQ", 3, b"f", 8, 2, 0, 2, 1, 1),
    }[version]
    phase = b"" if version == 1 else struct.pack("!d", 0.5)
    register = struct.pack("!c?IH", b"q", True, 2, 1) + b"q" + struct.pack("!II", 0, 1)
    instruction = struct.pack("!HHHII?Hq", 5, 0, 0, 1, 0, False, 0, 0) + b"HGate"
    instruction += struct.pack("!cI", b"q", 0)
    return b"".join(
        [
            struct.pack("!6s4BQ", b"QISKIT", version, 0, 18, 1, 1),
            *(header, b"old", phase, b"{}", register, bytes(8), instruction),
        ]
    )


@pytest.mark.parametrize("version", [1, 2])
def test_circuit_of_2021_is_read(version: int) -> None:
    """A circuit in the QPY versions of 2021 is read with its name, register and phase."""
    circuit = decoded("QuantumCircuit", b64(zlib.compress(circuit_bytes(version))))
    assert (circuit.name, circuit.global_phase, circuit.qregs[0].name) == ("old", 0.5, "q")
    assert circuit.count_ops() == {"h": 1}


@pytest.mark.parametrize("symbol_letter", [b"", b"p"], ids=["2021", "2022"])
def test_parameter_expression_of_2021_is_read(symbol_letter: bytes) -> None:
    """An expression is read in the layout of 2021 and in the one that followed."""
    text = "Add(Mul(Integer(2), Symbol('theta')), Float('0.5', precision=53))"
    value = b64(expression_bytes(text, symbol_letter))
    assert decoded("ParameterExpression", value) == 2 * THETA + 0.5


def test_lone_parameter_sent_as_expression_in_2021_is_that_parameter() -> None:
    """A Parameter, which 2021 wrote as an expression too, keeps its identity."""
    assert decoded("ParameterExpression", b64(expression_bytes("Symbol('theta')"))) == THETA


def test_constant_expression_of_2021_is_read() -> None:
    """An expression without any parameter left is read as its value."""
    text = "Float('0.5', precision=53)"
    value = b64(struct.pack("!QQ", 0, len(text)) + text.encode())
    assert float(decoded("ParameterExpression", value)) == 0.5


@pytest.mark.parametrize(
    ("part", "name", "params"),
    [
        (instruction_bytes(b"RXGate", 1, angle=0.25), "rx", [0.25]),
        (instruction_bytes(b"CXGate", 2), "cx", []),
        (instruction_bytes(b"Measure", 1, 1), "measure", []),
    ],
    ids=["RXGate", "CXGate", "Measure"],
)
def test_instruction_of_2021_is_read(part: bytes, name: str, params: list[float]) -> None:
    """An instruction in the bare layout of 2021 is read with its parameters."""
    instruction = decoded("Instruction", b64(part))
    assert (instruction.name, instruction.params) == (name, params)


def test_operator_of_2021_by_its_module_path_is_read() -> None:
    """A class of qiskit.quantum_info is found although its module has moved or gone since."""
    module = "qiskit.quantum_info.operators.symplectic.a_module_of_2021"
    pauli = decoded("settings", {"data": "XY"}, __module__=module, __class__="Pauli")
    assert pauli == Pauli("XY")


# What must not be trusted.


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("subprocess", "Popen"),
        ("builtins", "eval"),
        ("no_such_module_as_this", "Pauli"),
        ("no_such_module_as_this", "LayerError"),
        ("qiskit.quantum_info_evil", "Pauli"),
        ("qiskit.quantum_info.operators.no_such_module_as_this", "importlib"),
        ("qiskit.quantum_info.operators.predicates", "np"),
        ("qiskit.opflow.primitive_ops.pauli_sum_op", "PauliSumOp"),
        (None, None),
        (["os"], {"system": 1}),
    ],
)
@pytest.mark.parametrize("kind", ["settings", "_json"])
def test_class_outside_the_allowed_ones_is_refused_by_name(
    kind: str, module: Any, name: Any
) -> None:
    """A class not on the list is an error that names it, and its module is never imported."""
    before = set(sys.modules)
    with pytest.raises(ValueError, match=f"^{kind}: .*not among those made from data") as error:
        decoded(kind, {"data": "touch /tmp/pwned"}, __module__=module, __class__=name)
    assert f"{module}.{name}" in str(error.value)
    assert set(sys.modules) == before
    assert "no_such_module_as_this" not in sys.modules


@pytest.mark.parametrize("kind", ["ndarray", "QuantumCircuit", "Instruction"])
def test_compressed_bomb_is_refused_by_the_limit(kind: str) -> None:
    """A value that inflates past the limit is an error that names the limit."""
    bomb = b64(zlib.compress(bytes(compressed_text.MAX_INFLATED_BYTES + 1), 9))
    assert len(bomb) < 2**19
    with pytest.raises(
        ValueError, match=f"{kind}: .*limit of {compressed_text.MAX_INFLATED_BYTES}"
    ):
        decoded(kind, bomb)


def test_sparse_matrix_bomb_is_refused_by_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """An archive whose members inflate past the limit together is refused unread."""
    monkeypatch.setattr(compressed_text, "MAX_INFLATED_BYTES", 1000)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data.npy", bytes(600))
        archive.writestr("indices.npy", bytes(600))
    with pytest.raises(ValueError, match="spmatrix: .*limit of 1000"):
        decoded("spmatrix", b64(buffer.getvalue()))


def test_bomb_in_the_keys_of_bindings_stays_text() -> None:
    """Keys of a BindingsArray are read as plain JSON: no typed value hides in them."""
    key = json.dumps([{"__type__": "ndarray", "__value__": "x"}])
    with pytest.raises(ValueError, match="BindingsArray"):
        decoded("BindingsArray", {"shape": [1], "data": {key: [1]}})


def test_array_of_exactly_the_limit_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit itself is allowed."""
    buffer = io.BytesIO()
    numpy.save(buffer, numpy.zeros(10))
    monkeypatch.setattr(compressed_text, "MAX_INFLATED_BYTES", len(buffer.getvalue()))
    assert decoded("ndarray", b64(zlib.compress(buffer.getvalue()))).shape == (10,)


def npy(array: Any, allow_pickle: bool = False) -> bytes:
    buffer = io.BytesIO()
    numpy.save(buffer, array, allow_pickle=allow_pickle)
    return buffer.getvalue()


def test_array_without_its_checksum_is_refused() -> None:
    """Compressed data that lacks only its last bytes is an error, although every value is there."""
    with pytest.raises(ValueError, match="ndarray: .*ends early"):
        decoded("ndarray", b64(zlib.compress(npy(numpy.arange(3)))[:-2]))


def npz(array: Any) -> bytes:
    buffer = io.BytesIO()
    numpy.savez(buffer, array=array)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "data",
    [npy(numpy.array([print], dtype=object), True), npz(numpy.zeros(1)), b"", npy(1)[:-3],
     npy(1).replace(b"(), ", b"(2**9,), ")],
    ids=["pickle", "archive", "empty", "cut", "shape"],
)  # fmt: skip
def test_array_file_of_another_kind_is_refused(data: bytes) -> None:
    """Only a whole .npy file without pickled objects is an array."""
    with pytest.raises(ValueError, match="^ndarray: cannot be decoded"):
        decoded("ndarray", b64(zlib.compress(data)))


TYPES_WITH_CONTENT = sorted(set(serialization._DECODERS) - {"settings", "_json", "to_json"})


@pytest.mark.parametrize(
    "text",
    ["", "not base64!", b64(b"not zlib"), b64(zlib.compress(b"x" * 99)[:-5])],
    ids=["empty", "alphabet", "not-zlib", "cut"],
)
@pytest.mark.parametrize("kind", sorted(set(TYPES_WITH_CONTENT) - {"ObservablesArray", "set"}))
def test_damaged_text_is_a_value_error_that_names_the_type(kind: str, text: str) -> None:
    """Text that is no payload of its type is a ValueError that starts with the type."""
    with pytest.raises(ValueError, match=f"^{kind}: cannot be decoded"):
        decoded(kind, text)


# Aer deprecates from_dict without offering another way; the official client calls it too.
@pytest.mark.filterwarnings("ignore:from_dict has been deprecated:DeprecationWarning")
@pytest.mark.parametrize("value", [7, None, [1], [[1]], {}, {"shape": 1, "data": 1}], ids=repr)
@pytest.mark.parametrize("kind", TYPES_WITH_CONTENT)
def test_value_of_another_shape_raises_nothing_but_a_value_error(kind: str, value: Any) -> None:
    """Plain JSON in place of a payload is read as far as it makes sense, or is a ValueError."""
    try:
        decoded(kind, value)
    except ValueError as error:
        assert str(error).startswith(f"{kind}: cannot be decoded")  # noqa: PT017  (or no error)


def test_instruction_of_too_many_qubits_is_refused() -> None:
    """A 2021 instruction that claims four billion qubits is an error."""
    part = struct.pack("!HHHII?Hq", 5, 0, 0, 2**32 - 1, 0, False, 0, 0) + b"HGate"
    with pytest.raises(ValueError, match="Instruction: .*more bits"):
        decoded("Instruction", b64(part))


@pytest.mark.parametrize(
    "user_data",
    [
        {"__type__": "ndarray"},
        {"__type__": "settings", "__class__": "Pauli"},
        {"__type__": "NoSuchType", "__value__": {"a": 1}},
        {"__type__": None, "__value__": 1},
        {"__type__": ["set"], "__value__": [1]},
        {"__value__": 3},
    ],
)
def test_dictionary_that_only_looks_typed_stays_as_it_is(user_data: dict[str, Any]) -> None:
    """A dictionary of a user's own with such keys is returned unchanged."""
    assert through({"mine": user_data}) == {"mine": user_data}


# What it costs.

CIRCUIT_AND_ARRAY = """
import numpy, qiskit
values = [numpy.arange(3), qiskit.QuantumCircuit(1), 1j]
s.json.loads(s.json.dumps(values, cls=s.RuntimeEncoder), cls=s.RuntimeDecoder)
"""

PRIMITIVE_RESULT = """
import numpy
from qiskit.primitives import BitArray, DataBin, PrimitiveResult, PubResult, SamplerPubResult
bits = BitArray(numpy.zeros((5, 1), numpy.uint8), 2)
pubs = [SamplerPubResult(DataBin(meas=bits)), PubResult(DataBin(evs=numpy.array(0.5)))]
s.json.dumps(PrimitiveResult(pubs, {"version": 2}), cls=s.RuntimeEncoder)
"""


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("", ("qiskit_ibm_runtime", "qiskit", "numpy", "scipy", "qiskit_aer")),
        ("s.json.dumps([{1}, 1j, {}], cls=s.RuntimeEncoder)", ("qiskit_ibm_runtime", "qiskit")),
        (CIRCUIT_AND_ARRAY, ("qiskit_ibm_runtime", "qiskit_aer")),
        (PRIMITIVE_RESULT, ("qiskit_ibm_runtime", "qiskit_aer")),
    ],
    ids=["import", "plain", "circuit-and-array", "primitive-result"],
)
def test_frequent_types_leave_the_library_unimported(code: str, absent: tuple[str, ...]) -> None:
    """On the way of a frequent program nothing imports the official client's package."""
    script = f"import qiskit_runtime.serialization as s\n{code}\nimport sys; print(*sys.modules)"
    command = [sys.executable, "-c", script]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert not set(absent) & set(loaded)
