"""A library of backends: those that are always there, and RuntimeBackends beside them."""

from abc import ABC, abstractmethod
from collections.abc import Iterable

from qiskit_runtime.contract.resources.backend import BACKENDS, BackendSpec


class BackendLibrary(ABC):
    """Knows the backends; of two with one name the RuntimeBackend wins. Reads are cheap."""

    @property
    def is_ready(self) -> bool:
        """Whether what is read here is the truth, for those who send clients to this server."""
        return True

    async def open(self) -> None:  # noqa: B027  (a file needs none)
        """Take up the RuntimeBackends that are there."""

    async def close(self) -> None:  # noqa: B027  (the same)
        """Stop."""

    @abstractmethod
    async def all(self) -> list[BackendSpec]:
        """All backends: those that are always there, then the others by name."""

    @abstractmethod
    async def get(self, name: str) -> BackendSpec:
        """The backend of this name.

        Raises:
            UnknownBackend: there is none.
        """


def join_backends(own: Iterable[BackendSpec]) -> dict[str, BackendSpec]:
    """All backends by name, in the order of ``all``."""
    by_name = {backend.name: backend for backend in own}
    always = {backend.name: by_name.pop(backend.name, backend) for backend in BACKENDS}
    return always | {name: by_name[name] for name in sorted(by_name)}
