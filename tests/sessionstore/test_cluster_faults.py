"""The store over RuntimeSessions: several servers, kubectl, and an API server that is away."""

import asyncio

import pytest

from api.sessionstore import kubernetes
from api.sessionstore.base import SessionClosed, SessionNotFound
from api.store_errors import StoreUnavailable
from qiskit_runtime.contract.resources.session import SessionMode, SessionState
from tests.sessionstore.conftest import SPEC

pytestmark = pytest.mark.anyio

KIND = "runtimesessions"


async def test_session_of_another_server_is_found_at_once(simulated):
    """A client's next request may go to another pod, whose watch has not heard yet."""
    async with simulated.again() as other:
        simulated.cluster.watches_are_silent = True
        made = await other.store.create(SPEC)
        assert (await simulated.store.get(made.session.id)).state == SessionState.OPEN
        await simulated.submit(made.session.id)
        await other.store.close_session(made.session.id)
        assert not (await simulated.store.get(made.session.id)).accepting_jobs
        with pytest.raises(SessionClosed):
            await simulated.submit(made.session.id)


async def test_close_of_another_server_is_before_or_after_each_admission(simulated):
    """Many submissions to two servers while one closes: none is accepted that began afterwards."""
    made = await simulated.store.create(SPEC.model_copy(update={"mode": SessionMode.BATCH}))
    clock = asyncio.get_running_loop().time
    begun: dict[str, float] = {}
    closed_at: list[float] = []
    async with simulated.again() as other:
        servers = (simulated, other)
        closed, some_begun = asyncio.Event(), asyncio.Event()

        async def submit(number):
            # However slow the machine is, some come after the close.
            await (closed.wait() if number >= 30 else asyncio.sleep(number * 0.003))
            at = clock()
            begun[(await servers[number % 2].submit(made.session.id)).id] = at
            some_begun.set()

        async def close():
            await some_begun.wait()
            await other.store.close_session(made.session.id)
            closed_at.append(clock())
            closed.set()

        ends = await asyncio.gather(*map(submit, range(40)), close(), return_exceptions=True)
        refused = [end for end in ends if isinstance(end, SessionClosed)]
        assert begun and refused and len(begun) + len(refused) == 40
        assert all(at < closed_at[0] for at in begun.values())
        # Admissions are in one order, whichever server they came from.
        times = [job["metadata"]["annotations"] for job in _jobs(simulated)]
        assert len({str(one) for one in times}) == len(times) == len(begun)


def _jobs(sessions):
    return sessions.cluster.objects["runtimejobs"].values()


async def test_admission_on_an_old_version_is_refused_by_the_write(simulated):
    """A server that has not heard of a close writes on the version that it knows: a conflict."""
    made = await simulated.store.create(SPEC)
    name = made.session.id
    closing = {"spec": {"acceptingJobs": False}}
    simulated.cluster.watches_are_silent = True
    # By kubectl, so no server's mark tells of it.
    simulated.cluster.patch(KIND, name, closing)
    with pytest.raises(SessionClosed):
        await simulated.submit(name)
    assert simulated.cluster.objects.get("runtimejobs", {}) == {}


async def test_status_that_is_written_meanwhile_does_not_refuse_a_job(simulated):
    """The operator changes the resource's version; the admission is tried again."""
    made = await simulated.store.create(SPEC)
    simulated.cluster.watches_are_silent = True
    simulated.cluster.patch(KIND, made.session.id, {"status": {"state": "active"}})
    job = await simulated.submit(made.session.id)
    spec = simulated.cluster.objects[KIND][made.session.id]["spec"]
    assert spec["lastAdmittedAt"] == job.created.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


async def test_session_of_kubectl_takes_jobs(simulated):
    """It is found by its name at once, and closed by what kubectl writes."""
    spec = {"mode": "dedicated", "backend": "aer_simulator", "acceptingJobs": True}
    simulated.cluster.watches_are_silent = True
    simulated.cluster.create(KIND, {"metadata": {"name": "by-kubectl"}, "spec": spec})
    await simulated.submit("by-kubectl")
    assert (await simulated.store.get("by-kubectl")).unfinished == 1


async def test_deleted_session_is_not_found(simulated):
    """Neither read nor closed; its jobs are there still."""
    made = await simulated.store.create(SPEC)
    job = await simulated.submit(made.session.id)
    simulated.cluster.delete(KIND, made.session.id)
    with pytest.raises(SessionNotFound):
        await simulated.store.close_session(made.session.id)
    assert (await simulated.jobs.get(job.id)).id == job.id


async def test_session_that_others_always_change_gives_up(simulated, monkeypatch):
    """An admission is tried a few times, and then refused for now; no job was made."""
    monkeypatch.setattr(kubernetes, "CHANGE_TRIES", 3)
    made = await simulated.store.create(SPEC)
    simulated.cluster.refusals[f"PATCH {KIND}"] = 409
    with pytest.raises(StoreUnavailable, match="all the time; try again"):
        await simulated.submit(made.session.id)
    assert simulated.cluster.objects.get("runtimejobs", {}) == {}


async def test_api_server_that_is_away_is_unavailable(simulated, monkeypatch):
    """Known sessions are read from memory; admissions and closings say that they can't be."""
    monkeypatch.setattr("api.resources.kubernetes_calls.CALL_SECONDS", 0.2)
    made = await simulated.store.create(SPEC)
    simulated.cluster.answers.clear()
    assert (await simulated.store.get(made.session.id)).state == SessionState.OPEN
    for work in (
        simulated.store.create(SPEC),
        simulated.submit(made.session.id),
        simulated.store.close_session(made.session.id),
    ):
        with pytest.raises(StoreUnavailable):
            await work
    simulated.cluster.answers.set()


async def test_reads_cost_no_request(simulated):
    """A session and its state are answered from memory."""
    made = await simulated.store.create(SPEC)
    await simulated.submit(made.session.id)
    await simulated.store.get(made.session.id)
    before = simulated.cluster.reads
    for _ in range(20):
        await simulated.store.get(made.session.id)
    assert simulated.cluster.reads == before


async def test_malformed_session_is_left_out(simulated, caplog):
    """A manifest of another version's CRD breaks nothing."""
    simulated.cluster.create(KIND, {"metadata": {"name": "odd"}, "spec": {"mode": "quick"}})
    with pytest.raises(SessionNotFound):
        await simulated.store.get("odd")
    assert "odd is left out" in caplog.text
