"""The facts that api, runner and operator share, each said once.

``record``, ``verdict`` and ``handover`` use the standard library only: the supervisor imports
them, and it must be up in under 100 ms. The others are pydantic models and pure functions.
"""
