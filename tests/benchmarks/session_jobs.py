"""Jobs of an interactive session on a cluster, which holds a pod that waits for its next job.

The next job comes when a pod waits again, as from a person who looks at a result; then the same
from a loop, which posts each as soon as the one before it has ended.
"""

import time
from collections.abc import Callable

import httpx
from websockets.sync.client import connect

from tests.benchmarks import bell
from tests.benchmarks.job_latency import BACKEND
from tests.benchmarks.table import Row, keep_samples
from tests.benchmarks.warm_jobs import open_stand_with_pool, pair, wait_for_pool
from tests.cluster.stand import Stand

JOBS = 20
HELD = 1
"""The pods that the session holds."""

Times = tuple[float, float]
"""Of a job: the seconds from its POST to the program's first message, and to the final one."""


def run() -> list[Row]:
    """Jobs one after the other, each when a pod waits; then each as the one before it ends."""
    with open_stand_with_pool(0, held=HELD) as stand, httpx.Client(timeout=60) as client:
        post = _open_session(client, stand)
        # The first one makes the session active.
        _time_job(stand, post)
        calm = []
        for _ in range(JOBS):
            wait_for_pool(stand, HELD)
            calm.append(_time_job(stand, post))
        wait_for_pool(stand, HELD)
        loop = [_time_job(stand, post) for _ in range(JOBS)]
    keep_samples("session_jobs", {"calm": calm, "loop": loop})
    how = f"{JOBS} bell jobs, one after the other; the session holds {HELD} pod, which waits"
    return [
        *_describe("a session's job on the cluster", "start p50 <= 0.3 s", calm, how),
        *_describe("the same, from a loop without a pause", "", loop, "the pod may be on its way"),
    ]


def _open_session(client: httpx.Client, stand: Stand) -> Callable[[], str]:
    """Open a session; returns what posts a job of it, and returns the job's id."""
    url = f"{stand.url}/api/v1"
    opened = client.post(f"{url}/sessions", json={"mode": "dedicated", "backend": BACKEND})
    body = {"program_id": bell.NAME, "backend": BACKEND, "params": {}}
    body |= {"session_id": opened.raise_for_status().json()["id"]}

    def post() -> str:
        return str(client.post(f"{url}/jobs", json=body).raise_for_status().json()["id"])

    return post


def _time_job(stand: Stand, post: Callable[[], str]) -> Times:
    begun = time.perf_counter()
    address = f"{stand.url}/stream/jobs/{post()}".replace("http", "ws", 1)
    with connect(address, open_timeout=60, proxy=None) as listener:
        first, *_, last = ((frame, time.perf_counter() - begun) for frame in listener)
    return first[1], last[1]


def _describe(what: str, goal: str, times: list[Times], how: str) -> list[Row]:
    starts, ends = zip(*times, strict=True)
    return [
        Row(f"{what}: POST to the program's first message, p50 / p99", goal, pair(starts), how),
        Row(f"{what}: POST to the final message, p50 / p99", "", pair(ends), "the same jobs"),
    ]
