"""The command ``qiskit-runtime``: ``serve`` starts a server, the others are clients of any.

In reading order: ``main`` (the group, exit codes, ``serve``) with ``serve_settings`` and
``serving`` behind it; ``run_commands``, ``program_commands`` (``program_files`` and
``program_signature`` read a program of one's own) and ``job_commands`` with ``client`` (REST and
the way to the websocket), ``job_stream`` (a stream that survives lost connections), ``job_view``
and ``terminal`` (how it looks); ``quickstart``. Commands import what they need when they run, so
that ``--help`` is instant.
"""
