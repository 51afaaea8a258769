"""Reports about backends: configuration, properties and queue, as IBM's clients poll them.

A document is written once for each backend as it is described, in a thread, and kept as bytes.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from typing import Any

from cachetools import LRUCache

from api.jobstore.base import JobStore
from qiskit_runtime.contract.devices.device import NoDevice, is_simulator, make_device
from qiskit_runtime.contract.devices.documents import make_configuration, make_properties
from qiskit_runtime.contract.resources.backend import BackendSpec

VERSION = version("qiskit-runtime-server")
"""The version of backends that were not measured: their description is the server's."""

NOTHING = b"{}"
"""The properties of a backend that has none, or had none yet."""

_KEPT_BYTES = 32 * 2**20
_KEPT_SUMMARIES = 4096
_QUEUE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Summary:
    """The short description of a backend; ``flaw`` says why its jobs fail, or is empty."""

    version: str
    is_simulator: bool
    qubits: int = 0
    processor: Mapping[str, Any] | None = None
    flaw: str = ""


@dataclass(frozen=True, slots=True)
class Documents:
    """A backend's documents as JSON; ``updated`` is the time of its properties, if it has any."""

    configuration: bytes
    properties: bytes
    updated: datetime | None

    def properties_before(self, moment: datetime | None) -> bytes:
        """Return the newest properties that are older than a time; None is any."""
        if moment is None or self.updated is None or self.updated < moment:
            return self.properties
        return NOTHING


class BackendReports:
    """Reports about backends, whose queues are those of ``store``."""

    def __init__(self, store: JobStore) -> None:
        self._store = store
        self._documents: LRUCache[BackendSpec, Documents] = LRUCache(_KEPT_BYTES, _measure)
        self._summaries: LRUCache[BackendSpec, Summary] = LRUCache(_KEPT_SUMMARIES)
        self._queues: Mapping[str, int] = {}
        self._counted = -_QUEUE_SECONDS

    async def documents(self, backend: BackendSpec) -> Documents:
        """Return the documents of a backend.

        Raises:
            NoDevice: there is nothing to describe; its jobs fail for the same reason.
        """
        if (found := self._documents.get(backend)) is None:
            found = await asyncio.to_thread(_write, backend)
            self._documents[backend] = found
        return found

    async def summary(self, backend: BackendSpec) -> Summary:
        """Return the short description of a backend."""
        if (found := self._summaries.get(backend)) is None:
            found = await asyncio.to_thread(_summarize, backend)
            self._summaries[backend] = found
        return found

    def queues(self) -> Mapping[str, int]:
        """Return the number of queued jobs by backend, at most a second old."""
        now = time.monotonic()
        if now - self._counted >= _QUEUE_SECONDS:
            self._counted = now
            self._queues = Counter(job.spec.backend for job in self._store.all_queued())
        return self._queues


def _measure(documents: Documents) -> int:
    return len(documents.configuration) + len(documents.properties)


def _write(backend: BackendSpec) -> Documents:
    properties = make_properties(backend, VERSION)
    updated = properties.get("last_update_date")
    return Documents(
        configuration=_to_json(make_configuration(backend, VERSION)),
        properties=_to_json(properties),
        updated=updated and datetime.fromisoformat(updated),
    )


def _to_json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def _summarize(backend: BackendSpec) -> Summary:
    kind = is_simulator(backend)
    try:
        device = make_device(backend)
    except NoDevice as error:
        return Summary(VERSION, kind, flaw=str(error))
    facts = device.facts
    backend_version = facts.get("backend_version", VERSION)
    return Summary(backend_version, kind, device.qubits, facts.get("processor_type"))
