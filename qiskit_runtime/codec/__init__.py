"""The parts of ``qiskit_runtime.serialization``: the JSON forms of circuits, arrays and classes."""
