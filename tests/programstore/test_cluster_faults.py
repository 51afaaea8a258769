"""The store over RuntimePrograms: other servers, kubectl, and an API server that is away."""

import asyncio

import pytest

from api.programstore.base import ProgramChange, ProgramReadOnly, ProgramUnusable
from api.store_errors import StoreUnavailable
from qiskit_runtime.contract.catalog import UnknownProgram
from qiskit_runtime.contract.resources.resource import INSTANCE_LABEL
from tests.programstore.test_behaviour import ONE, TWO, describe

pytestmark = pytest.mark.anyio

KIND = "runtimeprograms"


def kubectl(cluster, name, **spec):
    return cluster.create(KIND, {"metadata": {"name": name}, "spec": spec})


async def until(condition):
    async with asyncio.timeout(5):
        while not await condition():  # noqa: ASYNC110  (no event tells it)
            await asyncio.sleep(0.01)


async def test_program_of_another_server_is_found_at_once(simulated):
    """A client's next request may go to another pod, whose watch has not heard yet."""
    async with simulated.again() as other:
        simulated.cluster.watches_are_silent = True
        await other.create(describe(), ONE)
        assert (await simulated.store.get("my-program")).metadata.version == "1"
        await other.update("my-program", ProgramChange(source=TWO))
        resolved = await simulated.store.resolve("my-program")

    assert (resolved.program.metadata.version, resolved.source) == ("2", TWO)


async def test_program_that_another_server_deleted_is_not_run(simulated):
    """A source is read when the job is posted: it is there, or the program is unknown."""
    await simulated.store.create(describe(), ONE)
    async with simulated.again() as other:
        simulated.cluster.watches_are_silent = True
        await other.delete("my-program")

    with pytest.raises(UnknownProgram):
        await simulated.store.resolve("my-program")
    with pytest.raises(UnknownProgram):
        await simulated.store.get("my-program")


async def test_program_of_kubectl_never_takes_the_librarys_place(simulated):
    """The library's names are reserved; programs of other names that kubectl made are listed."""
    source = "def main(backend, messenger): return 'mine'\n"
    kubectl(simulated.cluster, "hello-quantum", source=source, description="Mine.")
    kubectl(simulated.cluster, "my-own", source=source, description="Mine.")

    async def is_listed():
        return "my-own" in {program.id for program in await simulated.store.all()}

    await until(is_listed)
    listed = {program.id: program for program in await simulated.store.all()}
    assert listed["hello-quantum"] == await simulated.store.get("hello-quantum")
    assert listed["hello-quantum"].path and listed["hello-quantum"].metadata.description != "Mine."
    assert await simulated.store.read_source("hello-quantum") is None
    with pytest.raises(ProgramReadOnly, match="hello-quantum"):
        await simulated.store.delete("hello-quantum")


async def test_program_that_is_none_is_left_out_and_told(simulated, caplog):
    """A malformed resource breaks no list."""
    kubectl(simulated.cluster, "broken", source="x", maxExecutionSeconds="soon")
    kubectl(simulated.cluster, "no-source", archive="%%%")

    async def has_no_source():
        return "no-source" in [one.id for one in await simulated.store.all()]

    await until(has_no_source)
    assert "broken" not in [one.id for one in await simulated.store.all()]
    with pytest.raises(UnknownProgram):
        await simulated.store.resolve("broken")
    with pytest.raises(ProgramUnusable, match="no-source can't be run: source"):
        await simulated.store.resolve("no-source")
    assert "broken is left out" in caplog.text
    mended = await simulated.store.update("no-source", ProgramChange(source=ONE))
    assert mended.metadata.version == "2"


async def test_change_keeps_what_others_noted_on_it(simulated):
    """Labels and annotations of others stay, whatever is changed here."""
    await simulated.store.create(describe(), ONE)
    noted = {"metadata": {"labels": {"team": "a"}, "annotations": {"of": "kubectl"}}}
    simulated.cluster.patch(KIND, "my-program", noted)

    await simulated.store.update("my-program", ProgramChange(source=TWO))

    metadata = simulated.cluster.objects[KIND]["my-program"]["metadata"]
    assert metadata["labels"] == {"team": "a", INSTANCE_LABEL: "ibm-q.open.main"}
    assert metadata["annotations"]["of"] == "kubectl"


async def test_api_server_that_is_away_is_unavailable(simulated, monkeypatch):
    """Reads go on from memory; what needs the API server says so, in time."""
    monkeypatch.setattr("api.resources.kubernetes_calls.CALL_SECONDS", 0.2)
    await simulated.store.create(describe(), ONE)
    simulated.cluster.answers.clear()

    assert (await simulated.store.get("my-program")).id == "my-program"
    assert await simulated.store.all()
    for work in (
        simulated.store.create(describe("other"), ONE),
        simulated.store.update("my-program", ProgramChange(source=TWO)),
        simulated.store.delete("my-program"),
        simulated.store.resolve("my-program"),
    ):
        with pytest.raises(StoreUnavailable):
            await work
    simulated.cluster.answers.set()


@pytest.mark.parametrize("verb", ["GET", "PUT", "POST", "DELETE"])
async def test_refusal_of_the_api_server_is_unavailable(simulated, verb):
    """A missing right, say, is no fault of the client's."""
    await simulated.store.create(describe(), ONE)
    simulated.cluster.refusals[f"{verb} {KIND}"] = 403
    works = {
        "GET": lambda: simulated.store.resolve("my-program"),
        "PUT": lambda: simulated.store.update("my-program", ProgramChange(source=TWO)),
        "POST": lambda: simulated.store.create(describe("other"), ONE),
        "DELETE": lambda: simulated.store.delete("my-program"),
    }

    with pytest.raises(StoreUnavailable, match="403"):
        await works[verb]()


async def test_change_that_others_are_always_faster_with_gives_up(simulated, caplog):
    """A change is tried a few times, and then refused."""
    await simulated.store.create(describe(), ONE)
    simulated.cluster.refusals[f"PUT {KIND}"] = 409

    with pytest.raises(StoreUnavailable, match="my-program"):
        await simulated.store.update("my-program", ProgramChange(source=TWO))

    assert simulated.cluster.requests[f"PUT {KIND}"] == 4


async def test_reads_of_what_is_known_cost_no_request(simulated):
    """Listings and programs, the library's among them, are answered from memory."""
    await simulated.store.create(describe(), ONE)
    before = simulated.cluster.reads

    for _ in range(20):
        await simulated.store.all()
        await simulated.store.get("my-program")
        await simulated.store.resolve("hello-quantum")

    assert simulated.cluster.reads == before


async def test_readiness_is_the_watchs(simulated):
    """A server that has not read the programs sends no client wrong."""
    assert simulated.store.is_ready
    simulated.store._kind.watch._heard -= 1000
    assert not simulated.store.is_ready
