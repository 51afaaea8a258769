"""The operator's door: what kopf calls. ``controller`` does what follows.

Run it as ``kopf run --standalone --namespace NAMESPACE operator/main.py``; kopf is given this file
alone, and runs the process: its start, its stop, its liveness probe. ``controller.watches`` says
why the watches are not kopf's.
"""

import asyncio
import logging
import os
import signal
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
from controller.watches import ClusterWatches
from qiskit_runtime.cluster.client import ClusterApi, connect
from qiskit_runtime.host.memory import leave_out_of_collections

logger = logging.getLogger(__name__)


@kopf.on.startup()
async def start(settings: kopf.OperatorSettings, memo: kopf.Memo, **_: Any) -> None:
    """Make the parts, and begin to watch; no job is looked at before the view is complete."""
    _configure(settings)
    leave_out_of_collections()
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
    memo.sessions = SessionKeeper(cluster, reconciler.view, memo.jobs.enqueue)
    memo.pool = WarmPool(
        cluster,
        memo.view,
        reconciler.warm_pods,
        reconciler.records.ready_logs,
        own.runner,
        own.warm_pool,
    )
    memo.resync = ClusterResync(cluster, memo.view, reconciler.archive, memo.jobs.enqueue)
    memo.watches = ClusterWatches(
        cluster, memo.view, memo.jobs, memo.sessions.workers, memo.programs, memo.pool
    )
    memo.rounds = [asyncio.create_task(memo.watches.run()), asyncio.create_task(_resync(memo))]
    for one in memo.rounds:
        one.add_done_callback(_end_with)


async def _resync(memo: kopf.Memo) -> None:
    # Before, all would be missed; and an operator that never knows all is restarted by its probe.
    await memo.watches.complete.wait()
    await memo.resync.run()


def _end_with(task: asyncio.Task[None]) -> None:
    """End this process where a task has failed without which it is blind; it is started again."""
    if not task.cancelled() and (error := task.exception()):
        logger.critical("the operator ends, to start again", exc_info=error)
        os.kill(os.getpid(), signal.SIGTERM)


def _configure(settings: kopf.OperatorSettings) -> None:
    settings.scanning.disabled = True
    settings.posting.enabled = False
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
