"""The parts of ``qiskit_runtime.serialization``: forms of circuits and arrays in JSON."""
