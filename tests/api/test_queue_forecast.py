"""The forecast of the queue: places, and times by what recent jobs took."""

from datetime import UTC, datetime, timedelta

import pytest

from api.queue_forecast import Durations, Forecast, QueueForecast, forecast, measure, seconds_run
from qiskit_runtime.contract.lifecycle import Phase
from qiskit_runtime.contract.resources.job import Job, JobSpec, JobStatus
from tests.api.fake_store import FakeStore

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def make_job(number, phase, *, program="p", started=None, seconds=None):
    """Return a job that began so many seconds ago, and ran so long."""
    begin = None if started is None else NOW - timedelta(seconds=started)
    end = begin + timedelta(seconds=seconds) if seconds is not None else None
    return Job(
        id=f"job-{number}",
        sequence=number,
        created=NOW,
        spec=JobSpec(program_id=program, backend="b"),
        status=JobStatus(phase=phase, started_at=begin, finished_at=end),
    )


def at(seconds):
    """Return the time so many seconds from now."""
    return NOW + timedelta(seconds=seconds)


def test_durations_are_medians_by_program():
    """A program's own times count for it, all times for one that never ran, no failure at all."""
    ended = [
        *(make_job(n, Phase.COMPLETED, program="p", started=100, seconds=n) for n in (1, 2, 9)),
        make_job(10, Phase.COMPLETED, program="q", started=100, seconds=30),
        make_job(11, Phase.FAILED, program="p", started=100, seconds=1000),
        make_job(12, Phase.CANCELLED, program="p"),
    ]
    found = measure(ended)
    assert found == Durations({"p": 2.0, "q": 30.0}, 5.5)
    assert found.expect(make_job(1, Phase.QUEUED, program="new")) == 5.5
    assert measure([]) == Durations({}, None)


def test_places_and_times_follow_from_those_ahead():
    """Two run at once: the first of the queue begins when the first of them ends."""
    pending = [
        make_job(1, Phase.RUNNING, started=4),
        make_job(2, Phase.RUNNING, started=1),
        *(make_job(number, Phase.QUEUED) for number in (3, 4, 5)),
    ]
    found = forecast(pending, Durations({"p": 10.0}, 10.0), NOW)
    assert found == {
        "job-3": Forecast(1, at(6), at(16)),
        "job-4": Forecast(2, at(9), at(19)),
        "job-5": Forecast(3, at(16), at(26)),
    }


def test_a_job_that_takes_longer_than_usual_may_end_at_any_time():
    """Nothing is promised for the past."""
    pending = [make_job(1, Phase.RUNNING, started=60), make_job(2, Phase.QUEUED)]
    assert forecast(pending, Durations({}, 10.0), NOW)["job-2"] == Forecast(1, at(0), at(10))


def test_without_a_job_that_has_ended_there_are_places_alone():
    """Nobody knows how long it takes."""
    pending = [make_job(1, Phase.RUNNING, started=1), make_job(2, Phase.QUEUED)]
    assert forecast(pending, Durations({}, None), NOW) == {"job-2": Forecast(1)}


def test_seconds_are_those_between_start_and_end():
    """A job that never ran, or runs still, has none."""
    assert seconds_run(make_job(1, Phase.COMPLETED, started=10, seconds=3)) == 3
    assert seconds_run(make_job(1, Phase.RUNNING, started=10)) is None
    assert seconds_run(make_job(1, Phase.CANCELLED)) is None


@pytest.mark.anyio
async def test_polls_share_a_look_at_the_jobs():
    """A hundred polls of a queued job look at the store once, and one of another job not at all."""
    store = FakeStore()
    looks = []
    find = store.find

    async def count(*arguments):
        looks.append(arguments)
        return await find(*arguments)

    store.find = count
    queued, running = await store.add(Phase.QUEUED), await store.add(Phase.RUNNING)
    watched = QueueForecast(store)

    assert await watched.find(running) is None
    assert looks == []
    for _ in range(100):
        assert (await watched.find(queued)).position == 1
    assert len(looks) == 2
    late = await store.add(Phase.QUEUED)
    assert (await watched.find(late)).position == 2


@pytest.mark.anyio
async def test_polls_do_not_look_at_ended_jobs_again_and_again(monkeypatch):
    """The times of recent jobs are believed for ten seconds; places are new each second."""
    store, clock, looks = FakeStore(), [100.0], []
    find = store.find_newest_ended

    async def count(limit):
        looks.append(clock[0])
        return [
            make_job(number, Phase.COMPLETED, program="hello-quantum", started=9, seconds=2)
            for number, _ in enumerate([*await find(limit), "one"])
        ]

    monkeypatch.setattr(store, "find_newest_ended", count)
    monkeypatch.setattr("api.queue_forecast.time.monotonic", lambda: clock[0])
    watched = QueueForecast(store)
    for second in range(21):
        clock[0] = 100.0 + second
        queued = await store.add(Phase.QUEUED)
        found = await watched.find(queued)
        assert found.position == second + 1 and found.end - found.start == timedelta(seconds=2)
    assert looks == [100.0, 110.0, 120.0]
