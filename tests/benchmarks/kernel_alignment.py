"""Ten steps of quantum-kernel-alignment on 20 points of 14 features, as in the tutorial of 2021."""

import json
import os
import time

import numpy as np

from tests.benchmarks.server import post, serve, stream
from tests.benchmarks.table import Row
from tests.programs.coset_points import EDGES, draw_points

POINTS = 20
STEPS = 10
SHOTS = 8192


def run() -> list[Row]:
    """Time a job with shots and one with exact kernels, the server and its runners on one core."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})  # what the server starts has it too
    try:
        with serve({}, workers=1) as client:
            stream(client, post(client, "hello-quantum", greeting="Hello"))
            seconds, accuracy = _time_job(client, SHOTS)
            exact_seconds, exact_accuracy = _time_job(client, None)
    finally:
        os.sched_setaffinity(0, cores)
    kernels = 2 * STEPS + 1
    circuits = kernels * POINTS * (POINTS - 1) // 2
    what = f"quantum-kernel-alignment, {STEPS} steps, {POINTS} points, 7 qubits"
    return [
        Row(
            f"{what}, {SHOTS} shots",
            "<= 60 s",
            f"{seconds:.1f} s",
            f"one core, POST to the close of its stream: {circuits:,} circuits;"
            f" accuracy {accuracy:.2f}",
        ),
        Row(
            f"{what}, exact kernels",
            "",
            f"{exact_seconds:.1f} s",
            f"the same with shots null; accuracy {exact_accuracy:.2f}",
        ),
    ]


def _time_job(client, shots: int | None) -> tuple[float, float]:
    points, labels = draw_points(7, EDGES[7], POINTS, np.random.default_rng(1))
    begin = time.monotonic()
    job_id = post(
        client,
        "quantum-kernel-alignment",
        feature_map={"feature_dimension": 14, "entangler_map": EDGES[7]},
        data=points.tolist(),
        labels=labels.tolist(),
        initial_kernel_parameters=[0.1],
        maxiters=STEPS,
        shots=shots,
        seed_simulator=1,
    )
    frames = stream(client, job_id)
    seconds = time.monotonic() - begin
    assert len(frames) == STEPS + 1, "every step has its frame"
    return seconds, json.loads(frames[-1])["accuracy"]
