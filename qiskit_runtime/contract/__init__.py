"""The facts that api, runner and operator share, each said once.

* ``wire/``: the formats that travel between processes; standard library only, as the supervisor
  imports them and must be up in under 100 ms.
* ``resources/``: jobs, programs and backends, described with pydantic, and their resources.
* ``schemas/``: checks of parameters against the JSON Schema of a program.
* ``lifecycle``: which phase a job is in, and why. ``catalog``: which programs there are.
  ``nearest``: the known name that a misspelt one is closest to.
"""
