"""Finds a started job's pod, by what kopf told and by asking, and hands it the job's input.

The view may be behind, and what would end a job can't be taken back: that is asked of the API
server. ``pod_place`` says what an answer means.
"""

from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from kubernetes.aio.client.exceptions import ApiException

from controller.build.job import build_name
from controller.cluster import JobCluster, Manifest
from controller.inputs import NOT_BUILDABLE, UNNAMED, Holder, PodInputs
from controller.observe.cluster_view import ClusterView, Seen
from controller.observe.job_state import waited_seconds
from controller.observe.pod_state import PodState, is_deleted, read_pod_state, say_gone
from qiskit_runtime.cluster.client import describe_error, is_over_quota
from qiskit_runtime.contract.lifecycle import RunnerState

INPUT_CHECK_SECONDS = 10.0
"""How long a pod may be on its way until its input is looked for."""


class PodFinder:
    """Looks at one cluster."""

    def __init__(self, cluster: JobCluster, view: ClusterView, inputs: PodInputs) -> None:
        self._cluster = cluster
        self._view = view
        self._inputs = inputs

    async def find(
        self, seen: Seen, job: Manifest, now: datetime, *, log_is_over: bool
    ) -> tuple[PodState, Seen]:
        """Where the pod is, and what was seen. What would end the job is asked of the API server.

        ``log_is_over`` says that its log was read to an end that is not the record's.
        """
        holder = await self._inputs.find_holder(job)
        place = read_pod_state(seen.job, seen.pod, now)
        is_doubtful = seen.job is None or (log_is_over and not place.has_ended)
        if is_doubtful or _is_missed(job, holder, seen.pod):
            seen = await self._ask(job, holder)
            place = read_pod_state(seen.job, seen.pod, now)
        if place.has_ended and (seen.job is None or seen.pod is None):
            return place, seen
        if _is_missed(job, holder, seen.pod):
            unused = self._view.unused.get(build_name(job), ())
            if has_run(job) or (holder and holder.pod not in unused):
                return PodState(RunnerState.DISRUPTED, say_gone(seen.job)), replace(seen, pod=None)
            if holder:
                await self._inputs.take_back(job, holder)
                holder = None
        if place.has_ended or seen.pod is None or is_deleted(seen.pod):
            return place, seen
        return await self._hand_over(job, seen, place, holder, now), seen

    async def _ask(self, job: Manifest, holder: Holder | None) -> Seen:
        """What the API server knows: the Kubernetes Job, and of its pods the one with the input."""
        run = build_name(job)
        there, pods = await self._cluster.get_job(run), await self._cluster.find_pods(run)
        held = [pod for pod in pods if holder and pod["metadata"]["name"] == holder.pod]
        return Seen(job, there, next(iter(held + pods), None))

    async def _hand_over(
        self, job: Manifest, seen: Seen, place: PodState, holder: Holder | None, now: datetime
    ) -> PodState:
        """Give the pod its input, and look after it: without, the pod can't start."""
        assert seen.pod is not None
        pod = seen.pod["metadata"]["name"]
        if holder is None and place.place not in (RunnerState.RUNNING, RunnerState.SUSPENDED):
            try:
                with suppress(*NOT_BUILDABLE):
                    await self._inputs.give(job, pod)
            except ApiException as error:
                if not is_over_quota(error):
                    raise
                words = f"the cluster refuses the Secret of its input: {describe_error(error)}"
                return PodState(RunnerState.UNSCHEDULABLE, words)
        is_late = waited_seconds(seen, now) > INPUT_CHECK_SECONDS
        if place.place is RunnerState.STARTING and is_late:
            with suppress(*NOT_BUILDABLE):
                if await self._inputs.is_complete(job, pod):
                    return place
            return PodState(RunnerState.INPUT_MISSING)
        return place


def has_run(job: Manifest) -> bool:
    """Whether a pod of the job was seen to run."""
    return bool(job.get("status", {}).get("attempt"))


def _is_missed(job: Manifest, holder: Holder | None, pod: Manifest | None) -> bool:
    """Whether the pod that the job was handed to is not the one that is there."""
    known = job.get("status", {}).get("podName", "")
    if holder and holder.pod != UNNAMED:
        known = holder.pod
    elif not holder and not has_run(job):
        # Nobody has the input, so no pod has started.
        return False
    return bool(known) and (pod is None or pod["metadata"]["name"] != known)
