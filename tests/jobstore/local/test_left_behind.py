"""Files that programs put into the data folder stop no start, no other job and no delete."""

import asyncio
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from api.jobstore.base import JobQuery, ParamsLost
from api.jobstore.local.data_folder import DataFolder
from api.jobstore.local.store import RunnerLimits
from qiskit_runtime.contract.lifecycle import Phase
from tests.jobstore.processes import wait_until
from tests.jobstore.store_under_test import QUICK, open_local_store
from tests.qiskit_runtime.host.test_left_behind import nest

pytestmark = pytest.mark.anyio

ONE = RunnerLimits(workers=1)


def put_fifo(path: Path) -> None:
    """A FIFO that nobody writes to: who opens it waits for ever."""
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def put_endless(path: Path) -> None:
    """A file that is larger than any memory, and takes no room."""
    path.unlink(missing_ok=True)
    with path.open("wb") as file:
        file.truncate(1 << 42)


def put_link(path: Path) -> None:
    """A link to a device that is never read to its end."""
    path.unlink(missing_ok=True)
    path.symlink_to("/dev/zero")


def put_folder(path: Path) -> None:
    """A folder with something in it."""
    path.unlink(missing_ok=True)
    (path / "below").mkdir(parents=True)


PUT: dict[str, Callable[[Path], None]] = {
    "fifo": put_fifo,
    "endless": put_endless,
    "link": put_link,
    "folder": put_folder,
}


@pytest.fixture(scope="module")
async def template(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A folder with two ended jobs."""
    folder = tmp_path_factory.mktemp("template")
    async with open_local_store(folder, ONE) as jobs:
        ids = [(await jobs.run(QUICK))[0].id for _ in range(2)]
    return folder, ids


@pytest.fixture
def folder(template: tuple[Path, list[str]], tmp_path: Path) -> Path:
    """A copy of the template."""
    return Path(shutil.copytree(template[0], tmp_path / "copy"))


@pytest.mark.parametrize("kind", PUT)
async def test_no_file_s_replacement_stops_start_or_delete(
    folder: Path, template: tuple[Path, list[str]], kind: str
):
    """Each file that a server reads, replaced: the start is as fast, and both jobs can go."""
    bad, good = template[1]
    jobs_folder = folder / "data" / "jobs"
    for name in ("record", "params.json", "job.end", "job.json.tmp"):
        PUT[kind](jobs_folder / bad / name)
    (jobs_folder / "stray").mkdir()
    PUT[kind](jobs_folder / "stray" / "job.json")
    PUT[kind](jobs_folder / "other")
    PUT[kind](folder / "data" / "lock")
    async with asyncio.timeout(60), open_local_store(folder, ONE) as jobs:
        page = await jobs.store.find(JobQuery(), 10, 0)
        assert await jobs.store.read_events(bad) == []
        with pytest.raises(ParamsLost):
            await jobs.store.read_params(bad)
        assert await jobs.store.read_params(good) == "{}"
        await jobs.store.delete(bad)
        await jobs.store.delete(good)

    assert sorted(job.id for job in page.jobs) == sorted([bad, good])
    assert not (jobs_folder / bad).exists()


@pytest.mark.parametrize("kind", PUT)
async def test_job_is_saved_over_whatever_is_in_its_files_places(tmp_path: Path, kind: str):
    """A program that replaces its own job's files ends as it does, and so it is after a restart."""
    async with open_local_store(tmp_path, ONE) as jobs:
        job = await jobs.start("""
            import time

            def main(backend, messenger):
                messenger.publish("started")
                time.sleep(0.5)
                return "done"
        """)
        for name in ("job.json", "job.end", "job.json.tmp"):
            PUT[kind](tmp_path / "data" / "jobs" / job.id / name)
        done = await jobs.finish(job.id)
    async with open_local_store(tmp_path, ONE) as jobs:
        found = await jobs.store.get(job.id)

    assert done.status.phase is Phase.COMPLETED
    assert found == done


async def test_deep_folder_delays_neither_the_next_job_nor_a_start(tmp_path: Path):
    """1,100 folders in each other are removed aside, in the job's folder and in its scratch."""
    source = """
        import os

        def main(backend, messenger, place):
            if place:
                os.chdir(place)
            for _ in range(1100):
                os.mkdir("deep")
                os.chdir("deep")
            return "done"
    """
    async with asyncio.timeout(120), open_local_store(tmp_path, ONE) as jobs:
        deep, _ = await jobs.run(source, '{"place": ""}')
        following, _ = await jobs.run(QUICK)
        below = tmp_path / "data" / "jobs" / following.id
        deeper, _ = await jobs.run(source, f'{{"place": "{below}"}}')
        await jobs.store.delete(following.id)
        assert not below.exists()
    left = tmp_path / "data" / "scratch" / "left"
    left.parent.mkdir(exist_ok=True)
    nest(left, 1100)
    async with asyncio.timeout(60), open_local_store(tmp_path, ONE) as jobs:
        await wait_until(lambda: not left.exists(), 60)
        found = (await jobs.store.get(deep.id)).status.phase

    assert {job.status.phase for job in (deep, following, deeper)} == {Phase.COMPLETED}
    assert found is Phase.COMPLETED


async def test_scratch_that_leads_elsewhere_is_not_followed(tmp_path: Path):
    """A link in the scratch folder's place, at a start or while a server runs, removes nothing."""
    kept, data = tmp_path / "kept", tmp_path / "data"
    (kept / "folder").mkdir(parents=True)
    (kept / "file").write_text("kept")
    data.mkdir()
    (data / "scratch").symlink_to(kept)
    async with open_local_store(tmp_path, ONE) as jobs:
        first, _ = await jobs.run(QUICK)
        shutil.rmtree(data / "scratch", ignore_errors=True)
        (data / "scratch").symlink_to(kept)
        await jobs.store.delete(first.id)
        second, _ = await jobs.run(QUICK)

    assert sorted(path.name for path in kept.iterdir()) == ["file", "folder"]
    assert not (data / "scratch").is_symlink()
    assert second.status.phase in (Phase.COMPLETED, Phase.FAILED)


def test_lock_that_is_a_link_is_not_written_through(tmp_path: Path):
    """A file that the lock's link leads to stays, and the folder is locked all the same."""
    kept, data = tmp_path / "kept", tmp_path / "data"
    kept.write_text("kept")
    data.mkdir()
    (data / "lock").symlink_to(kept)
    folder = DataFolder(data)
    folder.open()
    folder.close()

    assert kept.read_text() == "kept"
    assert not (data / "lock").is_symlink()
