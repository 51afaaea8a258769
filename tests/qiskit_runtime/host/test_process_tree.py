"""The tree of the processes of a machine."""

import os
import subprocess

from qiskit_runtime.host import process_tree


def test_children_are_known_by_their_parent():
    """A process that was started now is among them."""
    with subprocess.Popen(["sleep", "60"]) as child:
        try:
            assert child.pid in process_tree.list_children()[os.getpid()]
            assert child.pid in process_tree.descendants(os.getpid())
        finally:
            child.kill()


def test_nothing_is_known_on_other_systems(monkeypatch):
    """Without /proc there is no child, and no error."""
    monkeypatch.setattr(process_tree, "IS_LINUX", False)
    monkeypatch.setattr(process_tree.os, "listdir", None)
    assert process_tree.list_children() == {}
    assert list(process_tree.descendants(os.getpid())) == []
