"""A job's memory: its cgroup's files in both versions, and its processes' in /proc."""

import subprocess
import sys

import pytest

from runner import memory


@pytest.fixture
def cgroup(monkeypatch, tmp_path):
    """The folder of a memory cgroup, below one without files, as a container sees its own."""
    (tmp_path / "empty").mkdir()
    monkeypatch.setattr(memory, "_cgroup_folders", lambda: [tmp_path / "empty", tmp_path])
    return tmp_path


@pytest.mark.parametrize("name", ["memory.events", "memory.oom_control"])
def test_killed_processes_are_counted_in_either_version(name, cgroup):
    """The count stands among other fields."""
    assert memory.oom_kills() == 0
    (cgroup / name).write_text("oom_kill_disable 0\noom 7\noom_kill 3\n")
    assert memory.oom_kills() == 3
    (cgroup / name).write_text("oom 7\n")
    assert memory.oom_kills() == 0


@pytest.mark.parametrize("name", ["memory.max", "memory.limit_in_bytes"])
@pytest.mark.parametrize(
    ("text", "limit"),
    [("1048576\n", 1048576), ("max\n", None), ("9223372036854771712\n", None), ("", None)],
)
def test_limit_is_a_number_that_can_be_reached(name, text, limit, cgroup):
    """A cgroup without a limit says so by a word, or by a number that no machine has."""
    assert memory.cgroup_limit() is None
    (cgroup / name).write_text(text)
    assert memory.cgroup_limit() == limit


def test_folders_of_this_process_are_below_the_cgroups():
    """Each folder is below the kernel's mount, and the top of it is asked last."""
    folders = memory._cgroup_folders()
    assert folders
    assert all(f"{folder}/".startswith(f"{memory._CGROUPS}/") for folder in folders)


SHARING = """
import mmap, os, time
from runner.memory import held_by_descendants
size = 64 << 20
shared = mmap.mmap(-1, size)
shared.write(b"x" * size)
children = []
for _ in range(3):
    child = os.fork()
    if child == 0:
        for at in range(0, size, 4096):
            shared[at]
        time.sleep(20)
        os._exit(0)
    children.append(child)
until = time.monotonic() + 10
while held_by_descendants(1 << 40) < 3 * size and time.monotonic() < until:
    time.sleep(0.05)
print(held_by_descendants(1 << 40), held_by_descendants(1))
for child in children:
    os.kill(child, 9)
"""


def test_shared_memory_of_descendants_is_counted_once_where_it_matters():
    """Within the limit a sum is enough; over it, pages that children share count once."""
    done = subprocess.run([sys.executable, "-c", SHARING], capture_output=True, check=True)
    quick, exact = map(int, done.stdout.split())
    assert quick >= 3 * (64 << 20) and 0 < exact < quick - (64 << 20)


def test_process_that_is_gone_holds_nothing():
    """A process that ended between two looks is no error."""
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        child.wait()
    assert memory._held_bytes(child.pid) == memory._share(child.pid) == 0
    assert memory._private_bytes(child.pid) == (0, 0)
