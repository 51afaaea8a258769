"""The store of programs in Kubernetes mode: an uploaded program is a RuntimeProgram.

Listings are answered from memory; a source is read from the Kubernetes API when a job is posted,
so that it is the newest, whichever server it was uploaded to.
"""

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from kubernetes.aio import client

from api.programstore.base import (
    ProgramChange,
    ProgramExists,
    ProgramStore,
    ProgramUnusable,
    ResolvedProgram,
    describe_taken,
)
from api.resources.watched_kind import WatchedKind
from api.store_errors import StoreUnavailable
from qiskit_runtime.cluster.cache import ResourceCache
from qiskit_runtime.cluster.client import Conflict
from qiskit_runtime.contract.catalog import Catalog, UnknownProgram
from qiskit_runtime.contract.limits import WHOLE
from qiskit_runtime.contract.resources.program import Program, ProgramSource
from qiskit_runtime.contract.resources.resource import Manifest
from qiskit_runtime.contract.resources.runtimeprogram import (
    PLURAL,
    NotARuntimeProgram,
    build_runtimeprogram,
    parse_runtimeprogram,
    parse_source,
)

CHANGE_TRIES = 4
"""How often a change is tried while other clients change the same program."""

logger = logging.getLogger(__name__)


class KubernetesProgramStore(ProgramStore):
    """``connect`` makes the client of the Kubernetes API."""

    def __init__(
        self,
        namespace: str,
        redis_url: str,
        connect: Callable[[], Awaitable[client.ApiClient]],
        catalog: Catalog,
        share_percent: int = WHOLE,
    ) -> None:
        super().__init__(catalog, share_percent)
        self._cache = ResourceCache(parse_runtimeprogram)
        self._kind = WatchedKind(namespace, PLURAL, self._cache, redis_url, connect)

    @property
    def is_ready(self) -> bool:
        return self._kind.is_ready

    async def open(self) -> None:
        await self._kind.open()

    async def close(self) -> None:
        await self._kind.close()

    async def _all_uploaded(self) -> list[Program]:
        await self._kind.catch_up()
        return self._cache.all()

    async def _get_uploaded(self, program_id: str) -> Program:
        await self._kind.catch_up()
        if program := self._cache.find(program_id.lower()):
            return program
        # kubectl may have made it a moment ago.
        return (await self._resolve_uploaded(program_id)).program

    async def _resolve_uploaded(self, program_id: str) -> ResolvedProgram:
        manifest = await self._fetch(program_id)
        try:
            program = parse_runtimeprogram(manifest)
        except NotARuntimeProgram as error:
            # Another version's CRD admitted it; listings leave it out too.
            raise UnknownProgram(program_id) from error
        try:
            return ResolvedProgram(program, parse_source(manifest))
        except NotARuntimeProgram as error:
            # kubectl made it, and the CRD does not see all that is wrong with a source.
            raise ProgramUnusable(f"program {program_id} can't be run: {error}") from error

    async def _create(self, program: Program, source: ProgramSource) -> Program:
        with suppress(UnknownProgram):
            await self._get_uploaded(program.id)
            raise ProgramExists(describe_taken(program.id))
        self._check_number(self._cache.all(), program.instance)
        try:
            manifest = await self._kind.create(build_runtimeprogram(program, source))
        except Conflict:
            raise ProgramExists(describe_taken(program.id)) from None
        return parse_runtimeprogram(manifest)

    async def _update(self, program_id: str, change: ProgramChange) -> Program:
        for _ in range(CHANGE_TRIES):
            manifest = await self._fetch(program_id)
            try:
                changed = await self._kind.replace(_apply(change, manifest))
            except Conflict:
                # Another client was faster: change the program as it is now.
                continue
            if changed is None:
                raise UnknownProgram(program_id)
            return parse_runtimeprogram(changed)
        raise StoreUnavailable(f"others change program {program_id} all the time; try again")

    async def _delete(self, program_id: str) -> None:
        metadata = (await self._fetch(program_id))["metadata"]
        await self._kind.delete(metadata["name"], metadata["uid"])

    async def _fetch(self, program_id: str) -> Manifest:
        """Return the RuntimeProgram as it is now."""
        if (manifest := await self._kind.fetch(program_id.lower())) is None:
            raise UnknownProgram(program_id)
        return manifest


def _apply(change: ProgramChange, manifest: Manifest) -> Manifest:
    """Return the RuntimeProgram after a change, with its resourceVersion, which is compared."""
    try:
        program = parse_runtimeprogram(manifest)
        source = _source_before(change, manifest)
    except NotARuntimeProgram as error:
        name = manifest["metadata"]["name"]
        raise StoreUnavailable(f"RuntimeProgram {name} can't be read: {error}") from error
    after = change.apply(program, source)
    assert after.source is not None, "an uploaded program has one"
    built = build_runtimeprogram(after.program, after.source)
    metadata = dict(manifest["metadata"])
    annotations = metadata.get("annotations") or {}
    metadata["annotations"] = annotations | built["metadata"]["annotations"]
    return manifest | {"metadata": metadata, "spec": built["spec"]}


def _source_before(change: ProgramChange, manifest: Manifest) -> ProgramSource:
    """Return the present source; one that no runner could take may be replaced all the same."""
    try:
        return parse_source(manifest)
    except NotARuntimeProgram:
        if change.source is None:
            raise
        return ProgramSource(b"#")
