"""The file of a job's own program, while the job waits for its turn."""

import pytest

from qiskit_runtime.contract.lifecycle import Phase, Reason
from qiskit_runtime.contract.resources.program import ProgramSource
from tests.jobstore.store_under_test import QUICK, messages, open_local_store

pytestmark = pytest.mark.anyio

SOURCE = ProgramSource(b"def main(backend, messenger):\n    return 1\n")


@pytest.mark.parametrize("damage", ["emptied", "no text", "a folder"])
async def test_source_that_is_damaged_while_queued_fails_its_job_alone(tmp_path, damage):
    """The job ends as InputLost, with the reason; the worker takes the next one."""
    async with open_local_store(tmp_path) as jobs:
        blockers = [await jobs.start() for _ in range(jobs.slots)]
        job = await jobs.submit_source(SOURCE)
        file = tmp_path / "data" / "jobs" / job.id / "source" / "my_own.py"
        match damage:
            case "emptied":
                file.write_bytes(b"")
            case "no text":
                file.write_bytes(b"\xff\xfe")
            case "a folder":
                file.unlink()
                file.mkdir()
        await jobs.stop(*blockers)

        status = (await jobs.finish(job.id)).status
        assert (status.phase, status.reason) == (Phase.FAILED, Reason.INPUT_LOST)
        assert "program" in status.message
        for _ in range(jobs.slots):
            assert messages((await jobs.run(QUICK))[1]) == ['"done"']


async def test_source_goes_with_its_job(tmp_path):
    """Deleting a job leaves nothing of the program that it ran."""
    async with open_local_store(tmp_path) as jobs:
        job = await jobs.submit_source(SOURCE)
        await jobs.finish(job.id)
        await jobs.store.delete(job.id)

    assert list((tmp_path / "data").rglob("my-own*")) == []
