"""The bounds of local mode: ended jobs by age and size, and the number of queued jobs."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from api.jobstore.base import JobNotFound
from api.jobstore.local.data_folder import DataFolder
from api.jobstore.local.retention import Bounds, find_surplus
from api.jobstore.local.runner_process import RunnerLimits
from api.jobstore.local.store import LocalJobStore
from api.store_errors import StorageFull
from qiskit_runtime.contract.catalog import Catalog
from qiskit_runtime.contract.lifecycle import Phase
from qiskit_runtime.contract.limits import MAX_SOURCE_BYTES
from qiskit_runtime.contract.resources.backend import DEFAULT_BACKEND
from qiskit_runtime.contract.resources.job import Job, JobRequest, JobSpec, JobStatus
from qiskit_runtime.contract.resources.program import ProgramSource
from tests.jobstore.processes import wait_until

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 11, 26, tzinfo=UTC)
SPEC = JobSpec(program_id="hello-world", backend=DEFAULT_BACKEND)


def make_job(name: str, hours: float | None = None, created: float = 1000) -> Job:
    """A job that ended so many hours ago, or has not ended."""
    status = JobStatus()
    if hours is not None:
        status = JobStatus(phase=Phase.COMPLETED, finished_at=NOW - timedelta(hours=hours))
    since = NOW - timedelta(hours=created)
    return Job(id=name, sequence=1, created=since, spec=SPEC, status=status)


@pytest.mark.parametrize(
    ("bounds", "surplus"),
    [
        (Bounds(), []),
        (Bounds(keep_days=1), ["b", "d"]),
        (Bounds(keep_days=0.25), ["b", "c", "d"]),
        (Bounds(keep_bytes=399), ["d"]),
        (Bounds(keep_bytes=400), []),
        (Bounds(keep_bytes=100), ["b", "c", "d"]),
        (Bounds(keep_bytes=1), ["a", "b", "c", "d"]),
        (Bounds(keep_days=1.5, keep_bytes=200), ["b", "d"]),
    ],
)
def test_those_that_ended_first_are_the_surplus(bounds: Bounds, surplus: list[str]):
    """Age counts from the end, and of too many bytes the jobs that ended last stay."""
    ended = [make_job("a", 1), make_job("b", 30), make_job("c", 12, 12), make_job("d", 40, 50)]
    sizes = dict.fromkeys("abcd", 100)

    assert sorted(find_surplus(ended, sizes, bounds, NOW)) == surplus


@pytest.mark.parametrize(
    ("bounds", "surplus"),
    [
        (Bounds(keep_bytes=400, share_percent=100), ["b1"]),
        (Bounds(keep_bytes=400, share_percent=50), ["c3", "c4"]),
        (Bounds(keep_bytes=300, share_percent=50), ["c2", "c3", "c4"]),
        (Bounds(keep_bytes=200, share_percent=75), ["c2", "c3", "c4"]),
        (Bounds(keep_bytes=150, share_percent=75), ["b1", "c2", "c3", "c4"]),
        (Bounds(share_percent=50), []),
    ],
)
def test_an_instance_over_its_share_loses_its_own(bounds: Bounds, surplus: list[str]):
    """One that keeps many jobs pushes out no job of others, as far as the whole has room."""
    chem = SPEC.model_copy(update={"hub": "chem", "group": "lab", "project": "vqe"})
    ended = [
        make_job(f"c{hours}", hours).model_copy(update={"spec": chem}) for hours in range(1, 5)
    ]
    ended.append(make_job("b1", 10))
    sizes = {job.id: 100 for job in ended}

    assert sorted(find_surplus(ended, sizes, bounds, NOW)) == surplus


def make_store(folder: Path, bounds: Bounds) -> LocalJobStore:
    """A store without workers, so that its queued jobs stay queued; not yet open."""
    limits = RunnerLimits(workers=0)
    return LocalJobStore(DataFolder(folder), Catalog(), limits, bounds=bounds)


async def test_ended_jobs_go_at_a_start_and_after_each_end(tmp_path: Path):
    """Surplus jobs are deleted as by their user, from the disk too; queued jobs never are."""
    store = make_store(tmp_path, Bounds())
    await store.open()
    old, new, queued = [await store.submit(JobRequest(SPEC, "{}")) for _ in range(3)]
    for job in (old, new):
        await store.cancel(job.id)
    size = store._folder.measure(new.id)
    await store.close()

    store = make_store(tmp_path, Bounds(keep_bytes=size))
    await store.open()
    try:
        await wait_until(lambda: old.id not in store._book, 30)
        with pytest.raises(JobNotFound):
            await store.get(old.id)
        assert (await store.get(new.id)).is_final
        another = await store.submit(JobRequest(SPEC, "{}"))
        await store.cancel(another.id)
        await wait_until(lambda: new.id not in store._book, 30)
        kept = {(await store.get(job.id)).status.phase for job in (queued, another)}
    finally:
        await store.close()

    assert size > 0
    assert kept == {Phase.QUEUED, Phase.CANCELLED}
    assert {path.name for path in (tmp_path / "jobs").iterdir()} == {queued.id, another.id}


async def test_what_is_stored_is_told_by_instance(tmp_path: Path):
    """The bytes of ended jobs are counted for all and for some instances, where a limit is."""
    mine = SPEC.model_copy(update={"hub": "h", "group": "g", "project": "p"})
    store = make_store(tmp_path, Bounds(keep_bytes=10**9))
    await store.open()
    try:
        jobs = [await store.submit(JobRequest(spec, "{}")) for spec in (SPEC, mine, mine)]
        assert store.stored_bytes() == 0
        for job in jobs:
            await store.cancel(job.id)
        sizes = [store._folder.measure(job.id) for job in jobs]
        await wait_until(lambda: store.stored_bytes() == sum(sizes), 30)
        assert store.stored_bytes(frozenset([mine.instance])) == sum(sizes[1:])
        assert store.stored_bytes(frozenset()) == 0
    finally:
        await store.close()
    assert make_store(tmp_path, Bounds()).stored_bytes() is None


SOURCE = ProgramSource(b"#" * MAX_SOURCE_BYTES)


async def test_program_that_a_job_brings_counts(tmp_path: Path):
    """The bytes of jobs with programs of their own are told and bounded, the source included."""
    own = SPEC.model_copy(update={"program_id": "my-own"})
    store = make_store(tmp_path, Bounds(keep_bytes=MAX_SOURCE_BYTES * 3 // 2))
    await store.open()
    try:
        first = await store.submit(JobRequest(own, "{}", source=SOURCE))
        await store.cancel(first.id)
        await wait_until(lambda: (store.stored_bytes() or 0) >= MAX_SOURCE_BYTES, 30)
        second = await store.submit(JobRequest(own, "{}", source=SOURCE))
        await store.cancel(second.id)
        await wait_until(lambda: first.id not in store._book, 30)
        assert second.id in store._book
    finally:
        await store.close()


def test_all_that_is_in_a_job_s_folder_is_measured(tmp_path: Path):
    """Folders below too, such as a program's compiled modules; no link leads out of it."""
    outside = tmp_path / "outside"
    outside.write_bytes(bytes(1 << 20))
    folder = DataFolder(tmp_path)
    folder.open()
    try:
        folder.create(make_job("a"), "{}", SOURCE)
        before = folder.measure("a")
        (cache := tmp_path / "jobs" / "a" / "source" / "__pycache__").mkdir()
        (cache / "my_own.pyc").write_bytes(bytes(100_000))
        (cache / "link").symlink_to(outside)
        (cache / "up").symlink_to(tmp_path)
        (cache / "gone").symlink_to(tmp_path / "none")
        os.mkfifo(cache / "fifo")
        grown = folder.measure("a") - before
    finally:
        folder.close()

    assert before >= MAX_SOURCE_BYTES and 100_000 <= grown < 200_000
    assert folder.measure("none") == 0


async def test_submission_over_the_bound_is_refused_with_the_number(tmp_path: Path):
    """As many as may wait do; then the refusal says how many, and one that left makes room."""
    store = make_store(tmp_path, Bounds(max_queued=2))
    await store.open()
    try:
        first = await store.submit(JobRequest(SPEC, "{}", "a-key"))
        await store.submit(JobRequest(SPEC, "{}"))
        with pytest.raises(StorageFull, match="2 jobs are queued, and at most 2 may be"):
            await store.submit(JobRequest(SPEC, "{}"))
        # What was answered before is answered again.
        again = await store.submit(JobRequest(SPEC, "{}", "a-key"))
        await store.cancel(first.id)
        await store.submit(JobRequest(SPEC, "{}"))
        with pytest.raises(StorageFull):
            await store.submit(JobRequest(SPEC, "{}"))
    finally:
        await store.close()

    assert again.id == first.id
