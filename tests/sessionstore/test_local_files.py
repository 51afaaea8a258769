"""The files of local sessions: damaged ones, full disks, restarts, and old sessions that go."""

import asyncio
from datetime import timedelta

import pytest

from api.jobstore.local.store import LocalJobStore
from api.sessionstore import local as module
from api.store_errors import StoreUnavailable
from qiskit_runtime.contract.lifecycle import Phase, Reason
from tests.sessionstore.conftest import SPEC, open_local

pytestmark = pytest.mark.anyio


async def test_damaged_files_are_left_alone(tmp_path, caplog):
    """The others are there after a restart."""
    async with open_local(tmp_path) as sessions:
        made = await sessions.store.create(SPEC)
        copied = await sessions.store.create(SPEC)
    folder = tmp_path / "data" / "sessions"
    (folder / "empty").mkdir()
    (folder / "broken").mkdir()
    (folder / "broken" / "session.json").write_text("{")
    entry = folder / copied.session.id / "session.json"
    (folder / "copy").mkdir()
    (folder / "copy" / "session.json").write_bytes(entry.read_bytes())
    async with open_local(tmp_path) as sessions:
        assert (await sessions.store.get(made.session.id)).state == "open"
    assert "broken/session.json is left alone" in caplog.text
    assert f"it is the file of session {copied.session.id}" in caplog.text


async def test_full_disk_refuses_and_changes_nothing(local, monkeypatch):
    """Neither a session nor a close is told that is not stored."""
    made = await local.store.create(SPEC)

    def refuse(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "replace_file", refuse)
    with pytest.raises(StoreUnavailable, match="No space left"):
        await local.store.create(SPEC)
    with pytest.raises(StoreUnavailable, match="No space left"):
        await local.store.close_session(made.session.id)
    assert (await local.store.get(made.session.id)).accepting_jobs


async def test_closed_sessions_are_deleted_after_their_time(tmp_path):
    """Open ones and those whose jobs go on stay."""
    async with open_local(tmp_path) as sessions:
        short = SPEC.model_copy(update={"ttl_seconds_after_closed": 0})
        gone, kept = await sessions.store.create(short), await sessions.store.create(SPEC)
        pending = await sessions.store.create(short)
        await sessions.submit(pending.session.id)
        for one in (gone, pending):
            await sessions.store.close_session(one.session.id)
    async with open_local(tmp_path) as sessions:
        folder = tmp_path / "data" / "sessions"
        there = {path.name for path in folder.iterdir()}
        assert there == {kept.session.id, pending.session.id}


async def test_closed_sessions_over_their_number_are_deleted(tmp_path, monkeypatch):
    """The oldest go first."""
    monkeypatch.setattr(module, "MAX_CLOSED_SESSIONS", 1)
    async with open_local(tmp_path) as sessions:
        made = [await sessions.store.create(SPEC) for _ in range(3)]
        for one in made[:2]:
            await sessions.store.close_session(one.session.id)
    async with open_local(tmp_path):
        there = {path.name for path in (tmp_path / "data" / "sessions").iterdir()}
    assert there == {made[1].session.id, made[2].session.id}


async def read_end(sessions, job_id):
    """The phase, the reason and the message of a job that is final, or soon is."""
    async with asyncio.timeout(10):
        while not (job := await sessions.jobs.get(job_id)).is_final:  # noqa: ASYNC110  (as a client polls)
            await asyncio.sleep(0.02)
    return job.status.phase, job.status.reason, job.status.message


@pytest.mark.parametrize("seconds_kept", [0, 3600])
async def test_session_that_expired_while_no_server_ran_cancels_its_queued_jobs(
    tmp_path, seconds_kept
):
    """No worker has to be free for that, and a session that is not kept any more is named too."""
    short = {"max_ttl_seconds": 1, "ttl_seconds_after_closed": seconds_kept}
    async with open_local(tmp_path) as sessions:
        made = await sessions.store.create(SPEC.model_copy(update=short))
        job = await sessions.submit(made.session.id)
    await asyncio.sleep(max((made.session.expires - job.created).total_seconds(), 0) + 0.05)
    async with open_local(tmp_path) as sessions:
        phase, reason, message = await read_end(sessions, job.id)

    assert (phase, reason) == (Phase.CANCELLED, Reason.SESSION_CLOSED)
    assert "reached its limit of 1 s" in message


async def test_session_whose_cancel_was_cut_short_cancels_its_queued_jobs(tmp_path, monkeypatch):
    """The server was killed after the session's file was written, and before its jobs' were."""
    async with open_local(tmp_path) as sessions:
        made, other = await sessions.store.create(SPEC), await sessions.store.create(SPEC)
        job, kept = [await sessions.submit(one.session.id) for one in (made, other)]
        with monkeypatch.context() as patch:
            patch.setattr(LocalJobStore, "end_refused", lambda *_: asyncio.sleep(0))
            await sessions.store.close_session(made.session.id, cancel=True)
    async with open_local(tmp_path) as sessions:
        phase, reason, message = await read_end(sessions, job.id)
        waiting = await sessions.jobs.get(kept.id)

    assert (phase, reason) == (Phase.CANCELLED, Reason.SESSION_CLOSED)
    assert "session was cancelled" in message
    assert waiting.status.phase is Phase.QUEUED


async def test_timer_that_is_early_as_the_clock_was_set_back_is_set_again(local):
    """A session expires by the clock, and its queued jobs are cancelled then."""
    made = await local.store.create(SPEC.model_copy(update={"max_ttl_seconds": 60}))
    job = await local.submit(made.session.id)
    session = await local.store.find(made.session.id)
    before = local.store._timers[session.id].when()
    earlier = {"created": session.created - timedelta(seconds=59)}
    local.store._files.note(session.model_copy(update=earlier))
    local.store._expire(session.id)

    assert local.store._timers[session.id].when() < before
    assert (await read_end(local, job.id))[:2] == (Phase.CANCELLED, Reason.SESSION_CLOSED)
