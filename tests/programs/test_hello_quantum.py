"""hello-quantum: the README's first program, with the README's output."""

import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest
from qiskit.quantum_info import Statevector
from qiskit_aer import AerSimulator

DRAWING = """\
        ┌───┐      ░ ┌─┐   
   q_0: ┤ H ├──■───░─┤M├───
        └───┘┌─┴─┐ ░ └╥┘┌─┐
   q_1: ─────┤ X ├─░──╫─┤M├
             └───┘ ░  ║ └╥┘
   c: 2/══════════════╬══╬═
                      ║  ║ 
meas: 2/══════════════╩══╩═
                      0  1 
"""  # noqa: W291  (the drawing pads its lines with blanks)

RUN_IT = """
import sys
sys.stdout.reconfigure(encoding="utf-8")
import hello_quantum
from qiskit_aer import AerSimulator

class Silent:
    def publish(self, *args, **kwargs):
        pass

hello_quantum.main(AerSimulator(), Silent(), "hi")
"""


@pytest.mark.parametrize("greeting", ["hello", {"to": ["world", 1.5, None]}, "grüß dich", None])
def test_publishes_greeting_then_counts(load_program, messenger, greeting):
    """The greeting, any JSON, is the one interim message; the Bell counts are the final one."""
    load_program("hello_quantum").main(AerSimulator(), messenger, greeting=greeting)

    assert messenger.interim == [greeting]
    [counts] = messenger.final
    assert set(counts) == {"00 00", "11 00"}
    assert sum(counts.values()) == 1024
    # Five standard deviations of 1024 fair coins.
    assert abs(counts["00 00"] - 512) <= 80


def test_prints_the_drawing(load_program, messenger, capsys):
    """Standard output is the drawing of the README, blank for blank."""
    load_program("hello_quantum").main(AerSimulator(), messenger, greeting="hi")

    assert capsys.readouterr().out == DRAWING


def test_drawing_needs_no_terminal(load_program):
    """The drawing is the same into a pipe, with no terminal and the C locale."""
    folder = Path(load_program("hello_quantum").__file__).parent
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-B", "-c", RUN_IT],
        env=kept | {"LANG": "C", "LC_ALL": "C", "PYTHONPATH": str(folder)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
    )

    assert done.stdout.decode() == DRAWING


def test_prepares_a_bell_pair(load_program):
    """The circuit's state is (|00> + |11>)/sqrt(2)."""
    bell = load_program("hello_quantum").prepare_bell_circuit()
    state = Statevector(bell.remove_final_measurements(inplace=False))

    assert state.equiv(Statevector([2**-0.5, 0, 0, 2**-0.5]))


def test_metadata_is_the_readmes(load_program, load_metadata):
    """The metadata hold a name and a description only, so each default is what clients see."""
    assert load_metadata("hello_quantum") == {
        "name": "hello-quantum",
        "description": "A simple test program.",
    }
    parameters = list(inspect.signature(load_program("hello_quantum").main).parameters)
    assert parameters == ["backend", "messenger", "greeting"]
