"""The keeper of the pods that are started ahead: as many as ``decide_pool`` says.

It is looked at when one of them changes, when a job starts, and twice a minute.
"""

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from kubernetes.utils.quantity import parse_quantity
from redis.asyncio import Redis
from redis.exceptions import RedisError

from controller.build.warm_job import build_warm_job
from controller.cluster import JobCluster
from controller.decide_pool import decide_pool
from controller.observe.cluster_view import ClusterView
from controller.observe.objects import KubernetesJob, Pod
from controller.observe.pool_view import IdlePod, Place
from controller.observe.warm_pods import WarmPods
from controller.record.ready_logs import ReadyLogs
from controller.settings import PoolSize, RunnerSettings, WarmPoolSettings
from controller.workers import Workers
from qiskit_runtime.cluster.client import REFUSALS, ClusterError, Conflict, Refused
from qiskit_runtime.contract.wire.pool_numbers import POOL_SECONDS, PoolNumbers, pool_key

REFUSED_SECONDS = 10.0
"""The pause after the cluster has refused a pod, by a quota or an admission rule."""

_POOL = "pool"

logger = logging.getLogger(__name__)


class WarmPool:
    """Keeps the pool of one namespace."""

    def __init__(
        self,
        cluster: JobCluster,
        view: ClusterView,
        pods: WarmPods,
        logs: ReadyLogs,
        runner: RunnerSettings,
        settings: WarmPoolSettings,
    ) -> None:
        self._cluster, self._view, self._pods, self._logs = cluster, view, pods, logs
        self._runner, self._settings = runner, settings
        self._paused_until: dict[str, datetime] = {}
        """By resource class: until when no pod is made of it, as the cluster has refused one."""
        self.workers = Workers("warm pool", self.step, self.refresh)
        pods.wake = self.wake

    def wake(self) -> None:
        """Have the pool looked at."""
        self.workers.enqueue(_POOL)

    def note_pod(self, pod: Pod) -> None:
        """Have the pool looked at, if a pod of it has changed or a job's finds no node."""
        run = self._view.jobs.find(pod.job_name)
        is_warm = run is None or bool(run.template_digest)
        if is_warm or (pod.is_homeless and self._settings.is_on):
            self.wake()

    def note_session(self) -> None:
        """Have the pool looked at, if sessions have pods of their own."""
        if self._settings.per_session:
            self.wake()

    async def step(self, _: str = _POOL) -> float | None:
        """Delete what has to go, and make what is missing; returns the seconds to the next look."""
        now = datetime.now(UTC)
        view = self._pods.observe(now)
        self._logs.keep([one.pod.name for one in view.idle if one.pod and one.is_ready])
        step = decide_pool(view, now)
        if step.makes_room:
            self._pods.note_room(now)
        await _do_all(map(self._delete, step.delete))
        paused = {name: until for name, until in self._paused_until.items() if until > now}
        self._paused_until = paused
        places = [place for place in step.make if place.resource_class not in paused]
        await _do_all(self._make_unless_refused(place, now) for place in places)
        pauses = [(until - now).total_seconds() for until in self._paused_until.values()]
        return min((one for one in (step.seconds, *pauses) if one is not None), default=None)

    async def refresh(self, _: str = _POOL) -> None:
        """Read the Jobs that were started ahead, and their pods, from the API server."""
        with suppress(ClusterError):
            self._view.replace("", None, *await self._cluster.find_warm())

    @property
    def is_on(self) -> bool:
        """Return whether pods are started ahead at all."""
        return self._settings.is_on

    async def report(self, redis: Redis, namespace: str) -> None:
        """Leave the numbers of the pods in Redis, for the API; the next report is soon."""
        numbers = self.measure()
        found = PoolNumbers(int(numbers["ready"]), int(numbers["starting"]))
        with suppress(RedisError, OSError):
            await redis.set(pool_key(namespace), found.pack(), ex=POOL_SECONDS)

    def measure(self) -> dict[str, Any]:
        """Return the pools' numbers and what they hold of the nodes, for the operator's probe.

        They are those of all classes together, and of each named one by itself.
        """
        idle = self._pods.observe(datetime.now(UTC)).idle
        alive = [one for one in idle if not one.is_over]
        own, *named = (self._measure(name, alive) for name in ("", *self._runner.classes))
        total = {key: sum(part[key] for part in (own, *named)) for key in own}
        by_name = dict(zip(self._runner.classes, named, strict=True))
        return {**total, "classes": by_name} if by_name else {**total}

    def _measure(self, name: str, alive: Sequence[IdlePod]) -> dict[str, int | float]:
        mine = [one for one in alive if one.run.resource_class == name]
        runner, pool = self._runner.of(name), self._settings.pools.get(name, PoolSize())
        return {
            "ready": sum(one.is_ready for one in mine),
            "starting": sum(not one.is_ready for one in mine),
            "wanted": pool.size,
            "cores": float(len(mine) * parse_quantity(runner.cpu_request)),
            "memoryBytes": int(len(mine) * parse_quantity(runner.memory)),
        }

    async def _make_unless_refused(self, place: Place, now: datetime) -> None:
        try:
            await self._make(place)
        except Refused as error:
            if error.status not in REFUSALS:
                raise
            logger.info("no pod is started ahead: %s", error)
            self._paused_until[place.resource_class] = now + timedelta(seconds=REFUSED_SECONDS)

    async def _make(self, place: Place) -> None:
        name = f"warm-{uuid.uuid4().hex[:12]}"
        key = self._settings.key.get_secret_value()
        manifest = build_warm_job(name, self._runner, key, place.session, place.resource_class)
        created, _ = await self._cluster.create_job(manifest)
        self._view.put_job(created)

    async def _delete(self, run: KubernetesJob) -> None:
        # Nobody claims it meanwhile; another operator may have, and then it is refused.
        if not self._pods.take(run):
            return
        try:
            await self._cluster.delete_idle_job(run.name, run.uid, run.version)
        except Conflict:
            return
        except ClusterError:
            self._pods.release(run)
            raise
        self._view.forget_job(run.name, run.uid)


async def _do_all(calls: Iterable[Awaitable[None]]) -> None:
    """Wait until all of these calls have ended, then raise the first error of any."""
    for found in await asyncio.gather(*calls, return_exceptions=True):
        if found is not None:
            raise found
