"""The operator's door: the handlers that kopf calls. ``controller`` does what follows.

Run it as ``kopf run --standalone --namespace NAMESPACE operator/main.py``; kopf is given this file
alone. Its handlers are of the kind that leaves no finalizer and no annotation behind. RuntimeJobs,
and what runs them, come by ``job_watches``.
"""

import asyncio
import logging
from typing import Any

import kopf
from redis.asyncio import Redis

from controller.cluster import JobCluster
from controller.observe.job_watches import JobWatches, Listeners
from controller.observe.resync import STALE_SECONDS, ClusterResync
from controller.program_status import ProgramStatusWriter
from controller.reconciler import JobReconciler
from controller.session_status import SessionKeeper
from controller.settings import OperatorSettings
from controller.warm_pool import WarmPool
from qiskit_runtime.cluster.cache import ResourceCache
from qiskit_runtime.cluster.client import ClusterApi, connect
from qiskit_runtime.contract.resources.resource import GROUP, VERSION


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
    memo.watches = JobWatches(
        cluster,
        memo.view,
        Listeners(memo.jobs.enqueue, memo.sessions.enqueue, memo.pool.wake, memo.pool.note_pod),
    )
    for workers in (memo.jobs, memo.sessions, memo.pool.workers):
        workers.hold()
    rounds = (memo.watches.run(), memo.resync.run(), _begin(memo))
    memo.rounds = [asyncio.create_task(one) for one in rounds]


async def _begin(memo: kopf.Memo) -> None:
    """Take the first steps once the view is complete; jobs that have not ended come first."""
    await memo.watches.complete.wait()
    if memo.pool.is_on:
        memo.pool.wake()
    await memo.pool.workers.release()
    await memo.jobs.release(memo.view.is_unfinished)
    await memo.sessions.release()


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
    for one in memo.rounds:
        one.cancel()
    await asyncio.gather(*memo.rounds, return_exceptions=True)
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


@kopf.on.event(GROUP, VERSION, "runtimeprograms")
async def observe_program(
    event: kopf.RawEvent, name: str, body: kopf.Body, memo: kopf.Memo, **_: Any
) -> None:
    """Take up a RuntimeProgram; jobs that start from now on do not find a deleted one."""
    _observe(memo.view.programs, event, body)
    memo.programs.enqueue(name)


@kopf.on.event(GROUP, VERSION, "runtimebackends")
async def observe_backend(event: kopf.RawEvent, body: kopf.Body, memo: kopf.Memo, **_: Any) -> None:
    """Take up a RuntimeBackend; jobs that start from now on do not find a deleted one."""
    _observe(memo.view.backends, event, body)


@kopf.on.event(GROUP, VERSION, "runtimesessions")
async def observe_session(
    event: kopf.RawEvent, name: str, body: kopf.Body, memo: kopf.Memo, **_: Any
) -> None:
    """Take up a RuntimeSession, whose jobs may have their turn now."""
    _observe(memo.view.sessions, event, body)
    memo.sessions.enqueue(name)
    memo.pool.note_session()


def _observe(cache: ResourceCache[Any], event: kopf.RawEvent, body: kopf.Body) -> None:
    if event["type"] == "DELETED":
        cache.drop(dict(body))
    else:
        cache.put(dict(body))
