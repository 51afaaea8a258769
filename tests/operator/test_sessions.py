"""Sessions on the operator's side: their status, their jobs' turns and slots, their deletion."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from controller.concurrency_limit import ConcurrencyLimit
from controller.observe.cluster_view import ClusterView
from controller.observe.memory import JobMemory
from controller.observe.observer import JobObserver
from controller.observe.runnables import Runnables
from controller.observe.warm_pods import WarmPods
from controller.session_status import SessionKeeper
from controller.settings import RunnerSettings, WarmPoolSettings
from qiskit_runtime.cluster.client import ClusterError
from qiskit_runtime.contract.resources.resource import SUBMITTED_AT
from qiskit_runtime.contract.resources.session import TurnKind
from tests.operator.fake_cluster import FakeCluster, refused

pytestmark = pytest.mark.anyio


def past(seconds):
    """The real time so many seconds ago, as Kubernetes writes it."""
    return (datetime.now(UTC) - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Operator:
    """The keeper and the observer over a cluster; ``watch`` brings what is there."""

    def __init__(self, slots=2):
        self.cluster, self.view, self.limit = FakeCluster(), ClusterView(), ConcurrencyLimit(slots)
        self.woken = []
        self.keeper = SessionKeeper(self.cluster, self.view, self.woken.append)
        # Its steps are taken here, by ``step``.
        self.keeper.statuses.hold()
        runner = RunnerSettings(image="i:1")
        runnables = Runnables(self.view.programs.find, self.view.backends.find, runner)
        memory = JobMemory()
        warm = WarmPods(self.view, memory, runner, WarmPoolSettings())
        self.observer = JobObserver(
            self.cluster, self.view, memory, self.limit, runnables, records=None, warm_pods=warm
        )

    def add_session(self, created=10, **spec):
        """A session of ten seconds ago, say."""
        made = self.cluster.add_session(**spec)
        made["metadata"]["creationTimestamp"] = past(created)
        self.watch()

    def add_job(self, name, submitted, session="s", **status):
        """A job of the session that was submitted so many seconds ago."""
        self.cluster.add_job(
            {"phase": "Queued", **status},
            spec={"sessionId": session},
            name=name,
            uid=f"uid-{name}",
            creationTimestamp=past(submitted),
            annotations={SUBMITTED_AT: past(submitted)},
        )
        self.watch()

    def change_job(self, name, **status):
        """The job's status as something has written it."""
        known = self.cluster.runtimejobs[name]
        self.cluster._store(self.cluster.runtimejobs, {**known, "status": status})
        self.watch()

    def watch(self):
        """Bring what is there."""
        for session in self.cluster.sessions.values():
            self.view.sessions.put(session)
        for job in self.cluster.runtimejobs.values():
            self.view.put_runtimejob(job)

    async def step(self, name="s"):
        """Let the keeper look at a session, and write its status where it wants that."""
        seconds = await self.keeper.step(name)
        if name in (wanted := self.keeper.statuses._held):
            del wanted[name]
            await self.keeper.write(name)
        return seconds

    async def look(self, name):
        """Return the view of a job."""
        return await self.observer.observe(name, datetime.now(UTC))

    @property
    def status(self):
        """The status of the session."""
        return self.cluster.sessions["s"]["status"]


async def test_status_follows_the_jobs():
    """Open, active with a job, closed when it has ended: each change is one write."""
    operator = Operator()
    operator.add_session()
    await operator.step()
    assert operator.status["state"] == "open"
    operator.add_job("a", 5)
    operator.change_job("a", phase="Running", startedAt=past(4), attempt=1)
    for _ in range(3):
        await operator.step()
    assert operator.status["state"] == "active" and operator.status["activatedAt"]
    operator.change_job("a", phase="Completed", startedAt=past(4), finishedAt=past(1), attempt=1)
    operator.cluster.close_session(closeRequestedAt=past(2))
    operator.watch()
    await operator.step()
    assert operator.status["state"] == "closed"
    assert operator.status["closedAt"] == operator.status["lastJobCompletedAt"]
    assert [one["status"] for one in operator.status["timestamps"]] == ["open", "active", "closed"]
    assert operator.cluster.calls.count("write_session_status") == 3


async def test_dedicated_jobs_start_one_after_the_other():
    """The second waits while the first is queued, and while it runs; it holds no slot meanwhile."""
    operator = Operator(slots=1)
    operator.add_session()
    operator.add_job("b", 4)
    operator.add_job("a", 5)
    operator.add_job("other", 3, session="")

    assert (await operator.look("b")).turn.kind is TurnKind.WAITS
    assert (await operator.look("a")).has_slot
    assert not (await operator.look("other")).has_slot
    operator.change_job("a", phase="Running", startedAt=past(2), attempt=1, jobName="x")
    assert (await operator.look("b")).turn.kind is TurnKind.WAITS
    operator.limit.leave("a")
    # Not blocked by the job that waits for its session.
    assert (await operator.look("other")).has_slot
    operator.limit.leave("other")
    operator.change_job("a", phase="Failed", startedAt=past(2), finishedAt=past(1), attempt=1)
    assert (await operator.look("b")).has_slot


async def test_job_behind_that_has_begun_is_waited_for():
    """Two servers may create their jobs in the other order: one at a time all the same."""
    operator = Operator()
    operator.add_session()
    operator.add_job("b", 4)
    assert (await operator.look("b")).has_slot
    operator.add_job("a", 5)
    assert (await operator.look("a")).turn.kind is TurnKind.WAITS


async def test_batch_jobs_start_beside_each_other():
    """As many as may run at once."""
    operator = Operator(slots=2)
    operator.add_session(mode="batch")
    for name, age in (("a", 5), ("b", 4), ("c", 3)):
        operator.add_job(name, age)
    assert [(await operator.look(name)).has_slot for name in "abc"] == [True, True, False]


async def test_session_that_its_watch_has_not_brought_is_read():
    """The watches of jobs and sessions are two."""
    operator = Operator()
    operator.add_session()
    operator.view.sessions.discard("s")
    operator.watch = lambda: [
        operator.view.put_runtimejob(job) for job in operator.cluster.runtimejobs.values()
    ]
    operator.add_job("a", 1)
    assert (await operator.look("a")).has_slot
    operator.add_job("lost", 1, session="nobodys")
    view = await operator.look("lost")
    assert (view.turn.kind, view.has_slot) == (TurnKind.WRONG, False)


@pytest.mark.parametrize(("mode", "in_turn"), [("dedicated", ["a"]), ("batch", [])])
async def test_keeper_wakes_the_job_whose_turn_it_is(mode, in_turn):
    """The oldest of a dedicated session, none of a batch; all, once, when the session changes."""
    operator = Operator()
    operator.add_session(mode=mode)
    operator.add_job("b", 4)
    operator.add_job("a", 5)

    async def find_woken():
        operator.watch()
        operator.woken.clear()
        await operator.step()
        return list(operator.woken)

    assert await find_woken() == ["a", "b"]
    assert await find_woken() == in_turn
    operator.cluster.close_session(closeRequestedAt=past(1))
    assert await find_woken() == ["a", "b"]
    assert await find_woken() == in_turn
    operator.cluster.close_session(cancelRequested=True, closeRequestedAt=past(1))
    assert await find_woken() == ["a", "b"]
    assert await find_woken() == in_turn
    assert (await operator.look("a")).turn.kind is TurnKind.CLOSED
    operator.view.sessions.discard("s")
    assert await find_woken() == in_turn, "the watch brings it again"


async def test_jobs_of_a_session_that_is_gone_are_woken():
    """They learn that it is no more; of one that comes again they are told again."""
    operator = Operator()
    operator.add_session()
    operator.add_job("a", 5)
    await operator.step()
    operator.view.sessions.discard("s")
    for bring in (lambda: None, operator.watch):
        bring()
        operator.woken.clear()
        await operator.step()
        assert operator.woken == ["a"]


async def test_a_look_at_a_job_of_a_batch_takes_no_look_at_the_others(monkeypatch):
    """There may be a thousand of them, and each is looked at."""
    operator = Operator()
    operator.add_session(mode="batch")
    operator.add_job("a", 5)
    monkeypatch.delattr(ClusterView, "unfinished_of")
    assert (await operator.look("a")).turn.kind is TurnKind.COME


async def test_keeper_sleeps_until_the_session_changes():
    """Until it expires, or is not kept any more; it looks each 30 s while jobs are unfinished."""
    operator = Operator()
    operator.add_session(maxTtlSeconds=100)
    assert 85 < await operator.step() <= 91
    operator.add_job("a", 1)
    assert await operator.step() == 30
    assert await operator.step("nobodys") is None


async def test_expired_session_closes_and_its_jobs_never_start():
    """The deadline needs no event."""
    operator = Operator()
    operator.add_session(created=100, maxTtlSeconds=60)
    operator.add_job("a", 70)
    await operator.step()
    assert operator.status["state"] == "closed" and operator.woken == ["a"]
    assert "limit of 60 s" in (await operator.look("a")).turn.words


async def test_closed_session_is_deleted_after_its_time():
    """Its jobs stay."""
    operator = Operator()
    operator.add_session(created=100, maxTtlSeconds=60, ttlSecondsAfterClosed=30)
    operator.add_job("a", 90)
    operator.change_job("a", phase="Completed", startedAt=past(89), finishedAt=past(80), attempt=1)
    await operator.step()
    assert operator.cluster.sessions == {} and "a" in operator.cluster.runtimejobs
    assert operator.view.sessions.find("s") is None


async def test_closed_sessions_over_their_number_are_deleted(monkeypatch):
    """The oldest go first; open ones stay."""
    monkeypatch.setattr("controller.session_status.MAX_CLOSED_SESSIONS", 1)
    operator = Operator()
    for name, age in (("old", 300), ("new", 200), ("open", 100)):
        made = operator.cluster.add_session(name, maxTtlSeconds=150)
        made["metadata"]["creationTimestamp"] = past(age)
    operator.watch()
    for name in ("old", "new", "open"):
        await operator.step(name)
    assert set(operator.cluster.sessions) == {"new", "open"}


async def test_status_of_another_version_is_decided_again():
    """A session that was closed meanwhile is read again: nothing of it is lost."""
    operator = Operator()
    operator.add_session()
    await operator.step()
    operator.add_job("a", 1)
    operator.change_job("a", phase="Running", startedAt=past(1), attempt=1)
    operator.cluster.close_session(closeRequestedAt=past(0))
    with pytest.raises(ClusterError):
        await operator.step()
    await operator.keeper.refresh("s")
    await operator.step()
    assert not operator.cluster.sessions["s"]["spec"]["acceptingJobs"]
    assert operator.status["state"] == "active"


@pytest.mark.parametrize("status", [403, 409, 500])
async def test_job_whose_turn_it_is_is_woken_though_the_status_is_refused(status):
    """The status is for kubectl: an old role, a webhook or a conflict holds no job up."""
    operator = Operator()
    operator.add_session()
    for name, age in (("a", 5), ("b", 4), ("c", 3)):
        operator.add_job(name, age)
    await operator.step()
    operator.woken.clear()
    operator.change_job("a", phase="Completed", startedAt=past(2), finishedAt=past(1), attempt=1)
    operator.cluster.fails["write_session_status"] = refused(status)
    with pytest.raises(ClusterError):
        await operator.step()
    assert operator.woken == ["b"]
    operator.cluster.close_session(cancelRequested=True, closeRequestedAt=past(0))
    operator.cluster.fails["write_session_status"] = refused(status)
    operator.watch()
    operator.woken.clear()
    with pytest.raises(ClusterError):
        await operator.step()
    assert operator.woken == ["b", "c"]


@pytest.fixture
async def running():
    """A keeper whose workers take its steps; job a runs, and two wait."""
    operator = Operator()
    operator.add_session()
    for name, age in (("a", 5), ("b", 4), ("c", 3)):
        operator.add_job(name, age)
    operator.change_job("a", phase="Running", startedAt=past(2), attempt=1)
    await operator.step()
    await operator.keeper.statuses.release()
    operator.woken.clear()
    yield operator
    await operator.keeper.close()


async def settle():
    """Let the workers take their steps."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_no_turn_waits_for_a_write_that_takes_its_time(running, monkeypatch):
    """A webhook may let the API server wait for ten seconds; the next job starts meanwhile."""

    async def hang(*_):
        await asyncio.Event().wait()

    monkeypatch.setattr(running.cluster, "write_session_status", hang)
    ended = {"phase": "Completed", "startedAt": past(2), "attempt": 1}
    running.change_job("a", **ended, finishedAt=past(1))
    for _ in range(2):
        running.keeper.workers.enqueue("s")
        await settle()
        assert running.woken == ["b"]
        running.woken.clear()


async def test_refused_write_is_repeated_after_a_pause(running, monkeypatch):
    """The session is read again before it; where that is no news, no other write is asked for."""
    tried = []

    async def refuse(*_):
        tried.append(1)
        raise refused(403)

    monkeypatch.setattr(running.cluster, "write_session_status", refuse)
    monkeypatch.setattr("controller.workers.FIRST_RETRY_SECONDS", 0.01)
    running.change_job("a", phase="Failed", startedAt=past(2), finishedAt=past(1), attempt=1)
    running.keeper.workers.enqueue("s")
    async with asyncio.timeout(5):
        while len(tried) < 3:  # noqa: ASYNC110  (the workers tell nobody)
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.2)
    assert len(tried) < 20


async def test_close_that_a_conflict_shows_wakes_the_jobs(running):
    """The watch may be behind: what is read again is told."""
    running.cluster.close_session(cancelRequested=True, closeRequestedAt=past(0))
    await running.keeper.refresh("s")
    await settle()
    assert running.woken == ["b", "c"] and running.status["state"] == "closed"
    running.woken.clear()
    running.cluster.sessions.clear()
    await running.keeper.refresh("s")
    await settle()
    assert running.woken == ["b", "c"]


async def test_session_is_read_again_after_a_failure():
    """A deleted one is forgotten; an API server that is away changes nothing."""
    operator = Operator()
    operator.add_session()
    operator.cluster.fails["get_session"] = refused(500)
    await operator.keeper.refresh("s")
    assert operator.view.sessions.find("s")
    operator.cluster.sessions.clear()
    await operator.keeper.refresh("s")
    assert operator.view.sessions.find("s") is None
