"""Jobs that take over pods which were started ahead, beside jobs whose pods are made for them.

Both on an installation whose operator and API are processes of this machine, in one run.
"""

import collections
import json
import os
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
from websockets.sync.client import connect

from qiskit_runtime.contract.resources.resource import JOB_LABEL, WARM_LABEL
from tests.benchmarks import bell
from tests.benchmarks.cluster_jobs import AT_ONCE, ROUNDS
from tests.benchmarks.server import post, stream_address
from tests.benchmarks.table import Row, keep_samples, milliseconds, percentile
from tests.benchmarks.two_kinds import BareJobs, OurJobs, make_rate_row
from tests.cluster.stand import Stand, open_stand, wait_until
from tests.cluster.target import require_cluster

IDLE_JOBS = 30
COLD_JOBS = 10
POOL = 2
RUSH_POOL = 8
RATE = float(os.environ.get("WARM_RATE", "1"))
"""Jobs a second; two cores start 1.3 pods a second at most, so that 10 are for larger machines."""
RUSH_SECONDS = 60
MESSAGES = 100
MESSAGE_SECONDS = 0.1
TICKS = f"""
import time

def main(backend, messenger):
    for _ in range({MESSAGES}):
        messenger.publish(time.time())
        time.sleep({MESSAGE_SECONDS})
"""


def run() -> list[Row]:
    """One job after the other, cold and warm, with their writes; then many a second."""
    with open_stand_with_pool(POOL) as stand:
        wait_for_pool(stand, POOL)
        before = _audit_size()
        warm = [_time_warm(stand) for _ in range(IDLE_JOBS)]
        time.sleep(3)
        writes = _count_writes(stand, before)
        ways = _time_messages(stand)
    with open_stand_with_pool(0) as stand:
        cold = [_time_job(stand) for _ in range(COLD_JOBS + 1)][1:]
    with open_stand_with_pool(RUSH_POOL) as stand:
        wait_for_pool(stand, RUSH_POOL)
        rush = _rush(stand)
    rates = [_compare_rates() for _ in range(ROUNDS)]
    samples = {"warm": warm, "cold": cold, "rush": rush, "writes": writes, "ways": ways}
    samples["rates"] = rates
    keep_samples("warm_jobs", samples)
    how = f"{IDLE_JOBS} bell jobs, one after the other, {POOL} pods wait at each"
    ratio = percentile(warm, 50) / percentile(cold, 50)
    crowd = f"{RATE:g} a second for {RUSH_SECONDS} s on a pool of {RUSH_POOL}, refilled meanwhile"
    return [
        Row("warm pod: POST to final message, idle, p50 / p99", "60 ms", pair(warm), how),
        Row("cold pod, the same", "", pair(cold), f"{COLD_JOBS} jobs; warm is {ratio:.2f} of it"),
        Row("many jobs on a pool, p50 / p99", "120 / 250 ms", pair(rush), crowd),
        make_rate_row(f"{AT_ONCE} jobs at once, a pool of {RUSH_POOL}", ">= 1.5", rates),
        Row(
            "a message's way from a pod's program to a listener, p50 / p99",
            "",
            pair(ways),
            f"{MESSAGES} messages, one each {MESSAGE_SECONDS:g} s: container runtime, kubelet, API "
            "server, operator, Redis, API",
        ),
        *_describe_writes(writes),
    ]


@contextmanager
def open_stand_with_pool(size: int, held: int = 0) -> Iterator[Stand]:
    """An installation whose pool has this size, and that has the bell program.

    ``held`` is the number of pods that each session holds.
    """
    pool = {"RUNTIME_WARM_POOL_SIZE": str(size), "RUNTIME_WARM_POOL_KEY": "of this benchmark"}
    pool["RUNTIME_WARM_POOL_PER_SESSION"] = str(held)
    with (
        tempfile.TemporaryDirectory(prefix="warm-jobs-") as folder,
        open_stand(Path(folder), **pool) as stand,
    ):
        stand.install(bell.NAME, bell.PROGRAM)
        yield stand


def pair(samples: Sequence[float]) -> str:
    """Return p50 and p99 of times, for the table."""
    return " / ".join(milliseconds(percentile(samples, percent)) for percent in (50, 99))


def wait_for_pool(stand: Stand, number: int) -> None:
    """Return when so many pods wait, and the operator has seen it."""
    wait_until(lambda: _count_ready(stand) >= number, 180, f"{number} pods wait for a job")
    time.sleep(0.5)


def _count_ready(stand: Stand) -> int:
    selector = f"{WARM_LABEL},{JOB_LABEL}="
    jobs = stand.batch.list_namespaced_job(stand.namespace, label_selector=selector).items
    names = {job.metadata.name for job in jobs}
    pods = stand.core.list_namespaced_pod(stand.namespace, label_selector=WARM_LABEL).items
    mine = [pod for pod in pods if pod.metadata.labels["job-name"] in names]
    return sum(any(one.ready for one in pod.status.container_statuses or ()) for pod in mine)


def _time_warm(stand: Stand) -> float:
    wait_for_pool(stand, POOL)
    return _time_job(stand)


def _time_job(stand: Stand) -> float:
    """Return the seconds from the POST to the final message at a listener."""
    # A client loads the certificates of all authorities as it is made, which takes 40 ms.
    with httpx.Client(base_url=stand.url, timeout=60) as api:
        begun = time.perf_counter()
        address = stream_address(api, post(api, bell.NAME))
        with connect(address, open_timeout=60, proxy=None) as listener:
            *_, (result, ended) = ((frame, time.perf_counter()) for frame in listener)
        assert bell.is_result(result), result
        return ended - begun


def _rush(stand: Stand) -> list[float]:
    """Return the times of many jobs that are posted at a steady rate."""
    samples: list[float] = []
    threads = []
    begun = time.monotonic()
    for number in range(int(RATE * RUSH_SECONDS)):
        time.sleep(max(begun + number / RATE - time.monotonic(), 0))
        threads.append(threading.Thread(target=lambda: samples.append(_time_job(stand))))
        threads[-1].start()
    for thread in threads:
        thread.join(timeout=600)
    assert len(samples) == len(threads), "each job had its result"
    return samples


def _compare_rates() -> tuple[float, float]:
    """Return the jobs a second of many at once on the pool, and of bare Jobs without one."""
    with open_stand_with_pool(RUSH_POOL) as stand, httpx.Client(base_url=stand.url) as api:
        wait_for_pool(stand, RUSH_POOL)
        ours = OurJobs(lambda: post(api, bell.NAME), stand.custom, stand.namespace)
        rate = ours.rate(AT_ONCE)
    with open_stand_with_pool(0) as stand:
        bare = BareJobs(stand.batch, stand.namespace, stand.runner_image)
        return rate, bare.rate(AT_ONCE)


def _time_messages(stand: Stand) -> list[float]:
    """Return the seconds from the publishing of each message to its arrival here.

    Clocks are one and the same: the pod runs on this machine.
    """
    stand.install("ticks", TICKS)
    with httpx.Client(base_url=stand.url, timeout=60) as api:
        address = stream_address(api, post(api, "ticks"))
    with connect(address, open_timeout=60, proxy=None) as listener:
        return [time.time() - json.loads(frame) for frame in listener]


def _audit_size() -> int:
    audit = require_cluster().audit_log
    return Path(audit).stat().st_size if audit else 0


def _count_writes(stand: Stand, begin: int) -> dict[str, int]:
    """Return the writes of operator and API by kind; empty where the cluster keeps no audit log."""
    audit = require_cluster().audit_log
    writes: collections.Counter[str] = collections.Counter()
    if not audit:
        return writes
    with Path(audit).open() as log:
        log.seek(begin)
        for line in log:
            event = json.loads(line)
            where, agent = event["objectRef"], event.get("userAgent", "")
            # Not the kubelet's, the scheduler's or the controllers'.
            is_ours = where.get("namespace") == stand.namespace and not agent.startswith("kube")
            if is_ours and where["resource"] != "events":
                what = f"{event['verb']} {where['resource']} {where.get('subresource', '')}"
                writes[what.strip()] += 1
    return writes


def _describe_writes(writes: dict[str, int]) -> list[Row]:
    if not writes:
        return []
    each = {what: round(number / IDLE_JOBS, 1) for what, number in writes.items()}
    how = f"the API server's audit log, without Events, with the pool's own: {each}"
    total = f"{sum(writes.values()) / IDLE_JOBS:.1f}"
    return [Row("our own Kubernetes API writes a warm job", "<= 7", total, how)]
