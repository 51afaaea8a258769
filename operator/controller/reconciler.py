"""The reconciler of RuntimeJobs: observe, decide, act, and look again when the action says.

It is level-triggered: an event says only whose turn it is, and what is true is looked up each time.
So a repeated or a lost event, or a restart, changes nothing.
"""

from dataclasses import replace
from datetime import UTC, datetime

from redis.asyncio import Redis

from controller.act import ActionRefused, JobActor
from controller.claims import Claimer
from controller.cluster import JobCluster
from controller.concurrency_limit import ConcurrencyLimit
from controller.decide import decide
from controller.observe.cluster_view import ClusterView
from controller.observe.memory import JobMemory
from controller.observe.observer import JobObserver
from controller.observe.pod_state import read_pod_state
from controller.observe.runnables import Runnables
from controller.observe.warm_pods import WarmPods
from controller.record.archive import RecordArchive
from controller.record.pipelines import RecordPipelines
from controller.settings import OperatorSettings
from controller.workers import Workers


class JobReconciler:
    """Takes the steps of RuntimeJobs, one step at a time for each of them."""

    def __init__(self, cluster: JobCluster, redis: Redis, settings: OperatorSettings) -> None:
        limit = ConcurrencyLimit(settings.max_running_jobs, settings.instance_max_running)
        memory = JobMemory()
        self.view = ClusterView(on_started=limit.hold)
        self.archive = RecordArchive(
            cluster, settings.storage_budget, settings.instance_storage_budget
        )
        self.workers = Workers("runtimejob", self.step, self.refresh)
        runner, pool = settings.runner, settings.warm_pool
        self.runnables = Runnables(self.view.programs.find, self.view.backends.find, runner)
        self.records = records = RecordPipelines(
            cluster, redis, self.workers.spawn, self.workers.enqueue, self._has_ended
        )
        self.warm_pods = WarmPods(self.view, memory, runner, pool)
        self._memory = memory
        self._observer = JobObserver(
            cluster, self.view, memory, limit, self.runnables, records, self.warm_pods
        )
        key = pool.key.get_secret_value()
        claimer = Claimer(cluster, self.view, memory, records, self.warm_pods, key)
        self._actor = JobActor(
            cluster,
            self.view,
            memory,
            limit,
            records,
            self.archive,
            self.workers,
            runner,
            self.warm_pods,
            claimer,
        )

    async def step(self, name: str) -> float | None:
        """Take the one next step of a job; returns the seconds until another one, if any."""
        now = datetime.now(UTC)
        view = await self._observer.observe(name, now)
        try:
            return await self._actor.act(name, decide(view, now))
        except ActionRefused as refused:
            view = replace(view, refusal=refused.refusal)
            return await self._actor.act(name, decide(view, now))

    def _has_ended(self, name: str) -> bool:
        """Return whether a job's pod has ended, by what the watches have brought."""
        if self.view.is_malformed(name):
            return False
        job = self.view.find_job(name)
        if job is None:
            return read_pod_state(None, None, datetime.now(UTC)).has_ended
        holder = self._memory.holders.get(job.run_name)
        run, pod = self.view.find_run(job, holder.run_name if holder else "")
        return read_pod_state(run, pod, datetime.now(UTC)).has_ended

    async def refresh(self, name: str) -> None:
        """Read a job again after a step that the API server did not take."""
        await self._observer.refresh(name)
