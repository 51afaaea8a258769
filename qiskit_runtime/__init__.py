"""The contract that all parts of the server share, and the programs that come with it.

Layout, in reading order:

* ``contract/``: jobs, programs, backends, the record and its verdict, the job's life cycle.
* ``cluster/``: the Kubernetes API, for the API and the operator.
* ``host/``: calls to the operating system, for the server and the supervisor.
* ``messenger``: the second argument of a program's ``main``, which it publishes with.
* ``serialization``: the JSON forms of circuits and arrays, with their parts in ``codec/``; used in
  the program process only.
* ``programs/``: the library, and what its programs share.

This package imports nothing, so that the supervisor can use its light parts.
"""
