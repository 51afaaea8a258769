"""The operator: kopf tells what happened, ``job_reconciler`` does what follows.

Run it as ``kopf run --standalone --namespace NAMESPACE operator/main.py``; kopf is given this file
alone. Its handlers are of the kind that leaves no finalizer and no annotation behind.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

import kopf
from redis.asyncio import Redis

from controller.cluster import JobCluster
from controller.observe.cluster_view import ClusterView, pod_key, trim
from controller.observe.resync import STALE_SECONDS, ClusterResync
from controller.reconciler import JobReconciler
from controller.settings import OperatorSettings
from qiskit_runtime.cluster.client import ClusterApi, connect
from qiskit_runtime.contract.resources.resource import GROUP, JOB_LABEL, VERSION

Manifest = dict[str, Any]

view = ClusterView()
"""What the handlers below have been told. One, as there is one operator in a process."""


@kopf.on.startup()
async def start(settings: kopf.OperatorSettings, memo: kopf.Memo, **_: Any) -> None:
    """Make the reconciler, and have kopf notice a silent watch."""
    settings.scanning.disabled = True
    settings.posting.enabled = False
    settings.watching.server_timeout = 60
    settings.watching.client_timeout = 75
    settings.watching.connect_timeout = 10
    settings.networking.request_timeout = 30
    settings.networking.error_backoffs = (1, 2, 3, 5, 8, 8, 8)
    settings.queueing.error_delays = (1, 1, 2, 3, 5, 8, 10)
    # What happened to a job is told by Events, and by what is logged here.
    for name in ("kopf.objects", "kopf.activities", "aiohttp.access"):
        logging.getLogger(name).setLevel(logging.WARNING)
    own = OperatorSettings()
    # Each running job holds a connection for its log.
    memo.clients = [await connect(), await connect(2 * own.max_running_jobs)]
    calls, logs = map(ClusterApi, memo.clients)
    cluster = JobCluster(calls, logs, own.namespace)
    memo.redis = Redis.from_url(
        own.redis_url.get_secret_value(), socket_connect_timeout=5, socket_timeout=5
    )
    memo.reconciler = JobReconciler(cluster, view, memo.redis, own)
    memo.notice = memo.reconciler.workers.notice
    memo.resync = ClusterResync(cluster, view, memo.reconciler.keeper, memo.notice)
    memo.rounds = asyncio.create_task(memo.resync.run())


@kopf.on.cleanup()
async def stop(memo: kopf.Memo, **_: Any) -> None:
    """Leave everything as it is, for the next operator."""
    memo.rounds.cancel()
    await memo.reconciler.workers.close()
    await memo.redis.aclose()
    for api in memo.clients:
        await api.close()


@kopf.on.probe(id="staleSeconds", errors=kopf.ErrorsMode.PERMANENT)
async def probe(memo: kopf.Memo, **_: Any) -> float:
    """For how long the cluster was not seen as it is; too long is an error, and a restart."""
    stale: float = memo.resync.stale_seconds
    if stale > STALE_SECONDS:
        raise kopf.PermanentError(f"the cluster was not seen as it is for {stale:.0f} s")
    return round(stale, 1)


# kopf calls the index functions for all that is there before it calls any handler for an event: the
# view is whole when the first job is looked at. They return nothing, so kopf itself keeps nothing.


@kopf.index(GROUP, VERSION, "runtimejobs")
async def see_job(name: str, body: kopf.Body, **_: Any) -> None:
    """A RuntimeJob as it is now."""
    view.put(view.runtimejobs, name, trim(dict(body)))


@kopf.index("batch", "v1", "jobs", labels={JOB_LABEL: kopf.PRESENT})
async def see_kubernetes_job(name: str, body: kopf.Body, **_: Any) -> None:
    """A Kubernetes Job as it is now."""
    view.put(view.jobs, name, trim(dict(body)))


@kopf.index("", "v1", "pods", labels={JOB_LABEL: kopf.PRESENT})
async def see_pod(body: kopf.Body, **_: Any) -> None:
    """A runner's pod as it is now."""
    view.put(view.pods, pod_key(dict(body)), trim(dict(body)))


@kopf.index(GROUP, VERSION, "runtimeprograms")
async def see_program(name: str, body: kopf.Body, **_: Any) -> None:
    """A program as it is now."""
    view.put(view.programs, name, trim(dict(body)))


@kopf.index(GROUP, VERSION, "runtimebackends")
async def see_backend(name: str, body: kopf.Body, **_: Any) -> None:
    """A backend as it is now."""
    view.put(view.backends, name, trim(dict(body)))


@kopf.on.event(GROUP, VERSION, "runtimejobs")
async def notice_job(
    type: str | None,  # noqa: A002  (kopf's name)
    name: str,
    body: kopf.Body,
    memo: kopf.Memo,
    **_: Any,
) -> None:
    """A RuntimeJob was made, changed or deleted."""
    if type == "DELETED":
        view.drop(view.runtimejobs, name, dict(body))
    memo.notice(name)


@kopf.on.event("batch", "v1", "jobs", labels={JOB_LABEL: kopf.PRESENT})
async def notice_kubernetes_job(
    type: str | None,  # noqa: A002
    name: str,
    labels: Mapping[str, str],
    body: kopf.Body,
    memo: kopf.Memo,
    **_: Any,
) -> None:
    """A Kubernetes Job was made, changed or deleted."""
    if type == "DELETED":
        view.drop_job(name, dict(body))
    memo.notice(labels[JOB_LABEL])


@kopf.on.event("", "v1", "pods", labels={JOB_LABEL: kopf.PRESENT})
async def notice_pod(
    type: str | None,  # noqa: A002
    labels: Mapping[str, str],
    body: kopf.Body,
    memo: kopf.Memo,
    **_: Any,
) -> None:
    """A runner's pod was made, changed or deleted."""
    if type == "DELETED":
        view.drop_pod(dict(body))
    memo.notice(labels[JOB_LABEL])


@kopf.on.event(GROUP, VERSION, "runtimeprograms")
async def drop_program(type: str | None, name: str, body: kopf.Body, **_: Any) -> None:  # noqa: A002
    """A program was deleted: jobs that start from now on do not find it."""
    if type == "DELETED":
        view.drop(view.programs, name, dict(body))


@kopf.on.event(GROUP, VERSION, "runtimebackends")
async def drop_backend(type: str | None, name: str, body: kopf.Body, **_: Any) -> None:  # noqa: A002
    """A backend was deleted: jobs that start from now on do not find it."""
    if type == "DELETED":
        view.drop(view.backends, name, dict(body))
