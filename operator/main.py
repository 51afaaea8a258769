"""The operator's door: the handlers that kopf calls. ``controller`` does what follows.

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
from controller.observe.resync import STALE_SECONDS, ClusterResync
from controller.program_status import ProgramStatusWriter
from controller.reconciler import JobReconciler
from controller.session_status import SessionKeeper
from controller.settings import OperatorSettings
from controller.warm_pool import WarmPool
from qiskit_runtime.cluster.client import ClusterApi, connect
from qiskit_runtime.contract.resources.resource import GROUP, JOB_LABEL, VERSION, WARM_LABEL


@kopf.on.startup()
async def start(settings: kopf.OperatorSettings, memo: kopf.Memo, **_: Any) -> None:
    """Make the reconciler, and have kopf notice a silent watch."""
    _configure(settings)
    own = OperatorSettings()
    # Each running job holds a connection for its log, and so does a pod that waits for one.
    logs_at_once = 2 * own.max_running_jobs + own.warm_pool.most
    memo.namespace = own.namespace
    memo.clients = [await connect(), await connect(logs_at_once)]
    calls, logs = map(ClusterApi, memo.clients)
    cluster = JobCluster(calls, logs, own.namespace)
    memo.redis = Redis.from_url(
        own.redis_url.get_secret_value(), socket_connect_timeout=5, socket_timeout=5
    )
    reconciler = JobReconciler(cluster, memo.redis, own)
    memo.view, memo.jobs = reconciler.view, reconciler.workers
    memo.programs = ProgramStatusWriter(cluster, reconciler.view, reconciler.runnables).workers
    memo.sessions = SessionKeeper(cluster, reconciler.view, memo.jobs.enqueue).workers
    memo.pool = WarmPool(
        cluster,
        memo.view,
        reconciler.warm_pods,
        reconciler.records.ready_logs,
        own.runner,
        own.warm_pool,
    )
    memo.resync = ClusterResync(cluster, memo.view, reconciler.archive, memo.jobs.enqueue)
    memo.pool.start()
    memo.rounds = asyncio.create_task(memo.resync.run())


def _configure(settings: kopf.OperatorSettings) -> None:
    settings.scanning.disabled = True
    settings.posting.enabled = False
    settings.watching.server_timeout = 60
    settings.watching.client_timeout = 75
    settings.watching.connect_timeout = 10
    settings.networking.request_timeout = 30
    settings.networking.error_backoffs = (1, 2, 3, 5, 8, 8, 8)
    settings.queueing.error_delays = (1, 1, 2, 3, 5, 8, 10)
    # Events and the operator's own log lines say what happens to a job.
    for name in ("kopf.objects", "kopf.activities", "aiohttp.access"):
        logging.getLogger(name).setLevel(logging.WARNING)


@kopf.on.cleanup()
async def stop(memo: kopf.Memo, **_: Any) -> None:
    """Leave everything as it is, for the next operator."""
    memo.rounds.cancel()
    await memo.jobs.close()
    await memo.programs.close()
    await memo.sessions.close()
    await memo.pool.workers.close()
    await memo.redis.aclose()
    for api in memo.clients:
        await api.close()


@kopf.on.probe(id="staleSeconds", errors=kopf.ErrorsMode.PERMANENT)
async def probe(memo: kopf.Memo, **_: Any) -> float:
    """Return the time since the view was last found right; too long is an error, and a restart."""
    stale: float = memo.resync.stale_seconds
    if stale > STALE_SECONDS:
        raise kopf.PermanentError(f"the view of the cluster was not confirmed for {stale:.0f} s")
    return round(stale, 1)


@kopf.on.probe(id="warmPool")
async def probe_pool(memo: kopf.Memo, **_: Any) -> dict[str, Any]:
    """Return the numbers of the pods that wait for a job, and what they hold of the nodes."""
    if memo.pool.is_on:
        # In the background: a probe waits for no Redis.
        memo.pool.workers.spawn(memo.pool.report(memo.redis, memo.namespace))
    numbers: dict[str, Any] = memo.pool.measure()
    return numbers


# kopf calls the index functions for all objects before it calls any handler of an event: the view
# is whole when the first job is looked at. They return nothing, so kopf itself keeps nothing.


@kopf.index(GROUP, VERSION, "runtimejobs")
async def observe_job(body: kopf.Body, memo: kopf.Memo, **_: Any) -> None:
    """Take up a RuntimeJob as it is now."""
    memo.view.put_runtimejob(dict(body))


@kopf.index("batch", "v1", "jobs", labels={JOB_LABEL: kopf.PRESENT})
async def observe_kubernetes_job(body: kopf.Body, memo: kopf.Memo, **_: Any) -> None:
    """Take up a Kubernetes Job as it is now."""
    memo.view.put_job(dict(body))


@kopf.index("", "v1", "pods", labels={JOB_LABEL: kopf.PRESENT})
async def observe_pod(body: kopf.Body, memo: kopf.Memo, **_: Any) -> None:
    """Take up a runner's pod as it is now."""
    memo.view.pods.put(dict(body))


@kopf.index(GROUP, VERSION, "runtimeprograms")
async def observe_program(body: kopf.Body, memo: kopf.Memo, **_: Any) -> None:
    """Take up a RuntimeProgram as it is now."""
    memo.view.programs.put(dict(body))


@kopf.index(GROUP, VERSION, "runtimebackends")
async def observe_backend(body: kopf.Body, memo: kopf.Memo, **_: Any) -> None:
    """Take up a RuntimeBackend as it is now."""
    memo.view.backends.put(dict(body))


@kopf.index(GROUP, VERSION, "runtimesessions")
async def observe_session(body: kopf.Body, memo: kopf.Memo, **_: Any) -> None:
    """Take up a RuntimeSession as it is now."""
    memo.view.sessions.put(dict(body))


@kopf.on.event(GROUP, VERSION, "runtimejobs")
async def enqueue_job(
    event: kopf.RawEvent, name: str, body: kopf.Body, memo: kopf.Memo, **_: Any
) -> None:
    """Enqueue a RuntimeJob that was created, changed or deleted, and its session."""
    if event["type"] == "DELETED":
        memo.view.runtimejobs.drop(dict(body))
    memo.jobs.enqueue(name)
    if session := body.get("spec", {}).get("sessionId"):
        memo.sessions.enqueue(session)


@kopf.on.event("batch", "v1", "jobs", labels={JOB_LABEL: kopf.PRESENT})
async def enqueue_job_of_kubernetes_job(
    event: kopf.RawEvent, labels: Mapping[str, str], body: kopf.Body, memo: kopf.Memo, **_: Any
) -> None:
    """Enqueue the RuntimeJob of a Kubernetes Job that was created, changed or deleted."""
    if event["type"] == "DELETED":
        memo.view.drop_job(dict(body))
    if WARM_LABEL in labels:
        memo.pool.wake()
    if name := labels[JOB_LABEL]:
        memo.jobs.enqueue(name)


@kopf.on.event("", "v1", "pods", labels={JOB_LABEL: kopf.PRESENT})
async def enqueue_job_of_pod(
    event: kopf.RawEvent, body: kopf.Body, memo: kopf.Memo, **_: Any
) -> None:
    """Enqueue the RuntimeJob of a pod that was created, changed or deleted, or the pool."""
    name = memo.view.name_job_of(dict(body))
    if event["type"] == "DELETED":
        memo.view.drop_pod(dict(body))
    memo.pool.note_pod(dict(body))
    if name:
        memo.jobs.enqueue(name)


@kopf.on.event(GROUP, VERSION, "runtimeprograms")
async def enqueue_program(
    event: kopf.RawEvent, name: str, body: kopf.Body, memo: kopf.Memo, **_: Any
) -> None:
    """Enqueue a RuntimeProgram; jobs that start from now on do not find a deleted one."""
    if event["type"] == "DELETED":
        memo.view.programs.drop(dict(body))
    memo.programs.enqueue(name)


@kopf.on.event(GROUP, VERSION, "runtimebackends")
async def drop_backend(event: kopf.RawEvent, body: kopf.Body, memo: kopf.Memo, **_: Any) -> None:
    """Forget a deleted RuntimeBackend: jobs that start from now on do not find it."""
    if event["type"] == "DELETED":
        memo.view.backends.drop(dict(body))


@kopf.on.event(GROUP, VERSION, "runtimesessions")
async def enqueue_session(
    event: kopf.RawEvent, name: str, body: kopf.Body, memo: kopf.Memo, **_: Any
) -> None:
    """Enqueue a RuntimeSession that was created, changed or deleted."""
    if event["type"] == "DELETED":
        memo.view.sessions.drop(dict(body))
    memo.sessions.enqueue(name)
    memo.pool.note_session()
