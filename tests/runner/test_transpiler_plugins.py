"""The transpiler's plugins in a program process: loaded when one is asked for by name."""

import json

from qiskit_runtime.contract.wire.events import Message
from qiskit_runtime.contract.wire.verdict import Outcome

PROGRAM = """
    import sys
    from qiskit import QuantumCircuit, transpile
    from qiskit.transpiler import TranspilerError
    from qiskit.transpiler.preset_passmanagers.plugin import list_stage_plugins
    from stevedore import _cache

    def main(backend, messenger):
        circuit = QuantumCircuit(2)
        circuit.h(0)
        circuit.cx(0, 1)
        transpile(circuit, backend)
        before = "qiskit_ibm_runtime" in sys.modules
        options = {"basis_gates": ["rz", "sx", "x", "cz"], "translation_method": "ibm_backend"}
        counts = transpile(circuit, **options).count_ops()
        try:
            transpile(circuit, backend, translation_method="nobodys")
        except TranspilerError as error:
            unknown = str(error)
        messenger.publish({
            "plugins": list_stage_plugins("translation"),
            "before": before,
            "after": "qiskit_ibm_runtime" in sys.modules,
            "gates": sorted(counts),
            "unknown": unknown,
            "searched": [sys.path[0] in path for path in _cache._c._internal],
        })
"""


def test_plugin_is_loaded_when_it_is_asked_for(run_program):
    """A first transpile imports nobody's plugins; each is listed, works by name, and is unique."""
    events, verdict, _ = run_program(PROGRAM)
    assert verdict.outcome is Outcome.SUCCEEDED, verdict
    (seen,) = (json.loads(event.text) for event in events if isinstance(event, Message))
    assert {"default", "translator", "ibm_backend", "clifford"} <= set(seen["plugins"])
    assert not seen["before"] and seen["after"]
    assert "cz" in seen["gates"]
    assert "nobodys" in seen["unknown"]
    # A search for plugins in the program's folder would leave a file in the user's cache.
    assert seen["searched"] and not any(seen["searched"])
