"""The files of the local store: what a crash, a damage or somebody's hand leaves of them."""

import json
import os

import pytest

from api.programstore.base import ProgramChange, ProgramExists
from qiskit_runtime.contract.catalog import UnknownProgram
from tests.programstore.test_behaviour import ONE, TWO, describe

pytestmark = pytest.mark.anyio


async def test_files_are_for_the_user_alone(local):
    """A program may hold what is nobody else's business."""
    await local.store.create(describe(), ONE)

    assert local.folder.stat().st_mode & 0o077 == 0
    assert (local.folder / "my-program").stat().st_mode & 0o077 == 0


async def test_a_crash_between_source_and_entry_leaves_the_program_as_it_was(local, monkeypatch):
    """The source comes first and counts only with the entry, which is replaced in one step."""
    await local.store.create(describe(), ONE)
    (local.folder / "my-program" / f"{TWO.sha256}.py").write_bytes(TWO.data)
    (local.folder / "my-program" / "program.json.tmp").write_text('{"program": ')

    async with local.again() as other:
        assert await other.read_source("my-program") == ONE
        await other.update("my-program", ProgramChange(source=TWO))
    async with local.again() as other:
        assert await other.read_source("my-program") == TWO
    kept = sorted(path.name for path in (local.folder / "my-program").iterdir())
    assert kept == sorted(["program.json", f"{TWO.sha256}.py"])


@pytest.mark.parametrize(
    "damage",
    ["no JSON", "source gone", "source changed", "copied", "escape", "fifo", "source a fifo"],
)
async def test_damaged_program_is_left_alone_and_told(local, damage, caplog):
    """An unreadable program is left out, its files stay, the log names it; the others work."""
    await local.store.create(describe("good"), ONE)
    await local.store.create(describe("bad"), ONE)
    folder = local.folder / "bad"
    entry = folder / "program.json"
    source = folder / f"{ONE.sha256}.py"
    match damage:
        case "no JSON":
            entry.write_bytes(b'{"program": \xff')
        case "source gone":
            source.unlink()
        case "source changed":
            source.write_bytes(TWO.data)
        case "copied":
            folder = folder.rename(local.folder / "worse")
        case "fifo":
            entry.unlink()
            os.mkfifo(entry)
        case "source a fifo":
            source.unlink()
            os.mkfifo(source)
        case "escape":
            entry.write_text(json.dumps(json.loads(entry.read_text()) | {"source": "../x.py"}))

    async with local.again() as other:
        assert (await other.get("good")).id == "good"
        for name in ("bad", "worse"):
            with pytest.raises(UnknownProgram):
                await other.get(name)
        if (folder / "program.json").exists() and damage != "copied":
            # Nor is it written over by another of its name.
            with pytest.raises(ProgramExists, match="can't be read"):
                await other.create(describe("bad"), TWO)
    assert folder.is_dir()
    assert folder.name in caplog.text and "left alone" in caplog.text


async def test_folder_program_that_comes_later_takes_the_id(local, tmp_path):
    """Jobs and listings mean the same program: the one of the folder, until it goes."""
    await local.store.create(describe("late"), ONE)
    folder = tmp_path / "programs" / "late"
    folder.mkdir()
    (folder / "late.py").write_text("def main(backend, messenger): pass\n")
    (folder / "late.json").write_text('{"name": "late", "description": ""}')

    assert not (await local.store.get("late")).is_uploaded
    assert await local.store.read_source("late") is None
    assert [one.is_uploaded for one in await local.store.all() if one.id == "late"] == [False]
