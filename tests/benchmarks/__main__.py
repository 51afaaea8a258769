"""``make bench``: the numbers that the README quotes, as one Markdown table.

Each benchmark runs against a real server process. Names on the command line choose some.
"""

import argparse
import os
import sys
import traceback
from collections.abc import Callable

from tests.benchmarks import (
    cluster_jobs,
    cluster_load,
    cluster_operator,
    console_flood,
    console_page,
    job_latency,
    kernel_alignment,
    listeners,
    many_ended,
    official_client,
    polls,
    scale,
    session_jobs,
    supervisor_start,
    timeline,
    vqe_overhead,
    warm_jobs,
)
from tests.benchmarks.table import Row, join_runs, print_table
from tests.cluster.target import find_missing

BENCHMARKS = {
    "latency": job_latency.run,
    "polls": polls.run,
    "many-ended": many_ended.run,
    "official-client": official_client.run,
    "listeners": listeners.run,
    "console": console_flood.run,
    "console-page": console_page.run,
    "supervisor": supervisor_start.run,
    "vqe": vqe_overhead.run,
    "kernel-alignment": kernel_alignment.run,
    "timeline": timeline.run,
}
OF_A_CONTROL_PLANE = {"scale": scale.run}
"""They bring a Kubernetes without nodes, compiled as the built cluster's."""
ON_A_CLUSTER = {
    "cluster-jobs": cluster_jobs.run,
    "cluster-queue": cluster_jobs.run_queue,
    "cluster-operator": cluster_operator.run,
    "cluster-load": cluster_load.run,
    "cluster-warm": warm_jobs.run,
    "cluster-session": session_jobs.run,
    "cluster-official-client": official_client.run_on_cluster,
}


def main() -> int:
    """Run the named benchmarks, or all, and print their rows; returns 1 where one has failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    known = BENCHMARKS | OF_A_CONTROL_PLANE | ON_A_CLUSTER
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(known)}")
    parser.add_argument("--runs", type=int, default=1, metavar="N", help="show N runs of each")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(known):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    if missing := find_missing():
        print(f"without {', '.join(ON_A_CLUSTER)}: {missing}", file=sys.stderr)
        known = BENCHMARKS | OF_A_CONTROL_PLANE
    # Where it is set, each process compiles again what an installation has compiled once.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    rows, failed = [], []
    for name, run in known.items():
        if not arguments.names or name in arguments.names:
            runs = [made for _ in range(arguments.runs) if (made := _try(name, run)) is not None]
            rows += join_runs(runs)
            failed += [name] * (arguments.runs - len(runs))
    print_table(rows)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _try(name: str, run: Callable[[], list[Row]]) -> list[Row] | None:
    """Return the rows; None where the benchmark failed, so that those of the others are kept."""
    print(f"running {name} ...", file=sys.stderr, flush=True)
    try:
        return run()
    except Exception:  # noqa: BLE001  (whatever ends one benchmark)
        traceback.print_exc()
        return None


sys.exit(main())
