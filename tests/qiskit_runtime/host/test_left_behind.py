"""Removal of what programs leave: any depth, any kind, nothing outside, and never a wait."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from qiskit_runtime.host.left_behind import remove_tree

ROOT = Path(__file__).parents[3]

WRECK = """
import os, socket, sys
from qiskit_runtime.host.left_behind import remove_tree
from pathlib import Path
os.chdir(sys.argv[1])
if os.getuid() == 0:
    os.chown(".", 65534, 65534)
    os.setgid(65534)
    os.setuid(65534)
os.makedirs("doomed/a/b/c")
for name in ("doomed/file", "doomed/a/b/file", "doomed/a/b/c/file"):
    open(name, "w").close()
os.chmod("doomed/a/b/file", 0)
for name, mode in (("doomed/a/b/c", 0), ("doomed/a/b", 0o500), ("doomed/a", 0), ("doomed", 0)):
    os.chmod(name, mode)
print(os.getuid() != 0, remove_tree(Path("doomed")), os.listdir("."))
"""


def nest(folder: Path, depth: int) -> None:
    """Make folders in folders, deeper than any path may be long."""
    folder.mkdir()
    held = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("deeper", dir_fd=held)
        below = os.open("deeper", os.O_RDONLY, dir_fd=held)
        os.close(held)
        held = below
    os.close(held)


def test_folders_of_any_depth_go(tmp_path):
    """Deeper than Python's recursion and the system's paths reach."""
    nest(tmp_path / "deep", 1100)

    assert remove_tree(tmp_path / "deep")
    assert [*tmp_path.iterdir()] == []


def test_links_are_removed_and_what_they_lead_to_is_not(tmp_path):
    """Links to files and folders, at the top and below, in a circle and to nowhere."""
    kept = tmp_path / "kept"
    (kept / "below").mkdir(parents=True)
    (kept / "file").write_text("kept")
    kept.chmod(0o750)
    doomed = tmp_path / "doomed"
    (doomed / "folder").mkdir(parents=True)
    for place in (doomed, doomed / "folder"):
        (place / "to-folder").symlink_to(kept)
        (place / "to-file").symlink_to(kept / "file")
        (place / "circle").symlink_to(doomed)
        (place / "nowhere").symlink_to(tmp_path / "none")
        (place / "hard").hardlink_to(kept / "file")
    (tmp_path / "link").symlink_to(kept)

    assert remove_tree(doomed) and remove_tree(tmp_path / "link")
    assert [*tmp_path.iterdir()] == [kept]
    assert (kept / "file").read_text() == "kept" and (kept / "below").is_dir()
    assert kept.stat().st_mode & 0o777 == 0o750


def test_fifos_sockets_and_odd_names_go(tmp_path):
    """Nothing is opened, so nothing waits."""
    doomed = tmp_path / "doomed"
    doomed.mkdir()
    os.mkfifo(doomed / "fifo")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(doomed / "socket"))
        for name in (b"\xff", b"new\nline", b"-rf"):
            Path(os.fsdecode(os.fsencode(doomed) + b"/" + name)).write_bytes(b"")
        assert remove_tree(doomed)
    assert remove_tree(doomed)
    assert [*tmp_path.iterdir()] == []


def test_folders_that_shut_their_owner_out_go(tmp_path):
    """As a user without privileges: no right on a folder or a file of theirs keeps it there."""
    folder = tmp_path / "wreck"
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", WRECK, str(folder)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
    )

    assert done.stdout == "True True []\n"


def test_what_cannot_be_removed_stays_and_the_rest_goes(tmp_path, monkeypatch):
    """A stubborn file ends neither the removal of the others nor its caller."""
    doomed = tmp_path / "doomed"
    (doomed / "a" / "b").mkdir(parents=True)
    for path in (doomed / "stubborn", doomed / "x", doomed / "a" / "b" / "stubborn"):
        path.write_text("")
    unlink = os.unlink

    def refuse(name: str | Path, *, dir_fd: int | None = None) -> None:
        if str(name) == "stubborn":
            raise PermissionError(name)
        unlink(name, dir_fd=dir_fd)

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", refuse)
        assert not remove_tree(doomed)
    left = sorted(path.name for path in doomed.rglob("*") if path.is_file())
    assert left == ["stubborn", "stubborn"]
    assert remove_tree(doomed)


@pytest.mark.parametrize("rounds", [0, 3])
def test_removal_that_is_stopped_can_be_taken_up_again(tmp_path, rounds):
    """A stopped removal ends within a file, and returns that something is left."""
    doomed, asked = tmp_path / "doomed", []
    doomed.mkdir()
    for number in range(10):
        (doomed / str(number)).write_text("")

    def is_stopped() -> bool:
        asked.append(None)
        return len(asked) > rounds

    assert not remove_tree(doomed, is_stopped=is_stopped)
    assert len([*doomed.iterdir()]) == 10 - rounds
    assert remove_tree(doomed)
