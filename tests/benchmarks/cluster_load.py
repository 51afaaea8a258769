"""The installed chart under polls and reconnects, and what it costs the Kubernetes API."""

import asyncio
import collections
import json
import re
import time
from pathlib import Path
from urllib.parse import urlsplit

from websockets.sync.client import connect

from tests.benchmarks.polls import load, make_row
from tests.benchmarks.table import Row, keep_samples
from tests.cluster.installed import Installed, count_reads, open_installed
from tests.cluster.target import RELEASE, require_cluster

JOBS = 20
RECONNECTS = 100

COUNT = """
import time

def main(backend, messenger, n=1000):
    for number in range(n):
        messenger.publish(number)
        time.sleep(0.005)
    return "end"
"""


def run() -> list[Row]:
    """Polls and what they cost, reconnects, writes, memory."""
    cluster = require_cluster()
    with open_installed(cluster) as installed:
        rows = [*_poll(installed), _reconnect(installed)]
        if audit := cluster.audit_log:
            rows.append(_count_writes(installed, Path(audit)))
        return [*rows, *_weigh(installed)]


def _poll(installed: Installed) -> list[Row]:
    name = installed.post("hello-quantum", {"greeting": "Hello"})
    installed.wait(name)
    time.sleep(2)
    before = count_reads(installed)
    port = urlsplit(installed.url).port or 80
    samples = asyncio.run(load(port, f"/jobs/{name}", installed.token))
    reads = count_reads(installed) - before
    keep_samples("cluster_polls", {"samples": samples, "reads": reads})
    how = "requests for RuntimeJobs that the API server counted meanwhile, but for watches"
    return [
        make_row(samples, "p99 <= 20 ms"),
        Row("Kubernetes reads that these polls cost", "0", str(reads), how),
    ]


def _reconnect(installed: Installed) -> Row:
    """A listener that is cut off a hundred times and goes on where it was."""
    name = installed.submit(installed.install_program(COUNT))
    address = installed.url.replace("http", "ws", 1) + f"/stream/jobs/{name}"
    headers = {"Authorization": f"Bearer {installed.token}"}
    frames: list[str] = []
    for cut in range(RECONNECTS + 1):
        where = f"{address}?after={len(frames)}"
        # What it leaves unread would hold up a polite goodbye.
        with connect(
            where, additional_headers=headers, proxy=None, open_timeout=20, close_timeout=0.1
        ) as socket:
            for frame in socket:
                frames.append(str(frame))
                if cut < RECONNECTS and len(frames) >= (cut + 1) * 9:
                    break
    wrong = sum(text != str(number) for number, text in enumerate(frames[:-1]))
    lost = abs(1001 - len(frames))
    how = f"1,001 frames to one listener that came back {RECONNECTS} times with ?after="
    return Row("frames lost or repeated over forced reconnects", "0", str(wrong + lost), how)


def _count_writes(installed: Installed, audit: Path) -> Row:
    begin = audit.stat().st_size
    for _ in range(JOBS):
        installed.wait(installed.post("hello-quantum", {"greeting": "Hello"}))
    time.sleep(3)
    writes: collections.Counter[str] = collections.Counter()
    with audit.open() as log:
        log.seek(begin)
        for line in log:
            event = json.loads(line)
            user, what = event["user"]["username"], event["objectRef"]["resource"]
            if user.startswith(f"system:serviceaccount:{RELEASE}:") and what != "events":
                writes[f"{event['verb']} {what} {event['objectRef'].get('subresource', '')}"] += 1
    keep_samples("cluster_writes", {"jobs": JOBS, "writes": writes})
    measured = f"{sum(writes.values()) / JOBS:.1f}"
    how = f"the API server's audit log over {JOBS} jobs, without Events: {dict(writes)}"
    return Row("our own Kubernetes API writes a job", "<= 7", measured, how)


def _weigh(installed: Installed) -> list[Row]:
    count = len(installed.kubectl("get", "rj", "-o", "name").splitlines())
    rows = []
    for component in ("operator", "api"):
        pod = installed.kubectl(
            "-n", RELEASE, "get", "pods", "-o", "jsonpath={.items[0].metadata.name}",
            "-l", f"app.kubernetes.io/component={component}",
        )  # fmt: skip
        status = installed.kubectl("-n", RELEASE, "exec", pod, "--", "cat", "/proc/1/status")
        resident = int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024
        how = f"resident, with {count} RuntimeJobs"
        rows.append(Row(f"memory of the {component}", "", f"{resident:.0f} MiB", how))
    return rows
