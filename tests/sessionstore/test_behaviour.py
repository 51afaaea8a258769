"""The promises of ``api.sessionstore.base``, kept by every store."""

import asyncio

import pytest

from api.sessionstore import base
from api.sessionstore.base import SessionClosed, SessionNotFound, SessionUnusable
from api.store_errors import StorageFull
from qiskit_runtime.contract.resources.session import SessionMode, SessionState
from tests.sessionstore.conftest import SPEC

pytestmark = pytest.mark.anyio


async def test_session_is_open_with_what_was_asked(sessions):
    """A new session accepts jobs, and is found with its spec."""
    spec = SPEC.model_copy(update={"mode": SessionMode.BATCH, "max_ttl_seconds": 60, "hub": "h"})
    made = await sessions.store.create(spec)

    assert (made.state, made.accepting_jobs, made.session.spec) == ("open", True, spec)
    found = await sessions.store.get(made.session.id)
    assert found == made
    assert (found.session.expires - found.session.created).total_seconds() == 60


async def test_unknown_session_is_not_found(sessions):
    """Neither by its id, nor for a job: that error names the field."""
    for work in (sessions.store.get("nobodys"), sessions.store.close_session("nobodys")):
        with pytest.raises(SessionNotFound):
            await work
    with pytest.raises(SessionUnusable, match="session_id: there is no session nobodys"):
        await sessions.submit("nobodys")


async def test_session_of_a_given_id_is_made_once(sessions):
    """The first job of an old client opens it; a repeated request finds it."""
    first = await sessions.store.create(SPEC, "of-a-job")
    again = await sessions.store.create(SPEC, "of-a-job")
    assert first.session.id == again.session.id == "of-a-job"
    assert again.session.created == first.session.created


async def test_jobs_are_admitted_in_order(sessions):
    """Each has a later time of submission than the one before it."""
    made = await sessions.store.create(SPEC)
    jobs = [await sessions.submit(made.session.id) for _ in range(5)]

    assert [job.created for job in jobs] == sorted({job.created for job in jobs})
    report = await sessions.store.get(made.session.id)
    assert (report.state, report.unfinished) == (SessionState.OPEN, 5)


async def test_closed_session_refuses_jobs_and_keeps_those_it_has(sessions):
    """Closing is final, can be repeated, and cancels nothing."""
    made = await sessions.store.create(SPEC)
    job = await sessions.submit(made.session.id)
    await sessions.store.close_session(made.session.id)
    await sessions.store.close_session(made.session.id)

    with pytest.raises(SessionClosed, match=r"The session is closed: session .* accepts no more"):
        await sessions.submit(made.session.id)
    report = await sessions.store.get(made.session.id)
    assert (report.state, report.accepting_jobs) == (SessionState.PENDING_CLOSED, False)
    assert not (await sessions.jobs.get(job.id)).is_final


async def test_session_without_jobs_closes_at_once(sessions):
    """It has nothing to wait for."""
    made = await sessions.store.create(SPEC)
    await sessions.store.close_session(made.session.id)

    report = await sessions.store.get(made.session.id)
    assert report.state == SessionState.CLOSED
    assert report.closed_at >= made.session.created


@pytest.mark.parametrize("is_closed", [False, True])
async def test_cancelled_session_is_closed_at_once(sessions, is_closed):
    """Also one that was closed before, and has jobs still."""
    made = await sessions.store.create(SPEC)
    await sessions.submit(made.session.id)
    if is_closed:
        await sessions.store.close_session(made.session.id)
    await sessions.store.close_session(made.session.id, cancel=True)
    await sessions.store.close_session(made.session.id)

    report = await sessions.store.get(made.session.id)
    assert (report.state, report.session.cancel_requested) == (SessionState.CLOSED, True)
    with pytest.raises(SessionClosed):
        await sessions.submit(made.session.id)


async def test_expired_session_refuses_jobs(sessions):
    """After its time it is closed, without anybody's help."""
    made = await sessions.store.create(SPEC.model_copy(update={"max_ttl_seconds": 1}))
    await asyncio.sleep(1.05)

    assert (await sessions.store.get(made.session.id)).closed_at == made.session.expires
    with pytest.raises(SessionClosed, match=r"its limit of 1 s \(max_ttl\)"):
        await sessions.submit(made.session.id)


MISFITS = {
    "another backend": (
        {"backend": "aer_montreal"},
        "backend: session .* is on aer_simulator, the job is for aer_montreal",
    ),
    "another instance": ({"hub": "x", "group": "y", "project": "z"}, "no session .* x/y/z"),
}


@pytest.mark.parametrize("case", MISFITS)
async def test_job_that_is_not_for_the_session_is_refused(sessions, case):
    """The error names the field and both values; another tenant's session is not there."""
    fields, words = MISFITS[case]
    made = await sessions.store.create(SPEC)
    with pytest.raises(SessionUnusable, match=words):
        await sessions.submit(made.session.id, **fields)


async def test_number_of_open_sessions_is_bounded(sessions, monkeypatch):
    """Over it the error says both numbers; closing one makes room."""
    monkeypatch.setattr(base, "MAX_OPEN_SESSIONS", 2)
    made = [await sessions.store.create(SPEC) for _ in range(2)]
    with pytest.raises(StorageFull, match="2 open sessions of at most 2"):
        await sessions.store.create(SPEC)
    await sessions.store.close_session(made[0].session.id)
    await sessions.store.create(SPEC)


async def test_one_instance_leaves_room_for_others(sessions, monkeypatch):
    """Over its share the error names the instance; another one opens sessions still."""
    monkeypatch.setattr(base, "MAX_OPEN_SESSIONS_OF_INSTANCE", 1)
    await sessions.store.create(SPEC)
    with pytest.raises(StorageFull, match=f"1 open sessions of the instance {SPEC.instance.name}"):
        await sessions.store.create(SPEC)
    await sessions.store.create(SPEC.model_copy(update={"project": "another"}))


async def test_no_job_is_accepted_after_the_close_was_answered(sessions):
    """Whichever way many submissions and the close interleave, on one server."""
    made = await sessions.store.create(SPEC.model_copy(update={"mode": SessionMode.BATCH}))
    closed_at: list[float] = []
    begun: dict[str, float] = {}
    clock = asyncio.get_running_loop().time
    closed, some_begun = asyncio.Event(), asyncio.Event()

    async def submit(number):
        # However slow the machine is, some come after the close.
        await (closed.wait() if number >= 50 else asyncio.sleep(number * 0.002))
        at = clock()
        job = await sessions.submit(made.session.id)
        begun[job.id] = at
        some_begun.set()

    async def close():
        await some_begun.wait()
        await sessions.store.close_session(made.session.id)
        closed_at.append(clock())
        closed.set()

    results = await asyncio.gather(*map(submit, range(60)), close(), return_exceptions=True)

    refused = [one for one in results if isinstance(one, SessionClosed)]
    assert len(refused) + len(begun) == 60 and refused and begun
    assert all(at < closed_at[0] for at in begun.values())
    report = await sessions.store.get(made.session.id)
    assert report.unfinished == len(begun)


async def test_sessions_outlast_a_restart(sessions):
    """A server that comes back, or another one, has the same sessions."""
    made = await sessions.store.create(SPEC)
    await sessions.submit(made.session.id)
    await sessions.store.close_session(made.session.id)
    before = await sessions.store.get(made.session.id)
    await sessions.stop()
    async with sessions.again() as other:
        after = await other.store.get(made.session.id)
        assert (after.state, after.session.spec) == (before.state, before.session.spec)
        with pytest.raises(SessionClosed):
            await other.submit(made.session.id)
