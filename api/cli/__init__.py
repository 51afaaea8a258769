"""The command ``qiskit-runtime``: ``serve`` starts a server, the others are clients of any.

In reading order: ``main`` (the group, ``serve``, exit codes), ``run_commands`` and
``job_commands``; behind them ``client`` (REST and the way to the websocket), ``job_stream`` (a
stream that survives lost connections), ``job_view`` and ``terminal`` (how it looks), and
``quickstart``. Commands import what they need when they run, so that ``--help`` is instant.
"""
