"""A fork that is its parent's sibling: made at once, or by way of a process between."""

import subprocess
import sys

import pytest

from qiskit_runtime.host.process_tree import IS_LINUX
from tests.runner.births import ROOT

pytestmark = pytest.mark.skipif(not IS_LINUX, reason="only Linux can")

SERVER = """
import os, subprocess, sys
from qiskit_runtime.host.process_tree import adopt_orphans

adopt_orphans()
zygote = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdout=subprocess.PIPE)
lines = zygote.stdout.read().decode().splitlines()
assert zygote.wait() == 0
# The signal of its end is the usual one, so that it can be waited for as any child.
sibling, status = os.wait()
print(lines == [str(os.getpid())], status, sibling != zygote.pid)
"""

ZYGOTE = """
import errno, os
from runner import sibling

# {change}
if sibling.fork_sibling():
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        os.execlp("sh", "sh", "-c", "echo $PPID")
    os._exit(0)
"""


def run(change):
    """Return what the server of a zygote says that makes a sibling, after this change to it."""
    zygote = ZYGOTE.replace("# {change}", change)
    command = [sys.executable, "-c", SERVER, zygote]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize(
    "change",
    [
        "",
        "sibling._clone = lambda: (-1, errno.ENOSYS)",
        "sibling._clone = lambda: (-1, errno.EPERM)",
    ],
    ids=["at once", "old kernel", "sandbox"],
)
def test_sibling_is_the_server_s_child(change):
    """It can fork, and become another program, and the server waits for it."""
    assert run(change).stdout == "True 0 True\n"


def test_sibling_is_made_at_once_where_the_system_allows_it():
    """No process between is made; a sandbox refuses by one of two errors, and by no other."""
    done = run(
        "def say(): raise SystemExit('refused ' + errno.errorcode[clone()[1]])\n"
        "clone, sibling._fork_twice = sibling._clone, say"
    )
    if "refused ENOSYS" in done.stderr or "refused EPERM" in done.stderr:
        pytest.skip("this system does not allow it")
    assert done.stdout == "True 0 True\n", done.stderr


def test_no_room_for_a_sibling_is_an_error():
    """A full system is not asked twice."""
    done = run("sibling._clone = lambda: (-1, errno.EAGAIN)")
    assert "BlockingIOError: [Errno 11] Resource temporarily unavailable" in done.stderr


def test_no_room_for_the_second_fork_is_an_error_too():
    """The process between tells it by its exit code."""
    done = run(
        "sibling._clone = lambda: (-1, errno.ENOSYS)\n"
        "fork, pid = os.fork, os.getpid()\n"
        "def fail(): raise BlockingIOError(errno.EAGAIN, 'no')\n"
        "os.fork = lambda: fork() if os.getpid() == pid else fail()"
    )
    assert "BlockingIOError: [Errno 11] Resource temporarily unavailable" in done.stderr
