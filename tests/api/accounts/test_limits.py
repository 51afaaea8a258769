"""The limits of an instance: running, queued, submissions a second."""

import json
import math

import pytest

from api.accounts.limits import InstanceBounds, InstanceLimits, LimitReached, Rate
from api.jobstore.local.instance_places import InstancePlaces
from qiskit_runtime.contract.resources.instance import parse_instance
from tests.api.accounts.conftest import Tenants, describe_accounts
from tests.api.conftest import run_server, wait_until

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
    limits = InstanceLimits(InstanceBounds(max_queued=2))
    with limits.hold_place(ONE, 0), limits.hold_place(ONE, 0):
        with pytest.raises(LimitReached, match=r"a/b/c: 2 jobs are queued, and at most 2") as full:
            limits.hold_place(ONE, 0).__enter__()
        assert full.value.retry_after == 60
        with limits.hold_place(OTHER, 1):
            pass
    with pytest.raises(KeyError), limits.hold_place(ONE, 1):
        raise KeyError
    with limits.hold_place(ONE, 1):
        pass


def test_no_limit_is_no_limit():
    """Zeros refuse nothing."""
    limits = InstanceLimits(InstanceBounds())
    for _ in range(1000):
        limits.check_rate(ONE)
        with limits.hold_place(ONE, 10**6):
            pass


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
