"""Jobs' parameters: kept in Secrets that the RuntimeJob owns, and the last ones read in memory."""

import asyncio
import base64
from collections import OrderedDict

from api.jobstore.base import ParamsLost
from api.jobstore.kubernetes.job_secrets import JobSecrets
from api.store_errors import StoreUnavailable
from qiskit_runtime.cluster.client import Conflict
from qiskit_runtime.contract.resources.program import ProgramSource
from qiskit_runtime.contract.resources.resource import JOB_LABEL, Manifest
from qiskit_runtime.contract.resources.runtimejob import RuntimeJob, build_owner
from qiskit_runtime.contract.resources.stored_params import PARAMS_KEY, ParamsDamaged, ParamsFrom

MEMORY_CHARACTERS = 16 * 2**20
"""How much of them is kept in memory: a poll answers with the parameters, and costs no call."""


class JobParams:
    """Writes and reads them. A job's parameters never change, so what was read stays true."""

    def __init__(self, secrets: JobSecrets) -> None:
        self._secrets = secrets
        self._known: OrderedDict[str, str] = OrderedDict()
        self._size = 0
        # Many who ask for the same share one reading.
        self._reading: dict[str, asyncio.Task[str]] = {}

    async def write(
        self, found: RuntimeJob, params: str, source: ProgramSource | None = None
    ) -> None:
        """Make the Secrets that are not there yet; the first has the job's own program too.

        Raises:
            StoreUnavailable: one can't be made.
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
        self._remember(found.uid, params)

    async def read(self, found: RuntimeJob) -> str:
        """The parameters, verbatim.

        Raises:
            ParamsLost: they are gone or damaged.
            StoreUnavailable: they can't be read just now.
        """
        if isinstance(found.params, str):
            return found.params
        if (params := self._known.get(found.uid)) is not None:
            self._known.move_to_end(found.uid)
            return params
        return await asyncio.shield(self._reading.get(found.uid) or self._start(found))

    def _start(self, found: RuntimeJob) -> asyncio.Task[str]:
        assert isinstance(found.params, ParamsFrom), "inline ones were there already"
        task = asyncio.create_task(self._read_parts(found.params))
        self._reading[found.uid] = task

        def end(task: asyncio.Task[str]) -> None:
            del self._reading[found.uid]
            # Its readers may all have gone; then nobody else asks for its error.
            if not task.cancelled() and not task.exception():
                self._remember(found.uid, task.result())

        task.add_done_callback(end)
        return task

    async def _write_part(self, secret: Manifest) -> None:
        try:
            await self._secrets.create(secret)
        except Conflict:
            # A submission that is repeated finds its own; that of a job deleted before goes soon.
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

    def _remember(self, uid: str, params: str) -> None:
        self._size += len(params) - len(self._known.get(uid, ""))
        self._known[uid] = params
        while self._size > MEMORY_CHARACTERS and len(self._known) > 1:
            _, forgotten = self._known.popitem(last=False)
            self._size -= len(forgotten)


def build_secret(found: RuntimeJob, name: str, part: bytes) -> Manifest:
    """The Secret with a part of a job's parameters. Its owner takes it along. Pure."""
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


def _is_same(there: Manifest, wanted: Manifest) -> bool:
    uids = {owner["uid"] for owner in there["metadata"].get("ownerReferences", ())}
    wanted_uid = wanted["metadata"]["ownerReferences"][0]["uid"]
    return wanted_uid in uids and bool(there.get("data") == wanted["data"])
