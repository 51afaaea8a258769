"""Local mode's file of backends: what is read, when it counts, and what a mistake does."""

import logging
import os

import pytest
import yaml

from api.backendstore.local import (
    MAX_FILE_BYTES,
    BackendsFileInvalid,
    FileBackends,
    read_backends,
)
from qiskit_runtime.contract.resources.backend import BACKENDS, KIND, UnknownBackend
from qiskit_runtime.contract.resources.resource import API_VERSION

ALWAYS = [backend.name for backend in BACKENDS]

pytestmark = pytest.mark.anyio


def write(path, *backends):
    """Write RuntimeBackends, by name and spec, into a file."""
    documents = [
        {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": name}, "spec": spec}
        for name, spec in backends
    ]
    path.write_text(yaml.safe_dump_all(documents))


@pytest.fixture
def path(tmp_path):
    """A file of one backend."""
    path = tmp_path / "backends.yaml"
    write(path, ("noisy", {"qubits": 3, "noise": {"readout": {"prob1Given0": 0.1}}}))
    return path


async def names(backends):
    """The names of all backends."""
    return [backend.name for backend in await backends.all()]


async def test_backends_of_the_file_come_after_those_always_there(path):
    """By name, and each is found; of two with one name the file's wins, in the other's place."""
    write(path, ("zeta", {}), ("aer-mine", {}), ("noisy", {"qubits": 3}))
    backends = FileBackends(path)
    assert await names(backends) == [*ALWAYS, "aer-mine", "noisy", "zeta"]
    assert (await backends.get("noisy")).qubits == backends.find("noisy").qubits == 3
    with pytest.raises(UnknownBackend, match="nowhere"):
        await backends.get("nowhere")
    assert backends.is_ready


async def test_without_a_file_there_are_those_always_there():
    """No file is no mistake."""
    assert await names(FileBackends()) == ALWAYS


async def test_change_counts_at_once(path):
    """The next question sees a backend that came, one that changed and one that went."""
    backends = FileBackends(path)
    assert (await backends.get("noisy")).qubits == 3
    write(path, ("noisy", {"qubits": 4}), ("other", {}))
    assert (await backends.get("noisy")).qubits == 4 and await backends.get("other")
    write(path)
    assert await names(backends) == ALWAYS


async def test_change_within_one_tick_of_the_clock_counts(path):
    """A file that was read half written, and finished within the same tick, is read again."""
    backends = FileBackends(path)
    before = path.stat().st_mtime_ns
    assert "noisy" in await names(backends)
    write(path, ("noisy", {}), ("finished", {}))
    os.utime(path, ns=(before, before))
    assert "finished" in await names(backends)


async def test_unchanged_file_is_read_once(path, monkeypatch):
    """A question costs no more than a look at the file."""
    backends = FileBackends(path)
    await backends.all()
    monkeypatch.setattr("api.backendstore.local.read_backends", pytest.fail)
    assert (await backends.get("noisy")).name == "noisy"


@pytest.mark.parametrize("broken", [b"kind: [", b"kind: RuntimeJob\n", b"\xff\xfe\x00", None])
async def test_broken_change_keeps_the_backends(broken, path, caplog):
    """A mistake in a file that is used, or its end, is logged and changes nothing."""
    backends = FileBackends(path)
    await backends.all()
    with caplog.at_level(logging.WARNING):
        if broken is None:
            path.unlink()
        else:
            path.write_bytes(broken)
        assert (await backends.get("noisy")).qubits == 3
    assert "the backends stay what they were: " in caplog.text and str(path) in caplog.text
    caplog.clear()
    write(path, ("mended", {}))
    assert await names(backends) == [*ALWAYS, "mended"] and caplog.text == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", "not YAML: "),
        ("a: b: c", "not YAML: "),
        ("!!python/object/apply:os.system [true]", "not YAML: "),
        ("[" * 5000, "not YAML: "),
        ("text", "document 1: it is no RuntimeBackend: "),
        ("- a\n- b\n", "document 1: it is no RuntimeBackend: "),
        ("{GOOD}---\n{BAD}", "document 2: spec.qubits: "),
        ("{GOOD}---\n{GOOD}", "document 2: good is there twice"),
        ("#" * (MAX_FILE_BYTES + 1), f"{MAX_FILE_BYTES + 1} bytes; at most {MAX_FILE_BYTES}"),
    ],
)
def test_mistake_names_file_document_and_field(text, words, tmp_path):
    """The error names the place in the file."""
    head = f"apiVersion: {API_VERSION}\nkind: {KIND}\nmetadata: {{name: good}}\n"
    path = tmp_path / "backends.yaml"
    path.write_text(
        text.replace("{GOOD}", head + "spec: {}\n").replace("{BAD}", head + "spec: {qubits: -1}\n")
    )
    with pytest.raises(BackendsFileInvalid) as caught:
        read_backends(path)
    assert str(caught.value).startswith(f"{path}: {words}")


def test_empty_documents_are_passed_over(tmp_path):
    """A file of comments and separators alone holds no backends."""
    path = tmp_path / "backends.yaml"
    path.write_text("# none yet\n---\n---\n# still none\n")
    assert read_backends(path) == []
    with pytest.raises(FileNotFoundError):
        read_backends(tmp_path / "gone.yaml")
