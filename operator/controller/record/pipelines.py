"""The record pipelines of the jobs that run: one for each RuntimeJob, by its UID.

An action opens one when there is a log to read; it is kept until the job's end is on its status.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from redis.asyncio import Redis

from controller.cluster import JobCluster
from controller.record.copy import RecordCopy
from controller.record.pipeline import RecordPipeline
from controller.record.ready_logs import ReadyLogs
from controller.record.redis_stream import RedisStream
from controller.record.state import RecordState
from controller.workers import Spawn
from qiskit_runtime.contract.resources.runtimejob import RuntimeJob
from qiskit_runtime.contract.wire.progress import Progress

ATTACH_SECONDS = 10.0
"""How long the deletion of a pod may wait until its log is open."""


class RecordPipelines:
    """``has_ended`` returns whether the pod of a RuntimeJob has ended, by what the watches brought.

    ``enqueue`` is called with a job's name when its log has come to its end, or has news.
    """

    def __init__(
        self,
        cluster: JobCluster,
        redis: Redis,
        spawn: Spawn,
        enqueue: Callable[[str], None],
        has_ended: Callable[[str], bool],
    ) -> None:
        self._cluster = cluster
        self.ready_logs = ReadyLogs(cluster.open_log, spawn)
        """The logs of pods that wait for a job."""
        self._redis = redis
        self._spawn = spawn
        self._enqueue = enqueue
        self._has_ended = has_ended
        self._pipelines: dict[str, RecordPipeline] = {}

    def state(self, job: RuntimeJob) -> RecordState | None:
        """Return the state of a job's record; None where its log is not followed."""
        pipeline = self._pipelines.get(job.uid)
        return pipeline.state if pipeline else None

    def copy(self, job: RuntimeJob) -> RecordCopy | None:
        """Return a job's record as far as it was read; None where its log is not followed."""
        pipeline = self._pipelines.get(job.uid)
        return pipeline.copy if pipeline else None

    def follow(self, job: RuntimeJob, pod: str) -> None:
        """Begin to read the log of this pod."""
        name, written = job.name, job.job.status.progress
        pipeline = self._pipelines[job.uid] = RecordPipeline(
            self._cluster,
            self.ready_logs.open,
            pod,
            RedisStream(self._redis, job.uid, name),
            lambda: self._has_ended(name),
            lambda: self._enqueue(name),
            Progress(written.done, written.total, written.best) if written else None,
        )
        task = self._spawn(pipeline.run())
        task.add_done_callback(lambda _: self._enqueue(name))

    def expect_end(self, job: RuntimeJob) -> None:
        """Give the log of a container that has ended a moment."""
        self._pipelines[job.uid].expect_end()

    def note_written_progress(self, job: RuntimeJob, progress: Progress | None) -> None:
        """Remember the progress that was written to a job's status."""
        self._pipelines[job.uid].note_written_progress(progress)

    async def wait_until_attached(self, job: RuntimeJob) -> None:
        """Wait until the log is open, for as long as a deletion can wait."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._pipelines[job.uid].attached.wait(), ATTACH_SECONDS)

    def retire(self, job: RuntimeJob) -> None:
        """Forget the pipeline of a job whose end is on its status; readers have the Secrets."""
        if pipeline := self._pipelines.pop(job.uid, None):
            self._spawn(pipeline.stream.retire())

    async def forget(self, name: str) -> None:
        """Stop reading for a job that was deleted, and remove its stream."""
        for uid, pipeline in list(self._pipelines.items()):
            if pipeline.stream.name == name:
                del self._pipelines[uid]
                await pipeline.close()
