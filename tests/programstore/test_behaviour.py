"""The promises of ``api.programstore.base``, kept by every store."""

import asyncio
import shutil

import pytest

from api.accounts.caller import Caller
from api.accounts.program_view import VisiblePrograms
from api.programstore.base import (
    ProgramChange,
    ProgramExists,
    ProgramReadOnly,
    count_up,
)
from api.store_errors import StorageFull
from qiskit_runtime.contract.catalog import UnknownProgram
from qiskit_runtime.contract.resources.instance import DEFAULT_INSTANCE, parse_instance
from qiskit_runtime.contract.resources.program import (
    NameUnusable,
    ProgramInterface,
    ProgramMetadata,
    ProgramSource,
    make_program_id,
)

pytestmark = pytest.mark.anyio

ONE = ProgramSource(b"def main(backend, messenger):\n    return 1\n")
TWO = ProgramSource("def main(backend, messenger):\n    return 'zwei: \u00fc'\n".encode())
ARCHIVE = ProgramSource(b"\x1f\x8b\x08" + bytes(range(256)))


def describe(name: str = "My Program", **more: object) -> ProgramMetadata:
    return ProgramMetadata(name=name, description="Does it.", **more)


async def test_created_program_is_found_with_what_was_said(programs):
    """An id of its name, the first version, its times, its metadata, and its source."""
    spec = ProgramInterface(parameters={"type": "object", "required": ["x"]})
    made = await programs.store.create(
        describe(max_execution_time=60, is_public=False, spec=spec), ONE
    )

    assert (made.id, made.metadata.version, made.is_uploaded) == ("my-program", "1", True)
    assert (made.metadata.max_execution_time, made.metadata.cost) == (60, 60)
    assert made.metadata.spec == spec and not made.metadata.is_public
    assert made.created.tzinfo and abs((made.updated - made.created).total_seconds()) < 2
    assert await programs.store.get("my-program") == made
    assert await programs.store.get("MY-Program") == made
    assert made in await programs.store.all()
    assert await programs.store.read_source("my-program") == ONE


async def test_all_are_by_id_with_those_of_library_and_folders(programs):
    """Uploaded programs are listed among the others, in one order."""
    await programs.store.create(describe("z-last"), ONE)
    await programs.store.create(describe("a-first"), ONE)

    ids = [program.id for program in await programs.store.all()]

    assert ids == sorted(ids)
    assert {"a-first", "hello-quantum", "of-a-folder", "z-last"} <= set(ids)


@pytest.mark.parametrize("name", ["hello-quantum", "of-a-folder"])
async def test_programs_of_library_and_folders_are_read_only(programs, name):
    """The catalog's programs are found, have no source, and can't be changed or deleted."""
    assert (await programs.store.get(name)).path
    assert await programs.store.read_source(name) is None
    with pytest.raises(ProgramReadOnly, match=name):
        await programs.store.update(name, ProgramChange({"description": "x"}))
    with pytest.raises(ProgramReadOnly, match=name):
        await programs.store.delete(name)
    with pytest.raises(ProgramExists, match=name):
        await programs.store.create(describe(name.replace("-", " ").title()), ONE)


async def test_names_of_library_and_folders_are_reserved(programs, tmp_path):
    """An upload is refused by name; an uploaded program that a folder's overtook is not seen."""
    with pytest.raises(ProgramExists, match="hello-quantum is reserved"):
        await programs.store.create(describe("Hello, Quantum!"), ONE)

    await programs.store.create(describe("Late Comer"), ONE)
    folder = tmp_path / "programs" / "late_comer"
    folder.mkdir()
    (folder / "late_comer.py").write_text("def main(backend, messenger):\n    return 2\n")
    (folder / "late_comer.json").write_text('{"name": "late-comer", "description": "Folder\'s."}')

    assert (await programs.store.get("late-comer")).metadata.description == "Folder's."
    assert await programs.store.read_source("late-comer") is None
    assert [p.path is not None for p in await programs.store.all() if p.id == "late-comer"] == [
        True
    ]
    with pytest.raises(ProgramReadOnly, match="late-comer"):
        await programs.store.delete("late-comer")
    with pytest.raises(ProgramExists, match="late-comer is reserved"):
        await programs.store.create(describe("Late Comer"), TWO)

    shutil.rmtree(folder)
    assert await programs.store.read_source("late-comer") == ONE


async def test_unknown_program_is_unknown_to_all(programs):
    """No method knows it, also where its id could be none."""
    for name in ("nope", "../x", "ü", "", "x" * 200):
        for method in (programs.store.get, programs.store.resolve, programs.store.delete):
            with pytest.raises(UnknownProgram):
                await method(name)
        with pytest.raises(UnknownProgram):
            await programs.store.update(name, ProgramChange())


async def test_name_that_is_taken_is_refused_and_says_what_changes_it(programs):
    """Two names of one id are one program; the first stays as it was."""
    await programs.store.create(describe("My Program"), ONE)

    with pytest.raises(ProgramExists, match="PUT /programs/my-program/data"):
        await programs.store.create(describe("my_program"), TWO)

    assert await programs.store.read_source("my-program") == ONE


async def test_programs_have_a_number_that_is_not_exceeded(programs, monkeypatch):
    """A program beyond the bound is refused, with the number; a deleted one makes room."""
    monkeypatch.setattr("api.programstore.base.MAX_PROGRAMS", 2)
    for name in ("one", "two"):
        await programs.store.create(describe(name), ONE)

    with pytest.raises(StorageFull, match="at most 2"):
        await programs.store.create(describe("three"), ONE)

    await programs.store.delete("one")
    await programs.store.create(describe("three"), ONE)


async def test_an_instance_has_a_share_of_the_number(programs, monkeypatch):
    """One instance can't take all places; others, and it after a deletion, still have some."""
    monkeypatch.setattr("api.programstore.base.MAX_PROGRAMS", 5)
    monkeypatch.setattr(programs.store, "_share_percent", 50)
    mine, others = parse_instance("chem/lab/vqe"), parse_instance("bio/lab/main")
    for name in ("one", "two"):
        await programs.store.create(describe(name), ONE, mine)

    with pytest.raises(StorageFull) as full:
        await programs.store.create(describe("three"), ONE, mine)
    assert str(full.value) == (
        "instance chem/lab/vqe: 2 programs are uploaded, and at most 2 of 5 may be"
        " (RUNTIME_INSTANCE_SHARE_PERCENT): delete some"
    )

    await programs.store.create(describe("three"), ONE, others)
    await programs.store.delete("one")
    await programs.store.create(describe("four"), ONE, mine)


async def test_new_source_counts_the_version_up(programs):
    """The version is that of the source: metadata or the same bytes again do not change it."""
    made = await programs.store.create(describe(), ONE)

    again = await programs.store.update(made.id, ProgramChange(source=ONE))
    said = await programs.store.update(made.id, ProgramChange({"description": "new"}))
    changed = await programs.store.update(made.id, ProgramChange(source=ARCHIVE))
    both = await programs.store.update(made.id, ProgramChange({"name": "Other"}, TWO))

    versions = [program.metadata.version for program in (again, said, changed, both)]
    assert versions == ["1", "1", "2", "3"]
    assert (both.id, both.metadata.name, both.metadata.description) == (made.id, "Other", "new")
    assert both.created == made.created and both.updated > made.updated
    resolved = await programs.store.resolve(made.id)
    assert (resolved.program, resolved.source) == (both, TWO)


async def test_change_replaces_schemas_whole(programs):
    """A new schema is not merged into the old one, and one that is left out is gone."""
    old = ProgramInterface(
        parameters={"properties": {"a": {"type": "string"}}}, return_values={"type": "number"}
    )
    await programs.store.create(describe(spec=old), ONE)
    new = ProgramInterface(parameters={"properties": {"b": {"default": None}}})

    await programs.store.update("my-program", ProgramChange({"spec": new, "max_execution_time": 9}))

    metadata = (await programs.store.get("my-program")).metadata
    assert (metadata.spec, metadata.max_execution_time, metadata.cost) == (new, 9, 9)


async def test_deleted_program_is_gone_and_its_name_free(programs):
    """After a delete nobody finds it; another of its name begins at version 1."""
    await programs.store.create(describe(), ONE)
    await programs.store.update("my-program", ProgramChange(source=TWO))

    await programs.store.delete("my-program")

    with pytest.raises(UnknownProgram):
        await programs.store.get("my-program")
    with pytest.raises(UnknownProgram):
        await programs.store.delete("my-program")
    assert "my-program" not in [program.id for program in await programs.store.all()]
    assert (await programs.store.create(describe(), TWO)).metadata.version == "1"


async def test_programs_outlive_the_server(programs):
    """Another store over the same data has them as they were."""
    await programs.store.create(describe("one"), ONE)
    await programs.store.create(describe("two"), ARCHIVE)
    changed = await programs.store.update("one", ProgramChange({"is_public": False}, TWO))
    await programs.store.create(describe("three"), ONE)
    await programs.store.delete("three")

    async with programs.again() as other:
        assert await other.get("one") == changed
        assert await other.read_source("one") == TWO
        assert await other.read_source("two") == ARCHIVE
        with pytest.raises(UnknownProgram):
            await other.get("three")


async def test_many_changes_at_once_all_count(programs):
    """Concurrent new sources are one version each: no change is lost."""
    await programs.store.create(describe(), ONE)
    sources = [ProgramSource(f"# {number}\n".encode()) for number in range(3)]

    await asyncio.gather(
        *(programs.store.update("my-program", ProgramChange(source=one)) for one in sources)
    )

    resolved = await programs.store.resolve("my-program")
    assert resolved.program.metadata.version == "4"
    assert resolved.source in sources


async def test_create_by_many_at_once_succeeds_once(programs):
    """Several clients upload one name at once: one succeeds, the others get the reason."""
    made = await asyncio.gather(
        *(programs.store.create(describe(), ONE) for _ in range(5)), return_exceptions=True
    )

    assert sum(isinstance(one, ProgramExists) for one in made) == 4


@pytest.mark.parametrize(
    ("name", "program_id"),
    [
        ("My Program!", "my-program"),
        ("Ünïcode_Name 2", "unicode-name-2"),
        ("../../etc/passwd", "etc-passwd"),
        ("x" * 39 + " y", "x" * 39),
        ("x" * 128, "x" * 40),
        ("CON", "con"),
    ],
)
def test_id_is_made_of_the_name(name, program_id):
    """Small letters, digits and dashes, at most 40."""
    assert make_program_id(name) == program_id


@pytest.mark.parametrize("name", ["", "量子", "--", "../.."])
def test_name_without_a_letter_makes_no_id(name):
    """A name that no id can be made of is refused, with the reason."""
    with pytest.raises(NameUnusable, match="letter"):
        make_program_id(name)


@pytest.mark.parametrize(
    ("version", "following"),
    [
        *(("1", "2"), ("9", "10"), ("1.0", "1.1"), ("v3", "v4"), ("beta", "beta.1")),
        *(("", "1"), ("x" * 64, "1"), ("9" * 64, "1")),
    ],
)
def test_version_counts_up_whatever_it_is(version, following):
    """Kubectl may have given any version; the last number in it is what counts."""
    assert count_up(version) == following


async def test_a_program_belongs_to_its_instance_for_ever(programs):
    """It is kept with it, whatever is changed; without one it is the default instance's."""
    instance = parse_instance("chem/lab/vqe")
    made = await programs.store.create(describe(), ONE, instance)
    assert (await programs.store.create(describe("other"), ONE)).instance == DEFAULT_INSTANCE
    changed = await programs.store.update("my-program", ProgramChange({"is_public": True}, TWO))

    assert made.instance == changed.instance == instance
    async with programs.again() as later:
        assert (await later.get("my-program")).instance == instance


async def test_a_view_shows_public_programs_and_those_of_its_instances(programs):
    """A private one of another instance is unknown to it, and a public one it can't change."""
    mine, theirs = parse_instance("chem/lab/vqe"), parse_instance("bio/lab/main")
    view = VisiblePrograms(programs.store, Caller("alice", (mine,), "alice"))
    await programs.store.create(describe("hidden", is_public=False), ONE, theirs)
    await programs.store.create(describe("shown", is_public=True), ONE, theirs)
    await view.create(describe("own", is_public=False), TWO, mine)

    ids = {program.id for program in await view.all()}
    assert ids & {"hidden", "shown", "own"} == {"shown", "own"} and "hello-quantum" in ids
    for call in (view.get, view.resolve, view.read_source, view.delete):
        with pytest.raises(UnknownProgram):
            await call("hidden")
    assert await view.read_source("shown") == ONE
    with pytest.raises(ProgramReadOnly, match="another instance"):
        await view.update("shown", ProgramChange({"is_public": False}))
    with pytest.raises(ProgramReadOnly, match="library"):
        await view.delete("hello-quantum")
    for name in ("hidden", "shown"):
        with pytest.raises(ProgramExists, match="taken on this server; take another name"):
            await view.create(describe(name), TWO, mine)
    with pytest.raises(ProgramExists, match="PUT /programs/own/data"):
        await view.create(describe("own"), TWO, mine)
    await view.delete("own")
    with pytest.raises(UnknownProgram):
        await programs.store.get("own")
