"""The cluster that cluster tests use: its address, or the reason why none can be used.

``rig env`` finds it. Without a cluster its tests are skipped, visibly; where a run may have no
skips (``REQUIRE_CLUSTER=1``) that is a failure.
"""

import functools
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

RIG = Path(__file__).with_name("rig")

JOBS_NAMESPACE = "qiskit-runtime-jobs"
"""Where ``make deploy`` has jobs run."""

RELEASE = "qiskit-runtime"
"""The release that it installs, and its namespace."""


@dataclass(frozen=True)
class Cluster:
    """A running cluster. ``kind`` is named, kind or built; images are empty until they are made."""

    kind: str
    kubeconfig: str
    kubectl: str
    helm: str
    api_image: str
    runner_image: str
    local_image: str
    """Of local mode in one container."""
    builder: str
    """The program that builds images for it: docker, podman or buildah; empty where none is."""
    audit_log: str
    """Of a built cluster: who wrote what, a JSON document a line."""


@functools.cache
def find_cluster() -> Cluster | None:
    """Return the cluster or None; the rig is asked once."""
    answer = subprocess.run([RIG, "env"], capture_output=True, text=True, check=False)
    if answer.returncode:
        return None
    lines = answer.stdout.splitlines()
    found = dict(line.removeprefix("export ").split("=", 1) for line in lines)
    # Clients of every kind find it there.
    os.environ["KUBECONFIG"] = found["KUBECONFIG"]
    return Cluster(
        kind=found["CLUSTER"],
        kubeconfig=found["KUBECONFIG"],
        kubectl=found["KUBECTL"],
        helm=found["HELM"],
        api_image=os.environ.get("RUNTIME_API_IMAGE") or found.get("RUNTIME_API_IMAGE", ""),
        runner_image=os.environ.get("RUNTIME_RUNNER_IMAGE")
        or found.get("RUNTIME_RUNNER_IMAGE", ""),
        local_image=found.get("RUNTIME_LOCAL_IMAGE", ""),
        builder=found.get("BUILDER", ""),
        audit_log=found.get("AUDIT_LOG", ""),
    )


def find_missing() -> str:
    """Return what this machine lacks for tests on a cluster; empty where it has everything."""
    cluster = find_cluster()
    if cluster is None:
        return "no cluster: make cluster"
    if not cluster.runner_image:
        return "no images: make images"
    return "" if shutil.which("redis-server") else "no redis-server: apt install redis-server"


def refuse_or_skip(missing: str) -> NoReturn:
    """Skip the test that lacks something, or fail it where it may not be skipped."""
    if os.environ.get("REQUIRE_CLUSTER") == "1":
        pytest.fail(missing)
    pytest.skip(missing)


def require_cluster() -> Cluster:
    """Return the cluster; without one skip the test, or fail it where it may not be skipped."""
    if missing := find_missing():
        refuse_or_skip(missing)
    cluster = find_cluster()
    assert cluster
    return cluster
