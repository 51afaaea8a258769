"""The backends of local mode: RuntimeBackend documents in one YAML file, as kubectl takes them.

The file is checked at each read, so a change counts at once. It is the user's own: an invalid file
stops the server's start, and a later mistake is logged, while the backends stay as they were.
"""

import logging
from pathlib import Path

import yaml

from api.backendstore.base import BackendLibrary, join_backends
from qiskit_runtime.contract.resources.backend import (
    BackendSpec,
    NotARuntimeBackend,
    UnknownBackend,
    parse_runtimebackend,
)

MAX_FILE_BYTES = 2**20

logger = logging.getLogger(__name__)


class BackendsFileInvalid(ValueError):
    """The file can't be used; the text names the document and the field that is wrong."""


class FileBackends(BackendLibrary):
    """The backends of ``path``; None is no file, and no backends but those always there."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._read: tuple[int, int] | None = None
        self._backends: list[BackendSpec] = []

    async def all(self) -> list[BackendSpec]:
        return list(join_backends(self._own()).values())

    async def get(self, name: str) -> BackendSpec:
        return self.find(name)

    def find(self, name: str) -> BackendSpec:
        """Return the backend as ``get`` does, without waiting."""
        if backend := join_backends(self._own()).get(name):
            return backend
        raise UnknownBackend(name)

    def _own(self) -> list[BackendSpec]:
        if self._path is None:
            return []
        try:
            found = self._path.stat()
            # Both: a time is that of the clock's last tick, and a file may be half written in it.
            newest = (found.st_mtime_ns, found.st_size)
            if newest != self._read:
                self._read = newest
                self._backends = read_backends(self._path)
        except (OSError, BackendsFileInvalid) as error:
            logger.warning("the backends stay what they were: %s", error)
        return self._backends


def read_backends(path: Path) -> list[BackendSpec]:
    """Return the backends that a file describes.

    Raises:
        OSError: it can't be read.
        BackendsFileInvalid: it holds something else.
    """
    data = path.read_bytes()
    if len(data) > MAX_FILE_BYTES:
        raise BackendsFileInvalid(f"{path}: {len(data)} bytes; at most {MAX_FILE_BYTES} are taken")
    try:
        documents = [found for found in yaml.safe_load_all(data) if found is not None]
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise BackendsFileInvalid(f"{path}: not YAML: {error}") from error
    backends: dict[str, BackendSpec] = {}
    for number, document in enumerate(documents, start=1):
        try:
            backend = parse_runtimebackend(document)
        except NotARuntimeBackend as error:
            raise BackendsFileInvalid(f"{path}: document {number}: {error}") from error
        if backend.name in backends:
            raise BackendsFileInvalid(f"{path}: document {number}: {backend.name} is there twice")
        backends[backend.name] = backend
    return list(backends.values())
