"""Takes the one next step of a RuntimeJob, whatever happened: start it, follow it, conclude it.

``main`` tells names, ``JobWorkers`` calls ``step``; what is true is looked up each time, so that a
repeated or a lost event, or a restart, changes nothing. What follows from what is seen,
``contract.lifecycle`` says.
"""

import logging
from datetime import UTC, datetime, timedelta

from kubernetes.aio.client.exceptions import ApiException
from redis.asyncio import Redis

from controller.build.event import build_event
from controller.build.job import build_job, build_name
from controller.build.status import Ending, build_status
from controller.cluster import JobCluster, Manifest
from controller.concurrency_limit import ConcurrencyLimit
from controller.inputs import NOT_BUILDABLE, PodInputs, reject_input
from controller.observe.cluster_view import ClusterView, Seen, is_final, trim
from controller.observe.job_state import observe_job, waited_seconds
from controller.observe.pod_finder import PodFinder
from controller.observe.pod_state import NO_POD_SECONDS, PodState, can_run_again, is_over_time
from controller.observe.program_library import ProgramLibrary
from controller.record.archive import RecordKeeper
from controller.record.followers import RecordFollowers
from controller.settings import OperatorSettings
from controller.workers import CHECK_SECONDS, JobWorkers
from qiskit_runtime.cluster.client import API_ERRORS, describe_error
from qiskit_runtime.contract.lifecycle import (
    Limits,
    Observation,
    Phase,
    Reason,
    RunnerState,
    State,
    derive_state,
)
from qiskit_runtime.contract.resources.runtimejob import submission_time
from qiskit_runtime.contract.wire.progress import Progress

REFUSED_SECONDS = 10.0
"""How long to wait until a Kubernetes Job that the cluster refused is asked for again."""

HELD = "it waits until its spec.suspend is false"
"""What is said of a job that is suspended by its own resource."""

_REFUSALS = (400, 403, 404, 413, 422)
_ENDED_BY_ITSELF = (RunnerState.ENDED, RunnerState.OUT_OF_MEMORY)

logger = logging.getLogger(__name__)


class JobReconciler:
    """Brings RuntimeJobs on, each in its own turn."""

    def __init__(
        self, cluster: JobCluster, view: ClusterView, redis: Redis, settings: OperatorSettings
    ) -> None:
        self._cluster = cluster
        self._view = view
        self._runner = settings.runner
        self._inputs = PodInputs(cluster, ProgramLibrary(view), settings.runner.image)
        self._finder = PodFinder(cluster, view, self._inputs)
        self._slots = settings.max_running_jobs
        self._gate: ConcurrencyLimit | None = None
        self._begun: set[str] = set()
        """By uid, as below: those that have no Job any more, and had one."""
        self._refused: dict[str, datetime] = {}
        """Since when the cluster refuses their Job."""
        self.keeper = RecordKeeper(cluster, settings.storage_budget)
        self.workers = JobWorkers(self._step, self._look_again)
        self._followers = RecordFollowers(cluster, view, redis, self.workers)

    async def _step(self, name: str) -> float | None:
        seen = self._view.see(name)
        job = seen.runtimejob
        if job is None:
            await self._forget(name)
            return None
        if is_final(job):
            return await self._clean_up(job)
        if not seen.was_started and job["metadata"]["uid"] not in self._begun:
            return await self._start(job)
        self.gate.hold(name)
        return await self._observe(job, seen)

    async def _look_again(self, name: str) -> None:
        """Read what may have changed without our being told: a conflict says so."""
        try:
            job = await self._cluster.get_runtimejob(name)
        except API_ERRORS:
            return
        if job is None:
            self._view.runtimejobs.pop(name, None)
        else:
            self._view.put(self._view.runtimejobs, name, trim(job))

    @property
    def gate(self) -> ConcurrencyLimit:
        """The gate; when it is made, those who are inside already are known."""
        if self._gate is None:
            self._gate = ConcurrencyLimit(self._slots)
            for name, job in self._view.runtimejobs.items():
                if not is_final(job) and self._view.see(name).was_started:
                    self._gate.hold(name)
        return self._gate

    # A job that was not started.

    async def _start(self, job: Manifest) -> float | None:
        name, spec = job["metadata"]["name"], job["spec"]
        if spec.get("cancelRequested"):
            # A creation that was not answered may have succeeded.
            await self._cluster.delete_job(build_name(job))
            return await self._conclude(job, derive_state(Observation(cancel_requested=True)), {})
        if spec.get("suspend"):
            self._leave(name)
            await self._write(
                job, derive_state(Observation(runner=RunnerState.SUSPENDED, detail=HELD)), {}
            )
            return CHECK_SECONDS
        if job.get("status", {}).get("reason") == Reason.SUSPENDED:
            await self._write(job, State(Phase.QUEUED), {})
            return 0
        if not self.gate.enter(name, submission_time(job["metadata"])):
            return CHECK_SECONDS
        if not await self._is_as_seen(job):
            self._leave(name)
            return 0
        self._call_next()
        try:
            self._inputs.build(job)
        except NOT_BUILDABLE as error:
            return await self._conclude(job, reject_input(error), {})
        try:
            created = await self._cluster.create_job(build_job(job, self._runner))
        except ApiException as error:
            if error.status not in _REFUSALS:
                raise
            return await self._hold_refused(job, describe_error(error))
        self._refused.pop(job["metadata"]["uid"], None)
        self._view.put(self._view.jobs, created["metadata"]["name"], trim(created))
        note = f"the Kubernetes Job {created['metadata']['name']} was made"
        self._tell(job, State(Phase.QUEUED), note)
        return CHECK_SECONDS

    async def _is_as_seen(self, job: Manifest) -> bool:
        """Whether nobody has started it; asked only of a job that was made a while ago.

        An operator that was frozen may see it as it was. And one that died when it had made the
        Job has not written so: the Job may have run and be gone already.
        """
        created = datetime.fromisoformat(job["metadata"]["creationTimestamp"])
        if (datetime.now(UTC) - created).total_seconds() < CHECK_SECONDS:
            return True
        name = job["metadata"]["name"]
        await self._look_again(name)
        now = self._view.runtimejobs.get(name)
        if now is None or _version(now) != _version(job):
            return False
        if job["metadata"]["uid"] not in self._refused and await self._cluster.find_secret(
            build_name(job)
        ):
            self._begun.add(job["metadata"]["uid"])
            return False
        return True

    async def _hold_refused(self, job: Manifest, words: str) -> float | None:
        """Say why there is no Kubernetes Job (a quota, say), and try again until the deadline."""
        now = datetime.now(UTC)
        since = self._refused.setdefault(job["metadata"]["uid"], now)
        limit = job["spec"]["startDeadlineSeconds"]
        state = derive_state(
            Observation(
                runner=RunnerState.UNSCHEDULABLE,
                waited_seconds=(now - since).total_seconds(),
                detail=f"the cluster refuses its Kubernetes Job: {words}",
                limits=Limits(start_deadline_seconds=limit),
            )
        )
        if state.phase.is_final:
            return await self._conclude(job, state, {})
        await self._write(job, state, {})
        return REFUSED_SECONDS

    # A job that was started.

    async def _observe(self, job: Manifest, seen: Seen) -> float | None:
        now = datetime.now(UTC)
        known = self._followers.get(job)
        log_is_over = known is not None and known.is_done and known.copy.verdict is None
        place, seen = await self._finder.find(seen, job, now, log_is_over=log_is_over)
        follower = self._followers.follow(job, seen, place)
        copy = follower.copy if follower else None
        if follower and place.has_ended and not follower.copy.verdict and not follower.is_done:
            follower.note_end()
            return CHECK_SECONDS
        state = observe_job(seen, place, copy, now)
        names = {"jobName": build_name(job)}
        if seen.pod:
            names["podName"] = seen.pod["metadata"]["name"]
        if state.phase.is_final:
            return await self._conclude(job, state, names, place)
        await self._write(
            job, state, names, progress=follower.take_progress() if follower else None
        )
        limit = job["spec"]["maxExecutionSeconds"]
        if job["spec"].get("cancelRequested") or is_over_time(seen.pod, limit, now):
            await self._followers.end_pod(follower, seen.pod)
        if state.phase is Phase.RUNNING or place.place is RunnerState.SUSPENDED:
            return CHECK_SECONDS
        # Until its deadline passes; the moment more is for clocks of whole seconds.
        waited = waited_seconds(seen, now)
        left: float = job["spec"]["startDeadlineSeconds"] - waited + 1
        if waited < NO_POD_SECONDS:
            # Of a pod that is not made, nothing tells.
            left = min(left, NO_POD_SECONDS - waited + 1)
        return min(max(left, 1), CHECK_SECONDS)

    # The end.

    async def _conclude(
        self, job: Manifest, state: State, names: Manifest, place: PodState | None = None
    ) -> float | None:
        """Keep the record, then make the job final: whoever sees that finds the record."""
        name = job["metadata"]["name"]
        follower = self._followers.get(job)
        ending = await self.keeper.keep(job, follower.copy) if follower else Ending()
        await self._write(job, state, names, ending)
        self._leave(name)
        if place and ending.verdict is None and place.place not in _ENDED_BY_ITSELF:
            # It may be on its way still, and nobody waits for it.
            await self._cluster.delete_job(build_name(job))
        await self.keeper.make_room(self._view.runtimejobs.values())
        return 0

    async def _write(
        self,
        job: Manifest,
        state: State,
        names: Manifest,
        ending: Ending | None = None,
        progress: Progress | None = None,
    ) -> None:
        status = build_status(job, state, names, datetime.now(UTC), ending, progress)
        if not status:
            return
        written = await self._cluster.write_status(job, status)
        self._view.put(self._view.runtimejobs, job["metadata"]["name"], trim(written))
        if "phase" in status or "reason" in status:
            self._tell(job, state)

    async def _clean_up(self, job: Manifest) -> float | None:
        """A job that has ended: nothing of it runs again; delete it when its time has come."""
        self._followers.retire(job)
        self._inputs.forget(job["metadata"]["name"])
        seen = self._view.see(job["metadata"]["name"])
        if can_run_again(job, seen.job, seen.pod):
            await self._cluster.delete_job(build_name(job))
        self._begun.discard(job["metadata"]["uid"])
        self._refused.pop(job["metadata"]["uid"], None)
        self._leave(job["metadata"]["name"])
        ends = datetime.fromisoformat(job["status"]["finishedAt"])
        ends += timedelta(seconds=job["spec"]["ttlSecondsAfterFinished"])
        left = (ends - datetime.now(UTC)).total_seconds()
        if left <= 0:
            await self._cluster.delete_runtimejob(job)
        # Later ones are noticed by the resync.
        return left if 0 < left <= 2 * CHECK_SECONDS else None

    async def _forget(self, name: str) -> None:
        """A job that was deleted: the cluster removes what it owned, Redis what it streamed."""
        self._leave(name)
        self._inputs.forget(name)
        await self._followers.forget(name)

    def _leave(self, name: str) -> None:
        self.gate.leave(name)
        self._call_next()

    def _call_next(self) -> None:
        if following := self.gate.next_name():
            self.workers.notice(following)

    def _tell(self, job: Manifest, state: State, note: str = "") -> None:
        self.workers.spawn(self._send(build_event(job, state, note)))

    async def _send(self, event: Manifest) -> None:
        try:
            await self._cluster.create_event(event)
        except API_ERRORS as error:
            logger.info("an event was not told: %s", describe_error(error))


def _version(job: Manifest) -> str:
    return str(job["metadata"]["resourceVersion"])
