"""Operators as clients send them: every form that is taken, and what is refused."""

import numpy as np
import pytest
from qiskit.quantum_info import Operator, Pauli, SparsePauliOp

from qiskit_runtime.programs.inputs.operators import is_diagonal, read_aux_operators, read_operator
from tests.programs.drawn import draw_rng, draw_terms, to_matrix


@pytest.mark.parametrize("form", ["pairs", "swapped", "tuples", "object", "operator", "matrix"])
def test_every_form_is_the_same_operator(form):
    """Pairs in either order, an object, an operator and a matrix give one and the same."""
    rng, seed = draw_rng()
    terms = draw_terms(rng, 3, 8)
    forms = {
        "pairs": terms,
        "swapped": [[coefficient, label] for label, coefficient in terms],
        "tuples": tuple(map(tuple, terms)),
        "object": dict(terms),
        "operator": SparsePauliOp.from_list(terms),
        "matrix": Operator(to_matrix(terms)),
    }

    found = read_operator("operator", forms[form], 3)
    assert np.allclose(found.to_matrix(), to_matrix(terms)), seed


def test_one_label_and_one_pauli():
    """A label and a Pauli stand for themselves."""
    assert read_operator("operator", "XZ") == read_operator("operator", Pauli("XZ"))


def test_equal_terms_are_summed():
    """Equal terms become one, and an operator may be 0."""
    assert read_operator("o", [["ZZ", 1], ["ZZ", 2]]).to_list() == [("ZZ", 3)]
    assert np.allclose(read_operator("o", [["X", 1], ["X", -1]]).to_matrix(), 0)


def test_imaginary_parts_that_cancel_are_none():
    """Imaginary parts are refused where they stay, and only there."""
    assert read_operator("o", [["X", 1 + 1j], ["X", -1j]]).coeffs.dtype.kind in "fc"
    with pytest.raises(ValueError, match="^o: is not Hermitian"):
        read_operator("o", [["X", 1j]])


def test_aux_operators():
    """A list stays a list, an object an object, None none; each is named where it is wrong."""
    assert read_aux_operators("aux", None, 2) is None
    assert read_aux_operators("aux", [], 2) == []
    assert list(read_aux_operators("aux", {"a": "ZZ"}, 2)) == ["a"]
    with pytest.raises(ValueError, match=r"^aux\['a'\]: acts on 1 qubits, but the circuit has 2"):
        read_aux_operators("aux", {"a": "Z"}, 2)


def test_diagonal():
    """I and Z alone make a diagonal operator."""
    assert is_diagonal(SparsePauliOp(["IZ", "ZZ"]))
    assert not is_diagonal(SparsePauliOp(["IZ", "IY"]))
