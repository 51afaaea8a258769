"""What every part of the server agrees on, and the programs it ships.

Layout, in reading order:

* ``contract/``: jobs, programs, backends, the record and its verdict, the job's life cycle.
* ``catalog``: program id -> its folder and metadata, without importing the program.
* ``messenger``: what a program publishes with.
* ``serialization``: the JSON forms of circuits and arrays; used in the program process only.
* ``programs/<name>/``: the library, a folder for each program.

This package imports nothing, so that the supervisor can use its light parts.
"""
