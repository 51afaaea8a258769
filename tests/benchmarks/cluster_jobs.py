"""Jobs on the installed chart compared with bare Kubernetes Jobs of the same image and circuit.

Both take turns in one run, so that a noisy machine is noisy for both.
"""

import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil
from kubernetes import client, config

from tests.benchmarks import bell
from tests.benchmarks.table import Row, keep_samples
from tests.benchmarks.two_kinds import BareJobs, OurJobs, make_rate_row
from tests.cluster.installed import Installed, open_installed
from tests.cluster.target import JOBS_NAMESPACE, require_cluster

PAIRS = 15
AT_ONCE = 50
ROUNDS = 2
COUNTED = 10
QUEUED = int(os.environ.get("QUEUE_JOBS", "100"))
IN_FLIGHT = 8


def run() -> list[Row]:
    """The rows of a single job, then of many at once."""
    with _open() as (ours, bare, installed):
        ours.time(installed.listen)
        bare.time()
        return [
            *_compare_one(ours, bare, installed),
            _compare_processor_time(ours, bare),
            _compare_many(ours, bare),
        ]


@contextmanager
def _open() -> Iterator[tuple[OurJobs, BareJobs, Installed]]:
    """Both kinds of jobs, on the installed chart."""
    cluster = require_cluster()
    config.load_kube_config(cluster.kubeconfig)
    with client.ApiClient() as api, open_installed(cluster) as installed:
        program = installed.install_program(bell.PROGRAM)
        custom = client.CustomObjectsApi(api)
        ours = OurJobs(lambda: installed.post(program), custom, JOBS_NAMESPACE)
        bare = BareJobs(client.BatchV1Api(api), JOBS_NAMESPACE, cluster.runner_image)
        yield ours, bare, installed


def _compare_one(ours: OurJobs, bare: BareJobs, installed: Installed) -> list[Row]:
    message, status, plain = [], [], []
    for _ in range(PAIRS):
        times = ours.time(installed.listen)
        message.append(times[0])
        status.append(times[1])
        plain.append(bare.time())
    keep_samples("cluster_one", {"message": message, "status": status, "bare": plain})
    middle = statistics.median(plain)
    rows = []
    for what, goal, samples in (
        ("POST to the final websocket message of a bell job, cold pod", 0.28, message),
        ("POST to the status Completed", 0.4, status),
    ):
        p50 = statistics.median(samples)
        how = f"medians of {PAIRS} jobs and {PAIRS} bare Jobs of the same image, in turn"
        measured = f"{p50 / middle:.2f} x ({p50:.2f} s against {middle:.2f} s)"
        rows.append(Row(what, f"<= {goal} x a bare Job's time to complete", measured, how))
    return rows


def _compare_processor_time(ours: OurJobs, bare: BareJobs) -> Row:
    """Compare what all processes of the machine compute for a job, the cluster's own included."""
    idle = _measure_busy(lambda: time.sleep(10)) / 10
    totals = []
    # Neither deletes what has ended within its time.
    for run in (lambda: ours.rate(COUNTED, 1), lambda: bare.run(COUNTED, 1)):
        begin = time.monotonic()
        busy = _measure_busy(run)
        totals.append((busy - idle * (time.monotonic() - begin)) / COUNTED)
    bare.remove()
    keep_samples("cluster_cpu", {"ours": totals[0], "bare": totals[1], "idle": idle})
    measured = f"{totals[0]:.2f} s against {totals[1]:.2f} s of a bare Job"
    how = (
        f"the machine's processors over {COUNTED} jobs, less what it takes idle: pods, kubelet, "
        "containerd, etcd, API server, operator, API, Redis and the client"
    )
    return Row("CPU time of a bell job, all processes, cold pod", "", measured, how)


def _measure_busy(run: Callable[[], object]) -> float:
    def busy() -> float:
        now = psutil.cpu_times()
        return now.user + now.nice + now.system + now.irq + now.softirq

    begin = busy()
    run()
    # What is taken away afterwards counts as well.
    time.sleep(3)
    return busy() - begin


def _compare_many(ours: OurJobs, bare: BareJobs) -> Row:
    rates = [(ours.rate(AT_ONCE), bare.rate(AT_ONCE)) for _ in range(ROUNDS)]
    keep_samples("cluster_many", {"ours_and_bare": rates})
    return make_rate_row(f"{AT_ONCE} jobs at once, cold pods", ">= 1.0", rates)


def run_queue() -> list[Row]:
    """More jobs at once than the node has room for, beside the same few at a time."""
    with _open() as (ours, _, _):
        # A hundred tell the rate of a few at a time; a thousand would take a quarter of an hour.
        few, many = ours.rate(min(QUEUED, 100), IN_FLIGHT), ours.rate(QUEUED)
    keep_samples("cluster_queue", {"few": few, "many": many})
    measured = f"{many / few:.2f} x ({many:.2f} against {few:.2f}/s)"
    how = "the node has room for 11 pods of this size; QUEUE_JOBS= takes another number"
    goal = f"as fast as {IN_FLIGHT} at a time"
    return [Row(f"{QUEUED} jobs at once on a node for 11", goal, measured, how)]
