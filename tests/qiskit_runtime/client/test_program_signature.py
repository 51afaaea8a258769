"""A program's parameters, read from its source without running it."""

import pytest

from qiskit_runtime.client.program_signature import SyntaxFlaw, outline


def read(signature: str, head: str = "") -> dict:
    return outline(f"{head}\ndef main({signature}):\n    pass\n", "x.py").parameters


@pytest.mark.parametrize(
    ("parameter", "schema"),
    [
        ("x", {}),
        ("x: int", {"type": "integer"}),
        ("x: float", {"type": "number"}),
        ("x: str", {"type": "string"}),
        ("x: bool", {"type": "boolean"}),
        ("x: list", {"type": "array"}),
        ("x: list[int]", {"type": "array"}),
        ("x: dict[str, float]", {"type": "object"}),
        ("x: int | None", {"type": ["integer", "null"]}),
        ("x: 'int | str'", {"type": ["integer", "string"]}),
        ("x: QuantumCircuit", {}),
        ("x: int | QuantumCircuit", {}),
        ("x: complex", {}),
        ("x: int = 3", {"type": "integer", "default": 3}),
        ("x: int = None", {"type": ["integer", "null"], "default": None}),
        ("x=(1, 2)", {"default": [1, 2]}),
        ("x=-1.5", {"default": -1.5}),
        ("x=make()", {}),
        ("x=1j", {}),
        ("x=float('nan')", {}),
        ("x='é'", {"default": "é"}),
        ("*, x: int", {"type": "integer"}),
    ],
)
def test_parameter_becomes_a_schema(parameter, schema):
    """By its annotation and default, where JSON can say them."""
    found = read(f"backend, user_messenger, {parameter}")

    assert found["properties"] == {"x": schema}
    assert found["required"] == ([] if "=" in parameter else ["x"])
    assert found["additionalProperties"] is False


def test_backend_and_messenger_are_no_parameters():
    """Whatever they are called; with **kwargs anything more is taken."""
    assert read("b, m")["properties"] == {}
    assert read("b, m=None, *, y=1, z")["required"] == ["z"]
    assert "additionalProperties" not in read("backend, messenger, x, **kwargs")


def test_description_is_the_docstrings_first_paragraph():
    """On one line."""
    text = '"""Adds\nnumbers.\n\nMore of it."""\ndef main(b, m): pass\n'

    assert outline(text, "x.py").description == "Adds numbers."
    assert outline("def main(b, m): pass", "x.py").description == ""


@pytest.mark.parametrize(
    "text",
    ["from inner import main\n", "from inner import *\n", "main = make()\n",
     "if True:\n    def main(b, m): pass\n"],
)  # fmt: skip
def test_main_of_elsewhere_has_parameters_that_nobody_knows(text):
    """The parameter is there, and takes anything."""
    assert outline(text, "x.py").parameters is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x = 1\n\ndef main(b, m:\n    pass\n", "x.py:3: "),
        ("def main(b, m):\nreturn 1\n", "return 1"),
        ("def other(b, m): pass\n", "no function main(backend, user_messenger"),
        ("", "no function main"),
        ("x = '\0'", "x.py"),
        ("(" * 5000, "x.py"),
    ],
)
def test_flaw_is_told_with_file_and_line(text, says):
    """Before anything is sent."""
    with pytest.raises(SyntaxFlaw) as flaw:
        outline(text, "x.py")

    assert says in str(flaw.value)
