"""POST to the final websocket message of a bell job, and the seed's 2,000 iterations."""

import time

import httpx
from websockets.sync.client import connect

from tests.benchmarks import bell
from tests.benchmarks.processor_time import processor_seconds
from tests.benchmarks.server import post, serve, stream, stream_address
from tests.benchmarks.table import Row, keep_samples, milliseconds, show_percentiles

JOBS = 40
PAUSE_SECONDS = 2.0
SESSION_PAUSE_SECONDS = 0.2
ITERATIONS = 2000
BACKEND = "aer_simulator"


def run() -> list[Row]:
    """Bell jobs with a pause and without one, then sample-program."""
    with serve({bell.NAME: bell.PROGRAM}) as client:
        _time_bell(client)
        paused = []
        for _ in range(JOBS):
            time.sleep(PAUSE_SECONDS)
            paused.append(_time_bell(client))
        in_a_row, processor = _time_in_a_row(client)
        in_a_session = _time_session(client)
        begin = time.monotonic()
        frames = stream(client, post(client, "sample-program", iterations=ITERATIONS))
        seconds = time.monotonic() - begin
    assert len(frames) == ITERATIONS + 1, "every iteration has its frame"
    keep_samples(
        "latency",
        {"paused": paused, "in a row": in_a_row, "in a session": in_a_session}
        | {"processor": processor / JOBS, "sample-program": seconds},
    )
    return [
        Row(
            "POST to the final websocket message of a bell job",
            "p50 <= 150 ms",
            show_percentiles(paused),
            f"{JOBS} jobs after the first, {PAUSE_SECONDS:g} s apart: a runner was ready for each",
        ),
        Row(
            "the same, one right after the other",
            "p50 <= 40 ms, p99 <= 100 ms",
            show_percentiles(in_a_row),
            f"{JOBS} jobs, 2 workers: each worker's next runner is forked while its job runs",
        ),
        Row(
            "CPU of a local job, all processes",
            "",
            milliseconds(processor / JOBS),
            "the same jobs, with the start of each one's runner, the server and the client",
        ),
        Row(
            "POST to the final message of a session's job",
            "p50 <= 40 ms",
            show_percentiles(in_a_session),
            f"{JOBS} jobs in one session, each {SESSION_PAUSE_SECONDS:g} s after the result before",
        ),
        Row(
            f"sample-program, {ITERATIONS} iterations",
            "<= 60 s",
            f"{seconds:.1f} s",
            "one job, POST to the close of its stream",
        ),
    ]


def _time_in_a_row(client: httpx.Client) -> tuple[list[float], float]:
    """Return the times of jobs without a pause, and the CPU time that they took together."""
    time.sleep(PAUSE_SECONDS)
    begin = processor_seconds()
    times = [_time_bell(client) for _ in range(JOBS)]
    # The runners of the last jobs end, and those that take their place are ready, as at the start.
    time.sleep(PAUSE_SECONDS)
    return times, processor_seconds() - begin


def _time_session(client: httpx.Client) -> list[float]:
    """Return the times of a session's jobs, each posted a moment after the result before it."""
    opened = client.post("/api/v1/sessions", json={"mode": "dedicated", "backend": BACKEND})
    body = {"program_id": bell.NAME, "backend": BACKEND, "params": {}}
    body |= {"session_id": opened.json()["id"]}
    times = []
    for _ in range(JOBS + 1):
        time.sleep(SESSION_PAUSE_SECONDS)
        begin = time.monotonic()
        answer = client.post("/api/v1/jobs", json=body)
        answer.raise_for_status()
        times.append(_time_frames(client, answer.json()["id"], begin))
    # The first job of a session opens it.
    return times[1:]


def _time_bell(client: httpx.Client) -> float:
    begin = time.monotonic()
    return _time_frames(client, post(client, bell.NAME), begin)


def _time_frames(client: httpx.Client, job_id: str, begin: float) -> float:
    """Return the seconds until the second frame of a job, its result."""
    with connect(stream_address(client, job_id), proxy=None) as websocket:
        websocket.recv()
        websocket.recv()
        return time.monotonic() - begin
