"""The calls that the console adds to the API of 2021: listings, the queue, the server."""

import asyncio

import httpx
import pytest

from api.job_orders import find_in_order
from api.jobstore.base import JobQuery
from api.main import create_app
from api.settings import ApiSettings
from qiskit_runtime.contract.lifecycle import Phase
from qiskit_runtime.contract.resources.job import JobRequest, JobSpec
from tests.api.accounts.conftest import TOKENS, describe_accounts
from tests.api.conftest import run_server, wait_until
from tests.api.fake_store import FakeStore


@pytest.fixture
def store():
    """A store with a job in each phase: two of them have tags."""
    store = FakeStore()
    for phase in Phase:
        asyncio.run(store.add(phase))
    return store


@pytest.fixture
def ask(store, tmp_path):
    """Get a path of an app over that store."""
    app = create_app(ApiSettings(data=tmp_path, allowed_hosts=("testserver",)), store)

    def get(path):
        async def call():
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as http:
                return await http.get(path)

        return asyncio.run(call())

    return get


def statuses(answer):
    """Return the statuses of a page of jobs."""
    return [job["status"] for job in answer.json()["jobs"]]


def test_status_lists_these_jobs_whatever_pending_is(ask):
    """One status or several; without, the lists are those of 2021."""
    assert statuses(ask("/jobs?status=Queued")) == ["Queued"]
    assert sorted(statuses(ask("/jobs?status=Failed&status=Running&pending=true"))) == [
        "Failed",
        "Running",
    ]
    assert len(statuses(ask("/jobs"))) == 3 and len(statuses(ask("/jobs?pending=true"))) == 2
    assert ask("/jobs?status=Lost").status_code == 422


def test_search_finds_a_part_of_what_names_a_job(ask, store):
    """In upper or lower case: the id, the program, the backend, a tag, the message."""
    spec = JobSpec(program_id="my-vqe", backend="fast", tags=("Blue",))
    job = asyncio.run(store.submit(JobRequest(spec)))
    every = "&".join(f"status={phase}" for phase in Phase)
    for text in (job.id[3:20].upper(), "VQE", "FAST", "blu"):
        (found,) = ask(f"/jobs?{every}&search={text}").json()["jobs"]
        assert found["id"] == job.id
    found = ask(f"/jobs?{every}&search=valueerror").json()["jobs"]
    assert found and all(job["message"] == "ValueError: no" for job in found)
    assert len(found) < len(store.jobs)
    assert ask(f"/jobs?search={'x' * 201}").status_code == 422


def test_every_order_has_all_jobs_and_turns_round(ask, store):
    """Pages of an order join to the whole, and a minus turns it round."""
    for name in ("zeta", "alpha", "mid"):
        asyncio.run(store.submit(JobRequest(JobSpec(program_id=name, backend=name[0]))))
    every = "&".join(f"status={phase}" for phase in Phase)
    for order in ("created", "program", "backend", "status", "finished", "duration"):
        up, down = [
            [job["id"] for job in ask(f"/jobs?{every}&sort={sign}{order}").json()["jobs"]]
            for sign in ("", "-")
        ]
        assert sorted(up) == sorted(down) == sorted(store.jobs)
        pages = [
            job["id"]
            for offset in range(0, 9, 3)
            for job in ask(f"/jobs?{every}&sort={order}&limit=3&offset={offset}").json()["jobs"]
        ]
        assert pages == up
    names = [job["program"] for job in ask(f"/jobs?{every}&sort=-program").json()["jobs"]]
    assert names == sorted(names, reverse=True)
    assert ask("/jobs?sort=colour").status_code == 422


@pytest.mark.anyio
async def test_equal_jobs_of_an_order_are_newest_first():
    """Among jobs of one program the newest is first, whichever way the order is."""
    store = FakeStore()
    jobs = [await store.submit(JobRequest(JobSpec(program_id="p", backend="b"))) for _ in range(4)]
    for order in ("program", "-program"):
        page = await find_in_order(store, JobQuery(), order, 10, 0)
        assert [job.id for job in page.jobs] == [job.id for job in reversed(jobs)]


def test_parameters_are_left_out_on_demand(ask, store):
    """In lists and alone; who does not ask gets them as ever."""
    job = asyncio.run(store.submit(JobRequest(JobSpec(program_id="p", backend="b"), '{"a": 1}')))
    assert ask(f"/jobs/{job.id}").json()["params"] == ['{"a": 1}']
    assert ask(f"/jobs/{job.id}?exclude_params=true").json()["params"] == []
    page = ask(f"/jobs?search={job.id}&status={job.status.phase}&exclude_params=true").json()
    assert page["jobs"][0]["params"] == []


def test_queue_has_the_places_of_those_who_wait(ask, store):
    """From 1, in their order; single ones by their ids, as many as a page has."""
    first = next(job.id for job in store.jobs.values() if job.status.phase is Phase.QUEUED)
    second = asyncio.run(store.add(Phase.QUEUED)).id
    answer = ask("/queue").json()
    assert sorted(one["id"] for one in answer["jobs"]) == sorted([first, second])
    assert [one["position"] for one in answer["jobs"]] == [1, 2] and answer["total"] == 2
    (alone,) = ask(f"/queue?id={second}&id=nope").json()["jobs"]
    assert alone["id"] == second
    assert len(ask("/queue?limit=1").json()["jobs"]) == 1
    assert ask("/queue?" + "&".join(f"id={number}" for number in range(201))).status_code == 422


def test_system_has_numbers_and_limits(ask):
    """The server in local mode: its jobs by state, and its limits."""
    system = ask("/system").json()
    assert system == system | {"mode": "local", "queued": 1, "running": 1, "ended": 3}
    assert system["workers"] == 4 and system["max_queued"] == 1000
    assert system["storage_bytes"] is None and system["stored_bytes"] is None
    assert system["max_jobs"] is None


def test_others_are_neither_listed_nor_counted(tmp_path):
    """An account sees its own instance's jobs: in lists, in the queue, in the numbers."""
    accounts = tmp_path / "accounts.yaml"
    accounts.write_text(describe_accounts())
    settings = {"RUNTIME_ACCOUNTS": str(accounts), "RUNTIME_WORKERS": "1"}
    with run_server(tmp_path / "server", **settings) as running:
        alice, bob = [{"Authorization": f"Bearer {TOKENS[name]}"} for name in ("alice", "bob")]
        body = running.make_body("steps") | {"params": ['{"steps": [["sleep", 30]]}']}
        ids = [running.http.post("/jobs", json=body, headers=alice).json()["id"] for _ in range(2)]
        first = {"url": f"/jobs/{ids[0]}", "headers": alice}
        wait_until(lambda: running.http.get(**first).json()["status"] == "Running")
        wanted = "/jobs?status=Queued&status=Running&sort=program&search=steps"
        for path, of_alice in ((wanted, 2), ("/queue", 1), (f"/queue?id={ids[1]}", 1)):
            seen = [running.http.get(path, headers=one).json() for one in (alice, bob)]
            assert [(len(one["jobs"]), one["total"]) for one in seen] == [(of_alice,) * 2, (0, 0)]
        systems = [running.http.get("/system", headers=one).json() for one in (alice, bob)]
        assert [(one["queued"], one["running"]) for one in systems] == [(1, 1), (0, 0)]
