"""A million printed lines: through the runner, and to a file."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.server import post, serve, stream
from tests.benchmarks.table import Row

LINES = 1_000_000
ROUNDS = 5
PROGRAM = f"""
import sys, time

def main(backend=None, messenger=None):
    begin = time.perf_counter()
    for number in range({LINES}):
        print("line", number)
    sys.stdout.flush()
    return time.perf_counter() - begin

if __name__ == "__main__":
    print(main(), file=sys.stderr)
"""


def run() -> list[Row]:
    """Run the same loop in turn as a job and as a script into a file; compare their seconds."""
    jobs, files = [], []
    with serve({"printer": PROGRAM}) as client, tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "printer.py"
        script.write_text(PROGRAM)
        for _ in range(ROUNDS):
            jobs.append(float(json.loads(stream(client, post(client, "printer"))[-1])))
            files.append(_time_into_file(script))
    ratio = statistics.median(job / file for job, file in zip(jobs, files, strict=True))
    job, file = statistics.median(jobs), statistics.median(files)
    measured = f"{ratio:.2f} times ({job:.3f} s against {file:.3f} s)"
    how = (
        f"medians of {ROUNDS} pairs in turn, timed within the program;"
        " the record keeps the first 2.2 MiB"
    )
    what = f"printing {LINES:,} lines against writing them to a file"
    return [Row(what, "<= 1.15 times", measured, how)]


def _time_into_file(script: Path) -> float:
    with (script.parent / "lines").open("w") as lines:
        # Unbuffered Python would make the file six times as slow, and us look good.
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
        done = subprocess.run(
            [sys.executable, str(script)],
            env=environment,
            stdout=lines,
            stderr=subprocess.PIPE,
            text=True,
            check=True,
        )
    return float(done.stderr)
