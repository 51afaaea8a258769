"""Ending jobs early, and forgetting them; also at awkward moments."""

import asyncio
import time

import pytest

from api.jobstore.base import JobFinal, JobNotFinal, JobNotFound, JobQuery
from qiskit_runtime.contract.lifecycle import Phase, Reason
from tests.jobstore.store_under_test import FOR_EVER, QUICK, StoreUnderTest, messages, printed

pytestmark = pytest.mark.anyio

CANCEL_SECONDS = 5.0
"""Within this the status is Cancelled, whatever the program does."""


async def cancel_and_wait(jobs: StoreUnderTest, job_id: str) -> float:
    """Cancel; returns after how many seconds the status was final."""
    begin = time.monotonic()
    await jobs.store.cancel(job_id)
    await jobs.finish(job_id)
    return time.monotonic() - begin


async def test_cancel_of_a_running_job_ends_it_in_time(jobs: StoreUnderTest):
    """A running job is Cancelled by its user within five seconds."""
    job = await jobs.start()

    took = await cancel_and_wait(jobs, job.id)

    status = (await jobs.store.get(job.id)).status
    assert (status.phase, status.reason) == (Phase.CANCELLED, Reason.CANCELLED_BY_USER)
    assert status.finished_at >= status.started_at
    assert took < CANCEL_SECONDS


async def test_cancel_of_a_program_that_ignores_sigterm_kills_it_in_time(jobs: StoreUnderTest):
    """SIGKILL follows, for the program and the child that it hid in a session of its own."""
    job = await jobs.start("""
        import os, signal, time

        def main(backend, messenger):
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            if os.fork() == 0:
                os.setsid()
                while True:
                    time.sleep(1)
            messenger.publish("started")
            while True:
                time.sleep(1)
    """)

    took = await cancel_and_wait(jobs, job.id)

    assert (await jobs.store.get(job.id)).status.phase is Phase.CANCELLED
    assert took < CANCEL_SECONDS


async def test_cancel_of_a_program_that_handles_sigterm_lets_it_say_goodbye(jobs: StoreUnderTest):
    """The program has its grace time; what it publishes in it is kept, and it is Cancelled."""
    job = await jobs.start("""
        import signal, sys, time

        def leave(*_):
            print("goodbye")
            sys.exit(1)

        def main(backend, messenger):
            signal.signal(signal.SIGTERM, leave)
            messenger.publish("started")
            while True:
                time.sleep(0.1)
    """)

    await cancel_and_wait(jobs, job.id)

    assert "goodbye" in printed(await jobs.store.read_events(job.id))
    assert (await jobs.store.get(job.id)).status.phase is Phase.CANCELLED


async def test_cancel_of_a_queued_job_keeps_it_from_running(jobs: StoreUnderTest):
    """A queued job that is cancelled never starts, also when its turn comes."""
    blockers = [await jobs.start() for _ in range(jobs.slots)]
    job = await jobs.submit(QUICK)

    took = await cancel_and_wait(jobs, job.id)
    await jobs.stop(*blockers)
    await jobs.run(QUICK)

    status = (await jobs.store.get(job.id)).status
    assert (status.phase, status.reason) == (Phase.CANCELLED, Reason.CANCELLED_BY_USER)
    assert status.started_at is None
    assert await jobs.store.read_events(job.id) == []
    assert took < CANCEL_SECONDS


async def test_cancel_at_any_moment_of_a_start_cancels(jobs: StoreUnderTest):
    """From the submission to the first message there is no moment at which a cancel is lost."""

    async def cancel_after(seconds: float) -> tuple[Phase, Reason]:
        job = await jobs.submit(FOR_EVER)
        await asyncio.sleep(seconds)
        await cancel_and_wait(jobs, job.id)
        status = (await jobs.store.get(job.id)).status
        return status.phase, status.reason

    moments = (0, 0, 0.001, 0.003, 0.01, 0.02, 0.05, 0.2)
    ends = [await cancel_after(moment) for moment in moments]
    # As one burst the later ones find no runner ready: they meet one that is still starting.
    ends += await asyncio.gather(*(cancel_after(moment) for moment in moments))

    assert set(ends) == {(Phase.CANCELLED, Reason.CANCELLED_BY_USER)}


async def test_cancel_by_many_at_once_is_one_cancel(jobs: StoreUnderTest):
    """Concurrent and later cancels of one job all succeed, and the job is Cancelled."""
    job = await jobs.start()

    await asyncio.gather(*(jobs.store.cancel(job.id) for _ in range(10)))
    first = await jobs.finish(job.id)
    await jobs.store.cancel(job.id)

    assert first.status.phase is Phase.CANCELLED
    assert await jobs.store.get(job.id) == first


@pytest.mark.parametrize(
    ("body", "phase"), [("return 1", Phase.COMPLETED), ("raise ValueError", Phase.FAILED)]
)
async def test_cancel_of_an_ended_job_is_refused(jobs: StoreUnderTest, body: str, phase: Phase):
    """A job that completed or failed stays so; the error names its phase."""
    job, _ = await jobs.run(f"def main(backend, messenger):\n    {body}")

    with pytest.raises(JobFinal, match=phase):
        await jobs.store.cancel(job.id)

    assert await jobs.store.get(job.id) == job


async def test_delete_of_an_unfinished_job_is_refused(jobs: StoreUnderTest):
    """A job that runs, or waits to, can't be deleted and is not harmed by the attempt."""
    blockers = [await jobs.start() for _ in range(jobs.slots)]
    queued = await jobs.submit(QUICK)

    for job in (*blockers, queued):
        with pytest.raises(JobNotFinal):
            await jobs.store.delete(job.id)
    await jobs.stop(*blockers)

    assert (await jobs.finish(queued.id)).status.phase is Phase.COMPLETED


async def test_delete_of_an_ended_job_forgets_it(jobs: StoreUnderTest):
    """After a delete no method knows the job, and no listing has it."""
    job, _ = await jobs.run(QUICK, hub="delete")
    other, _ = await jobs.run(QUICK, hub="delete")

    await jobs.store.delete(job.id)

    page = await jobs.store.find(JobQuery(hub="delete"), 10, 0)
    assert ([found.id for found in page.jobs], page.total) == ([other.id], 1)
    for method in (jobs.store.get, jobs.store.read_params, jobs.store.read_events):
        with pytest.raises(JobNotFound):
            await method(job.id)
    for method in (jobs.store.cancel, jobs.store.delete):
        with pytest.raises(JobNotFound):
            await method(job.id)
    with pytest.raises(JobNotFound):
        await anext(jobs.store.follow(job.id))


async def test_delete_at_the_moment_of_the_end_harms_no_later_job(
    jobs: StoreUnderTest, caplog: pytest.LogCaptureFixture
):
    """A job that is deleted as soon as it is final leaves no error behind, and no lost worker."""
    for _ in range(jobs.slots):
        job = await jobs.submit(QUICK)
        await jobs.follow(job.id)
        await jobs.store.delete(job.id)
    for _ in range(jobs.slots):
        job = await jobs.start()
        await jobs.store.cancel(job.id)
        await jobs.follow(job.id)
        await jobs.store.delete(job.id)

    _, events = await jobs.run(QUICK)

    assert messages(events) == ['"done"']
    assert caplog.records == []


async def test_delete_right_after_a_cancel_of_a_queued_job_works(jobs: StoreUnderTest):
    """A queued job is final as soon as its cancel returned, so it can be deleted at once."""
    blockers = [await jobs.start() for _ in range(jobs.slots)]
    job = await jobs.submit(QUICK)

    await cancel_and_wait(jobs, job.id)
    await jobs.store.delete(job.id)
    await jobs.stop(*blockers)
    _, events = await jobs.run(QUICK)

    assert messages(events) == ['"done"']
    with pytest.raises(JobNotFound):
        await jobs.store.get(job.id)


async def test_delete_by_two_at_once_succeeds_once(jobs: StoreUnderTest):
    """The later of two concurrent deletes may find no job; no other error comes of it."""
    job, _ = await jobs.run(QUICK)

    outcomes = await asyncio.gather(
        jobs.store.delete(job.id), jobs.store.delete(job.id), return_exceptions=True
    )

    assert None in outcomes
    assert all(outcome is None or isinstance(outcome, JobNotFound) for outcome in outcomes)


async def test_delete_during_many_first_reads_is_all_or_nothing(jobs: StoreUnderTest):
    """A listener that starts while its job is deleted gets everything, or finds no job."""
    job, everything = await jobs.run("""
        def main(backend, messenger):
            for number in range(5000):
                print(number)
            return 1
    """)
    listeners = [asyncio.create_task(jobs.follow(job.id)) for _ in range(5)]
    await asyncio.sleep(0)

    await jobs.store.delete(job.id)
    heard = await asyncio.gather(*listeners, return_exceptions=True)

    assert all(isinstance(got, JobNotFound) or got == everything for got in heard)


async def test_discard_of_a_queued_job_forgets_it_and_it_never_runs(jobs: StoreUnderTest):
    """A job that waits is gone at once, and those behind it run."""
    blockers = [await jobs.start() for _ in range(jobs.slots)]
    job = await jobs.submit(QUICK, hub="discard")

    await jobs.store.discard(job.id)

    assert (await jobs.store.find(JobQuery(hub="discard"), 10, 0)).total == 0
    for method in (jobs.store.get, jobs.store.read_params, jobs.store.discard):
        with pytest.raises(JobNotFound):
            await method(job.id)
    await jobs.stop(*blockers)
    assert messages((await jobs.run(QUICK))[1]) == ['"done"']


async def test_discard_of_running_jobs_ends_their_programs(jobs: StoreUnderTest):
    """A job that runs is gone at once; its program ends, so that another has its place."""
    running = [await jobs.start() for _ in range(jobs.slots)]
    listener = asyncio.create_task(jobs.follow(running[0].id))
    await asyncio.sleep(0.1)

    begin = time.monotonic()
    for job in running:
        await jobs.store.discard(job.id)
    took = time.monotonic() - begin

    for job in running:
        with pytest.raises(JobNotFound):
            await jobs.store.get(job.id)
    assert took < CANCEL_SECONDS
    [heard] = await asyncio.gather(listener, return_exceptions=True)
    assert isinstance(heard, JobNotFound)
    assert messages((await jobs.run(QUICK))[1]) == ['"done"']


async def test_discard_of_an_ended_job_forgets_it(jobs: StoreUnderTest):
    """It is then as deleted as by a delete."""
    job, _ = await jobs.run(QUICK)

    await jobs.store.discard(job.id)

    for method in (jobs.store.get, jobs.store.read_events, jobs.store.delete):
        with pytest.raises(JobNotFound):
            await method(job.id)
