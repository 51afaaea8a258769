"""The runner: runs one job and writes its record. ``python -m runner --help`` says how.

Two processes, in reading order: ``supervisor`` (standard library only) owns the output and the
end; ``program_process`` (Qiskit, Aer, the user's code) is its child. ``channel`` is what they say
to each other. ``program`` is how the supervisor holds its child, ``program_end`` how it judges its
end, and ``progress_pace`` how often it tells of progress; ``pipes``, ``processes`` and ``memory``
are what it asks of the system. ``program_source`` finds the program's code, ``job_seed`` says what
its random numbers come from, and ``quantum_backend`` makes the device that it is given.
"""
