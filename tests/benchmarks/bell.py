"""The bell job of the benchmarks: a user's program that transpiles its circuit, and the same as a
plain script for a bare Kubernetes Job, which has to import and prepare everything for itself.
"""

import json

_CIRCUIT = """
from qiskit import QuantumCircuit, transpile

def make_bell():
    bell = QuantumCircuit(2)
    bell.h(0)
    bell.cx(0, 1)
    bell.measure_all()
    return bell
"""

PROGRAM = f"""{_CIRCUIT}
def main(backend, messenger, greeting="Hello"):
    messenger.publish(greeting)
    counts = backend.run(transpile(make_bell(), backend)).result().get_counts()
    messenger.publish(counts, final=True)
"""

SCRIPT = f"""{_CIRCUIT}
from qiskit_aer import AerSimulator

backend = AerSimulator()
print("Hello")
print(backend.run(transpile(make_bell(), backend)).result().get_counts())
"""

NAME = "bell"


def is_result(frame: str | bytes) -> bool:
    """Return whether a frame of the stream is the job's result: its counts."""
    counts = json.loads(frame)
    return isinstance(counts, dict) and sum(counts.get(bits, 0) for bits in ("00", "11")) > 0
