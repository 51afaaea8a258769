"""The device that a program is given: an Aer simulator made from a backend's description.

Used by the program process. The description is ``contract.backend.BackendSpec`` as JSON.
"""

from typing import Any

from qiskit_aer import AerSimulator

from runner.memory import cgroup_limit


def make_backend(spec: dict[str, Any], memory_bytes: int = 0) -> AerSimulator:
    """The simulator, told how much memory there is: its own default is the whole host's."""
    options: dict[str, Any] = {"method": spec.get("method", "automatic")}
    if limit := memory_bytes or cgroup_limit():
        options["max_memory_mb"] = limit >> 20
    if device := spec.get("fake_device") or spec.get("fakeDevice"):
        backend = AerSimulator.from_backend(_fake_device(device), **options)
    else:
        backend = AerSimulator(**options)
    backend.name = spec.get("name", backend.name)
    return backend


def _fake_device(name: str) -> Any:
    # Imported here: it takes a second, and most jobs run without.
    from qiskit_ibm_runtime import fake_provider

    return getattr(fake_provider, name)()
