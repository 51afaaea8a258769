"""IBM's official client: a Bell job here against its own simulation, and many that wait."""

import asyncio
import logging
import os
import statistics
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from urllib.parse import urlsplit

from qiskit import QuantumCircuit
from qiskit_aer import AerSimulator
from qiskit_ibm_runtime import QiskitRuntimeService, SamplerV2

from qiskit_runtime.contract.resources.instance import DEFAULT_INSTANCE
from tests.benchmarks.polls import load, make_row
from tests.benchmarks.server import post, serve
from tests.benchmarks.table import Row, milliseconds, percentile
from tests.cluster.installed import count_reads, open_installed
from tests.cluster.target import require_cluster

PAIRS = 30
WAITING = 100
POLLS_A_SECOND = WAITING * 2
"""The polls of that many clients, each at 0.5 s."""

ENDED_JOBS = 5000
"""The jobs that the server keeps besides, as one does that has run for a while."""

SLEEP = """
import time

def main(backend, messenger):
    time.sleep(120)
"""

GOAL_SECONDS = 0.3


def run() -> list[Row]:
    """The time of a Bell job, and of the polls of waiting clients, in local mode."""
    with serve({"sleep": SLEEP}, workers=1, ended_jobs=ENDED_JOBS) as client:
        url = str(client.base_url).rstrip("/")
        rows = [_time_bell(url)]
        running, waiting = post(client, "sleep"), post(client, "sleep")
        time.sleep(2)
        rows.append(_poll(client.base_url.port, waiting, "", f", {ENDED_JOBS:,} others ended"))
        for job_id in (waiting, running):
            client.post(f"/jobs/{job_id}/cancel")
    return rows


def run_on_cluster() -> list[Row]:
    """The polls of waiting clients through the ingress, and what they cost Kubernetes."""
    with open_installed(require_cluster()) as installed:
        name = installed.post("hello-quantum", {"greeting": "Hello"})
        installed.wait(name)
        time.sleep(2)
        before = count_reads(installed)
        row = _poll(urlsplit(installed.url).port or 80, name, installed.token)
        reads = count_reads(installed) - before
    how = "requests for RuntimeJobs that the API server counted meanwhile, but for watches"
    return [
        row,
        Row(f"Kubernetes reads of {WAITING} waiting official clients", "0", str(reads), how),
    ]


def _poll(port: int | None, job_id: str, token: str, others: str = "") -> Row:
    path = f"/experimental/jobs/{job_id}?exclude_params=true"
    samples = asyncio.run(load(port or 80, path, token, POLLS_A_SECOND, WAITING))
    row = make_row(samples, "p99 <= 50 ms", POLLS_A_SECOND, WAITING)
    return replace(row, how=row.how + others)


def _time_bell(url: str) -> Row:
    """Take the times in turn: what the machine does meanwhile is the same for both."""
    with _environment(url):
        backend = QiskitRuntimeService().backend("aer_simulator")
        own, ours = AerSimulator(), backend
        pairs = [(_time_sampler(own), _time_sampler(ours)) for _ in range(PAIRS + 2)][2:]
    differences = [here - there for there, here in pairs]
    there, here = (statistics.median(times) for times in zip(*pairs, strict=True))
    return Row(
        "SamplerV2 on a Bell circuit through the server, over the client's own run",
        f"<= {GOAL_SECONDS} s more",
        f"{milliseconds(statistics.median(differences))} more ({milliseconds(here)} against"
        f" {milliseconds(there)}), p90 {milliseconds(percentile(differences, 90))} more",
        f"medians of {PAIRS} pairs, in turn; result(poll_interval=0.1), as far as the client goes",
    )


def _time_sampler(backend: object) -> float:
    bell = QuantumCircuit(2)
    bell.h(0)
    bell.cx(0, 1)
    bell.measure_all()
    begin = time.perf_counter()
    job = SamplerV2(backend).run([bell], shots=1000)
    result = job.result() if isinstance(backend, AerSimulator) else job.result(poll_interval=0.1)
    seconds = time.perf_counter() - begin
    assert set(result[0].data.meas.get_counts()) == {"00", "11"}
    return seconds


@contextmanager
def _environment(url: str) -> Iterator[None]:
    """Set the variables that ``qiskit-runtime env`` prints."""
    variables = {
        "IAM_URL": url,
        "QISKIT_FUNCTIONS_EXPERIMENTAL": "1",
        "QISKIT_IBM_TOKEN": "none",
        "QISKIT_IBM_INSTANCE": DEFAULT_INSTANCE.crn,
        "QISKIT_IBM_URL": f"{url}/experimental",
    }
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            del os.environ[name]
