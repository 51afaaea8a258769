"""``make bench``: the numbers that the README quotes, as one Markdown table.

Each benchmark runs against a real server process. Names on the command line choose some.
"""

import sys

from tests.benchmarks import console_flood, job_latency, listeners, polls, supervisor_start
from tests.benchmarks.table import print_table

BENCHMARKS = {
    "latency": job_latency.run,
    "polls": polls.run,
    "listeners": listeners.run,
    "console": console_flood.run,
    "supervisor": supervisor_start.run,
}


def main(names: list[str]) -> int:
    """Run the named benchmarks, or all, and print their rows."""
    unknown = set(names) - set(BENCHMARKS)
    if unknown:
        print(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
        return 2
    rows = []
    for name, run in BENCHMARKS.items():
        if not names or name in names:
            print(f"running {name} ...", file=sys.stderr, flush=True)
            rows += run()
    print_table(rows)
    return 0


sys.exit(main(sys.argv[1:]))
