"""An API server in this process: lists, watches and writes of any kind of resource, and faults.

It speaks what ``api.jobstore.kubernetes`` asks for as the real one does: resource versions of one
count, pages, bookmarks, 410 for versions that were compacted, preconditions, and removal of what a
deleted object owned. It counts its requests. What it does not do is validate.
"""

import asyncio
import copy
import json
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from aiohttp import web
from kubernetes.aio import client

from qiskit_runtime.contract.resources.resource import Manifest

NAMESPACE = "jobs"


class Refused(Exception):
    """An answer that is an error."""

    def __init__(self, code: int, reason: str) -> None:
        self.code, self.reason = code, reason


class FakeCluster:
    """The objects by kind and name, and the history that watches read."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Manifest]] = {}
        self.requests: Counter[str] = Counter()
        self.on_change: list[Callable[[str, str, Manifest], None]] = []
        self.answers = asyncio.Event()
        """While it is not set, requests are taken and not answered."""
        self.answers.set()
        self.refusals: dict[str, int] = {}
        """By "METHOD kind": with which code to refuse."""
        self.quota_races: Counter[str] = Counter()
        """By kind: how many creations to refuse, as where the quota's use has changed meanwhile."""
        self.words = ""
        """The text of a refusal."""
        self.watches_are_silent = False
        self.held: set[str] = set()
        """Clients, as ``connect`` names them, whose watches tell nothing until ``release``."""
        self.page = 1000
        self._version = 100
        self._compacted = 0
        self._history: list[tuple[int, str, str, Manifest]] = []
        self._changed = asyncio.Event()
        self._watching: list[web.Request] = []
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def start(self) -> None:
        """Serve; again on the same port after ``stop``."""
        app = web.Application(client_max_size=1 << 22)
        app.router.add_route("*", "/{client}/{root:api|apis}/{rest:.*}", self._answer)
        self._runner = web.AppRunner(
            app, shutdown_timeout=0, access_log=None, handler_cancellation=True
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = site._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Break all connections and refuse new ones."""
        self.break_watches()
        await self._runner.cleanup()

    def break_watches(self) -> None:
        """Cut the connections of all watches."""
        for request in list(self._watching):
            if request.transport:
                request.transport.abort()

    async def connect(self, name: str = "client") -> client.ApiClient:
        """A client of this server."""
        return client.ApiClient(client.Configuration(host=f"http://127.0.0.1:{self.port}/{name}"))

    def release(self, name: str) -> None:
        """Have the watches of this client go on where they were held."""
        self.held.discard(name)
        self._wake()

    def compact(self) -> None:
        """Forget the history: watches from any version before now answer 410."""
        self._compacted = self._version
        self._history.clear()

    @property
    def reads(self) -> int:
        """Return the number of reads but for watches."""
        return sum(
            count for name, count in self.requests.items() if name.startswith(("GET", "LIST"))
        )

    # Objects, as requests and tests change them.

    def create(self, kind: str, manifest: Manifest) -> Manifest:
        """Add an object."""
        objects = self.objects.setdefault(kind, {})
        name = manifest["metadata"]["name"]
        if name in objects:
            raise Refused(409, "AlreadyExists")
        made = copy.deepcopy(manifest)
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        made["metadata"] |= {"uid": str(uuid.uuid4()), "creationTimestamp": now, "generation": 1}
        if kind == "runtimejobs":
            made["spec"] = {"backend": "aer_simulator", "maxExecutionSeconds": 300} | made["spec"]
            made.setdefault("status", {"phase": "Queued"})
        return self._note("ADDED", kind, made)

    def patch(self, kind: str, name: str, patch: Manifest) -> Manifest:
        """Change an object by a merge patch; a resourceVersion within it must be the current."""
        there = self._get(kind, name)
        wanted = patch.get("metadata", {}).get("resourceVersion")
        if wanted not in (None, there["metadata"]["resourceVersion"]):
            raise Refused(409, "Conflict")
        changed = merge(copy.deepcopy(there), patch)
        if changed == there:
            return there
        return self._note("MODIFIED", kind, changed)

    def replace(self, kind: str, name: str, manifest: Manifest) -> Manifest:
        """Put an object in the place of the version that it was made from."""
        there = self._get(kind, name)
        if manifest["metadata"].get("resourceVersion") != there["metadata"]["resourceVersion"]:
            raise Refused(409, "Conflict")
        return self._note("MODIFIED", kind, copy.deepcopy(manifest))

    def delete(self, kind: str, name: str, options: Manifest | None = None) -> Manifest:
        """Remove an object, and all that it owns."""
        there = self._get(kind, name)
        wanted = (options or {}).get("preconditions", {}).get("uid")
        if wanted not in (None, there["metadata"]["uid"]):
            raise Refused(409, "Conflict")
        self._note("DELETED", kind, copy.deepcopy(there))
        for owned_kind, objects in self.objects.items():
            for owned in list(objects.values()):
                owners = owned["metadata"].get("ownerReferences", [])
                if any(owner["uid"] == there["metadata"]["uid"] for owner in owners):
                    self.delete(owned_kind, owned["metadata"]["name"])
        return there

    def _get(self, kind: str, name: str) -> Manifest:
        try:
            return self.objects.get(kind, {})[name]
        except KeyError:
            raise Refused(404, "NotFound") from None

    def _note(self, what: str, kind: str, manifest: Manifest) -> Manifest:
        self._version += 1
        manifest["metadata"]["resourceVersion"] = str(self._version)
        name = manifest["metadata"]["name"]
        if what == "DELETED":
            del self.objects[kind][name]
        else:
            self.objects[kind][name] = manifest
        self._history.append((self._version, what, kind, manifest))
        self._wake()
        for tell in self.on_change:
            tell(what, kind, manifest)
        return manifest

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    # Requests.

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        parts = request.match_info["rest"].split("/")
        kind, *name = parts[parts.index("namespaces") + 2 :]
        is_watch = "watch" in request.query
        is_list = request.method == "GET" and not name
        verb = "WATCH" if is_watch else "LIST" if is_list else request.method
        self.requests[f"{verb} {kind}"] += 1
        body = await request.json() if request.can_read_body else {}
        await self.answers.wait()
        try:
            self._refuse(f"{request.method} {kind}")
            if is_watch:
                return await self._watch(request, kind)
            return web.json_response(self._do(request, kind, name, body))
        except Refused as refusal:
            status = {"kind": "Status", "code": refusal.code, "reason": refusal.reason}
            status["message"] = self.words
            return web.json_response(status, status=refusal.code, reason=refusal.reason)

    def _refuse(self, request: str) -> None:
        if code := self.refusals.get(request):
            raise Refused(code, "Refused")
        method, kind = request.split()
        if method == "POST" and self.quota_races[kind] > 0:
            self.quota_races[kind] -= 1
            raise Refused(409, "Conflict")

    def _do(self, request: web.Request, kind: str, name: list[str], body: Manifest) -> Manifest:
        match request.method, name:
            case "GET", []:
                return self._list(request, kind)
            case "GET", [one]:
                return self._get(kind, one)
            case "POST", []:
                return self.create(kind, body)
            case "PATCH", [one, *_]:
                return self.patch(kind, one, body)
            case "PUT", [one]:
                return self.replace(kind, one, body)
            case "DELETE", [one]:
                return self.delete(kind, one, body)
        raise Refused(405, "MethodNotAllowed")

    def _list(self, request: web.Request, kind: str) -> Manifest:
        begin = int(request.query.get("continue", "0"))
        end = begin + min(int(request.query.get("limit", "1000")), self.page)
        items = list(self.objects.get(kind, {}).values())
        metadata = {"resourceVersion": str(self._version)}
        if end < len(items):
            metadata["continue"] = str(end)
        return {"kind": "List", "metadata": metadata, "items": items[begin:end]}

    async def _watch(self, request: web.Request, kind: str) -> web.StreamResponse:
        version = int(request.query["resourceVersion"])
        if version < self._compacted:
            raise Refused(410, "Expired")
        response = web.StreamResponse()
        await response.prepare(request)
        self._watching.append(request)
        was_silent = self.watches_are_silent
        try:
            async with asyncio.timeout(float(request.query["timeoutSeconds"])):
                async for event in self._follow(version, kind, request.match_info["client"]):
                    await response.write(json.dumps(event).encode() + b"\n")
        except TimeoutError:
            pass
        finally:
            self._watching.remove(request)
        if not (was_silent or self.watches_are_silent):
            metadata = {"resourceVersion": str(self._version)}
            bookmark = {"type": "BOOKMARK", "object": {"metadata": metadata}}
            await response.write(json.dumps(bookmark).encode() + b"\n")
        else:
            # Neither an event nor an end: a bookmark would say that nothing was held back.
            await asyncio.sleep(3600)
        return response

    async def _follow(self, version: int, kind: str, who: str) -> AsyncIterator[Manifest]:
        while True:
            changed = self._changed
            is_silent = self.watches_are_silent or who in self.held
            for at, what, of, manifest in [] if is_silent else list(self._history):
                if at > version and of == kind:
                    yield {"type": what, "object": manifest}
                    version = at
            await changed.wait()


def merge(target: Manifest, patch: Manifest) -> Manifest:
    """A JSON merge patch (RFC 7386)."""
    for key, value in patch.items():
        if value is None:
            target.pop(key, None)
        elif isinstance(value, dict):
            target[key] = merge(dict(target.get(key) or {}), value)
        else:
            target[key] = value
    return target


@asynccontextmanager
async def open_cluster() -> AsyncIterator[FakeCluster]:
    """A server that is there for a while."""
    cluster = FakeCluster()
    await cluster.start()
    try:
        yield cluster
    finally:
        await cluster.stop()
