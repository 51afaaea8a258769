"""The catalog: programs by their folders, without importing one."""

import json
import logging
import os

import pytest

from qiskit_runtime.contract.catalog import LIBRARY, Catalog, UnknownProgram


@pytest.fixture
def add_program(tmp_path):
    """Write a program's folder below ``tmp_path``."""

    def add(name, metadata=None, root="own"):
        folder = tmp_path / root / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.py").write_text("raise RuntimeError('imported')\n")
        text = (
            metadata
            if isinstance(metadata, str)
            else json.dumps(metadata or {"name": name, "description": "d"})
        )
        (folder / f"{name}.json").write_text(text)
        return folder

    return add


def test_library_programs_are_all_there():
    """Every folder of the library is a program that is found by its id, in order."""
    found = Catalog().all()
    assert {"hello-quantum", "sample-program", "circuit-runner"} <= {p.id for p in found}
    assert len(found) == len(list(LIBRARY.glob("*/*.json")))
    assert [p.id for p in found] == sorted(p.id for p in found)
    assert all(Catalog().get(p.id) == p for p in found)


def test_capital_letters_count_as_small_ones():
    """An id is found however it is written, as in the 2021 API."""
    assert Catalog().get("Hello-Quantum").id == "hello-quantum"


@pytest.mark.parametrize(
    "name",
    [
        "nope",
        "",
        "..",
        "../programs/hello_quantum",
        "hello_quantum",
        "/etc",
        "a\0b",
        "hello-quantum\n",
    ],
)
def test_unknown_id_is_refused_and_never_a_path(name):
    """An id that is no name, or nobody's, is UnknownProgram."""
    with pytest.raises(UnknownProgram):
        Catalog().get(name)


def test_later_folder_wins(add_program, tmp_path):
    """The later folder's program wins over an earlier one of the same id, in both questions."""
    add_program("hello_quantum", {"name": "mine", "description": "d"})
    catalog = Catalog([tmp_path / "missing", tmp_path / "own"])
    assert catalog.get("hello-quantum").metadata.name == "mine"
    assert [p.metadata.name for p in catalog.all() if p.id == "hello-quantum"] == ["mine"]


def test_broken_metadata_is_left_out_with_a_warning(add_program, tmp_path, caplog):
    """A broken program does not hide the others."""
    add_program("broken", "{")
    add_program("fine")
    catalog = Catalog([tmp_path / "own"])
    with caplog.at_level(logging.WARNING):
        ids = {p.id for p in catalog.all()}
    assert "fine" in ids and "broken" not in ids and "broken" in caplog.text
    with pytest.raises(UnknownProgram):
        catalog.get("broken")


def test_folder_of_code_that_is_no_program_is_warned_of_once(add_program, tmp_path, caplog):
    """A forgotten file, or a dash in the name, is the logged reason why a program is not listed."""
    add_program("my-program")
    (add_program("no_metadata") / "no_metadata.json").unlink()
    (tmp_path / "own" / "data").mkdir()
    catalog = Catalog([tmp_path / "own"])
    catalog.all()
    catalog.all()
    warnings = sorted(record.getMessage() for record in caplog.records)
    assert len(warnings) == 2
    assert "my-program is no program: its name must be" in warnings[0]
    assert "no_metadata is no program: no_metadata.json must be in it" in warnings[1]


def test_program_appears_changes_and_goes_with_its_files(add_program, tmp_path):
    """Folders are read again at each question."""
    catalog = Catalog([tmp_path / "own"])
    with pytest.raises(UnknownProgram):
        catalog.get("new-one")
    folder = add_program("new_one")
    assert catalog.get("new-one").metadata.max_execution_time == 300
    add_program("new_one", {"name": "n", "description": "d", "max_execution_time": 9, "other": 1})
    os.utime(folder / "new_one.json", ns=(1, 1))
    assert catalog.get("new-one").metadata.max_execution_time == 9
    (folder / "new_one.py").unlink()
    with pytest.raises(UnknownProgram):
        catalog.get("new-one")


def test_file_that_is_filled_within_one_tick_of_the_clock_is_read_again(add_program, tmp_path):
    """An editor empties a file and fills it, and both may have the same time."""
    catalog = Catalog([tmp_path / "own"])
    metadata = add_program("saved") / "saved.json"
    whole = metadata.read_text()
    metadata.write_text("")
    os.utime(metadata, ns=(1, 1))
    with pytest.raises(UnknownProgram):
        catalog.get("saved")
    metadata.write_text(whole)
    os.utime(metadata, ns=(1, 1))
    assert catalog.get("saved").id == "saved"


@pytest.mark.parametrize("name", ["with-dash", "With_Capitals", ".hidden"])
def test_folder_that_can_be_no_program_is_not_listed(name, add_program, tmp_path):
    """A listed program can be got: its folder's name is small letters, digits and underscores."""
    add_program(name)
    catalog = Catalog([tmp_path / "own"])
    assert [p.id for p in catalog.all()] == [p.id for p in Catalog().all()]


def test_metadata_of_2021_become_schemas(add_program, tmp_path):
    """Lists at the top level, as programs of 2021 have them, say the same as JSON Schemas."""
    described = {"name": "shots", "description": "How many.", "type": "int", "required": True}
    metadata = {
        "name": "old",
        "description": "d",
        "parameters": [described, {"name": "seed"}],
        "backend_requirements": {"min_num_qubits": 5},
    }
    add_program("old", metadata)
    spec = Catalog([tmp_path / "own"]).get("old").metadata.spec
    assert spec.backend_requirements == {"min_num_qubits": 5}
    assert spec.parameters == {
        "type": "object",
        "properties": {"shots": {"description": "How many.", "type": "integer"}, "seed": {}},
        "required": ["shots"],
    }


def test_type_names_of_2021_are_translated_with_a_warning(add_program, tmp_path, caplog):
    """A folder's program has JSON's types, and the log says once what was read otherwise."""
    spec = {"parameters": {"properties": {"n": {"type": "int"}}}}
    add_program("old", {"name": "old", "description": "d", "spec": spec})
    catalog = Catalog([tmp_path / "own"])
    with caplog.at_level(logging.WARNING):
        found = [catalog.get("old"), catalog.get("old")]
    assert found[0].metadata.spec.parameters == {"properties": {"n": {"type": "integer"}}}
    assert caplog.text.count("'int' is read as 'integer'") == 1
