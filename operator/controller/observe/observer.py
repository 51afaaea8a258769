"""The observer of RuntimeJobs: the watched objects, and the few reads that confirm them.

The view may be behind, and the end of a job can't be taken back; nor can a second start. So what
would lead there is asked of the API server.
"""

from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from controller.build.program import JobPlan
from controller.cluster import JobCluster
from controller.concurrency_limit import ConcurrencyLimit
from controller.observe.cluster_view import ClusterView
from controller.observe.job_view import INPUT_CHECK_SECONDS, JobView
from controller.observe.memory import JobMemory
from controller.observe.parse import parse_job, parse_pod
from controller.observe.pod_state import read_pod_state
from controller.observe.pool_view import Place
from controller.observe.runnables import NOT_RUNNABLE, Runnables, reject_job
from controller.observe.warm_pods import WarmPods
from controller.record.pipelines import RecordPipelines
from qiskit_runtime.cluster.client import ClusterError
from qiskit_runtime.contract.catalog import UnknownProgram
from qiskit_runtime.contract.lifecycle import Reason, RunnerState
from qiskit_runtime.contract.resources.backend import UnknownBackend
from qiskit_runtime.contract.resources.resource import JOB_LABEL
from qiskit_runtime.contract.resources.runtimejob import RuntimeJob
from qiskit_runtime.contract.resources.session import (
    HAS_COME,
    SessionMode,
    Turn,
    TurnKind,
    judge_turn,
)

OLD_SECONDS = 30.0
"""The age from which on a job is read again before it is started."""


class JobObserver:
    """Observes the RuntimeJobs of one namespace."""

    def __init__(
        self,
        cluster: JobCluster,
        view: ClusterView,
        memory: JobMemory,
        limit: ConcurrencyLimit,
        runnables: Runnables,
        records: RecordPipelines,
        warm_pods: WarmPods,
    ) -> None:
        self._cluster = cluster
        self._view = view
        self._memory = memory
        self._limit = limit
        self._runnables = runnables
        self._records = records
        self._warm_pods = warm_pods

    async def observe(self, name: str, now: datetime) -> JobView:
        """Return the view of a RuntimeJob; a job that may start gets its slot by this."""
        job = self._view.find_job(name)
        if job is None:
            return JobView(name, is_malformed=self._view.is_malformed(name))
        holder = self._memory.holders.get(job.run_name)
        run, pod = self._view.find_run(job, holder.run_name if holder else "")
        view = JobView(name, job, kubernetes_job=run, pod=pod)
        if job.is_final:
            return replace(view, spares=self._view.find_spares(job, run))
        if self._view.was_started(job) or job.run_name in self._memory.begun:
            self._limit.hold(name, job.job.spec.instance)
            view = replace(view, was_started=True)
            if not job.has_run and job.job.spec.session_id:
                view = replace(view, turn=await self._find_turn(job, now))
            return await self._observe_run(view, job, now)
        if job.cancel_requested or job.suspend or job.reason is Reason.SUSPENDED:
            return view
        view = replace(view, turn=await self._find_turn(job, now))
        if view.turn.kind is not TurnKind.COME:
            return view
        return await self._observe_start(view, job, now)

    async def refresh(self, name: str) -> None:
        """Read a RuntimeJob again: a conflict shows that it has changed without an event."""
        with suppress(ClusterError):
            await self._read_again(name)

    async def _read_again(self, name: str) -> None:
        job = await self._cluster.get_runtimejob(name)
        if job is not None:
            self._view.put_runtimejob(job)
        else:
            self._view.runtimejobs.discard(name)

    async def _find_turn(self, job: RuntimeJob, now: datetime) -> Turn:
        """Return a job's turn in its session: before it is one of those that may run at once."""
        name = job.job.spec.session_id
        if not name:
            return HAS_COME
        if self._view.sessions.find(name) is None:
            # Its watch may be behind that of the jobs.
            await self._refresh_session(name)
        known = self._view.sessions.find(name)
        session = known.session if known else None
        if session is None or session.spec.mode is SessionMode.BATCH:
            # None waits for another, and there may be a thousand.
            return judge_turn(session, job.job, (), now)
        jobs = self._view.unfinished_of(name)
        begun = frozenset(
            one.name for one in jobs if self._view.was_started(one) or self._limit.holds(one.name)
        )
        return judge_turn(session, job.job, [one.job for one in jobs], now, begun)

    async def _refresh_session(self, name: str) -> None:
        if (found := await self._cluster.get_session(name)) is not None:
            self._view.sessions.put(found)

    async def _observe_start(self, view: JobView, job: RuntimeJob, now: datetime) -> JobView:
        """Complete the view of a job that waits for its start."""
        if not self._limit.enter(job.name, job.job.created, job.job.spec.instance):
            return view
        view = replace(view, has_slot=True, is_current=await self._is_current(job, now))
        if not view.is_current:
            return view
        try:
            plan = await self._plan(job)
        except NOT_RUNNABLE as error:
            return replace(view, rejection=reject_job(error))
        view = replace(view, plan=plan)
        if job.run_name in self._memory.kept_waiting:
            return view
        place = Place(plan.resource_class, job.job.spec.session_id)
        run, pod = self._warm_pods.find(now, place) or (None, None)
        return replace(view, idle_run=run, idle_pod=pod)

    async def _plan(self, job: RuntimeJob) -> JobPlan:
        """Choose what a job runs; what seems not to exist is asked for: its watch may be behind.

        Raises as ``Runnables.plan``.
        """
        try:
            return self._runnables.plan(job)
        except (UnknownProgram, UnknownBackend):
            program, backend = job.job.spec.program_id, job.job.spec.backend
            if found := await self._cluster.get_program(program):
                self._view.programs.put(found)
            if found := await self._cluster.get_backend(backend):
                self._view.backends.put(found)
            return self._runnables.plan(job)

    async def _is_current(self, job: RuntimeJob, now: datetime) -> bool:
        """Return whether a job that seems not to have started is known as it is.

        The watched object may be stale (this operator was paused), or a former operator created the
        Kubernetes Job and died before it wrote the status, and the Job may be gone already.

        Raises:
            ClusterError: nobody can tell.
        """
        if (now - job.created).total_seconds() < OLD_SECONDS:
            return True
        await self._read_again(job.name)
        known = self._view.find_job(job.name)
        if known is None or known.version != job.version:
            return False
        was_refused = job.run_name in self._memory.refused_since
        if not was_refused and await self._cluster.find_secret(job.run_name):
            self._memory.begun.add(job.run_name)
            return False
        return True

    async def _observe_run(self, view: JobView, job: RuntimeJob, now: datetime) -> JobView:
        """Complete the view of a job that was started."""
        record = self._records.state(job)
        view = await self._find_run(view, job, now)
        is_handed = job.run_name in self._memory.handed
        view = replace(view, record=record, is_handed=is_handed)
        has_ended = read_pod_state(view.kubernetes_job, view.pod, now).has_ended
        self._note_room(view, job, now, has_ended=has_ended)
        is_read = record is not None and record.is_done and record.verdict is None
        if view.kubernetes_job is None or (is_read and not has_ended) or view.lacks_its_pod:
            view = await self._confirm_run(view, job)
        view = await self._observe_input(view, job, now)
        return replace(view, holder_never_ran=self._has_never_run(view))

    def _note_room(self, view: JobView, job: RuntimeJob, now: datetime, *, has_ended: bool) -> None:
        """Note since when a job's pod is not made: a quota of cores, say, has no room for it."""
        run, podless_since = view.kubernetes_job, self._memory.podless_since
        is_over = has_ended or job.has_run
        if run is None or view.pod is not None or run.is_suspended or is_over:
            podless_since.pop(job.run_name, None)
        elif podless_since.setdefault(job.run_name, now) < now:
            # Not at its first look, when its pod is being made.
            self._warm_pods.wake()

    def _has_never_run(self, view: JobView) -> bool:
        """Return whether it is certain that the pod with the input has run nothing of it."""
        if view.holder is None:
            return False
        pod = view.pod
        if pod is not None and pod.name == view.holder.pod and pod.container.had_no_job:
            return True
        unused = self._view.unused_pods
        names = (view.holder.run_name, view.run_name)
        return any(view.holder.pod in unused.get(name, ()) for name in names)

    async def _find_run(self, view: JobView, job: RuntimeJob, now: datetime) -> JobView:
        """Complete the view by the pod that has a job's input, and by what runs the job.

        Where what is known of the holder would lead to an end, it is read again: another operator
        may have given the input meanwhile, to a pod that was started ahead, or to another one.
        """
        view = await self._find_holder(view, job)
        if view.holder is not None:
            is_in_doubt = view.lacks_its_pod or bool(view.spares)
        else:
            has_ended = read_pod_state(view.kubernetes_job, view.pod, now).has_ended
            is_in_doubt = job.has_run or job.cancel_requested or has_ended
        if is_in_doubt:
            self._memory.holders.pop(job.run_name, None)
            view = await self._find_holder(view, job)
        return view

    async def _find_holder(self, view: JobView, job: RuntimeJob) -> JobView:
        if job.run_name not in self._memory.holders:
            self._memory.note_input(job, await self._cluster.find_secret(job.run_name))
        holder = self._memory.holders[job.run_name]
        run, pod = self._view.find_run(job, holder.run_name if holder else "")
        spares = self._view.find_spares(job, run)
        return replace(view, holder=holder, kubernetes_job=run, pod=pod, spares=spares)

    async def _confirm_run(self, view: JobView, job: RuntimeJob) -> JobView:
        """Read the Kubernetes Job, and of its pods the one with the input, from the API server."""
        found = await self._cluster.find_jobs(f"{JOB_LABEL}={job.name}")
        runs = [run for run in map(parse_job, found) if job.uid in run.owners]
        named = (view.holder.run_name if view.holder else "") or view.run_name
        run = next((run for run in runs if run.name == named), next(iter(runs), None))
        name = run.name if run else named
        pods = [parse_pod(pod) for pod in await self._cluster.find_pods(name)]
        held = [pod for pod in pods if view.holder and pod.name == view.holder.pod]
        return replace(view, kubernetes_job=run, pod=next(iter(held + pods), None))

    async def _observe_input(self, view: JobView, job: RuntimeJob, now: datetime) -> JobView:
        """Complete the view by what the job's pod needs and may lack: it can't start without."""
        if view.pod is None or view.pod.is_deleted:
            return view
        waited = view.kubernetes_job.waited_seconds(now) if view.kubernetes_job else 0.0
        runner = read_pod_state(view.kubernetes_job, view.pod, now).runner
        if runner is RunnerState.STARTING and waited > INPUT_CHECK_SECONDS:
            self._memory.note_input(job, await self._cluster.find_secret(job.run_name))
            lacks_params = not await self._has_params(job)
            holder = self._memory.holders[job.run_name]
            view = replace(view, holder=holder, lacks_params=lacks_params)
        if view.holder is None:
            with suppress(*NOT_RUNNABLE):
                view = replace(view, plan=self._runnables.plan(job))
        return view

    async def _has_params(self, job: RuntimeJob) -> bool:
        for secret in job.params_secrets:
            if await self._cluster.find_secret(secret) is None:
                return False
        return True
