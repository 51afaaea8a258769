"""The operator's own delay, from the creation of a RuntimeJob to the one of its Job.

The pods find no node, so that it is the operator that is measured and not the kubelet.
"""

import tempfile
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kubernetes import watch

from qiskit_runtime.contract.resources.resource import GROUP, JOB_LABEL, VERSION
from tests.benchmarks.table import Row, keep_samples, milliseconds, percentile, show_percentiles
from tests.cluster.stand import Stand, open_stand, wait_until

RATE = 25
STEADY = 250
BURST = 100
QUIET_SECONDS = 5.0
OWN = 100


def run() -> list[Row]:
    """At 25 a second for ten seconds, then 100 at once."""
    options = {
        "RUNTIME_MAX_RUNNING_JOBS": "1000",
        "RUNTIME_RUNNER_NODE_SELECTOR": '{"no-such-label": "anywhere"}',
    }
    with tempfile.TemporaryDirectory() as folder, open_stand(Path(folder), **options) as stand:
        clock = Clock(stand)
        _submit(stand, "warm", 10, 0.1)
        clock.wait("warm", 10)
        _submit(stand, "steady", STEADY, 1 / RATE)
        steady = clock.wait("steady", STEADY)
        # What the cluster still does for those before (their status, their pods' scheduling) is not
        # a part of this.
        time.sleep(QUIET_SECONDS)
        _submit(stand, "burst", BURST, 0)
        burst = clock.wait("burst", BURST)
        own = _create_jobs(stand, clock)
    keep_samples("cluster_operator", {"steady": steady, "burst": burst, "own": own})
    how = "both seen by watches of the same client; the pods find no node"
    return [
        Row(
            f"RuntimeJob created to Job created, {RATE} a second",
            "p50 <= 6 ms, p99 <= 30 ms",
            show_percentiles(steady),
            f"{STEADY} jobs; {how}. {OWN} Jobs that the client creates itself, as fast, are seen"
            f" {show_percentiles(own)} after the call begins: the API server's part",
        ),
        Row(
            f"the same, {BURST} as fast as one client can",
            "p99 <= 120 ms",
            f"p99 {milliseconds(percentile(burst, 99))}",
            f"{how}; {QUIET_SECONDS:g} s after those before",
        ),
    ]


def _submit(stand: Stand, prefix: str, count: int, pause: float) -> None:
    begin = time.monotonic()
    for number in range(count):
        time.sleep(max(begin + number * pause - time.monotonic(), 0))
        stand.submit(f"{prefix}-{number}", "count")


def _create_jobs(stand: Stand, clock: "Clock") -> list[float]:
    """Create Jobs as the operator does, and return the seconds until each was seen."""
    selector = {"no-such-label": "anywhere"}
    container = {"name": "runner", "image": stand.runner_image}
    pod = {"restartPolicy": "Never", "nodeSelector": selector, "containers": [container]}
    begun: dict[str, float] = {}
    for number in range(OWN):
        name = f"own-{number}"
        metadata = {"name": name, "labels": {JOB_LABEL: name}}
        body = {"metadata": metadata, "spec": {"backoffLimit": 0, "template": {"spec": pod}}}
        time.sleep(1 / RATE)
        begun[name] = time.monotonic()
        stand.batch.create_namespaced_job(stand.namespace, body)
    clock.wait_for(begun)
    return [clock.started(name) - then for name, then in begun.items()]


class Clock:
    """The moments when RuntimeJobs and their Jobs were first seen."""

    def __init__(self, stand: Stand) -> None:
        custom = (GROUP, VERSION, stand.namespace, "runtimejobs")
        jobs = ("batch", "v1", stand.namespace, "jobs")
        self._jobs: dict[str, float] = {}
        self._made: dict[str, float] = {}
        listings: list[tuple[Any, tuple[str, ...], dict[str, float]]] = [
            (stand.custom.list_namespaced_custom_object, custom, self._made),
            # As a custom resource: to make objects of each change would keep this client busy.
            (stand.custom.list_namespaced_custom_object, jobs, self._jobs),
        ]
        for listing, arguments, seen in listings:
            thread = threading.Thread(
                target=self._watch, args=(listing, arguments, seen), daemon=True
            )
            thread.start()
        time.sleep(1)

    def _watch(self, listing: Any, arguments: tuple[str, ...], seen: dict[str, float]) -> None:
        for event in watch.Watch().stream(listing, *arguments):
            now, metadata = time.monotonic(), event["raw_object"]["metadata"]
            seen.setdefault(metadata.get("labels", {}).get(JOB_LABEL, metadata["name"]), now)

    def delay(self, name: str) -> float:
        """The delay of a job that has a Job, in seconds."""
        return max(self._jobs[name] - self._made[name], 0.0)

    def made(self, name: str) -> float:
        """The time at which a RuntimeJob was seen."""
        return self._made[name]

    def started(self, name: str) -> float:
        """The time at which its Job was seen."""
        return self._jobs[name]

    def order(self) -> list[str]:
        """The jobs that have a Job, in the order in which these were seen."""
        return list(self._jobs)

    def wait(self, prefix: str, count: int) -> list[float]:
        """The delays of these jobs in seconds, once all have a Job."""
        names = [f"{prefix}-{number}" for number in range(count)]
        self.wait_for(names)
        return [self.delay(name) for name in names]

    def wait_for(self, names: Iterable[str]) -> None:
        """Wait until all of these have a Job."""
        missing = set(names)
        wait_until(lambda: missing <= self._jobs.keys(), 60, f"{len(missing)} Jobs")
