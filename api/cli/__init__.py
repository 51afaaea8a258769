"""The command ``qiskit-runtime``: ``serve`` starts a server, the others use the Python client.

In reading order: ``main`` (the group, exit codes, ``serve``); ``run_commands``,
``program_commands`` with ``replacement``, and ``job_commands`` (the options of the server, and the
client's errors as exit codes); ``job_view`` (a job's stream), ``screen`` (rich) and ``drawing``
(values as text); ``quickstart``. Only ``serve`` and ``quickstart`` import the server. Commands
import what they need when they run, so that ``--help`` is instant.
"""
