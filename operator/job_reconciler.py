"""Takes the one next step of a RuntimeJob, whatever happened: start it, follow it, conclude it.

``main`` tells names, ``JobWorkers`` calls ``step``; what is true is looked up each time, so that a
repeated or a lost event, or a restart, changes nothing. What follows from what is seen,
``contract.lifecycle`` says.
"""

import asyncio
import logging
from datetime import UTC, datetime, timedelta

from redis.asyncio import Redis

from cluster_view import ClusterView, Seen, is_final, trim
from event_builder import build_event
from job_builder import build_input, build_job, build_name, find_params
from job_cluster import JobCluster, Manifest
from job_gate import JobGate
from job_observation import observe_job, waited_seconds
from job_workers import CHECK_SECONDS, JobWorkers
from operator_settings import OperatorSettings
from pod_place import GONE, PodPlace, find_place, has_log, is_over_time
from program_library import ProgramLibrary
from qiskit_runtime.catalog import UnknownProgram
from qiskit_runtime.cluster_api import API_ERRORS, describe_error
from qiskit_runtime.contract.backend import UnknownBackend
from qiskit_runtime.contract.lifecycle import (
    Observation,
    Phase,
    Place,
    Reason,
    State,
    observe,
    reject,
)
from qiskit_runtime.contract.runtimejob import submission_time
from record_follower import RecordFollower
from record_keeper import RecordKeeper
from status_builder import Ending, build_status
from stream_writer import StreamWriter

INPUT_CHECK_SECONDS = 10.0
"""How long a pod may be on its way until its input is looked for."""

logger = logging.getLogger(__name__)


class JobReconciler:
    """Brings RuntimeJobs on, each in its own turn."""

    def __init__(
        self, cluster: JobCluster, view: ClusterView, redis: Redis, settings: OperatorSettings
    ) -> None:
        self._cluster = cluster
        self._view = view
        self._redis = redis
        self._runner = settings.runner
        self._library = ProgramLibrary(view)
        self._slots = settings.max_running_jobs
        self._gate: JobGate | None = None
        self._followers: dict[str, RecordFollower] = {}
        self.keeper = RecordKeeper(cluster, settings.storage_budget)
        self.workers = JobWorkers(self._step, self._look_again)

    async def _step(self, name: str) -> float | None:
        seen = self._view.see(name)
        job = seen.runtimejob
        if job is None:
            await self._forget(name)
            return None
        if is_final(job):
            return await self._clean_up(job)
        if not seen.was_started:
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
    def gate(self) -> JobGate:
        """The gate; when it is made, those who are inside already are known."""
        if self._gate is None:
            self._gate = JobGate(self._slots)
            for name, job in self._view.runtimejobs.items():
                if not is_final(job) and self._view.see(name).was_started:
                    self._gate.hold(name)
        return self._gate

    # A job that was not started.

    async def _start(self, job: Manifest) -> float | None:
        name, spec = job["metadata"]["name"], job["spec"]
        if spec.get("cancelRequested"):
            return await self._conclude(job, observe(Observation(cancel_requested=True)), {})
        if spec.get("suspend"):
            self._leave(name)
            return CHECK_SECONDS
        if not self.gate.enter(name, submission_time(job["metadata"])):
            return CHECK_SECONDS
        if not await self._is_as_seen(job):
            self._leave(name)
            return 0
        self._call_next()
        try:
            secret = self._build_input(job)
        except (UnknownBackend, UnknownProgram) as error:
            return await self._conclude(job, _reject(error), {})
        # At once: the pod is not there before its input, and if one fails, both are tried again.
        created, _ = await asyncio.gather(
            self._cluster.create_job(build_job(job, self._runner)),
            self._cluster.put_secret(secret),
        )
        self._view.put(self._view.jobs, name, trim(created))
        note = f"the Kubernetes Job {created['metadata']['name']} was made"
        self._tell(job, State(Phase.QUEUED), note)
        return CHECK_SECONDS

    async def _is_as_seen(self, job: Manifest) -> bool:
        """Whether nobody has started it meanwhile; asked only of a job that waited for long.

        An operator that was frozen may see it as it was, and its Job may be gone already.
        """
        created = datetime.fromisoformat(job["metadata"]["creationTimestamp"])
        if (datetime.now(UTC) - created).total_seconds() < CHECK_SECONDS:
            return True
        name = job["metadata"]["name"]
        await self._look_again(name)
        now = self._view.runtimejobs.get(name)
        return now is not None and _version(now) == _version(job)

    def _build_input(self, job: Manifest) -> Manifest:
        spec = job["spec"]
        backend = self._library.find_backend(spec["backend"])
        return build_input(job, backend.model_dump(), self._library.find_source(spec["programId"]))

    # A job that was started.

    async def _observe(self, job: Manifest, seen: Seen) -> float | None:
        now = datetime.now(UTC)
        place = await self._find_place(job, seen, now)
        follower = self._follow(job, seen, place)
        verdict = follower.copy.verdict if follower else None
        if follower and place.has_ended and verdict is None and not follower.is_done:
            follower.note_end()
            return CHECK_SECONDS
        state = observe_job(seen, place, verdict, now)
        names = {"jobName": build_name(job)}
        if seen.pod:
            names["podName"] = seen.pod["metadata"]["name"]
        if state.phase.is_final:
            return await self._conclude(job, state, names)
        await self._write(job, state, names)
        limit = job["spec"]["maxExecutionSeconds"]
        if job["spec"].get("cancelRequested") or is_over_time(seen.pod, limit, now):
            await self._end_pod(follower, seen.pod)
        if state.phase is Phase.RUNNING:
            return CHECK_SECONDS
        # Until its deadline passes; the moment more is for clocks of whole seconds.
        left: float = job["spec"]["startDeadlineSeconds"] - waited_seconds(seen, now) + 1
        return min(max(left, 1), CHECK_SECONDS)

    async def _find_place(self, job: Manifest, seen: Seen, now: datetime) -> PodPlace:
        """Where the pod is. What would end the job is asked of the API server."""
        place = find_place(seen.job, seen.pod, now)
        if place.place is Place.JOB_DELETED and seen.pod is None:
            name = build_name(job)
            return find_place(
                await self._cluster.get_job(name), await self._cluster.find_pod(name), now
            )
        if place.place is Place.STARTING:
            if seen.pod is None and job.get("status", {}).get("podName"):
                return PodPlace(Place.DISRUPTED, GONE)
            if waited_seconds(seen, now) > INPUT_CHECK_SECONDS and not await self._has_input(job):
                return PodPlace(Place.INPUT_MISSING)
        return place

    async def _has_input(self, job: Manifest) -> bool:
        """Whether all is there that the pod mounts; what the operator itself owes is made good."""
        if not await self._cluster.has_secret(build_name(job)):
            await self._cluster.put_secret(self._build_input(job))
        for name in find_params(job):
            if not await self._cluster.has_secret(name):
                return False
        return True

    def _follow(self, job: Manifest, seen: Seen, place: PodPlace) -> RecordFollower | None:
        """Who follows the job's log, from the moment on when there is one."""
        name, uid = job["metadata"]["name"], job["metadata"]["uid"]
        if name in self._followers:
            return self._followers[name]
        if seen.pod is not None and has_log(seen.pod):
            pod = seen.pod["metadata"]["name"]
        elif place.has_ended and "podName" in job.get("status", {}):
            # It ran while nobody was here.
            pod = job["status"]["podName"]
        else:
            return None
        follower = RecordFollower(
            self._cluster, pod, StreamWriter(self._redis, uid, name), lambda: self._has_ended(name)
        )
        self._followers[name] = follower
        task = self.workers.spawn(follower.run())
        task.add_done_callback(lambda _: self.workers.notice(name))
        return follower

    def _has_ended(self, name: str) -> bool:
        seen = self._view.see(name)
        return find_place(seen.job, seen.pod, datetime.now(UTC)).has_ended

    async def _end_pod(self, follower: RecordFollower | None, pod: Manifest | None) -> None:
        """Have the runner end its program, and say so in its record."""
        if follower is None or pod is None or "deletionTimestamp" in pod["metadata"]:
            return
        # After a delete the log is gone within about a second, so it must be being read.
        await follower.attached.wait()
        await self._cluster.delete_pod(pod["metadata"]["name"])

    # The end.

    async def _conclude(self, job: Manifest, state: State, names: Manifest) -> float | None:
        """Keep the record, then make the job final: whoever sees that finds the record."""
        name = job["metadata"]["name"]
        follower = self._followers.get(name)
        ending = await self.keeper.keep(job, follower.copy) if follower else Ending()
        await self._write(job, state, names, ending)
        self._leave(name)
        if names and ending.verdict is None:
            # It may be on its way still, and nobody waits for it.
            await self._cluster.delete_job(build_name(job))
        await self.keeper.make_room(self._view.runtimejobs.values())
        return 0

    async def _write(
        self, job: Manifest, state: State, names: Manifest, ending: Ending | None = None
    ) -> None:
        status = build_status(job, state, names, datetime.now(UTC), ending)
        if not status:
            return
        written = await self._cluster.write_status(job, status)
        self._view.put(self._view.runtimejobs, job["metadata"]["name"], trim(written))
        self._tell(job, state)

    async def _clean_up(self, job: Manifest) -> float | None:
        """A job that has ended: delete it when its time has come."""
        name = job["metadata"]["name"]
        self._followers.pop(name, None)
        self._leave(name)
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
        if follower := self._followers.pop(name, None):
            await follower.close()

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


def _reject(error: UnknownBackend | UnknownProgram) -> State:
    """A mistake that is seen without a pod."""
    if isinstance(error, UnknownBackend):
        return reject(Reason.UNKNOWN_BACKEND, f"no backend is named {error}")
    return reject(Reason.UNKNOWN_PROGRAM, f"there is no program {error}")
