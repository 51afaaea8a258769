"""Local mode with thousands of ended jobs in its data folder: its start, and its lists."""

import tempfile
import time
from pathlib import Path
from statistics import median

from tests.benchmarks.server import start, time_reads, write_ended_jobs
from tests.benchmarks.table import Row, keep_samples, show_percentiles

ENDED = 5000
READS = 200
STARTS = 3
LISTS = {
    "first page": {"limit": 20},
    "largest page": {"limit": 200},
    "last page": {"limit": 20, "offset": ENDED - 20},
    "by program": {"program": "hello-quantum", "limit": 20},
    "by a tag that none has": {"tags": "none", "limit": 20},
}


def run() -> list[Row]:
    """Start a server over them, beside one over an empty folder, and list."""
    with tempfile.TemporaryDirectory() as scratch:
        full, empty = Path(scratch) / "full", Path(scratch) / "empty"
        empty.mkdir()
        write_ended_jobs(full / "data", ENDED)
        starts = {
            folder.name: [_time_start(folder) for _ in range(STARTS)] for folder in (empty, full)
        }
        with start(full) as client:
            lists = {
                name: time_reads(client, "/jobs", query, READS) for name, query in LISTS.items()
            }
    keep_samples("many_ended", {"starts": starts, "lists": lists})
    usual = {name: median(times) for name, times in starts.items()}
    how = f"median of {STARTS}, exec to first answer; {usual['empty']:.2f} s with none"
    return [
        Row(f"start with {ENDED} ended jobs", "<= 2 s", f"{usual['full']:.2f} s", how),
        *(
            Row(
                f"GET /jobs, {name}",
                "p99 <= 50 ms",
                show_percentiles(times),
                f"{READS} reads, one after the other, {ENDED} ended jobs",
            )
            for name, times in lists.items()
        ),
    ]


def _time_start(folder: Path) -> float:
    begin = time.perf_counter()
    with start(folder):
        return time.perf_counter() - begin
