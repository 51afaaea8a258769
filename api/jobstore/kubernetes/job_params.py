"""Jobs' parameters, in Secrets that the RuntimeJob owns; the most recent ones also in memory."""

import asyncio
import base64

from cachetools import LRUCache

from api.jobstore.base import ParamsLost
from api.jobstore.kubernetes.job_secrets import JobSecrets
from api.store_errors import StoreUnavailable
from qiskit_runtime.cluster.client import Conflict
from qiskit_runtime.contract.resources.program import ProgramSource
from qiskit_runtime.contract.resources.resource import JOB_LABEL, Manifest
from qiskit_runtime.contract.resources.runtimejob import RuntimeJob, build_owner
from qiskit_runtime.contract.resources.stored_params import PARAMS_KEY, ParamsDamaged, ParamsFrom

MEMORY_CHARACTERS = 16 * 2**20
"""The size of the cache: a poll answers with the parameters, and should cost no call."""

ENTRY_CHARACTERS = 400
"""What the cache counts for an entry besides its text: its key and its place take so much."""


class JobParams:
    """Writes and reads them. A job's parameters never change, so the cache is never stale."""

    def __init__(self, secrets: JobSecrets) -> None:
        self._secrets = secrets
        self._known: LRUCache[str, str] = LRUCache(MEMORY_CHARACTERS, _measure)
        # Simultaneous readers of one job share one reading.
        self._reading: dict[str, asyncio.Task[str]] = {}

    async def write(
        self, found: RuntimeJob, params: str, source: ProgramSource | None = None
    ) -> None:
        """Create the Secrets that do not exist yet; the first has the job's own program too.

        Raises:
            StoreUnavailable: one can't be created.
        """
        assert isinstance(found.params, ParamsFrom), "as this server asks for jobs"
        parts = found.params.split(params.encode())
        secrets = [build_secret(found, *part) for part in parts.items()]
        if found.program is not None and source is not None:
            secrets[0]["data"][found.program.key] = base64.b64encode(source.data).decode()
        made = await asyncio.gather(*map(self._write_part, secrets), return_exceptions=True)
        for error in made:
            if isinstance(error, BaseException):
                raise error
        self._known[found.uid] = params

    async def read(self, found: RuntimeJob) -> str:
        """Return the parameters, verbatim.

        Raises:
            ParamsLost: they are gone or damaged.
            StoreUnavailable: they can't be read just now.
        """
        if isinstance(found.params, str):
            return found.params
        if (params := self._known.get(found.uid)) is not None:
            return params
        return await asyncio.shield(self._reading.get(found.uid) or self._start(found))

    def _start(self, found: RuntimeJob) -> asyncio.Task[str]:
        assert isinstance(found.params, ParamsFrom), "inline ones need no reading"
        task = asyncio.create_task(self._read_parts(found.params))
        self._reading[found.uid] = task

        def end(task: asyncio.Task[str]) -> None:
            del self._reading[found.uid]
            # Where all readers have left, nobody else retrieves the error.
            if not task.cancelled() and not task.exception():
                self._known[found.uid] = task.result()

        task.add_done_callback(end)
        return task

    async def _write_part(self, secret: Manifest) -> None:
        try:
            await self._secrets.create(secret)
        except Conflict:
            # A repeated submission finds its own; one of a job deleted before goes soon.
            there = await self._secrets.get(secret["metadata"]["name"])
            if there is None or not _is_same(there, secret):
                name = secret["metadata"]["name"]
                raise StoreUnavailable(f"the Secret {name} of another job is in the way") from None

    async def _read_parts(self, reference: ParamsFrom) -> str:
        names = reference.secret_names
        parts = await asyncio.gather(*(self._secrets.read(name, PARAMS_KEY) for name in names))
        for name, part in zip(names, parts, strict=True):
            if part is None:
                raise ParamsLost(f"the Secret {name} is gone, or lacks the key {PARAMS_KEY}")
        try:
            return reference.join(part for part in parts if part is not None)
        except ParamsDamaged as error:
            raise ParamsLost(str(error)) from error


def build_secret(found: RuntimeJob, name: str, part: bytes) -> Manifest:
    """Return the Secret with a part of a job's parameters, owned by the RuntimeJob. Pure."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": name,
            "labels": {JOB_LABEL: found.job.id},
            "ownerReferences": [build_owner(found.job.id, found.uid)],
        },
        "type": "Opaque",
        "immutable": True,
        "data": {PARAMS_KEY: base64.b64encode(part).decode()},
    }


def _measure(params: str) -> int:
    return len(params) + ENTRY_CHARACTERS


def _is_same(there: Manifest, wanted: Manifest) -> bool:
    uids = {owner["uid"] for owner in there["metadata"].get("ownerReferences", ())}
    wanted_uid = wanted["metadata"]["ownerReferences"][0]["uid"]
    return wanted_uid in uids and bool(there.get("data") == wanted["data"])
