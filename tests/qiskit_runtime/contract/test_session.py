"""A session's state and its jobs' turns: these tables are the specification of both modes."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from qiskit_runtime.contract.lifecycle import Phase, Reason
from qiskit_runtime.contract.limits import MAX_SESSION_TIMESTAMPS
from qiskit_runtime.contract.resources.ended_jobs import NO_JOBS, EndedJobs, join_ended
from qiskit_runtime.contract.resources.job import Job, JobSpec, JobStatus
from qiskit_runtime.contract.resources.runtimesession import (
    NotARuntimeSession,
    build_runtimesession,
    build_session_status,
    parse_runtimesession,
)
from qiskit_runtime.contract.resources.session import (
    Session,
    SessionSpec,
    TurnKind,
    find_surplus,
    judge_turn,
)
from qiskit_runtime.contract.resources.session_course import find_next_change, observe_session

BEGIN = datetime(2026, 11, 26, 12, tzinfo=UTC)
SPEC = {"backend": "aer_montreal", "max_ttl_seconds": 1000, "interactive_ttl_seconds": 60}


def at(seconds):
    """The time so many seconds after the session was opened; None is none."""
    return None if seconds is None else BEGIN + timedelta(seconds=seconds)


def session(mode="dedicated", **fields):
    """A session of 1000 s that is inactive after 60 s."""
    return Session(id="s", created=BEGIN, spec=SessionSpec(mode=mode, **SPEC), **fields)


def job(name, created, started=None, finished=None, phase=None, **spec):
    """A job of the session, by its times."""
    ended = Phase.COMPLETED if started is not None else Phase.CANCELLED
    known = phase or (ended if finished is not None else Phase.RUNNING if started else Phase.QUEUED)
    asked = {"program_id": "sampler", "backend": "aer_montreal", "session_id": "s", **spec}
    return Job(
        id=name,
        sequence=created * 1_000_000,
        created=at(created),
        spec=JobSpec(**asked),
        status=JobStatus(phase=known, started_at=at(started), finished_at=at(finished)),
    )


CLOSED = {"accepting_jobs": False, "close_requested_at": at(50)}
CANCELLED = {**CLOSED, "cancel_requested": True}
RAN = job("a", 1, 10, 20)

STATES = {
    "new": (session(), [], 5, "open", [("open", 0)]),
    "its first job is queued": (session(), [job("a", 1)], 5, "open", [("open", 0)]),
    "a job runs": (session(), [job("a", 1, 10)], 15, "active", [("open", 0), ("active", 10)]),
    "a job has ended a moment ago": (
        session(), [RAN], 79, "active", [("open", 0), ("active", 10)],
    ),
    "without a job for a minute": (
        session(), [RAN], 80, "inactive", [("open", 0), ("active", 10), ("inactive", 80)],
    ),
    "the next job waits while it is active": (
        session(), [RAN, job("b", 70)], 500, "active", [("open", 0), ("active", 10)],
    ),
    "the next job waits while it is inactive": (
        session(), [RAN, job("b", 90)], 95, "inactive",
        [("open", 0), ("active", 10), ("inactive", 80)],
    ),
    "the next job makes it active": (
        session(), [RAN, job("b", 90, 100)], 110, "active",
        [("open", 0), ("active", 10), ("inactive", 80), ("active", 100)],
    ),
    "a job that never started counts as none": (
        session(), [job("a", 1, None, 5)], 10, "open", [("open", 0)],
    ),
    "closed without a job": (session(**CLOSED), [], 51, "closed", [("open", 0), ("closed", 50)]),
    "closed, its job has not started": (
        session(**CLOSED), [job("a", 1)], 60, "pending_closed", [("open", 0)],
    ),
    "closed, its job runs": (
        session(**CLOSED), [job("a", 1, 10)], 60, "active", [("open", 0), ("active", 10)],
    ),
    "closed, its job has ended before": (
        session(**CLOSED), [RAN], 60, "closed", [("open", 0), ("active", 10), ("closed", 50)],
    ),
    "closed, its job has ended since": (
        session(**CLOSED), [job("a", 1, 10, 70)], 75, "closed",
        [("open", 0), ("active", 10), ("closed", 70)],
    ),
    "closed, an admitted job is on its way": (
        session(**CLOSED, last_admitted_at=at(49)), [RAN], 60, "active",
        [("open", 0), ("active", 10)],
    ),
    "closed, an admitted job has not come": (
        session(**CLOSED, last_admitted_at=at(49)), [RAN], 80, "closed",
        [("open", 0), ("active", 10), ("closed", 50)],
    ),
    "closed, the admitted job has ended": (
        session(**CLOSED, last_admitted_at=at(1)), [RAN], 51, "closed",
        [("open", 0), ("active", 10), ("closed", 50)],
    ),
    "cancelled while a job runs": (
        session(**CANCELLED), [job("a", 1, 10)], 60, "closed",
        [("open", 0), ("active", 10), ("closed", 50)],
    ),
    "expired": (session(), [], 1000, "closed", [("open", 0), ("closed", 1000)]),
    "expired while a job runs": (
        session(), [job("a", 1, 10)], 2000, "closed",
        [("open", 0), ("active", 10), ("closed", 1000)],
    ),
    "closed by a clock that is behind": (
        session(accepting_jobs=False, close_requested_at=at(-5)), [], 1, "closed",
        [("open", 0), ("closed", 0)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", STATES)
def test_state_follows_from_jobs_and_time(case):
    """Each state, and the changes that led to it."""
    asked, jobs, now, state, changes = STATES[case]
    report = observe_session(asked, jobs, at(now))
    seen = [
        (one.status, (one.timestamp - BEGIN).total_seconds()) for one in report.session.timestamps
    ]
    assert (report.state, seen) == (state, changes)
    assert report.accepting_jobs == (not asked.close_requested_at and state != "closed")
    # What is remembered says the same, also where the jobs are there still.
    again = observe_session(report.session, jobs, at(now))
    assert again.session.timestamps == report.session.timestamps


@pytest.mark.parametrize("mode", ["dedicated", "batch"])
@pytest.mark.parametrize("case", STATES)
def test_ended_jobs_tell_the_same_joined(case, mode):
    """Whoever keeps them joined, in whatever parts, need not have each of them."""
    asked, jobs, now, *_ = STATES[case]
    asked = asked.model_copy(update={"spec": session(mode).spec})
    more = [job("x", 30, 35, 45), job("y", 150, None, 200), job("z", 700, 710, 720)]
    for jobs_seen in (jobs, [*jobs, *more]):
        ended = NO_JOBS
        for one in reversed([job for job in jobs_seen if job.is_final]):
            ended = join_ended([EndedJobs.of(one), ended], asked.spec.interactive_ttl)
        unfinished = [job for job in jobs_seen if not job.is_final]
        report = observe_session(asked, unfinished, at(now), ended)
        assert report == observe_session(asked, jobs_seen, at(now))


ENDED = [
    case
    for case, (asked, jobs, *_) in STATES.items()
    if all(job.is_final for job in jobs) and not asked.last_admitted_at
]
"""Those whose jobs can be deleted."""


@pytest.mark.parametrize("case", ENDED)
def test_memory_outlasts_the_jobs(case):
    """A session whose jobs were deleted goes neither back nor forgets when it was active."""
    asked, jobs, now, *_ = STATES[case]
    report = observe_session(asked, jobs, at(now))
    later = observe_session(report.session, [], at(now))
    assert later.session == report.session
    assert (later.state, later.activated_at) == (report.state, report.activated_at)


USES = {
    "unused": ("dedicated", {}, [], 5, 0),
    "a job runs": ("dedicated", {}, [job("a", 1, 10)], 15, 5),
    "idle": ("dedicated", {}, [RAN], 40, 30),
    "inactive": ("dedicated", {}, [RAN], 900, 70),
    "active again": ("dedicated", {}, [RAN, job("b", 99, 100)], 110, 80),
    "closed": ("dedicated", CLOSED, [RAN], 900, 40),
    "a job went on after the close": ("dedicated", CANCELLED, [job("a", 1, 10, 90)], 900, 80),
    "a batch": ("batch", {}, [RAN, job("b", 2, 15, 45)], 50, 40),
    "a batch that runs": ("batch", {}, [RAN, job("b", 2, 15)], 50, 45),
}


@pytest.mark.parametrize("case", USES)
def test_usage_is_the_time_that_was_taken(case):
    """A session's is the time while it was active, a batch's that of its jobs."""
    mode, fields, jobs, now, seconds = USES[case]
    report = observe_session(session(mode, **fields), jobs, at(now))
    assert report.session.usage_seconds == seconds


def test_times_of_jobs_are_the_last_ones():
    """The first start, the last start and the last end, a running job's among them."""
    report = observe_session(session(), [RAN, job("b", 2, 30)], at(40))
    assert report.activated_at == at(10)
    assert report.session.last_job_started_at == at(30)
    assert report.session.last_job_completed_at == at(20)
    assert report.unfinished == 1


def test_memory_is_bounded():
    """A long session keeps its first change and the newest ones."""
    jobs = [job(f"j{n}", n * 100, n * 100 + 1, n * 100 + 2) for n in range(1, 200)]
    spec = SessionSpec(backend="b", max_ttl_seconds=100_000, interactive_ttl_seconds=1)
    report = observe_session(Session(id="s", created=BEGIN, spec=spec), jobs, at(90_000))
    changes = report.session.timestamps
    assert len(changes) == MAX_SESSION_TIMESTAMPS
    assert (changes[0].status, changes[-1].timestamp) == ("open", at(19_903))


OPEN = session()
TURNS = {
    "the first": (OPEN, job("b", 2), [], 5, "come"),
    "one before it waits": (OPEN, job("b", 2), [job("a", 1)], 5, "waits"),
    "one before it runs": (OPEN, job("b", 2), [job("a", 1, 3)], 5, "waits"),
    "those before it have ended": (OPEN, job("b", 2), [job("a", 1, 3, 4)], 5, "come"),
    "one before it failed": (OPEN, job("b", 2), [job("a", 1, 3, 4, Phase.FAILED)], 5, "come"),
    "one behind it waits": (OPEN, job("b", 2), [job("c", 3)], 5, "come"),
    "one behind it runs": (OPEN, job("b", 2), [job("c", 3, 4)], 5, "waits"),
    "one behind it is about to run": (OPEN, job("b", 2), [job("x", 3)], 5, "waits"),
    "one of the same moment has a smaller name": (OPEN, job("b", 2), [job("a", 2)], 5, "waits"),
    "in a batch": (session("batch"), job("b", 2), [job("a", 1, 3)], 5, "come"),
    "closed after it was submitted": (session(**CLOSED), job("b", 2), [], 60, "come"),
    "admitted by a clock that is ahead": (
        session(**CLOSED, last_admitted_at=at(55)), job("b", 55), [], 60, "come",
    ),
    "closed before it was submitted": (
        session(**CLOSED), job("b", 51), [], 60, "its session was closed before",
    ),
    "cancelled": (session(**CANCELLED), job("b", 2), [], 60, "its session was cancelled before"),
    "expired": (OPEN, job("b", 2), [], 1000, "its limit of 1000 s (max_ttl) before"),
    "a batch that expired": (session("batch"), job("b", 2), [], 1000, "(max_ttl)"),
    "no session": (None, job("b", 2), [], 5, "there is no session s in the instance"),
    "another backend": (
        OPEN, job("b", 2, backend="aer_simulator"), [], 5,
        "backend: session s is on aer_montreal, the job is for aer_simulator",
    ),
    "another instance": (
        OPEN, job("b", 2, hub="h", group="g", project="p"), [], 5,
        "session_id: there is no session s in the instance h/g/p",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", TURNS)
def test_turn_of_a_job_in_its_session(case):
    """Dedicated: one at a time, in order. Batch: at once. Refused: with the reason."""
    asked, own, others, now, expected = TURNS[case]
    turn = judge_turn(asked, own, [own, *others], at(now), frozenset({"x"}))
    if expected in list(TurnKind):
        assert (turn.kind, turn.end) == (expected, None)
    else:
        assert expected in turn.words and expected in turn.end.message


def test_refused_job_ends_as_what_it_is():
    """A closed session cancels a job, one that it can't belong to fails it."""
    closed = judge_turn(session(**CANCELLED), job("b", 2), [], at(60)).end
    wrong = judge_turn(None, job("b", 2), [], at(60)).end
    assert (closed.phase, closed.reason) == (Phase.CANCELLED, Reason.SESSION_CLOSED)
    assert (wrong.phase, wrong.reason) == (Phase.FAILED, Reason.UNKNOWN_SESSION)


NEXT = {
    "new": (session(), [], 5, 1000),
    "idle": (session(), [RAN], 30, 80),
    "inactive": (session(), [RAN], 90, 1000),
    "an admitted job is on its way": (session(**CLOSED, last_admitted_at=at(49)), [], 60, 79),
    "closed": (session(**CLOSED), [], 60, 50 + 7 * 86400),
}


@pytest.mark.parametrize("case", NEXT)
def test_next_change_without_an_event(case):
    """A keeper sleeps until something may change."""
    asked, jobs, now, seconds = NEXT[case]
    assert find_next_change(observe_session(asked, jobs, at(now)), at(now)) == at(seconds)


def test_surplus_are_the_old_ones_and_the_oldest_of_too_many():
    """Open sessions are never surplus."""
    closed = [
        observe_session(
            session(accepting_jobs=False, close_requested_at=at(n)).model_copy(
                update={"id": str(n)}
            ),
            [],
            at(100),
        ).session
        for n in (10, 20, 30)
    ]
    assert [one.id for one in find_surplus([*closed, OPEN], 2, at(100))] == ["10"]
    assert [one.id for one in find_surplus(closed, 9, at(20 + 7 * 86400))] == ["20", "10"]


def test_resource_has_the_whole_session():
    """Built, parsed, observed, written as status, and parsed again, it is the same."""
    asked = session("batch", last_admitted_at=None)
    manifest = build_runtimesession(asked)
    manifest["metadata"] |= {"uid": "u", "creationTimestamp": "2026-11-26T12:00:00Z"}
    assert parse_runtimesession(manifest).session == asked

    report = observe_session(asked, [RAN], at(80))
    manifest["status"] = build_session_status(report, {})
    assert manifest["status"]["state"] == "inactive"
    assert manifest["status"]["activatedAt"] == "2026-11-26T12:00:10.000000Z"
    found = parse_runtimesession(manifest)
    assert found.session == report.session
    assert build_session_status(observe_session(found.session, [RAN], at(90)), found.status) == {}


def test_session_of_another_kind_is_refused():
    """A manifest that the CRD would not admit is told, not guessed at."""
    with pytest.raises(NotARuntimeSession):
        parse_runtimesession({"metadata": {"name": "s"}, "spec": {"mode": "quick"}})
    with pytest.raises(ValidationError):
        SessionSpec(backend="b", max_ttl_seconds=0)
