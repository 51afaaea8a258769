"""The Kubernetes API in plain dictionaries, for the operator and the API.

Configuration and connections are those of the client library; its typed calls build and check a
model of every answer, which costs more than the call.
"""

import asyncio
import json
import os
from collections.abc import AsyncGenerator
from typing import Any
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio import client, config
from kubernetes.aio.client.exceptions import ApiException

Manifest = dict[str, Any]

API_ERRORS = (ApiException, aiohttp.ClientError, TimeoutError, OSError)
"""How a call can fail: refused, broken off, not answered."""

FORBIDDEN = 403
NOT_FOUND = 404
CONFLICT = 409

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
METADATA_ONLY = f"{JSON};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
"""What to accept of a list: names and versions, without specs and statuses."""

_READ_BYTES = 1 << 16

_BUSY_QUOTA_PAUSES = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8)
"""Seconds before a creation is tried again that lost a race for the namespace's ResourceQuota."""

_UNAVAILABLE = 503


async def connect(connections: int = 100) -> client.ApiClient:
    """A client of the cluster that this process runs in, else of the one that KUBECONFIG names."""
    if "KUBERNETES_SERVICE_HOST" in os.environ:
        config.load_incluster_config()
    else:
        await config.load_kube_config(os.environ.get("KUBECONFIG"))
    configuration = client.Configuration.get_default_copy()
    configuration.connection_pool_maxsize = connections
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
        """One request; returns the answer's object.

        A creation that loses a race for the namespace's ResourceQuota is tried again: 409 of a
        creation says that there is an object of its name.

        Raises:
            ApiException: the API server refused; ``body`` has its words.
            aiohttp.ClientError, TimeoutError, OSError: it did not answer.
        """
        headers = {"Accept": accept, "Content-Type": content_type}
        pauses = iter(_BUSY_QUOTA_PAUSES)
        while True:
            try:
                response = await self._request(
                    method, path, query or {}, dict(headers), body, self._call_patience
                )
                content: Manifest = json.loads(await response.read())
                return content
            except ApiException as error:
                if method != "POST" or not _is_busy_quota(error):
                    raise
                if (pause := next(pauses, None)) is None:
                    error.status = _UNAVAILABLE
                    raise
            await asyncio.sleep(pause)

    async def find(self, method: str, path: str, body: Manifest | None = None) -> Manifest | None:
        """The same, where an object that is not there is None."""
        try:
            return await self.call(method, path, body)
        except ApiException as error:
            if error.status == NOT_FOUND:
                return None
            raise

    async def stream(self, path: str, **query: str) -> AsyncGenerator[bytes]:
        """The answer as it comes; an empty piece first, as soon as the API server has answered."""
        response = await self._request("GET", path, query, {}, None, self._stream_patience)
        try:
            yield b""
            async for data in response.content.iter_chunked(_READ_BYTES):
                yield data
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
        # Asked each time: a pod's token is renewed within the hour.
        for setting in (await configuration.auth_settings()).values():
            headers[setting["key"]] = setting["value"]
        url = f"{configuration.host}{path}" + (f"?{urlencode(query)}" if query else "")
        answer = await self._api.rest_client.request(
            method, url, headers=headers, body=body, _request_timeout=patience
        )
        response: aiohttp.ClientResponse = answer.response
        if response.status >= 400:
            error = ApiException(status=response.status, reason=response.reason)
            error.body = (await response.read()).decode(errors="replace")
            raise error
        return response


def describe_error(error: Exception) -> str:
    """One of ``API_ERRORS`` in a line, with the API server's own words."""
    if isinstance(error, ApiException):
        return f"{error.status} {error.reason}: {str(error.body)[:500]}"
    return repr(error)


def _is_busy_quota(error: ApiException) -> bool:
    """Whether a ResourceQuota could not count a creation: its use has changed, or is not known."""
    if error.status == FORBIDDEN:
        return "status unknown for quota" in str(error.body)
    if error.status != CONFLICT:
        return False
    try:
        return bool(json.loads(error.body)["reason"] != "AlreadyExists")
    except (ValueError, TypeError, KeyError):
        return False


def is_over_quota(error: ApiException) -> bool:
    """Whether a ResourceQuota of the namespace refuses what was to be created."""
    return error.status == FORBIDDEN and "exceeded quota" in str(error.body)


def is_cancelled() -> bool:
    """Whether this task was told to end. Loops over Redis ask.

    redis-py swallows a cancellation that comes while it closes a connection that broke: who waits
    for the task would wait for ever.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
