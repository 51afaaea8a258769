"""The chart, as helm renders it and as it is installed for a test."""

import json
import subprocess
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.target import Cluster, require_cluster

CHART = Path(__file__).parents[2] / "charts" / "qiskit-runtime"


@dataclass(frozen=True)
class Tools:
    """helm and kubectl on the tests' cluster."""

    cluster: Cluster

    def run(self, tool: str, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run one of them; the caller checks its exit code."""
        program = getattr(self.cluster, tool)
        return subprocess.run(
            [program, *arguments], input=stdin, capture_output=True, text=True, check=False
        )

    def helm(self, *arguments: str) -> str:
        """Return helm's output; it must succeed."""
        done = self.run("helm", *arguments)
        assert done.returncode == 0, f"helm {arguments}: {done.stderr}"
        return done.stdout

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        """Return kubectl's output; it must succeed."""
        done = self.run("kubectl", *arguments, stdin=stdin)
        assert done.returncode == 0, f"kubectl {arguments}: {done.stderr}"
        return done.stdout

    def render(self, **values: Any) -> list[dict[str, Any]]:
        """The objects of an installation with these values, as ``a.b`` or ``a_b``."""
        settings = [f"--set-json={name}={json.dumps(value)}" for name, value in values.items()]
        # As on a cluster that has the CRDs already.
        kinds = "--api-versions=qiskit-runtime.dev/v1alpha1/RuntimeJob"
        text = self.helm("template", "r", str(CHART), "--namespace=ns", kinds, *settings)
        return [found for found in yaml.safe_load_all(text) if found]

    def local_images(self) -> list[str]:
        """The options that make an installation take this cluster's images."""
        prefix, _, api = self.cluster.api_image.rpartition("/")
        runner = self.cluster.runner_image.rpartition("/")[2]
        settings = {"image.prefix": prefix, "api.image": api, "runner.image": runner}
        return [f"--set={name}={value}" for name, value in settings.items()]

    @contextmanager
    def namespace(self) -> Iterator[str]:
        """A namespace of a test's own."""
        name = f"chart-{uuid.uuid4().hex[:8]}"
        self.kubectl("create", "namespace", name)
        try:
            yield name
        finally:
            self.run("kubectl", "delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="session")
def tools() -> Tools:
    """helm, kubectl and a cluster to use them on."""
    return Tools(require_cluster())


@pytest.fixture(scope="session")
def find() -> Callable[..., dict[str, Any]]:
    """The one object of a kind, and of a name if there are several."""

    def find(objects: list[dict[str, Any]], kind: str, name: str = "") -> dict[str, Any]:
        (found,) = (
            one for one in objects if one["kind"] == kind and one["metadata"]["name"].endswith(name)
        )
        return found

    return find
