"""Uploads by the Python client: a file, a folder, a function."""

import functools
import sys

import pytest

from qiskit_runtime.client import BadProgram, Change, NameTaken, ProgramDiffers
from qiskit_runtime.client.program_function import read_function

WORD = "outside"


def flip_coins(backend, messenger, shots: int, label: str = "coin"):
    """Flips a coin,
    shots times.

    More of it.
    """
    import math

    messenger.publish({label: [value + 1 for value in range(shots)]})
    return math.sqrt(shots)


def main(backend, messenger):
    return "main itself"


def uses_outside(backend, messenger):
    def inner():
        return WORD

    return inner(), sys.version, len(WORD)


async def is_async(backend, messenger):
    return 1


def make_indented():
    def indented(backend, messenger):
        global counted  # noqa: PLW0603  (what such a program does)
        counted = 1
        return """
        first
          second
"""

    return indented


class Methods:
    """A class whose method is no program."""

    def method(self, backend, messenger):
        return 1


def takes_backend_alone(backend):
    return 1


@functools.wraps(flip_coins)
def decorated(*arguments):
    return 1


def make_closure():
    value = 1

    def closure(backend, messenger):
        return value

    return closure


def test_a_file_is_uploaded_once(client, tmp_path):
    """Unchanged it stays; changed it needs ``replace``."""
    file = tmp_path / f"file_{id(client)}.py"
    file.write_text('"""Says one."""\ndef main(backend, messenger, x: int = 1):\n    return x\n')
    made = client.upload(file, max_execution_time=77)
    assert made.change is Change.UPLOADED
    program = made.program
    assert (program.description, program.max_execution_seconds) == ("Says one.", 77)
    assert program.parameters["properties"] == {"x": {"type": "integer", "default": 1}}
    assert client.upload(str(file)).change is Change.UNCHANGED
    file.write_text(file.read_text().replace("return x", "return 2 * x"))
    with pytest.raises(ProgramDiffers, match="replace=True"):
        client.upload(file)
    changed = client.upload(file, replace=True)
    assert (changed.change, changed.program.version) == (Change.UPDATED, "2")
    assert client.run(made.id, x=3).result(timeout=30) == 6
    assert client.program_source(made.id) == file.read_bytes()
    client.delete_program(made.id)
    assert made.id not in [one.id for one in client.programs()]


def test_a_folder_is_uploaded(client, tmp_path):
    """With all that main imports."""
    folder = tmp_path / f"folder_{id(client)}"
    folder.mkdir()
    (folder / "main.py").write_text("from parts import A\ndef main(b, m):\n    return A\n")
    (folder / "parts.py").write_text("A = 5\n")
    made = client.upload(folder)
    assert client.run(made.id).result(timeout=30) == 5
    client.delete_program(made.id)


def test_a_function_is_uploaded(client):
    """The function's name, docstring and parameters are the program's."""
    made = client.upload(flip_coins, replace=True)
    assert made.id == "flip-coins"
    assert made.program.description == "Flips a coin, shots times."
    assert made.program.parameters == {
        "type": "object",
        "properties": {
            "shots": {"type": "integer"},
            "label": {"type": "string", "default": "coin"},
        },
        "required": ["shots"],
        "additionalProperties": False,
    }
    job = client.run(made.id, shots=4)
    assert job.result(timeout=30) == 2.0
    assert '{"coin": [1, 2, 3, 4]}' in job.logs()
    client.delete_program(made.id)


def test_an_indented_function_keeps_its_texts(client):
    """A text over several lines is the same in the job, though the function was within another."""
    function = make_indented()
    made = client.upload(function, name="Indented", replace=True)
    assert client.run(made.id).result(timeout=30) == function(None, None)
    client.delete_program(made.id)


def test_a_function_may_be_called_main(client):
    """And then needs a name of its own."""
    made = client.upload(main, name="Main itself", replace=True)
    assert (made.id, client.run(made.id).result(timeout=30)) == ("main-itself", "main itself")
    client.delete_program(made.id)


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (lambda backend, messenger: 1, "a lambda has no source"),
        (make_closure(), "closure uses value of the function around it"),
        (uses_outside, "uses_outside uses WORD, sys from outside"),
        (is_async, "not async"),
        (Methods.method, "method: its first two parameters"),
        (takes_backend_alone, "takes_backend_alone: its first two parameters"),
        (decorated, "is decorated"),
        (len, "len: a function is needed, not builtin_function_or_method"),
        (type("Callable", (), {"__call__": lambda *_: 1})(), "a function is needed, not Callable"),
    ],
    ids=[
        "lambda",
        "closure",
        "outside",
        "async",
        "method",
        "one",
        "decorated",
        "builtin",
        "object",
    ],
)
def test_a_function_that_is_no_whole_program_is_refused(function, says):
    """Before anything is sent, with what to do about it."""
    with pytest.raises(BadProgram, match=says):
        read_function(function)


def test_a_function_without_a_source_is_refused():
    """A function that was typed into an interpreter has none."""
    names = {}
    exec("def typed(backend, messenger):\n    return 1\n", names)
    with pytest.raises(BadProgram, match="typed can't be read.*interpreter"):
        read_function(names["typed"])


def test_a_name_of_the_library_is_refused(client, tmp_path):
    """A file that is called as the library's program needs another name."""
    file = tmp_path / "vqe.py"
    file.write_text("def main(backend, messenger):\n    return 1\n")
    with pytest.raises(NameTaken, match="another name"):
        client.upload(file)
    with pytest.raises(BadProgram, match="no such file"):
        client.upload(tmp_path / "gone.py")
