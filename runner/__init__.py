"""The runner: runs one job and writes its record. ``python -m runner --help`` says how.

Two processes, in reading order: ``supervisor`` (standard library only) owns the output and the
end; ``program_process`` (Qiskit, Aer, the user's code) is its child. ``channel`` is what they say
to each other, ``processes`` and ``memory`` what the supervisor asks of the system, and
``quantum_backend`` makes the device that a program is given.
"""
