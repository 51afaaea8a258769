"""The runner: runs one job and writes its record. ``python -m runner --help`` lists its options.

Two processes, which talk over a ``channel``:

* The supervisor (standard library only) owns the output and judges the end. In reading order:
  ``supervisor`` is its loop, ``program`` its child, ``job_output`` the way into the record, which
  ``record_writer`` writes with ``console_writer`` and ``message_writer``; ``exit_status`` makes the
  verdict; ``processes`` and ``memory`` are its calls to the system, beside ``qiskit_runtime.host``.
* The program process (Qiskit, Aer, the user's code) is ``program_process``, with ``program_source``
  (finds and imports the code), ``program_output`` (sends what it prints and publishes),
  ``program_failure`` (explains an exception, with ``moved_names``), ``job_seed``,
  ``quantum_backend`` (makes the device, a ``runtime_simulator``), and ``process_end``.
"""
