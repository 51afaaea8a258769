"""The start time of a supervisor, and its memory while it waits."""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from tests.benchmarks.table import Row, milliseconds

RUNS = 11


def run() -> list[Row]:
    """Measure the time until the program process is started, and the resident memory then."""
    times, sizes = zip(*(_start() for _ in range(RUNS)), strict=True)
    return [
        Row(
            "supervisor up",
            "<= 100 ms",
            f"p50 {milliseconds(statistics.median(times))}",
            f"from exec until it has a child, {RUNS} runs",
        ),
        Row(
            "supervisor's memory",
            "<= 25 MiB",
            f"{statistics.median(sizes) / 2**20:.1f} MiB",
            "resident, while the program process waits for a job",
        ),
    ]


def _start() -> tuple[float, int]:
    begin = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "runner"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while not children.read_text():
        time.sleep(0.001)
    seconds = time.monotonic() - begin
    time.sleep(1)
    pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    assert process.stdin is not None
    process.stdin.close()
    process.wait()
    return seconds, pages * os.sysconf("SC_PAGE_SIZE")
