"""The interface of a library of backends: the built-in ones and RuntimeBackends."""

from abc import ABC, abstractmethod
from collections.abc import Iterable

from qiskit_runtime.contract.resources.backend import BACKENDS, BackendSpec


class UnknownCalibration(LookupError):
    """No backend has a calibration of this id."""


class BackendLibrary(ABC):
    """Knows the backends; of two with one name the RuntimeBackend wins. Reads are cheap."""

    @property
    def is_ready(self) -> bool:
        """Return whether reads here are up to date, for a load balancer's probe."""
        return True

    async def open(self) -> None:  # noqa: B027  (a file needs none)
        """Load the RuntimeBackends that exist."""

    async def close(self) -> None:  # noqa: B027  (the same)
        """Stop."""

    @abstractmethod
    async def all(self) -> list[BackendSpec]:
        """Return all backends: the built-in ones, then the others by name."""

    @abstractmethod
    async def get(self, name: str) -> BackendSpec:
        """Return the backend of this name.

        Raises:
            UnknownBackend: no backend has this name.
        """


def join_backends(own: Iterable[BackendSpec]) -> dict[str, BackendSpec]:
    """Return all backends by name, in the order of ``all``."""
    by_name = {backend.name: backend for backend in own}
    always = {backend.name: by_name.pop(backend.name, backend) for backend in BACKENDS}
    return always | {name: by_name[name] for name in sorted(by_name)}
