"""The limits of an instance: running, queued, submissions a second."""

import asyncio
import json
import math
import time

import pytest
import redis

from api.accounts.limits import LimitReached, QueuePlaces, Rate
from api.accounts.submission_rates import SharedSubmissionRates, SubmissionRates
from api.jobstore.local.instance_places import InstancePlaces
from qiskit_runtime.contract.resources.instance import parse_instance
from tests.api.accounts.conftest import Tenants, describe_accounts
from tests.api.conftest import run_server, wait_until
from tests.jobstore.kubernetes.redis_server import run_redis, write_users

ONE, OTHER = parse_instance("a/b/c"), parse_instance("d/e/f")


def test_a_rate_is_kept_in_the_mean_and_allows_a_burst():
    """Unused room is kept, up to the burst; the answer is when there is room again."""
    rate = Rate(2, 4)
    assert [rate.take(10) for _ in range(5)] == [0, 0, 0, 0, 0.5]
    assert rate.take(10.5) == 0
    assert rate.take(10.5) == 0.5
    assert [rate.take(1000) for _ in range(5)] == [0, 0, 0, 0, 0.5]


@pytest.mark.parametrize("clock", [[10.0, 5.0], [10.0, 10.0]])
def test_a_clock_that_stands_still_makes_no_room(clock):
    """A refused one costs nothing, and takes nothing of what comes."""
    rate = Rate(1, 1)
    assert rate.take(clock[0]) == 0
    assert rate.take(clock[1]) >= 1
    assert rate.take(clock[0] + 7) == 0


def test_places_are_kept_for_jobs_that_are_stored_meanwhile():
    """Simultaneous submissions do not pass the limit, and a failed one gives its place back."""
    places = QueuePlaces(2)
    with places.hold(ONE, 0), places.hold(ONE, 0):
        with pytest.raises(LimitReached, match=r"a/b/c: 2 jobs are queued, and at most 2") as full:
            places.hold(ONE, 0).__enter__()
        assert full.value.retry_after == 60
        with places.hold(OTHER, 1):
            pass
    with pytest.raises(KeyError), places.hold(ONE, 1):
        raise KeyError
    with places.hold(ONE, 1):
        pass


def test_no_limit_is_no_limit():
    """Zeros refuse nothing."""
    places, rates = QueuePlaces(), SubmissionRates()
    for _ in range(1000):
        asyncio.run(rates.check(ONE))
        with places.hold(ONE, 10**6):
            pass


async def take_all(url, users, takes):
    """Return what servers answer that take in turn, all of one instance; and of another."""
    servers = [SharedSubmissionRates(2, url, "jobs") for _ in range(users)]
    answers = [await server.take(ONE) for _ in range(takes) for server in servers]
    other = await servers[0].take(OTHER)
    for server in servers:
        await server.close()
    return answers, other


def test_servers_of_one_redis_count_a_rate_together(tmp_path):
    """Three replicas let in what one would; the chart's user of Redis may do it, and keys go."""
    with run_redis(write_users(tmp_path, "user tests on nopass ~* &* +@all")) as server:
        answers, other = asyncio.run(take_all(server.url_of("api"), 3, 2))
        assert answers[:2] == [0, 0] and other == 0
        assert all(0.3 < wait <= 0.5 for wait in answers[2:])
        with redis.Redis.from_url(server.url_of("tests")) as asked:
            assert 0 < asked.pttl("rate:jobs:a/b/c") <= 1000
        time.sleep(0.5)
        again, _ = asyncio.run(take_all(server.url_of("api"), 3, 1))
        assert sorted(wait == 0 for wait in again) == [False, False, True]


def test_simultaneous_submissions_take_no_more_than_there_is(tmp_path):
    """Forty at once, through two servers: a burst is let in, and not one more."""

    async def take(url):
        servers = [SharedSubmissionRates(5, url, "jobs") for _ in range(2)]
        answers = await asyncio.gather(*(one.take(ONE) for one in servers for _ in range(20)))
        for one in servers:
            await one.close()
        return answers

    with run_redis() as server:
        began = time.monotonic()
        let_in = asyncio.run(take(server.url)).count(0)
        assert 5 <= let_in <= 5 + 5 * (time.monotonic() - began)


def test_a_server_counts_for_itself_while_redis_is_away(caplog):
    """Nobody is let in without a limit, or kept waiting; the log says so, once in a while."""
    with run_redis() as server:
        url = server.url
    began = time.monotonic()
    answers, other = asyncio.run(take_all(url, 2, 3))
    assert time.monotonic() - began < 2
    assert answers[:4] == [0] * 4 and all(wait > 0 for wait in answers[4:])
    assert other == 0
    messages = [one.getMessage().partition(":")[0] for one in caplog.records]
    assert messages == ["this server counts submissions for itself"] * 2


def test_a_rate_that_is_reached_names_the_limit_and_the_instance():
    """With the seconds until the next submission."""
    rates = SubmissionRates(0.25)
    asyncio.run(rates.check(ONE))
    with pytest.raises(LimitReached) as reached:
        asyncio.run(rates.check(ONE))
    assert str(reached.value) == (
        "instance a/b/c: at most 0.25 jobs a second are taken (RUNTIME_INSTANCE_JOBS_PER_SECOND)"
    )
    assert reached.value.retry_after == 4


def job(instance, number):
    """A job, as far as its places see it."""

    class Found:
        id = f"job-{number}"
        spec = type("Spec", (), {"instance": instance})

    return Found()


def test_all_that_wait_are_queued_again_when_a_place_is_free():
    """So none is forgotten where the next one was cancelled meanwhile."""
    places = InstancePlaces(1)
    first, second, third, other = job(ONE, 1), job(ONE, 2), job(ONE, 3), job(OTHER, 4)
    assert places.enter(first) and places.enter(other)
    assert not places.enter(second) and not places.enter(third)
    assert places.leave(first) == [second, third]
    assert places.enter(third) and not places.enter(second)
    assert places.leave(other) == []
    assert places.leave(third) == [second]


@pytest.fixture(scope="module")
def limited(tmp_path_factory):
    """A server on which an instance runs one job at a time, and two of its jobs wait."""
    folder = tmp_path_factory.mktemp("limited")
    accounts = folder / "accounts.yaml"
    accounts.write_text(describe_accounts())
    settings = {"INSTANCE_MAX_RUNNING": "1", "INSTANCE_MAX_QUEUED": "2"}
    variables = {f"RUNTIME_{name}": value for name, value in settings.items()}
    with run_server(folder / "server", RUNTIME_ACCOUNTS=str(accounts), **variables) as server:
        tenants = Tenants(server)
        yield tenants
        tenants.close()


def status(tenants, name, job_id):
    return tenants[name].get(f"/jobs/{job_id}").json()["status"]


def test_one_instance_leaves_room_for_others(limited, gate):
    """With two workers alice runs one job, hers wait, bob's runs; a third that waits is 429."""
    steps = json.dumps([["wait", str(gate)]])
    mine = [limited.run("alice", steps)]
    wait_until(lambda: status(limited, "alice", mine[0]) == "Running")
    mine += [limited.run("alice", steps) for _ in range(2)]
    bobs = limited.run("bob", steps)
    wait_until(lambda: status(limited, "bob", bobs) == "Running")
    assert [status(limited, "alice", one) for one in mine] == ["Running", "Queued", "Queued"]

    labels = dict.fromkeys(("hub", "group", "project", "backend"), "")
    body = {"programId": "steps", **labels, "params": []}
    full = limited["ann"].post("/jobs", json=body)
    assert full.status_code == 429
    assert full.headers["retry-after"] == "60"
    assert full.json()["detail"] == (
        "instance chem/lab/vqe: 2 jobs are queued, and at most 2 may be"
        " (RUNTIME_INSTANCE_MAX_QUEUED); try again when some have run"
    )
    second = {"hub": "chem", "group": "lab", "project": "second"}
    assert limited["alice"].post("/jobs", json=body | second).status_code == 200

    assert limited["alice"].post(f"/jobs/{mine[1]}/cancel").status_code == 204
    gate.touch()
    for one in mine:
        limited.finish("alice", one)
    assert [status(limited, "alice", one) for one in mine] == [
        *("Completed", "Cancelled", "Completed"),
    ]


def test_submissions_are_bounded_a_second(tmp_path):
    """The burst is a second's worth; the answer names limit, instance and when to try again."""
    accounts = tmp_path / "accounts.yaml"
    accounts.write_text(describe_accounts())
    settings = {
        "RUNTIME_ACCOUNTS": str(accounts),
        "RUNTIME_INSTANCE_JOBS_PER_SECOND": "0.5",
    }
    with run_server(tmp_path / "server", **settings) as server:
        tenants = Tenants(server)
        tenants.run("alice")
        labels = dict.fromkeys(("hub", "group", "project", "backend"), "")
        body = {"programId": "steps", **labels, "params": []}
        refused = tenants["ann"].post("/jobs", json=body)
        assert refused.status_code == 429
        assert 1 <= int(refused.headers["retry-after"]) <= math.ceil(1 / 0.5)
        assert "chem/lab/vqe: at most 0.5 jobs a second" in refused.json()["detail"]
        tenants.run("bob")
        wait_until(lambda: tenants["ann"].post("/jobs", json=body).status_code == 200, 5)
        tenants.close()
