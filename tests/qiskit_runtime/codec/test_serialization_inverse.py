"""The decoder is the inverse of the encoder for whatever the encoder writes.

Values of every kind in the codec's tables are drawn, alone and within each other.
"""

import json
import math
from datetime import UTC, datetime
from typing import ClassVar

import numpy
import pytest
import scipy.sparse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from qiskit import QuantumCircuit
from qiskit import quantum_info as qi
from qiskit.circuit import Measure, Parameter, ParameterVector
from qiskit.circuit.library import CXGate, RXGate
from qiskit.circuit.random import random_circuit
from qiskit.primitives import StatevectorEstimator, StatevectorSampler
from qiskit.primitives.containers import BindingsArray, BitArray, ObservablesArray
from qiskit.quantum_info import random_clifford, random_statevector, random_unitary
from qiskit_aer import AerSimulator
from qiskit_aer import noise as aer_noise
from qiskit_aer.backends import compatibility as aer
from qiskit_ibm_runtime import RuntimeDecoder as LibraryDecoder
from qiskit_ibm_runtime import RuntimeEncoder as LibraryEncoder
from qiskit_ibm_runtime import execution_span
from qiskit_ibm_runtime.results.estimator_pub import EstimatorPubResult
from qiskit_ibm_runtime.results.noise_learner import (
    LayerError,
    NoiseLearnerResult,
    PauliLindbladError,
)

from qiskit_runtime import serialization
from qiskit_runtime.codec import named_classes
from qiskit_runtime.serialization import RuntimeDecoder, RuntimeEncoder

pytestmark = [
    # Aer deprecates from_dict without another way, and array attributes of what it saves.
    pytest.mark.filterwarnings("ignore:from_dict has been deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The return type of saved:DeprecationWarning"),
]

SEEDS = st.integers(0, 2**20)
TODAY = datetime(2021, 7, 1, 12, 30, 15, 250, tzinfo=UTC)


def through(value, encoder=RuntimeEncoder, decoder=RuntimeDecoder):
    return json.loads(json.dumps(value, cls=encoder), cls=decoder)


def bell(seed=0):
    circuit = QuantumCircuit(2, name=f"bell-{seed}", metadata={"seed": 1j * seed})
    circuit.h(0)
    circuit.cx(0, 1)
    return circuit


def sampler_result(seed):
    measured = bell()
    measured.measure_all()
    return StatevectorSampler(seed=seed).run([measured], shots=5).result()


def estimator_result(_):
    return StatevectorEstimator().run([(bell(), [["ZZ", "XX"]])]).result()


def saved_result(method, save):
    circuit = bell()
    getattr(circuit, save)()
    return AerSimulator(method=method).run(circuit, shots=3, seed_simulator=1).result()


def noise_model(seed):
    rate = 1 / (2 + seed)
    noise = aer_noise.NoiseModel()
    noise.add_all_qubit_quantum_error(aer_noise.depolarizing_error(rate, 2), ["cx"])
    noise.add_quantum_error(aer_noise.amplitude_damping_error(rate), ["x"], [0])
    noise.add_all_qubit_readout_error(aer_noise.ReadoutError([[1 - rate, rate], [0, 1]]))
    return noise


def spans(kind, *more):
    return execution_span.ExecutionSpans([kind(TODAY, TODAY, {0: ((2,), *more)})])


def unequal_kraus(seed):
    return qi.Kraus(([random_unitary(2, seed).data], [random_unitary(2, seed + 1).data]))


SLICE = slice(0, 1)
MAKERS = {
    "BindingsArray": lambda seed: BindingsArray({("a", "b"): [[seed, 1], [2, 3]]}),
    "BitArray": lambda seed: BitArray.from_counts({seed: 3, 1: 2}),
    "DataBin": lambda seed: sampler_result(seed)[0].data,
    "DoubleSliceSpan": lambda _: spans(execution_span.DoubleSliceSpan, SLICE, SLICE)[0],
    "EstimatorPubResult": lambda seed: EstimatorPubResult(
        estimator_result(seed)[0].data, {"a": 1j}
    ),
    "ExecutionSpan": lambda _: spans(execution_span.SliceSpan, SLICE)[0],
    "ExecutionSpans": lambda _: spans(execution_span.SliceSpan, SLICE),
    "Instruction": lambda seed: [RXGate(seed / 7), CXGate(label="mine"), Measure()][seed % 3],
    "NoiseLearnerResult": lambda seed: NoiseLearnerResult(
        [LayerError(bell(), [0, 1], PauliLindbladError(qi.PauliList(["XI", "ZZ"]), [0.1, seed]))]
    ),
    "NoiseModel": noise_model,
    "ObservablesArray": lambda seed: ObservablesArray([{"XX": 1.0 + seed}, {"ZZ": 1.0}]),
    "Parameter": lambda seed: Parameter(f"θ{seed}"),
    "ParameterVectorElement": lambda seed: ParameterVector("φ", 2 + seed % 5)[seed % 2],
    "PauliLindbladMap": lambda seed: qi.PauliLindbladMap.from_list([("XX", 1 / (1 + seed))]),
    "PrimitiveResult": sampler_result,
    "PubResult": lambda seed: estimator_result(seed)[0],
    "QuantumCircuit": lambda seed: random_circuit(3, 4, measure=True, seed=seed),
    "Result": lambda _: saved_result("automatic", "save_probabilities_dict"),
    "SamplerPubResult": lambda seed: sampler_result(seed)[0],
    "TwirledSliceSpan": lambda _: spans(execution_span.TwirledSliceSpan, True, SLICE, SLICE)[0],
    "TwirledSliceSpanV2": lambda _: spans(execution_span.TwirledSliceSpanV2, True, SLICE, SLICE, 3)[
        0
    ],
    "_json": lambda seed: PauliLindbladError(qi.PauliList(["X", "Z"]), [0.1, seed]),
    "complex": lambda seed: complex(seed, -0.0),
    "datetime": lambda seed: TODAY.replace(microsecond=seed % 1000),
    "ndarray": lambda seed: numpy.arange(seed % 7),
    "set": lambda seed: {(seed, (1, "a")), 1j, "text"},
    "spmatrix": lambda seed: scipy.sparse.csr_matrix([[0, seed], [1j, 0]]),
}
"""A value of each kind that the decoder knows, by a seed."""

MADE_BY_OTHERS = {
    "ExecutionSpanCollection": "an older library's name of ExecutionSpans",
    "ParameterExpression": "2021's; today's clients have no form for it",
    "settings": "one value for each of its classes, below",
    "to_json": "read as what to_json returned: tested in test_serialization",
}

SELF_DESCRIBED = {
    "qiskit.quantum_info": {
        "Chi": lambda seed: qi.Chi(random_unitary(2, seed)),
        "Choi": lambda seed: qi.Choi(random_unitary(2, seed)),
        "DensityMatrix": lambda seed: qi.DensityMatrix(random_statevector((2, 3), seed)),
        "Kraus": lambda seed: (
            unequal_kraus(seed) if seed % 2 else qi.Kraus(random_unitary(2, seed))
        ),
        "Operator": lambda seed: qi.Operator(random_unitary((2, 3), seed)),
        "PTM": lambda seed: qi.PTM(random_unitary(2, seed)),
        "Pauli": lambda seed: qi.Pauli("-i" * (seed % 2) + "XYZI"),
        "PauliList": lambda seed: qi.random_pauli_list(3, 4, seed),
        "SparsePauliOp": lambda seed: qi.SparsePauliOp(["XX", "ZI"], [seed, 1j]),
        "StabilizerState": lambda seed: qi.StabilizerState(random_clifford(3, seed)),
        "Statevector": lambda seed: random_statevector((2, 3), seed),
        "Stinespring": lambda seed: qi.Stinespring(random_unitary(2, seed)),
        "SuperOp": lambda seed: qi.SuperOp(random_unitary(2, seed)),
        "Z2Symmetries": lambda _: qi.Z2Symmetries.find_z2_symmetries(
            qi.SparsePauliOp(["ZZ", "XX"])
        ),
    },
    "qiskit_aer.backends.compatibility": {
        "DensityMatrix": lambda seed: aer.DensityMatrix(random_statevector(4, seed)),
        "Operator": lambda seed: aer.Operator(random_unitary(4, seed)),
        "StabilizerState": lambda seed: aer.StabilizerState(random_clifford(3, seed)),
        "Statevector": lambda seed: aer.Statevector(random_statevector(4, seed)),
        "SuperOp": lambda seed: aer.SuperOp(random_unitary(2, seed)),
    },
    "qiskit_aer.noise": {
        "PauliError": lambda _: aer_noise.PauliError(["X", "I"], [0.25, 0.75]),
        "PauliLindbladError": lambda _: aer_noise.PauliLindbladError(["X"], [0.1]),
    },
}

OBJECTS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(), st.lists(st.integers(), max_size=3)
)
PLAIN = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(),
    st.complex_numbers(allow_nan=False),
    st.datetimes(),
    arrays.arrays(
        st.one_of(
            arrays.integer_dtypes(),
            arrays.floating_dtypes(),
            arrays.complex_number_dtypes(),
            arrays.boolean_dtypes(),
            arrays.unicode_string_dtypes(),
        ),
        arrays.array_shapes(min_dims=0, min_side=0, max_side=3),
    ),
    arrays.arrays(
        numpy.dtype(object),
        arrays.array_shapes(min_dims=0, min_side=0, max_side=3),
        elements=OBJECTS,
    ),
    st.sets(st.one_of(st.integers(), st.text(), st.tuples(st.integers(), st.tuples(st.text())))),
    st.tuples(st.sampled_from(sorted(MAKERS)), SEEDS).map(lambda drawn: MAKERS[drawn[0]](drawn[1])),
)
VALUES = st.recursive(
    PLAIN,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)
    ),
    max_leaves=5,
)


def are_equal(read, value):
    """Return whether a value came back, whatever its class calls equality."""
    if type(read) is not type(value):
        return False
    if isinstance(value, dict):
        return read.keys() == value.keys() and all(are_equal(read[k], value[k]) for k in value)
    if isinstance(value, list):
        return len(read) == len(value) and all(map(are_equal, read, value))
    if isinstance(value, numpy.ndarray):
        same = (read.dtype, read.shape) == (value.dtype, value.shape)
        return same and are_equal(read.tolist(), value.tolist())
    if isinstance(value, float):
        return read == value or (math.isnan(read) and math.isnan(value))
    if isinstance(value, complex):
        return are_equal(read.real, value.real) and are_equal(read.imag, value.imag)
    if scipy.sparse.issparse(value):
        return (read != value).nnz == 0
    if value is not None and type(value).__eq__ is object.__eq__:
        return are_equal(contents(read), contents(value))
    return bool(read == value)


def contents(value):
    """Return the parts, as JSON values, of an object that has no equality of its own."""
    return json.loads(json.dumps(value, cls=LibraryEncoder))


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(value=VALUES)
def test_what_is_written_is_read_again(value):
    """Any value that can be written comes back equal and of its own type, however it is nested."""
    assert are_equal(through(value), value)


@pytest.mark.parametrize("kind", sorted(MAKERS))
def test_each_kind_of_the_table_is_read_again(kind):
    """A value of each kind that the decoder knows comes back equal and of its own type."""
    for seed in (0, 1, 2):
        value = MAKERS[kind](seed)
        assert are_equal(through(value), value)


def test_each_kind_of_the_table_has_a_value_above():
    """No kind of the decoder's table slips by: each is drawn above, or says why it is not."""
    written = {kind: json.loads(json.dumps(MAKERS[kind](1), cls=RuntimeEncoder)) for kind in MAKERS}
    kinds = {value["__type__"] for value in written.values()}
    assert kinds | MADE_BY_OTHERS.keys() == serialization._DECODERS.keys()


CLASSES = [(module, name) for module, names in SELF_DESCRIBED.items() for name in names]


@pytest.mark.parametrize(("module", "name"), CLASSES)
@pytest.mark.parametrize("encoder", [RuntimeEncoder, LibraryEncoder])
def test_each_class_that_describes_itself_is_read_again(module, name, encoder):
    """An operator, a state, or one of Aer's classes is itself again, with either writer."""
    for seed in (0, 1):
        value = SELF_DESCRIBED[module][name](seed)
        assert type(value).__name__ == name
        if name == "StabilizerState" and encoder is LibraryEncoder:
            with pytest.raises(TypeError, match="StabilizerState"):
                json.dumps(value, cls=encoder)
            continue
        read = through(value, encoder)
        assert type(read) is type(value)
        assert read == value


def test_each_class_of_the_table_has_a_value_above():
    """No class of the decoder's table slips by."""
    listed = {}
    for places in named_classes.CLASSES["settings"].values():
        listed.setdefault(places[0], set()).update(places[1])
    assert listed == {module: names.keys() for module, names in SELF_DESCRIBED.items()}


SAVES = {
    "save_density_matrix": "density_matrix",
    "save_stabilizer": "stabilizer",
    "save_statevector": "statevector",
    "save_superop": "superop",
    "save_unitary": "unitary",
}


@pytest.mark.parametrize("save", SAVES)
def test_result_with_a_saved_state_can_come_back_as_a_parameter(save):
    """A Result with one of Aer's own classes in its data keeps it, with its value."""
    result = saved_result(SAVES[save], save)
    (name,) = set(result.data()) - {"counts"}
    read = through(result)
    assert type(read.data()[name]) is type(result.data()[name])
    assert read.data()[name] == result.data()[name]
    assert read.data().get("counts") == result.data().get("counts")


def test_states_of_a_client_of_2022_are_read():
    """Aer's classes are known by the package that they were in until 2023."""
    form = json.loads(json.dumps(aer.Statevector([0, 1]), cls=LibraryEncoder))
    form["__module__"] = "qiskit.providers.aer.backends.compatibility"
    assert json.loads(json.dumps(form), cls=RuntimeDecoder) == aer.Statevector([0, 1])


@pytest.mark.parametrize(
    "array",
    [
        numpy.array([1, "a"], dtype=object),
        numpy.array([[1], [1, 2]], dtype=object),
        numpy.array([numpy.arange(2), numpy.arange(3)], dtype=object),
        numpy.array([[1, None], ["b", 2.5]], dtype=object),
    ],
    ids=["mixed", "unequal rows", "unequal arrays", "square"],
)
def test_array_of_objects_from_the_library_keeps_its_values(array):
    """An array of objects that the official client wrote has its values, rows and types again."""
    read = through(array, LibraryEncoder)
    assert read.shape == array.shape
    assert read.dtype == object
    assert are_equal(json.loads(json.dumps(contents(read))), contents(array))


def test_library_reads_an_array_of_objects_of_ours():
    """The official client reads the values of an array whose shape is written with them."""
    array = numpy.array([[1, 2], [3, None]], dtype=object)
    assert through(array, RuntimeEncoder, LibraryDecoder).tolist() == array.tolist()


def test_array_of_circuits_holds_circuits():
    """An object that NumPy could look into, such as a circuit, stays one element."""
    array = numpy.empty(2, dtype=object)
    array[:] = bell(), bell(1)
    read = through(array)
    assert [circuit.name for circuit in read] == ["bell-0", "bell-1"]
    assert through(array, LibraryEncoder).tolist() == read.tolist()


@pytest.mark.parametrize("shape", [[3], [2, 2], [-1], [10**20, 0], "x", [[1]], 2])
def test_shape_that_does_not_fit_is_a_value_error(shape):
    """A list and a shape that are not of one array are refused."""
    form = {"__type__": "ndarray", "__value__": [1, 2], "__shape__": shape}
    with pytest.raises(ValueError, match="^ndarray: cannot be decoded"):
        json.loads(json.dumps(form), cls=RuntimeDecoder)


def test_vector_element_binds_the_circuit_sent_beside_it():
    """An element of a ParameterVector is that of the circuit, and the library reads a parameter."""
    vector = ParameterVector("φ", 2)
    circuit = QuantumCircuit(1)
    circuit.rx(vector[1], 0)
    read, element = through([circuit, vector[1]])
    assert read.assign_parameters({element: 0.5}).data[0].params == [0.5]
    assert through(vector[1], RuntimeEncoder, LibraryDecoder).name == "φ[1]"


class Settings:
    """A class of a user's own that looks like one that describes itself."""

    settings: ClassVar = {"a": 1}


class Callable:
    """A class of a user's own whose objects can be called."""

    def __call__(self):
        """Do nothing."""


@pytest.mark.parametrize(
    "value",
    [
        random_clifford(2, seed=1),
        aer_noise.depolarizing_error(0.1, 1),
        qi.ScalarOp(2),
        qi.CNOTDihedral(num_qubits=1),
        Callable(),
        Settings(),
        numpy.ma.array([1, 2], mask=[False, True]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_value_that_would_be_lost_is_refused_by_name(value):
    """A value that would become null, an unreadable form, or less than it was, is a TypeError."""
    with pytest.raises(TypeError, match=f"^{type(value).__name__} is not JSON serializable: use"):
        json.dumps({"deep": [value]}, cls=RuntimeEncoder)
