"""The runner: runs one job and writes its record. ``python -m runner --help`` says how.

Two processes, in reading order: ``supervisor`` (standard library only) owns the output and the
end; ``program_process`` (Qiskit, Aer, the user's code) is its child. ``channel`` is what they say
to each other. ``program`` is how the supervisor holds its child and ``program_end`` how it judges
its end; ``pipes``, ``processes`` and ``memory`` are what it asks of the system. ``quantum_backend``
makes the device that a program is given.
"""
