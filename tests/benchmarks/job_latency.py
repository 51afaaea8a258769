"""POST to the final websocket message of a bell job, and the seed's 2,000 iterations."""

import statistics
import time

from websockets.sync.client import connect

from tests.benchmarks import bell
from tests.benchmarks.server import post, serve, stream, stream_address
from tests.benchmarks.table import Row, milliseconds, percentile

JOBS = 40
PAUSE_SECONDS = 2.0
ITERATIONS = 2000


def run() -> list[Row]:
    """Bell jobs with a pause and without one, then sample-program."""
    with serve({bell.NAME: bell.PROGRAM}) as client:
        _time_bell(client)
        paused = []
        for _ in range(JOBS):
            time.sleep(PAUSE_SECONDS)
            paused.append(_time_bell(client))
        in_a_row = [_time_bell(client) for _ in range(JOBS)]
        begin = time.monotonic()
        frames = stream(client, post(client, "sample-program", iterations=ITERATIONS))
        seconds = time.monotonic() - begin
    p50, p99 = statistics.median(paused), percentile(paused, 99)
    assert len(frames) == ITERATIONS + 1, "every iteration has its frame"
    return [
        Row(
            "POST to the final websocket message of a bell job",
            "p50 <= 150 ms",
            f"p50 {milliseconds(p50)}, p99 {milliseconds(p99)}",
            f"{JOBS} jobs after the first, {PAUSE_SECONDS:g} s apart: a runner was ready for each",
        ),
        Row(
            "the same, one right after the other",
            "",
            f"p50 {milliseconds(statistics.median(in_a_row))}",
            f"{JOBS} jobs, 2 workers: each worker's next runner is forked while its job runs",
        ),
        Row(
            f"sample-program, {ITERATIONS} iterations",
            "<= 60 s",
            f"{seconds:.1f} s",
            "one job, POST to the close of its stream",
        ),
    ]


def _time_bell(client) -> float:
    begin = time.monotonic()
    job_id = post(client, bell.NAME)
    with connect(stream_address(client, job_id), proxy=None) as websocket:
        websocket.recv()
        websocket.recv()
        return time.monotonic() - begin
