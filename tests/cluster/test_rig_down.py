"""`make cluster-down`: nothing of a built cluster stays on the machine.

It takes the cluster away that the other tests use, so it runs last, and only where it is asked for.
"""

import os
import subprocess
from pathlib import Path

import pytest

from tests.cluster.target import RIG, require_cluster

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(
        os.environ.get("RUNTIME_TEST_CLUSTER_DOWN") != "1",
        reason="it takes the cluster down: RUNTIME_TEST_CLUSTER_DOWN=1 asks for it",
    ),
]

STATE = "qiskit-runtime-cluster"


def read(*command):
    """Return a command's output; nothing where the command does not exist."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout


def find_traces():
    """Return the traces of a built cluster on the machine, by their kind."""
    mounts = Path("/proc/self/mounts").read_text().splitlines()
    processes = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if f"/{STATE}/" in command or "containerd-shim" in command:
            processes.append(command)
    links = [line.split(":")[1].strip() for line in read("ip", "-o", "link").splitlines()]
    tables = read("nft", "list", "tables").splitlines()
    return {
        "mounts": [line for line in mounts if STATE in line or "/netns/cni-" in line],
        "processes": processes,
        "links": [name for name in links if name.startswith(("cni0", "veth"))],
        "tables": [table for table in tables if "kube-proxy" in table],
    }


def read_pids():
    """Return the pids of a built cluster's programs, by their names."""
    state = Path(os.environ.get("XDG_STATE_HOME", Path.home() / ".local" / "state")) / STATE
    folder = Path(os.environ.get("RUNTIME_CLUSTER_STATE", state)) / "run"
    return {path.stem: path.read_text() for path in folder.glob("*.pid")}


def test_cluster_that_runs_is_left_as_it_is():
    """`make cluster` where one runs is the same one afterwards, whoever uses it meanwhile."""
    if require_cluster().kind != "built":
        pytest.skip("only a built cluster is made by this machine")
    before = read_pids()
    assert "etcd" in before
    subprocess.run([RIG, "up"], check=True)
    assert read_pids() == before


def test_cluster_down_leaves_no_mount_link_or_process():
    """Every trace of the running cluster is gone, and a second call does no harm."""
    if require_cluster().kind != "built":
        pytest.skip("only a built cluster puts anything on the machine")
    before = find_traces()
    assert all(before.values()), before
    subprocess.run([RIG, "down"], check=True)
    assert find_traces() == {kind: [] for kind in before}
    subprocess.run([RIG, "down"], check=True)
    assert subprocess.run([RIG, "env"], capture_output=True, check=False).returncode != 0
