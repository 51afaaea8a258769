"""Takes the one next step of a RuntimeJob, whatever happened: start it, follow it, conclude it.

``main`` tells it names; what is true it looks up each time, so that a repeated or a lost event,
or a restart, changes nothing.
"""

import asyncio
import logging
from typing import Any

from job_builder import RunnerSettings, build_input, build_job
from job_cluster import JobCluster, Manifest
from pod_place import find_place
from qiskit_runtime.contract.backend import UnknownBackend, find_backend
from qiskit_runtime.contract.lifecycle import (
    Limits,
    Observation,
    Phase,
    Reason,
    State,
    observe,
    reject,
)
from qiskit_runtime.contract.record import Message, RecordParser, verdict_at_end
from qiskit_runtime.contract.verdict import Verdict
from status_builder import build_status

_RETRY_SECONDS = 2.0

logger = logging.getLogger(__name__)


class JobReconciler:
    """Brings RuntimeJobs on, each in its own turn."""

    def __init__(self, cluster: JobCluster, runner: RunnerSettings) -> None:
        self._cluster = cluster
        self._runner = runner
        self._turns: dict[str, asyncio.Event] = {}
        self._followed: dict[str, tuple[Verdict | None, str | None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def notice(self, name: str) -> None:
        """Something happened to this RuntimeJob, or to what runs it."""
        if turn := self._turns.get(name):
            turn.set()
            return
        turn = self._turns[name] = asyncio.Event()
        turn.set()
        self._start(self._bring_on(name, turn))

    def _start(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _bring_on(self, name: str, turn: asyncio.Event) -> None:
        while True:
            await turn.wait()
            turn.clear()
            try:
                if await self._step(name):
                    del self._turns[name]
                    self._followed.pop(name, None)
                    return
            except Exception:
                # Whatever went wrong may be right the next time; nothing was decided.
                logger.exception("runtimejob %s", name)
                await asyncio.sleep(_RETRY_SECONDS)
                turn.set()

    async def _step(self, name: str) -> bool:
        """Take the next step; returns whether there is none after it."""
        job = await self._cluster.get_job(name)
        if job is None or _phase(job).is_final:
            return True
        if "jobName" not in job.get("status", {}):
            return await self._begin(job)
        pod = await self._cluster.find_pod(name)
        place, detail, exit_code = find_place(pod)
        if pod and place == "Running" and name not in self._followed:
            self._followed[name] = (None, None)
            self._start(self._follow(name, pod["metadata"]["name"]))
        verdict, result = self._followed.get(name, (None, None))
        spec = job["spec"]
        state = observe(
            Observation(
                place=place,
                verdict=verdict,
                exit_code=exit_code,
                cancel_requested=spec.get("cancelRequested", False),
                detail=detail,
                limits=Limits(spec["maxExecutionSeconds"], spec["startDeadlineSeconds"]),
            )
        )
        names = {"podName": pod["metadata"]["name"]} if pod else {}
        await self._write(job, state, verdict=verdict, result=result, **names)
        return state.phase.is_final

    async def _begin(self, job: Manifest) -> bool:
        try:
            backend = find_backend(job["spec"]["backend"])
        except UnknownBackend as error:
            await self._write(job, reject(Reason.UNKNOWN_BACKEND, f"no backend is named {error}"))
            return True
        manifest = build_job(job, self._runner)
        await self._cluster.create(build_input(job, backend.model_dump()), manifest)
        await self._write(job, State(Phase.QUEUED), jobName=manifest["metadata"]["name"])
        return False

    async def _follow(self, name: str, pod: str) -> None:
        """Read the pod's record to its end, and have the job concluded by it."""
        parser, result = RecordParser(), None
        async for data in self._cluster.follow_log(pod):
            events = list(parser.feed(data))
            result = next((e.text for e in events if isinstance(e, Message) and e.final), result)
            if verdict := verdict_at_end(events):
                self._followed[name] = (verdict, result)
                break
        self.notice(name)

    async def _write(self, job: Manifest, state: State, **more: Any) -> None:
        before = job.get("status", {})
        generation = job["metadata"]["generation"]
        status = build_status(before, state, generation=generation, **more)
        if status != before:
            await self._cluster.write_status(job, status)


def _phase(job: Manifest) -> Phase:
    return Phase(job.get("status", {}).get("phase", Phase.QUEUED))
