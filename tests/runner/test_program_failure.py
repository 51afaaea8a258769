"""The failure of a program: its reason and its message, for exceptions of any kind."""

from pathlib import Path

import pytest

from qiskit_runtime.contract.wire.record_form import MAX_MESSAGE_BYTES, TRACEBACK_BUDGET
from qiskit_runtime.contract.wire.verdict import MAX_MESSAGE_CHARACTERS
from runner.message_writer import ResultTooLarge
from runner.program_failure import InvalidParams, describe_failure
from runner.program_source import LIBRARY
from runner.quantum_backend import UnknownDevice


def call(function):
    """Call a function as the runner calls main."""
    function()


def fail(source, folder):
    """Return the exception of a program, called as the runner does, and its entry file."""
    entry = folder / "program.py"
    entry.write_text(source)
    names = {}
    try:
        exec(compile(source, str(entry), "exec"), names)
        call(names["main"])
    except Exception as error:  # noqa: BLE001  (whatever a program raises)
        return error, entry
    raise AssertionError("the program did not fail")


@pytest.mark.parametrize(
    ("error", "reason", "message"),
    [
        (MemoryError(), "OutOfMemory", "MemoryError"),
        (ResultTooLarge("9 bytes"), "ResultTooLarge", "9 bytes"),
        (UnknownDevice("no such device"), "UnknownBackend", "UnknownDevice: no such device"),
        (InvalidParams("params: no"), "InvalidParams", "params: no"),
        (KeyboardInterrupt(), "ProgramError", "KeyboardInterrupt"),
        (TypeError("of no call"), "ProgramError", "TypeError: of no call"),
    ],
)
def test_reason_of_an_exception_that_no_line_of_the_program_raised(error, reason, message):
    """The reason is the life cycle's, and its name is not repeated in the message."""
    failure = describe_failure(error, Path("/nowhere/program.py"), call.__code__)
    assert (failure.reason, failure.message) == (reason, message)
    assert failure.traceback.startswith(b"Traceback (most recent call last):\n")


def test_type_error_of_the_call_is_the_parameters_fault(tmp_path):
    """A main that can't be called so was not entered: the parameters are wrong, not the program."""
    error, entry = fail("def main(n):\n    pass\n", tmp_path)
    failure = describe_failure(error, entry, call.__code__)
    assert failure.reason == "InvalidParams" and "line 1, in main" in failure.traceback.decode()
    error, entry = fail("def main():\n    len(3)\n", tmp_path)
    failure = describe_failure(error, entry, call.__code__)
    assert failure.reason == "ProgramError"
    assert failure.message.endswith(" (program.py, line 2: len(3))")


def test_program_without_a_line_of_main_is_shown_by_its_first(tmp_path):
    """The traceback of a file that defines no main, or is gone, shows its first line."""
    entry = tmp_path / "program.py"
    entry.write_text("x = 1\n")
    failure = describe_failure(AttributeError("no main"), entry, call.__code__)
    assert f'File "{entry}", line 1, in <module>' in failure.traceback.decode()


def test_exception_that_can_not_be_shown_still_has_a_message(tmp_path):
    """A class of the program's own may fail in any way while it is described."""
    source = (
        "class E(ImportError):\n"
        "    def __str__(self):\n        raise RuntimeError\n"
        "    name = property(lambda self: 1 / 0)\n"
        "def main():\n    raise E\n"
    )
    error, entry = fail(source, tmp_path)
    failure = describe_failure(error, entry, call.__code__)
    assert failure.reason == "ProgramError"
    assert failure.message == "E: <exception str() failed> (program.py, line 6: raise E)"


def test_remedy_is_the_end_of_message_and_traceback(tmp_path):
    """A name that is gone from Qiskit is followed by the code to write today."""
    error, entry = fail("def main():\n    from qiskit import execute\n", tmp_path)
    failure = describe_failure(error, entry, call.__code__)
    for text in (failure.message, failure.traceback.decode().rstrip()):
        assert text.endswith("`backend.run(transpile(circuit, backend))`.")


def test_library_program_has_no_line_in_its_message():
    """The line of a library program means nothing to its user."""
    failure = describe_failure(ValueError("shots"), LIBRARY / "bell" / "bell.py", call.__code__)
    assert failure.message == "ValueError: shots"


def test_texts_of_any_length_are_cut():
    """A text of megabytes keeps its beginning, and the traceback its end too."""
    error = ValueError("x" * (MAX_MESSAGE_BYTES + 1) + "end")
    failure = describe_failure(error, Path("/nowhere/program.py"), call.__code__)
    assert len(failure.message) == MAX_MESSAGE_CHARACTERS and failure.message.endswith("…")
    assert len(failure.traceback) < 2 * TRACEBACK_BUDGET + 20
    assert b"\n  [...]\n" in failure.traceback and failure.traceback.endswith(b"end\n")


def test_memory_of_the_failed_program_is_let_go(tmp_path):
    """The objects in the frames of a MemoryError are freed before it is described."""
    source = "import weakref\nclass Large: pass\ndef main():\n    large = Large()\n"
    source += "    main.seen = weakref.ref(large)\n    raise MemoryError\n"
    error, entry = fail(source, tmp_path)
    seen = error.__traceback__.tb_next.tb_next.tb_frame.f_globals["main"].seen
    assert seen() is not None
    assert describe_failure(error, entry, call.__code__).reason == "OutOfMemory"
    assert seen() is None
