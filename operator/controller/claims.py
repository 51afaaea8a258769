"""The claim of a pod that was started ahead, and the hand-over of a job's input to it.

Nothing is given to a pod before the Secret of the input names it: that is created once, whoever
tries. So of several pods, and of several operators, one alone runs the job.
"""

import asyncio
import base64
import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from controller.actions import Claim, HandOver
from controller.build.job import InputPart, build_input, list_parts
from controller.build.program import JobPlan
from controller.build.warm_job import build_claim, make_token
from controller.cluster import JobCluster
from controller.handover import (
    Handover,
    HandoverFailed,
    NotReached,
    PortClosed,
    Silent,
    open_handover,
)
from controller.observe.cluster_view import ClusterView
from controller.observe.memory import InputHolder, JobMemory
from controller.observe.objects import KubernetesJob, Pod
from controller.observe.parse import parse_job, parse_pod
from controller.observe.warm_pods import WarmPods
from controller.record.pipelines import RecordPipelines
from qiskit_runtime.cluster.client import ClusterError, Conflict, NotFound
from qiskit_runtime.contract.resources.resource import Manifest
from qiskit_runtime.contract.resources.runtimejob import RuntimeJob
from qiskit_runtime.host.backoff import Backoff

PARTS_SECONDS = 2.0
"""How long a hand-over waits for parameters that the API is about to write."""

PATIENCE_SECONDS = 10.0
"""How long after its claim a pod is asked again that does not answer."""

CLOSED_SECONDS = 3.0
"""How long after its port was found closed a pod's end may take to be known."""

PAUSE_SECONDS = 30.0
"""How long no pod is claimed after one was not reached: perhaps the network lets nobody through."""

logger = logging.getLogger(__name__)


class PartsMissing(Exception):
    """A Secret of the parameters is not there."""


@dataclass(frozen=True, slots=True)
class Claimer:
    """Claims pods; ``key`` is the secret that their tokens are made of."""

    cluster: JobCluster
    view: ClusterView
    memory: JobMemory
    records: RecordPipelines
    warm_pods: WarmPods
    key: str

    async def claim(self, action: Claim) -> bool:
        """Claim a pod and hand the input over; returns whether it is the job's now.

        The pod is asked first: until it has answered, nothing is changed.

        Raises:
            QuotaExceeded: there is no room for the input's Secret.
            ClusterError: as other calls.
        """
        job, run, pod = action.job, action.run, action.pod
        if not self.warm_pods.take(run):
            return False
        self.warm_pods.note_claim(datetime.now(UTC))
        is_claimed = False
        try:
            async with open_handover(pod.address, self._make_token(run)) as handover:
                is_claimed = await self._claim(job, run)
                if is_claimed:
                    await self._give(job, action.plan, pod, None, handover)
        except HandoverFailed as error:
            self._note_failure(job, run, pod, error)
        except PartsMissing as error:
            await self._give_up(job, pod, error)
        except ClusterError:
            self.warm_pods.release(run)
            raise
        return is_claimed

    async def hand_over(self, action: HandOver) -> None:
        """Hand the input over to a pod that was claimed before.

        Where nobody listens any more, and the pod runs on, it has its input: of another operator,
        perhaps a moment ago. Where it does not answer for a while it is deleted: its runner's exit
        code says whether it had a job.

        Raises:
            QuotaExceeded, ClusterError: as ``claim``.
        """
        job, pod = action.job, action.pod
        try:
            async with open_handover(pod.address, self._make_token(action.run)) as handover:
                await self._give(job, action.plan, pod, action.holder, handover)
        except (HandoverFailed, PartsMissing) as error:
            has_input = isinstance(error, PortClosed) and action.holder is not None
            if has_input and await self._runs_on(action.run, pod):
                self.memory.handed.add(job.run_name)
            elif action.run.waited_seconds(datetime.now(UTC)) > PATIENCE_SECONDS:
                await self._give_up(job, pod, error)
            # Who has the input is read again.
            self.memory.holders.pop(job.run_name, None)

    def _note_failure(
        self, job: RuntimeJob, run: KubernetesJob, pod: Pod, error: HandoverFailed
    ) -> None:
        """Give a pod up that is not used, and all of them for a while where it was not reached.

        One whose machine has answered says nothing of the others. But those that do not answer are
        not tried one after the other: a job would wait for each.
        """
        logger.warning("the pod %s is not used: %s", pod.name, error)
        pause_until = None
        if isinstance(error, NotReached):
            pause_until = datetime.now(UTC) + timedelta(seconds=PAUSE_SECONDS)
        elif isinstance(error, Silent):
            self.memory.kept_waiting.add(job.run_name)
        self.warm_pods.give_up(run, pause_until)

    def _make_token(self, run: KubernetesJob) -> bytes:
        return make_token(self.key, run.name)

    async def _claim(self, job: RuntimeJob, run: KubernetesJob) -> bool:
        """Make a Kubernetes Job this RuntimeJob's; returns False where another was faster."""
        try:
            claimed = await self._try_claim(job, run)
        except (Conflict, NotFound):
            # Its status may have changed, and nobody has claimed it.
            found = await self.cluster.get_job(run.name)
            known = parse_job(found) if found else None
            if found and known and job.uid in known.owners:
                # The answer to an earlier try was lost.
                self.view.put_job(found)
                return True
            if known is None or not known.is_idle or known.is_deleted:
                return False
            claimed = await self._try_claim(job, known)
        self.view.put_job(claimed)
        return True

    async def _try_claim(self, job: RuntimeJob, run: KubernetesJob) -> Manifest:
        now = datetime.now(UTC)
        claim = build_claim(job, run.version, run.waited_seconds(now), now)
        return await self.cluster.claim_job(run.name, claim)

    async def _give(
        self,
        job: RuntimeJob,
        plan: JobPlan | None,
        pod: Pod,
        holder: InputHolder | None,
        handover: Handover,
    ) -> None:
        if holder is None and plan is not None:
            # Where this breaks off, it is read again who has the input.
            self.memory.holders.pop(job.run_name, None)
            manifest = build_input(job, plan, pod.image, pod.name)
            secret, parts = await asyncio.gather(
                self.cluster.create_secret(manifest), self._read_parts(job)
            )
        else:
            secret, parts = None, await self._read_parts(job)
        secret = secret or await self.cluster.find_secret(job.run_name)
        self.memory.note_input(job, secret)
        named = self.memory.holders[job.run_name]
        if secret is None or named is None or named.pod != pod.name:
            await self._yield(job, pod)
            return
        files = {name: base64.b64decode(data) for name, data in secret["data"].items()}
        # Opened before there is anything to read: the first line does not wait for it.
        if self.records.state(job) is None:
            self.records.follow(job, pod.name)
        await handover.give(files | parts)
        self.memory.handed.add(job.run_name)

    async def _yield(self, job: RuntimeJob, pod: Pod) -> None:
        """Leave a job to the pod that has its input: another operator was faster."""
        await self.cluster.delete_job(pod.job_name)
        self.view.forget_job(pod.job_name)
        self.memory.begun.add(job.run_name)

    async def _give_up(self, job: RuntimeJob, pod: Pod, error: Exception) -> None:
        logger.warning("runtimejob %s: the pod %s is not used: %s", job.name, pod.name, error)
        await self.cluster.delete_pod(pod.name)

    async def _runs_on(self, run: KubernetesJob, pod: Pod) -> bool:
        """Return whether a pod whose port is closed is not about to end."""
        await asyncio.sleep(CLOSED_SECONDS)
        found = [one for one in await self.cluster.find_pods(run.name) if _is_named(one, pod.name)]
        for manifest in found:
            self.view.pods.put(manifest)
        return any(parse_pod(manifest).container.is_running for manifest in found)

    async def _read_parts(self, job: RuntimeJob) -> dict[str, bytes]:
        """Read what the API has written, or is writing: it answers its client afterwards."""
        parts = list_parts(job)
        secrets = {part.secret for part in parts}
        found = dict(
            zip(secrets, await asyncio.gather(*map(self._read_secret, secrets)), strict=True)
        )
        return {part.file: _read_key(found[part.secret], part) for part in parts}

    async def _read_secret(self, name: str) -> Manifest:
        backoff = Backoff(first=0.01, longest=0.2)
        try:
            async with asyncio.timeout(PARTS_SECONDS):
                while (found := await self.cluster.find_secret(name)) is None:  # noqa: ASYNC110  (no watch)
                    await asyncio.sleep(backoff.next_seconds())
        except TimeoutError as error:
            raise PartsMissing(f"its parameters' Secret {name} is not there") from error
        return found


def _read_key(secret: Manifest, part: InputPart) -> bytes:
    try:
        return base64.b64decode(secret["data"][part.key])
    except KeyError as error:
        raise PartsMissing(f"the Secret {part.secret} has no {part.key}") from error


def _is_named(manifest: Manifest, name: str) -> bool:
    return bool(manifest["metadata"]["name"] == name)
