"""Sessions of many jobs: those that have ended cost nothing more, and all of them still count."""

import random
import sys
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from controller.observe.cluster_view import ClusterView
from qiskit_runtime.contract.resources.runtimesession import build_session_status
from qiskit_runtime.contract.resources.session import Session, SessionSpec, judge_turn
from qiskit_runtime.contract.resources.session_course import observe_session
from tests.drawn_seeds import draw_seed
from tests.operator.manifests import job_manifest
from tests.operator.test_sessions import Operator, past

pytestmark = pytest.mark.anyio

BEGIN = datetime(2026, 11, 26, 12, tzinfo=UTC)


@contextmanager
def counting_calls():
    """Count every call of a function within: the work that is done, on any machine the same."""
    calls = []
    before = sys.getprofile()
    sys.setprofile(lambda _frame, event, _arg: calls.append(event) if "call" in event else None)
    try:
        yield calls
    finally:
        sys.setprofile(before)


def end_jobs(operator, number, pause):
    """Add so many jobs that have ended, one after the other."""
    for place in range(number):
        age = 3 + pause * (number - place)
        times = {"startedAt": past(age), "finishedAt": past(age - pause / 2)}
        operator.cluster.add_job(
            {"phase": "Completed", "attempt": 1, **times},
            spec={"sessionId": "s"},
            name=f"ended-{place}",
            uid=f"uid-ended-{place}",
            creationTimestamp=past(age),
        )
    operator.watch()


async def live(mode, number, pause):
    """Return the calls that one job's life takes, in a session of so many jobs that have ended."""
    operator = Operator()
    operator.add_session(created=20_000, mode=mode, interactiveTtlSeconds=1)
    end_jobs(operator, number, pause)
    await operator.step()
    # What follows is told by the changed object alone, as by a watch.
    operator.watch = lambda: None
    put, jobs = operator.view.put_runtimejob, operator.cluster.runtimejobs
    course = [
        {"phase": "Queued"},
        {"phase": "Running", "startedAt": past(1), "attempt": 1, "jobName": "x"},
        {"phase": "Completed", "startedAt": past(1), "finishedAt": past(0), "attempt": 1},
    ]
    operator.add_job("own", 2)
    with counting_calls() as calls:
        for status in course:
            operator.change_job("own", **status)
            put(jobs["own"])
            await operator.step()
            operator.view.sessions.put(operator.cluster.sessions["s"])
            if status["phase"] == "Queued":
                assert (await operator.look("own")).turn.kind == "come"
        operator.view.runtimejobs.drop(jobs["own"])
        await operator.step()
    return len(calls)


@pytest.mark.parametrize("mode", ["dedicated", "batch"])
async def test_ended_jobs_cost_the_others_nothing(mode):
    """They are the leaves of a tree, which has ten levels for a thousand of them."""
    few, many = await live(mode, 10, 0.5), await live(mode, 1000, 0.5)
    assert many < 2 * few


async def test_ended_jobs_with_pauses_between_cost_no_more_than_is_remembered():
    """A session remembers a hundred changes, however often it became inactive."""
    few, many = await live("dedicated", 300, 4), await live("dedicated", 1200, 4)
    assert many < 1.5 * few


async def test_no_ended_job_is_asked_for(monkeypatch):
    """Neither by the keeper nor by a job that waits for its turn."""
    operator = Operator()
    operator.add_session(created=20_000)
    end_jobs(operator, 20, 0.5)
    asked = []

    def note(function):
        def ask(session, *given):
            jobs = next(one for one in given if isinstance(one, list))
            asked.append([job.id for job in jobs])
            return function(session, *given)

        return ask

    monkeypatch.setattr("controller.observe.cluster_view.observe_session", note(observe_session))
    monkeypatch.setattr("controller.observe.observer.judge_turn", note(judge_turn))
    operator.add_job("own", 2)
    await operator.step()
    await operator.look("own")
    assert len(asked) > 1 and all(jobs == ["own"] for jobs in asked)
    assert operator.status["usageSeconds"] > 9


class Course:
    """A session whose jobs come, run, end and go as they are drawn; ``view`` has what is there."""

    def __init__(self, mode, pause):
        self.draw, self.view = random.Random(draw_seed()), ClusterView()
        spec = SessionSpec(
            mode=mode, backend="b", interactive_ttl_seconds=pause, max_ttl_seconds=20_000
        )
        self.session = Session(id="s", created=BEGIN, spec=spec)
        self.now, self.jobs, self.version = BEGIN, {}, 1

    def take_step(self):
        """Let some time pass, and something happen."""
        self.now += timedelta(seconds=self.draw.expovariate(1 / 5))
        happens = self.draw.choice([self.submit, self.start, self.end, self.end, self.delete])
        happens()

    def submit(self):
        """A job comes."""
        name = f"j{self.version}"
        self._put(job_manifest({"phase": "Queued"}, name=name, creationTimestamp=self._stamp()))

    def start(self):
        """A queued job runs."""
        if job := self._find("Queued"):
            self._put(job, phase="Running", startedAt=self._stamp())

    def end(self):
        """A job ends; one that is queued was cancelled."""
        if job := self._find("Running") or self._find("Queued"):
            running = job["status"]["phase"] == "Running"
            phase = "Completed" if running else "Cancelled"
            self._put(job, phase=phase, finishedAt=self._stamp())

    def delete(self):
        """A job that has ended goes, or one that has not."""
        if self.draw.random() < 0.5 and (
            job := self._find("Completed", "Cancelled") or self._find("Queued")
        ):
            del self.jobs[job["metadata"]["name"]]
            self.version += 1
            metadata = {**job["metadata"], "resourceVersion": str(self.version)}
            self.view.runtimejobs.drop({**job, "metadata": metadata})

    def restart(self):
        """Another operator begins: it lists the jobs, in any order."""
        self.view = ClusterView()
        jobs = list(self.jobs.values())
        self.draw.shuffle(jobs)
        for job in jobs:
            self.view.put_runtimejob(job)

    def _put(self, job, **status):
        self.version += 1
        name = job["metadata"]["name"]
        metadata = {**job["metadata"], "uid": name, "resourceVersion": str(self.version)}
        spec = {**job["spec"], "sessionId": "s"}
        job = {"metadata": metadata, "spec": spec, "status": {**job["status"], **status}}
        self.jobs[name] = job
        self.view.put_runtimejob(job)

    def _find(self, *phases):
        found = [job for job in self.jobs.values() if job["status"]["phase"] in phases]
        return self.draw.choice(found) if found else None

    def _stamp(self):
        return self.now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@pytest.mark.parametrize("pause", [1, 60])
@pytest.mark.parametrize("mode", ["dedicated", "batch"])
def test_status_is_that_of_all_jobs_that_are_there(mode, pause):
    """Whatever ended, was deleted, or ended while no operator ran: as if all were looked at."""
    course = Course(mode, pause)
    for step in range(600):
        course.take_step()
        if step % 100 == 99:
            course.restart()
        report = course.view.report_session(course.session, course.now)
        jobs = [job.job for job in course.view.all_jobs()]
        expected = observe_session(course.session, jobs, course.now)
        assert build_session_status(report, {}) == build_session_status(expected, {})
        assert (report.state, report.unfinished) == (expected.state, expected.unfinished)
        if course.draw.random() < 0.8:
            # Its memory, as it is read again; a write may fail.
            course.session = report.session
    assert len(course.jobs) > 20


def test_session_of_another_pause_has_the_same_jobs():
    """One that was deleted and made again under its name is not what the former was."""
    course = Course("dedicated", 60)
    for _ in range(200):
        course.take_step()
    jobs = [job.job for job in course.view.all_jobs()]
    for pause in (60, 1, 60):
        spec = course.session.spec.model_copy(update={"interactive_ttl_seconds": pause})
        made = Session(id="s", created=BEGIN, spec=spec)
        report = course.view.report_session(made, course.now)
        assert report == observe_session(made, jobs, course.now)


def test_jobs_that_are_gone_leave_nothing_behind():
    """Neither a job nor its session."""
    course = Course("batch", 60)
    for _ in range(100):
        course.take_step()
    course.view.report_session(course.session, course.now)
    course.view.runtimejobs.clear()
    assert not course.view._ended._sessions
