"""Errors of programs for the Qiskit of 2021 to 2023 name the code to write today."""

import importlib
import re

import pytest
from qiskit import QuantumCircuit
from qiskit.exceptions import MissingOptionalLibraryError
from qiskit_aer import AerSimulator

from qiskit_runtime.contract.wire.verdict import Outcome
from runner import moved_names
from runner.moved_names import MOVED, PACKAGES_PAGE, find_remedy
from tests.documents import ROOT

MODULES = sorted(name for name in MOVED if name.startswith("qiskit"))
METHODS = sorted(name for name in MOVED if name[0].isupper())
PLACES = {"circuit": QuantumCircuit(1), "backend": AerSimulator()}
"""What names in the sentences stand for."""


def find_of(code):
    """The sentence that is added where this code fails."""
    with pytest.raises((ImportError, AttributeError, TypeError)) as caught:
        exec(code, {"backend": AerSimulator(), "circuit": QuantumCircuit(2, 1)})
    return find_remedy(caught.value, code)


@pytest.mark.parametrize("name", MODULES)
def test_name_in_the_table_is_gone_and_its_sentence_found(name):
    """Each name can't be imported here, and the error leads to its sentence."""
    if name == "qiskit.providers.fake_provider":
        # It is there, without the devices that it had.
        code = f"from {name} import FakeMontreal"
    else:
        module, _, attribute = name.rpartition(".")
        code = f"from {module} import {attribute}"
    assert find_of(code) == f"{MOVED[name]}."


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("import qiskit\nqiskit.Aer", "qiskit.Aer"),
        ("import qiskit\nqiskit.providers.aer", "qiskit.providers.aer"),
        ("import qiskit.providers.aer", "qiskit.providers.aer"),
        ("from qiskit.providers.aer.noise import NoiseModel", "qiskit.providers.aer"),
        ("from qiskit.providers.ibmq import least_busy", "qiskit.providers.ibmq"),
        ("from qiskit.providers.ibmq.runtime import UserMessenger", "qiskit.providers.ibmq"),
        ("from qiskit.algorithms.optimizers import SPSA", "qiskit.algorithms"),
        ("from qiskit.test.mock import FakeMontreal", "qiskit.test"),
        ("from qiskit import QuantumCircuit\nQuantumCircuit.cnot", "QuantumCircuit.cnot"),
        ("print(backend.name())", "backend.name()"),
    ],
)
def test_name_is_found_however_it_is_asked_for(code, name):
    """A submodule, an attribute of a module or of a class, and a call lead to the same sentence."""
    assert find_of(code) == f"{MOVED[name]}."


def make_owner(name):
    """An object of the class that a method is gone from."""
    circuit = QuantumCircuit(2, 1)
    made = {"QuantumCircuit": circuit, "InstructionSet": circuit.x(0)}
    return made.get(name) or circuit.data[0].operation


@pytest.mark.parametrize("name", METHODS)
def test_method_in_the_table_is_gone_and_its_sentence_found(name):
    """Each method is gone from its class, and the error leads to its sentence."""
    owner, _, method = name.partition(".")
    with pytest.raises(AttributeError) as missing:
        getattr(make_owner(owner), method)
    assert find_remedy(missing.value, "the line") == f"{MOVED[name]}."


def codes():
    """The code between backticks of every sentence."""
    texts = [*MOVED.values(), moved_names._NO_PULSES]
    return sorted({code for text in texts for code in re.findall(r"`([^`]+)`", text)})


@pytest.mark.parametrize("code", codes())
def test_what_a_sentence_names_exists(code):
    """The code of each sentence is there in this environment: imports run, names are found."""
    if code.startswith("from "):
        exec(code, {})
    elif code.startswith("with circuit.if_test("):
        assert callable(PLACES["circuit"].if_test)
    else:
        first, *rest = re.match(r"[\w.]+", code)[0].split(".")
        module = first.replace("qasm2", "qiskit.qasm2")
        value = PLACES[first] if first in PLACES else importlib.import_module(module)
        for name in rest:
            value = getattr(value, name)


def test_failed_job_says_what_to_write_today(run_program, console):
    """Message and log of a job that fails for a name that is gone end with its sentence."""
    line = "from qiskit import Aer"
    events, verdict, _ = run_program(f"{line}\ndef main(b, m):\n    pass\n")
    assert verdict.outcome is Outcome.FAILED
    assert verdict.message.startswith("ImportError: cannot import name 'Aer' from 'qiskit' (")
    assert verdict.message.endswith(f" (program.py, line 1: {line}). {MOVED['qiskit.Aer']}.")
    assert console(events).decode().endswith(f". {MOVED['qiskit.Aer']}.\n")


def test_failed_call_of_a_job_says_what_to_write_today(run_program):
    """So does a call of what is text today."""
    _, verdict, _ = run_program("def main(b, m):\n    print(b.name())\n")
    place = "(program.py, line 2: print(b.name()))"
    assert verdict.message.endswith(f"{place}. {MOVED['backend.name()']}.")


@pytest.mark.parametrize("module", ["mthree", "cvxopt", "polars", "no_such_module.within"])
def test_package_that_is_not_installed_leads_to_the_page(module):
    """A package that is not there is named, with the page that says how to add one."""
    missing = module.partition(".")[0]
    remedy = find_of(f"import {module}")
    assert remedy.startswith(f"{missing} is not installed where jobs run: {PACKAGES_PAGE} says")
    assert (ROOT / PACKAGES_PAGE).is_file()


def test_function_of_qiskit_that_needs_a_package_leads_to_the_page():
    """Qiskit's own error for a package that one of its functions needs counts as well."""
    error = MissingOptionalLibraryError("seaborn", "plotting", "pip install seaborn")
    assert PACKAGES_PAGE in find_remedy(error, "the line")


@pytest.mark.parametrize(
    "code",
    [
        "raise TypeError(\"'str' object is not callable\")",
        "raise AttributeError('Aer')",
        "raise ImportError('its own')",
        "{}.qasm",
        "from math import Aer",
        "import qiskit.no_such_module",
    ],
)
def test_error_of_another_kind_is_left_as_it_is(code):
    """To an error that the table knows nothing of, nothing is added."""
    assert find_of(code) == ""


def test_exception_that_fails_at_being_looked_at_is_reported(run_program):
    """An exception whose own attributes raise is the job's failure like any other."""
    source = "class E(ImportError):\n    name = property(lambda self: 1 / 0)\nraise E('x')\n"
    _, verdict, _ = run_program(source)
    assert verdict.message == "E: x (program.py, line 3: raise E('x'))"


def test_unused_import_of_schedule_is_honoured(run_program):
    """A program that imports schedule and never calls it runs; a call says that it is gone."""
    source = "from qiskit.compiler import transpile, schedule\ndef main(b, m):\n"
    source += "    return transpile.__name__\n"
    _, verdict, _ = run_program(source)
    assert verdict.outcome is Outcome.SUCCEEDED
    with pytest.raises(NotImplementedError, match="schedule is gone. Pulses left Qiskit"):
        moved_names._schedule()


SYNTAX_ERRORS = {
    "def main(:\n": "SyntaxError: invalid syntax (program.py, line 1: def main(:)",
    "if True:\n\tx = 1\n        y = 2\n": "TabError: inconsistent use of tabs and spaces in"
    " indentation (program.py, line 3: y = 2)",
    "import ast\nast.literal_eval('1 +')\n": "SyntaxError: invalid syntax (<unknown>, line 1)"
    " (program.py, line 2: ast.literal_eval('1 +'))",
}


@pytest.mark.parametrize("source", SYNTAX_ERRORS)
def test_place_of_a_syntax_error_is_said_once(source, run_program):
    """The message has file, line and code once; that of a text which the program read, as well."""
    _, verdict, _ = run_program(source)
    assert verdict.message == SYNTAX_ERRORS[source]
