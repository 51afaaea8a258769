"""The watched objects of one namespace, parsed, each in the newest version that was seen.

``watches`` fills it, and the operator adds the answers of its own calls. It is complete before the
first job is reconciled. Nothing here asks the API server.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime

from controller.observe.ended_jobs import EndedJobsOfSessions
from controller.observe.objects import JOB_ENDS, KubernetesJob, Pod
from controller.observe.parse import parse_job, parse_pod, read_job_name
from controller.observe.runnables import (
    WatchedBackend,
    WatchedProgram,
    parse_backend,
    parse_program,
)
from qiskit_runtime.cluster.cache import ResourceCache
from qiskit_runtime.contract.resources.instance import Instance
from qiskit_runtime.contract.resources.resource import Manifest
from qiskit_runtime.contract.resources.runtimejob import (
    RuntimeJob,
    is_final_status,
    parse_runtimejob,
)
from qiskit_runtime.contract.resources.runtimesession import RuntimeSession, parse_runtimesession
from qiskit_runtime.contract.resources.session import Session
from qiskit_runtime.contract.resources.session_course import SessionReport, observe_session
from qiskit_runtime.contract.resources.stored_totals import StoredTotals

Versions = dict[str, tuple[str, int]]
"""By UID: the name of the RuntimeJob that an object is or belongs to, and the object's version."""


_NEVER = datetime.max.replace(tzinfo=UTC)

_IDLE = "idle"
"""The group of the Kubernetes Jobs that wait for a RuntimeJob."""

_HOMELESS = "homeless"
"""The group of the pods of RuntimeJobs that no node takes."""


def _ignore(*_: object) -> None:
    pass


class ClusterView:
    """The objects of one namespace by their names; a pod by that of its Kubernetes Job.

    The Job's name follows from the RuntimeJob's UID: a job that was deleted and made again has
    another Job, and never takes its predecessor's pod for its own.

    ``on_started`` is called with the name and instance of each RuntimeJob that is seen to have been
    started and not to have ended.
    """

    def __init__(self, on_started: Callable[[str, Instance], None] = _ignore) -> None:
        self._on_started = on_started
        self.stored, self._ended = StoredTotals(), EndedJobsOfSessions()
        self.runtimejobs: ResourceCache[RuntimeJob] = ResourceCache(
            _parse,
            group_of=lambda job: "" if job.is_final else job.job.spec.session_id,
            swapped=self._swap_job,
        )
        self.jobs: ResourceCache[KubernetesJob] = ResourceCache(
            parse_job, group_of=lambda run: _IDLE if run.is_idle else ""
        )
        self.pods: ResourceCache[Pod] = ResourceCache(
            parse_pod, read_job_name, group_of=lambda pod: _HOMELESS if pod.is_homeless else ""
        )
        self.programs: ResourceCache[WatchedProgram] = ResourceCache(parse_program)
        self.backends: ResourceCache[WatchedBackend] = ResourceCache(parse_backend)
        self.sessions: ResourceCache[RuntimeSession] = ResourceCache(parse_runtimesession)
        self._claims: dict[str, set[str]] = {}
        """By UID of a RuntimeJob: the Jobs that were started ahead, and it has claimed."""
        self.unused_pods: dict[str, set[str]] = {}
        """By Kubernetes Job: the names of its pods that are gone and never started anything."""

    def _swap_job(self, before: RuntimeJob | None, after: RuntimeJob | None) -> None:
        self.stored.swap(before, after)
        self._ended.swap(before, after)

    def find_job(self, name: str) -> RuntimeJob | None:
        """Return the RuntimeJob of this name; None also where it is malformed."""
        return self.runtimejobs.find(name)

    def is_malformed(self, name: str) -> bool:
        """Return whether there is a RuntimeJob of this name that can't be read."""
        return self.runtimejobs.holds(name) and self.runtimejobs.find(name) is None

    def find_place(self, name: str) -> tuple[bool, datetime]:
        """Return the place of a RuntimeJob among those that wait: the ended ones are the last."""
        job = self.find_job(name)
        return (job.is_final, job.job.created) if job else (True, _NEVER)

    def all_jobs(self) -> list[RuntimeJob]:
        """Return every RuntimeJob that is not malformed."""
        return self.runtimejobs.all()

    def unfinished_of(self, session: str) -> list[RuntimeJob]:
        """Return the RuntimeJobs of the session of this name that have not ended."""
        return self.runtimejobs.group(session)

    def report_session(self, session: Session, now: datetime) -> SessionReport:
        """Return a session as its jobs and the time make it."""
        jobs = [job.job for job in self.unfinished_of(session.id)]
        return observe_session(session, jobs, now, self._ended.find(session))

    def find_run(
        self, job: RuntimeJob, holder: str = ""
    ) -> tuple[KubernetesJob | None, Pod | None]:
        """Return the Kubernetes Job and the pod that run a RuntimeJob.

        ``holder`` is the name of the Job whose pod has the input, where it is known; the status of
        a job that has ended knows it. Without one it is the job's own, made for it, or else one
        that it has claimed.
        """
        known = holder or (job.job_name if job.is_final else "")
        for name in (known, job.run_name, *sorted(self._claims.get(job.uid, ()))):
            run = self.jobs.find(name)
            if run is not None and job.uid in run.owners:
                return run, self.pods.find(name)
        return None, self.pods.find(known or job.job_name or job.run_name)

    def find_spares(self, job: RuntimeJob, run: KubernetesJob | None) -> tuple[str, ...]:
        """Return the Jobs that a RuntimeJob has claimed, and that go on beside the one it has.

        Of two claims one is left over, where an operator was killed or an answer was lost.
        """
        claimed = self._claims.get(job.uid, set()) - ({run.name} if run else set())
        known = [self.jobs.find(name) for name in sorted(claimed)]
        return tuple(
            one.name
            for one in known
            if one and not (one.is_deleted or one.has_condition(*JOB_ENDS))
        )

    def idle_runs(self) -> list[tuple[KubernetesJob, Pod | None]]:
        """Return the Kubernetes Jobs that wait for a RuntimeJob, with their pods."""
        return [(run, self.pods.find(run.name)) for run in self.jobs.group(_IDLE)]

    def homeless_pods(self) -> list[Pod]:
        """Return the pods of RuntimeJobs that no node takes."""
        return self.pods.group(_HOMELESS)

    def name_job_of(self, pod: Pod) -> str:
        """Return the name of a pod's RuntimeJob, by its label or else its Kubernetes Job's."""
        run = self.jobs.find(pod.job_name)
        return pod.runtimejob or (run.runtimejob if run else "")

    def was_started(self, job: RuntimeJob) -> bool:
        """Return whether there is or was a Kubernetes Job of it."""
        return bool(job.job_name) or self.find_run(job)[0] is not None

    def put_runtimejob(self, manifest: Manifest) -> None:
        """Take up a RuntimeJob as it is now."""
        self.runtimejobs.put(manifest)
        self._note_start(manifest["metadata"]["name"])

    def put_job(self, manifest: Manifest) -> None:
        """Take up a Kubernetes Job as it is now."""
        self.jobs.put(manifest)
        if run := self.jobs.find(manifest["metadata"]["name"]):
            if run.template_digest:
                for owner in run.owners:
                    self._claims.setdefault(owner, set()).add(run.name)
            self._note_start(run.runtimejob)

    def _note_start(self, name: str) -> None:
        job = self.find_job(name)
        if job is not None and not job.is_final and self.was_started(job):
            self._on_started(name, job.job.spec.instance)

    def drop_job(self, manifest: Manifest) -> None:
        """Forget a Kubernetes Job that was deleted. Another one of its name stays."""
        self.forget_job(manifest["metadata"]["name"], manifest["metadata"]["uid"])

    def forget_job(self, name: str, uid: str | None = None) -> None:
        """Forget a Kubernetes Job that is gone, who claimed it, and which pods never started."""
        if not self.jobs.holds(name, uid):
            return
        gone = self.jobs.find(name)
        self.jobs.discard(name, uid)
        self.unused_pods.pop(name, None)
        for owner in gone.owners if gone else ():
            claimed = self._claims.get(owner, set())
            claimed.discard(name)
            if not claimed:
                self._claims.pop(owner, None)

    def drop_pod(self, manifest: Manifest) -> None:
        """Forget a pod that was deleted; remember it if it is certain that it never started.

        One that goes after its Kubernetes Job need not be: nothing can be made again in its place.
        """
        pod = parse_pod(manifest)
        known = self.pods.find(pod.job_name) or pod
        is_unused = pod.is_known_unused and (known.never_ran or pod.container.had_no_job)
        if is_unused and self.jobs.holds(pod.job_name):
            self.unused_pods.setdefault(pod.job_name, set()).add(pod.name)
        self.pods.drop(manifest)

    def versions(self) -> Versions:
        """Return the versions of all that is known of RuntimeJobs."""
        found = {job.uid: (name, job.version) for name, job in self.runtimejobs.observed()}
        found |= {run.uid: (run.runtimejob, run.version) for run in self.jobs.all()}
        found |= {pod.uid: (pod.runtimejob, pod.version) for pod in self.pods.all()}
        return found

    def replace(
        self,
        name: str,
        runtimejob: Manifest | None,
        jobs: Iterable[Manifest] = (),
        pods: Iterable[Manifest] = (),
    ) -> None:
        """Take up the API server's answers for a RuntimeJob; an object without answer is gone."""
        answers = [*jobs, *pods, *([runtimejob] if runtimejob else [])]
        there = {found["metadata"]["uid"] for found in answers}
        if not any(self.runtimejobs.holds(name, uid) for uid in there):
            self.runtimejobs.discard(name)
        for run in self.jobs.all():
            if run.runtimejob == name and run.uid not in there:
                self.forget_job(run.name, run.uid)
        for runner in self.pods.all():
            if runner.runtimejob == name and runner.uid not in there:
                self.pods.discard(runner.job_name, runner.uid)
        if runtimejob is not None:
            self.put_runtimejob(runtimejob)
        for job in jobs:
            self.put_job(job)
        for pod in pods:
            self.pods.put(pod)


_KEPT_OF_ENDED = (
    "phase",
    "reason",
    "startedAt",
    "finishedAt",
    "jobName",
    "podName",
    "attempt",
    "record",
)
"""The status fields of an ended job that the operator reads: to keep it, and to remove it."""


def _parse(runtimejob: Manifest) -> RuntimeJob:
    """Parse a RuntimeJob without what the operator never reads: thousands are cached.

    The status of one that has ended is written by nobody any more, so there is nothing to compare
    with it either.
    """
    spec, status = runtimejob.get("spec", {}), runtimejob.get("status", {})
    if not is_final_status(status):
        status = {key: value for key, value in status.items() if key != "result"}
        return parse_runtimejob({**runtimejob, "status": status})
    spec = {key: value for key, value in spec.items() if key != "params"}
    status = {key: status[key] for key in _KEPT_OF_ENDED if key in status}
    job = parse_runtimejob({**runtimejob, "spec": spec, "status": status})
    return replace(job, status={})
