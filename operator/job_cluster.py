"""What the operator asks of the Kubernetes API: a few calls, on plain dictionaries."""

from collections.abc import AsyncIterator
from typing import Any

from kubernetes.aio import client
from kubernetes.aio.client.exceptions import ApiException

from job_builder import NAME_LABEL
from qiskit_runtime.contract.resource import GROUP, VERSION

Manifest = dict[str, Any]

_CONFLICT = 409
_NOT_FOUND = 404
_READ_BYTES = 1 << 16


class JobCluster:
    """RuntimeJobs and what runs them, in one namespace."""

    def __init__(self, api: client.ApiClient, namespace: str) -> None:
        self._api = api
        self._namespace = namespace
        self._core = client.CoreV1Api(api)
        self._batch = client.BatchV1Api(api)
        self._custom = client.CustomObjectsApi(api)
        self._kind = (GROUP, VERSION, namespace, "runtimejobs")

    async def get_job(self, name: str) -> Manifest | None:
        """The RuntimeJob, or None."""
        try:
            job: Manifest = await self._custom.get_namespaced_custom_object(*self._kind, name)
        except ApiException as error:
            if error.status == _NOT_FOUND:
                return None
            raise
        return job

    async def create(self, secret: Manifest, job: Manifest) -> None:
        """Create the input and the Job. That they are there already is success."""
        for create, manifest in (
            (self._core.create_namespaced_secret, secret),
            (self._batch.create_namespaced_job, job),
        ):
            try:
                await create(self._namespace, manifest)
            except ApiException as error:
                if error.status != _CONFLICT:
                    raise

    async def find_pod(self, name: str) -> Manifest | None:
        """The pod that runs the RuntimeJob of this name, or None."""
        found = await self._core.list_namespaced_pod(
            self._namespace, label_selector=f"{NAME_LABEL}={name}"
        )
        pods: list[Manifest] = self._api.sanitize_for_serialization(found)["items"]
        return pods[0] if pods else None

    async def write_status(self, job: Manifest, status: Manifest) -> None:
        """Replace the status, if the RuntimeJob is still the one that was read."""
        body = {**job, "status": status}
        await self._custom.replace_namespaced_custom_object_status(
            *self._kind, job["metadata"]["name"], body
        )

    async def follow_log(self, pod: str) -> AsyncIterator[bytes]:
        """The pod's log from its first byte, until the container has ended."""
        answer = await self._core.read_namespaced_pod_log_without_preload_content(
            pod, self._namespace, follow=True
        )
        async for data in answer.content.iter_chunked(_READ_BYTES):
            yield data
