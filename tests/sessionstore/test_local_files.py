"""The files of local sessions: damaged ones, full disks, and old sessions that go."""

import pytest

from api.sessionstore import local as module
from api.store_errors import StoreUnavailable
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
