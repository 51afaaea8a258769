"""The followers of all jobs that run here: one for each RuntimeJob, by its uid.

The reconciler asks for them; each is kept until its job's end is on the status.
"""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime

from redis.asyncio import Redis

from controller.cluster import JobCluster, Manifest
from controller.observe.cluster_view import ClusterView, Seen
from controller.observe.pod_state import PodState, has_log, read_pod_state
from controller.record.follower import RecordFollower
from controller.record.stream import StreamWriter
from controller.workers import JobWorkers

ATTACH_SECONDS = 10.0
"""How long the end of a pod may wait for its log to be read."""


class RecordFollowers:
    """``workers`` are told when a log has come to its end."""

    def __init__(
        self, cluster: JobCluster, view: ClusterView, redis: Redis, workers: JobWorkers
    ) -> None:
        self._cluster = cluster
        self._view = view
        self._redis = redis
        self._workers = workers
        self._followers: dict[str, RecordFollower] = {}

    def get(self, job: Manifest) -> RecordFollower | None:
        """Who follows this job's log, if anybody does."""
        return self._followers.get(job["metadata"]["uid"])

    def follow(self, job: Manifest, seen: Seen, place: PodState) -> RecordFollower | None:
        """Who follows the job's log, from the moment on when there is one."""
        name, uid = job["metadata"]["name"], job["metadata"]["uid"]
        if uid in self._followers:
            return self._followers[uid]
        if seen.pod is not None and has_log(seen.pod):
            pod = seen.pod["metadata"]["name"]
        elif place.has_ended and "podName" in job.get("status", {}):
            # It ran while nobody was here.
            pod = job["status"]["podName"]
        else:
            return None
        follower = RecordFollower(
            self._cluster,
            pod,
            StreamWriter(self._redis, uid, name),
            lambda: self._has_ended(name),
            lambda: self._workers.notice(name),
        )
        self._followers[uid] = follower
        task = self._workers.spawn(follower.run())
        task.add_done_callback(lambda _: self._workers.notice(name))
        return follower

    def _has_ended(self, name: str) -> bool:
        seen = self._view.see(name)
        return read_pod_state(seen.job, seen.pod, datetime.now(UTC)).has_ended

    async def end_pod(self, follower: RecordFollower | None, pod: Manifest | None) -> None:
        """Have the runner end its program, and say so in its record."""
        if follower is None or pod is None or "deletionTimestamp" in pod["metadata"]:
            return
        # After a delete the log is gone within about a second, so it must be being read.
        with suppress(TimeoutError):
            await asyncio.wait_for(follower.attached.wait(), ATTACH_SECONDS)
        await self._cluster.delete_pod(pod["metadata"]["name"])

    def retire(self, job: Manifest) -> None:
        """Forget the follower of a job whose end is on its status; readers have the Secrets."""
        if follower := self._followers.pop(job["metadata"]["uid"], None):
            self._workers.spawn(follower.writer.retire())

    async def forget(self, name: str) -> None:
        """Stop reading for a job that was deleted, and remove its stream."""
        for uid, follower in list(self._followers.items()):
            if follower.writer.name == name:
                del self._followers[uid]
                await follower.close()
