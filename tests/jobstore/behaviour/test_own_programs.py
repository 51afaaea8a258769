"""Jobs that bring the source of their program: they run it, whatever became of the program."""

import io
import json
import tarfile

import pytest

from qiskit_runtime.contract.lifecycle import Phase, Reason
from qiskit_runtime.contract.resources.job import JobRequest
from qiskit_runtime.contract.resources.program import ProgramSource
from tests.jobstore.store_under_test import StoreUnderTest, result

pytestmark = pytest.mark.anyio


def module(answer: str) -> ProgramSource:
    return ProgramSource(f"def main(backend, messenger, **params):\n    return {answer}\n".encode())


def archive(compression: str = "", **files: str) -> ProgramSource:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=f"w:{compression}") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name.replace("__", "/") + ".py")
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    return ProgramSource(packed.getvalue())


async def end(jobs: StoreUnderTest, source: ProgramSource, params: str = "{}"):
    job = await jobs.submit_source(source, params)
    await jobs.finish(job.id)
    return await jobs.store.get(job.id), result(await jobs.store.read_events(job.id))


async def test_job_runs_the_source_that_it_was_posted_with(jobs: StoreUnderTest):
    """Two jobs of one program id are two versions of it, each with its own parameters."""
    blockers = [await jobs.start() for _ in range(jobs.slots)]
    first = await jobs.submit_source(module("['one', params]"), '{"a": "\u00fc"}')
    second = await jobs.submit_source(module("['two', params]"))
    await jobs.stop(*blockers)

    results = []
    for job in (first, second):
        assert (await jobs.finish(job.id)).status.phase is Phase.COMPLETED
        results.append(json.loads(result(await jobs.store.read_events(job.id))))
    assert results == [["one", {"a": "\u00fc"}], ["two", {}]]
    assert (await jobs.store.get(first.id)).spec.program_version == "7"


@pytest.mark.parametrize("compression", ["", "gz"])
async def test_archive_runs_with_its_modules(jobs: StoreUnderTest, compression: str):
    """A package's modules are imported from the archive, compressed or not."""
    main = "import other\n\ndef main(backend, messenger):\n    return other.ANSWER\n"
    job, answer = await end(jobs, archive(compression, main=main, other="ANSWER = 42\n"))

    assert (job.status.phase, answer) == (Phase.COMPLETED, "42")


async def test_source_that_fails_says_where(jobs: StoreUnderTest):
    """The exception and its line are the user's own."""
    job, _ = await end(jobs, module("params['nope']"))

    assert (job.status.phase, job.status.reason) == (Phase.FAILED, Reason.PROGRAM_ERROR)
    assert "KeyError" in job.status.message and "nope" in job.status.message


async def test_source_that_is_no_program_fails_and_harms_no_other(jobs: StoreUnderTest):
    """Broken syntax and broken archives end their own job, with a reason."""
    for source in (
        ProgramSource(b"def main(:\n"),
        ProgramSource(b"x = 1\n"),
        ProgramSource(b"\x1f\x8b broken"),
    ):
        job, _ = await end(jobs, source)
        assert job.status.phase is Phase.FAILED
        assert job.status.message

    assert (await end(jobs, module("1")))[1] == "1"


async def test_repeated_submission_with_a_source_is_one_job(jobs: StoreUnderTest):
    """The id that a client gave makes one job, also when its program has changed meanwhile."""
    spec = (await jobs.submit_source(module("0"))).spec
    first = await jobs.store.submit(JobRequest(spec, "{}", "repeated-own", module("1")))
    later = spec.model_copy(update={"program_version": "8"})
    again = await jobs.store.submit(JobRequest(later, "{}", "repeated-own", module("2")))

    assert again.id == first.id
    await jobs.finish(first.id)
    assert result(await jobs.store.read_events(first.id)) == "1"
