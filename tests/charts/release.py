"""A release of a test's own, with several API pods, for the modes with accounts."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.api.conftest import wait_until
from tests.charts.conftest import CHART, Tools
from tests.cluster.installed import forward

API = "app.kubernetes.io/component=api"

SMALL = [
    *("--set=crds.install=false", "--set=jobs.namespace=", "--set=redis.persistence.enabled=false"),
    *("--set=runner.memory=512Mi", "--set=runner.cpuRequest=100m"),
    *("--set=api.resources.requests.cpu=50m", "--set=operator.resources.requests.cpu=50m"),
]
"""A release of a test's own, beside the other one on the one node of a small machine."""

TREMBLE = 2.0
"""The seconds that a busy machine takes longer than an idle one."""


@dataclass
class Release:
    """An installed chart, with the address of each of its API pods."""

    tools: Tools
    namespace: str
    urls: list[str] = field(default_factory=list)

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        """Return kubectl's output in its namespace."""
        return self.tools.kubectl("-n", self.namespace, *arguments, stdin=stdin)

    def pods(self) -> dict[str, int]:
        """Return the names of the API's pods, with how often their containers were started."""
        found = json.loads(self.kubectl("get", "pods", "-l", API, "-o", "json"))["items"]
        return {
            pod["metadata"]["name"]: pod["status"]["containerStatuses"][0]["restartCount"]
            for pod in found
            if "deletionTimestamp" not in pod["metadata"]
        }

    def ask(
        self, token: str, method: str = "GET", path: str = "/jobs", replica: int = 0, **options: Any
    ) -> httpx.Response:
        """Return a replica's answer to a request with a token."""
        headers = {"Authorization": f"Bearer {token}"}
        url = f"{self.urls[replica]}{path}"
        return httpx.request(method, url, headers=headers, timeout=60, trust_env=False, **options)

    def post(
        self, token: str, program: str = "hello-quantum", params: str = "{}", replica: int = 0
    ) -> httpx.Response:
        """Return the answer to the post of a job."""
        labels = dict.fromkeys(("hub", "group", "project", "backend"), "")
        body = {"programId": program, **labels, "params": [params]}
        return self.ask(token, "POST", replica=replica, json=body)

    def run(self, token: str, *arguments: str, **options: Any) -> str:
        """Post a job that is good; returns its id."""
        answer = self.post(token, *arguments, **options)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    def wait_for(self, token: str, job_id: str, *statuses: str, seconds: float = 180) -> None:
        """Wait until a job has one of these statuses."""
        wait_until(
            lambda: self.ask(token, path=f"/jobs/{job_id}").json()["status"] in statuses, seconds
        )


@contextmanager
def install(tools: Tools, namespace: str, *settings: str) -> Iterator[Release]:
    """The chart with two API pods and these settings, in a namespace that is there."""
    where = [f"--namespace={namespace}"]
    options = [*where, *tools.local_images(), *SMALL, *settings]
    tools.helm("install", "r", str(CHART), *options, "--wait", "--timeout=5m")
    release = Release(tools, namespace)
    pods = sorted(release.pods())
    assert len(pods) == 2
    try:
        with ExitStack() as opened:
            release.urls = [
                opened.enter_context(forward(tools.cluster, namespace, pod)) for pod in pods
            ]
            yield release
    finally:
        tools.run("helm", "uninstall", "r", *where)
