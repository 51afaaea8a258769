"""The API: REST and websocket routes over one JobStore, and the command line.

Layout, in reading order:

* ``main``: ``create_app`` puts the parts together. ``settings``: what can be set.
* ``routes/root/``: the 2021 dialect, a file a resource; ``models`` are its JSON forms.
* ``jobstore/``: ``base`` says what a store must do; ``local/`` does it on one machine.
* ``auth``, ``bodies``, ``errors``: who may speak, what may be sent, what is answered instead.
* ``cli/``: the command ``qiskit-runtime``, which also serves the app.

Nothing here imports qiskit or numpy, or decodes a client's data: params and results are text.
"""
