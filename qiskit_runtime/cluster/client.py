"""The Kubernetes API in plain dictionaries, for the operator and the API, and its errors.

Configuration and connections are those of the client library; its typed calls build and check a
model of every answer, which costs more than the call.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlencode
from urllib.request import getproxies_environment

import aiohttp
from kubernetes.aio import client, config

from qiskit_runtime.contract.resources.resource import Manifest
from qiskit_runtime.host.backoff import Backoff

FORBIDDEN = 403
NOT_FOUND = 404
CONFLICT = 409
GONE = 410
UNAVAILABLE = 503

REFUSALS = (400, FORBIDDEN, NOT_FOUND, 413, 422)
"""The statuses by which a creation is refused for what it is: by a quota, a rule, a validation."""

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
METADATA_ONLY = f"{JSON};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
"""What to accept of a list: names and versions, without specs and statuses."""

PAGE = 250
"""How many objects a list asks for in one request: a whole kind need not fit into memory twice."""

_READ_BYTES = 1 << 16

_BUSY_QUOTA_TRIES = 7
"""How often a creation is tried that loses a race for the namespace's ResourceQuota."""

_NETWORK_ERRORS = (aiohttp.ClientError, TimeoutError, OSError)


class ClusterError(Exception):
    """A call to the Kubernetes API failed; the text is one line for a log."""


class Unanswered(ClusterError):
    """The API server did not answer, or its answer broke off."""


class Refused(ClusterError):
    """The API server refused; the text has its status and its own words."""

    def __init__(self, status: int, reason: str, body: str = "") -> None:
        super().__init__(f"{status} {reason}: {body[:500]}")
        self.status, self.reason, self.body = status, reason, body


class NotFound(Refused):
    """The object does not exist."""


class Conflict(Refused):
    """The object exists already, or is of another version or uid than the call named."""


class Expired(Refused):
    """The resource version of a watch is too old: list again."""


class QuotaExceeded(Refused):
    """A ResourceQuota of the namespace has no room for the new object."""


async def connect(connections: int = 100) -> client.ApiClient:
    """Return a client of this process' cluster, or else of the one that KUBECONFIG names."""
    if "KUBERNETES_SERVICE_HOST" in os.environ:
        config.load_incluster_config()
    else:
        await config.load_kube_config(os.environ.get("KUBECONFIG"))
    configuration = client.Configuration.get_default_copy()
    configuration.connection_pool_maxsize = connections
    # Where no proxy is named there is nothing to trust the environment for: a thread would look for
    # ~/.netrc at each request.
    configuration.client_session_kwargs = {"trust_env": bool(getproxies_environment())}
    return client.ApiClient(configuration)


class ClusterApi:
    """Requests to one API server; a call is given up after ``call_seconds``."""

    def __init__(self, api: client.ApiClient, call_seconds: float = 30.0) -> None:
        self._api = api
        self._call_patience = aiohttp.ClientTimeout(total=call_seconds)
        self._stream_patience = aiohttp.ClientTimeout(total=None, connect=call_seconds)

    async def call(
        self,
        method: str,
        path: str,
        body: Manifest | None = None,
        *,
        query: dict[str, str] | None = None,
        content_type: str = JSON,
        accept: str = JSON,
    ) -> Manifest:
        """Make one request and return the object of its answer.

        A creation that loses a race for the namespace's ResourceQuota is tried again, so that
        ``Conflict`` of a creation always means that an object of its name exists.

        Raises:
            ClusterError: the API server refused (``Refused``) or did not answer (``Unanswered``).
        """
        headers = {"Accept": accept, "Content-Type": content_type}
        backoff = Backoff(first=0.03, longest=1.0)
        while True:
            try:
                response = await self._request(
                    method, path, query or {}, dict(headers), body, self._call_patience
                )
                return await _read_object(response)
            except Refused as error:
                if method != "POST" or not _is_busy_quota(error):
                    raise
                pause = backoff.next_seconds()
                if backoff.failures == _BUSY_QUOTA_TRIES:
                    raise Refused(UNAVAILABLE, error.reason, error.body) from error
            await asyncio.sleep(pause)

    async def find(self, method: str, path: str, body: Manifest | None = None) -> Manifest | None:
        """Make one request as ``call`` does; return None where the object does not exist."""
        try:
            return await self.call(method, path, body)
        except NotFound:
            return None

    @asynccontextmanager
    async def open_stream(self, path: str, **query: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open an answer that goes on, such as a watch or a log, and yield its pieces.

        The context is entered as soon as the API server has answered, before the first piece.

        Raises:
            ClusterError: as ``call``; also from the pieces, where the answer breaks off.
        """
        response = await self._request("GET", path, query, {}, None, self._stream_patience)
        try:
            yield _read_pieces(response)
        finally:
            response.close()

    async def _request(
        self,
        method: str,
        path: str,
        query: dict[str, str],
        headers: dict[str, str],
        body: Manifest | None,
        patience: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        configuration = self._api.configuration
        url = f"{configuration.host}{path}" + (f"?{urlencode(query)}" if query else "")
        try:
            # Asked each time: a pod's token is renewed within the hour, and read from its file.
            for setting in (await configuration.auth_settings()).values():
                headers[setting["key"]] = setting["value"]
            answer = await self._api.rest_client.request(
                method, url, headers=headers, body=body, _request_timeout=patience
            )
            response: aiohttp.ClientResponse = answer.response
            if response.status >= 400:
                raise make_error(
                    response.status,
                    response.reason or "",
                    (await response.read()).decode(errors="replace"),
                )
        except _NETWORK_ERRORS as error:
            raise Unanswered(repr(error)) from error
        return response


def make_error(status: int, reason: str, body: str) -> Refused:
    """Return the exception for an answer of this status. Pure."""
    if status == FORBIDDEN and "exceeded quota" in body:
        return QuotaExceeded(status, reason, body)
    kind = {NOT_FOUND: NotFound, CONFLICT: Conflict, GONE: Expired}.get(status, Refused)
    return kind(status, reason, body)


async def _read_object(response: aiohttp.ClientResponse) -> Manifest:
    try:
        content: Manifest = json.loads(await response.read())
    except _NETWORK_ERRORS as error:
        raise Unanswered(repr(error)) from error
    return content


async def _read_pieces(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    try:
        async for piece in response.content.iter_chunked(_READ_BYTES):
            yield piece
    except _NETWORK_ERRORS as error:
        raise Unanswered(repr(error)) from error


def _is_busy_quota(error: Refused) -> bool:
    """Return whether a ResourceQuota could not count a creation: its use is changing or unknown."""
    if error.status == FORBIDDEN:
        return "status unknown for quota" in error.body
    if error.status != CONFLICT:
        return False
    try:
        return bool(json.loads(error.body)["reason"] != "AlreadyExists")
    except (ValueError, TypeError, KeyError):
        return False


def is_cancelled() -> bool:
    """Return whether this task has been cancelled. Loops over Redis ask this.

    redis-py swallows a cancellation that arrives while it closes a broken connection; a caller
    that awaits the task would then wait for ever.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
