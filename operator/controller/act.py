"""Take the actions that ``decide`` returns: whatever is written of a job is written here."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime

from controller.actions import (
    CHECK_SECONDS,
    Action,
    Claim,
    Delete,
    DeleteSpares,
    ExpectRecordEnd,
    Finish,
    FollowLog,
    Forget,
    GiveInput,
    HandOver,
    Retire,
    Start,
    StopPod,
    TakeInputBack,
    Update,
    Wait,
)
from controller.build.event import build_event
from controller.build.job import build_input, build_job
from controller.build.status import build_status
from controller.claims import Claimer
from controller.cluster import JobCluster
from controller.concurrency_limit import ConcurrencyLimit
from controller.observe.cluster_view import ClusterView
from controller.observe.job_view import Refusal
from controller.observe.memory import JobMemory
from controller.observe.warm_pods import WarmPods
from controller.record.archive import RecordArchive
from controller.record.pipelines import RecordPipelines
from controller.settings import RunnerSettings, UnknownResourceClass
from controller.workers import Workers
from qiskit_runtime.cluster.client import REFUSALS, ClusterError, QuotaExceeded, Refused
from qiskit_runtime.contract.lifecycle import Phase, State
from qiskit_runtime.contract.resources.resource import Manifest
from qiskit_runtime.contract.resources.runtimejob import RuntimeJob

HANDOVER_SECONDS = 1.0
"""The pause after a hand-over that has failed."""

logger = logging.getLogger(__name__)


class ActionRefused(Exception):
    """The cluster does not take what was to be created; the job is decided upon once more."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.words)
        self.refusal = refusal


@dataclass(frozen=True, slots=True)
class JobActor:
    """Acts on the RuntimeJobs of one namespace."""

    cluster: JobCluster
    view: ClusterView
    memory: JobMemory
    limit: ConcurrencyLimit
    records: RecordPipelines
    archive: RecordArchive
    workers: Workers
    runner: RunnerSettings
    warm_pods: WarmPods
    claimer: Claimer

    async def act(  # noqa: C901, PLR0912  (a table: one case for each action)
        self, name: str, action: Action
    ) -> float | None:
        """Take an action; returns the seconds until the job's next step, None for no next one.

        Raises:
            ActionRefused: the cluster does not take the Kubernetes Job, or its input.
            ClusterError: a call has failed, and the step is to be repeated.
        """
        match action:
            case Wait():
                return self._wait(name, action)
            case Start():
                return await self._start(action)
            case Claim():
                return await self._claim(action)
            case HandOver():
                return await self._hand_over(action)
            case GiveInput():
                return await self._give_input(action)
            case TakeInputBack():
                return await self._take_input_back(action)
            case FollowLog(job, pod):
                self.records.follow(job, pod)
                return 0
            case ExpectRecordEnd(job):
                self.records.expect_end(job)
                return CHECK_SECONDS
            case Update():
                return await self._update(action)
            case StopPod():
                return await self._stop_pod(action)
            case DeleteSpares(names):
                return await self._delete_spares(names)
            case Finish():
                return await self._finish(action)
            case Retire():
                return await self._retire(action)
            case Delete(job):
                await self._delete(job)
                return None
            case Forget():
                await self._forget(name)
                return None

    def _wait(self, name: str, action: Wait) -> float | None:
        if action.frees_slot:
            self.memory.forget_room(name)
            self._leave(name)
        return action.seconds

    async def _start(self, action: Start) -> float:
        job = action.job
        # Others may start meanwhile.
        self._enqueue_next()
        if action.instead_of:
            if await self._has_input(job):
                return 0
            await self.records.forget(job.name)
        try:
            manifest = build_job(job, self.runner, action.resource_class)
            created, is_new = await self.cluster.create_job(manifest)
        except (Refused, UnknownResourceClass) as error:
            if isinstance(error, Refused) and error.status not in REFUSALS:
                raise
            lacks_room = isinstance(error, QuotaExceeded)
            since = self.memory.note_refusal(job, datetime.now(UTC), lacks_room=lacks_room)
            raise ActionRefused(Refusal(f"its Kubernetes Job: {error}", since)) from error
        self.memory.forget_refusal(job.name)
        self.view.put_job(created)
        if is_new:
            self.warm_pods.note_start(datetime.now(UTC), action.resource_class)
            # No pod has the input, as a rule. Before the job's end it is asked once more.
            self.memory.holders.setdefault(job.run_name, None)
        note = f"the Kubernetes Job {job.run_name} was created"
        self._emit_event(job, State(Phase.QUEUED), note)
        if action.instead_of:
            await self.cluster.delete_job(action.instead_of)
        return CHECK_SECONDS

    async def _has_input(self, job: RuntimeJob) -> bool:
        """Return whether another operator has given a job to its pod meanwhile."""
        self.memory.note_input(job, await self.cluster.find_secret(job.run_name))
        return self.memory.holders[job.run_name] is not None

    async def _claim(self, action: Claim) -> float:
        self._enqueue_next()
        try:
            is_claimed = await self.claimer.claim(action)
        except QuotaExceeded as error:
            raise _refuse_input(error) from error
        if is_claimed:
            self.memory.forget_refusal(action.job.name)
            self.warm_pods.note_start(datetime.now(UTC), action.run.resource_class)
            note = f"the Kubernetes Job {action.run.name} was claimed"
            self._emit_event(action.job, State(Phase.QUEUED), note)
        return 0

    async def _hand_over(self, action: HandOver) -> float:
        try:
            await self.claimer.hand_over(action)
        except QuotaExceeded as error:
            raise _refuse_input(error) from error
        # Where it has failed, the pod's end is on its way.
        return 0 if action.job.run_name in self.memory.handed else HANDOVER_SECONDS

    async def _give_input(self, action: GiveInput) -> float:
        job = action.job
        manifest = build_input(job, action.plan, action.image, action.pod)
        try:
            written = await self.cluster.create_secret(manifest)
        except QuotaExceeded as error:
            raise _refuse_input(error) from error
        # Where another operator was faster, its Secret names the pod.
        secret = written or await self.cluster.find_secret(job.run_name)
        self.memory.note_input(job, secret)
        return 0

    async def _take_input_back(self, action: TakeInputBack) -> float:
        # Where this breaks off, it is read again who has the input.
        self.memory.holders.pop(action.job.run_name, None)
        await self.cluster.delete_secret(action.job.run_name, action.holder.secret_uid)
        self.memory.note_input(action.job, None)
        self.memory.handed.discard(action.job.run_name)
        return 0

    async def _update(self, action: Update) -> float:
        await self._write(action.job, action.state, action.status)
        if "progress" in action.status:
            self.records.note_written_progress(action.job, action.progress)
        return action.seconds

    async def _stop_pod(self, action: StopPod) -> float:
        # After a delete the log is gone within about a second, so it must be open before.
        await self.records.wait_until_attached(action.job)
        await self.cluster.delete_pod(action.pod)
        return action.seconds

    async def _finish(self, action: Finish) -> float:
        """Store the record, then make the job final: readers of the status find the record."""
        job = action.job
        record = await self.archive.store(job, self.records.copy(job))
        now = datetime.now(UTC)
        status = build_status(job, action.state, action.facts, now, record)
        await self._write(job, action.state, status)
        self._leave(job.name)
        if action.delete_job:
            await self.cluster.delete_job(action.run_name)
        if self.archive.is_full(self.view.stored):
            await self.archive.evict(self.view.all_jobs())
        return 0

    async def _delete_spares(self, names: tuple[str, ...]) -> float:
        for name in names:
            logger.info("the Kubernetes Job %s was claimed and is not used", name)
            await self.cluster.delete_job(name)
            self.view.forget_job(name)
        return 0

    async def _retire(self, action: Retire) -> float | None:
        self._release(action.job)
        await self._delete_spares(action.spares)
        if action.delete_job:
            await self.cluster.delete_job(action.run_name)
        return action.seconds

    async def _delete(self, job: RuntimeJob) -> None:
        self._release(job)
        await self.cluster.delete_runtimejob(job)

    async def _forget(self, name: str) -> None:
        """Release a deleted job: the cluster removes what it owned, this its stream in Redis."""
        self._leave(name)
        self.memory.forget(name)
        await self.records.forget(name)

    def _release(self, job: RuntimeJob) -> None:
        self.records.retire(job)
        self.memory.forget(job.name)
        self._leave(job.name)

    async def _write(self, job: RuntimeJob, state: State, status: Manifest) -> None:
        self.view.put_runtimejob(await self.cluster.write_status(job, status))
        if "phase" in status or "reason" in status:
            self._emit_event(job, state)

    def _leave(self, name: str) -> None:
        self.limit.leave(name)
        self._enqueue_next()

    def _enqueue_next(self) -> None:
        if following := self.limit.next_name():
            self.workers.enqueue(following)

    def _emit_event(self, job: RuntimeJob, state: State, note: str = "") -> None:
        self.workers.spawn(self._create_event(build_event(job, state, note)))

    async def _create_event(self, event: Manifest) -> None:
        try:
            await self.cluster.create_event(event)
        except ClusterError as error:
            logger.info("an Event was not created: %s", error)


def _refuse_input(error: QuotaExceeded) -> ActionRefused:
    return ActionRefused(Refusal(f"the Secret of its input: {error}", datetime.now(UTC)))
