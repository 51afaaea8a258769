"""A backend as its documents describe it: gates, connections, errors and times, without Qiskit.

* ``simulators``: the gates and instructions of Aer's methods, and the widths of simulators.
* ``noise``: the errors and times that a ``NoiseSpec`` gives to qubits and gates.
* ``fake_devices``: the measured devices that a RuntimeBackend may name, as data.
* ``device``: a ``BackendSpec`` with all this put together; ``documents`` writes it down.

``simulators``, ``noise`` and ``fake_devices`` are the standard library only: the program process
imports them too, and makes its simulators of the same data.
"""
