"""``make bench``: the numbers that the README quotes, as one Markdown table.

Each benchmark runs against a real server process. Names on the command line choose some.
"""

import sys

from tests.benchmarks import (
    cluster_jobs,
    cluster_load,
    cluster_operator,
    console_flood,
    job_latency,
    kernel_alignment,
    listeners,
    many_ended,
    official_client,
    polls,
    scale,
    supervisor_start,
    vqe_overhead,
    warm_jobs,
)
from tests.benchmarks.table import print_table
from tests.cluster.target import find_missing

BENCHMARKS = {
    "latency": job_latency.run,
    "polls": polls.run,
    "many-ended": many_ended.run,
    "official-client": official_client.run,
    "listeners": listeners.run,
    "console": console_flood.run,
    "supervisor": supervisor_start.run,
    "vqe": vqe_overhead.run,
    "kernel-alignment": kernel_alignment.run,
}
OF_A_CONTROL_PLANE = {"scale": scale.run}
"""They bring a Kubernetes without nodes, compiled as the built cluster's."""
ON_A_CLUSTER = {
    "cluster-jobs": cluster_jobs.run,
    "cluster-operator": cluster_operator.run,
    "cluster-load": cluster_load.run,
    "cluster-warm": warm_jobs.run,
    "cluster-official-client": official_client.run_on_cluster,
}


def main(names: list[str]) -> int:
    """Run the named benchmarks, or all, and print their rows."""
    known = BENCHMARKS | OF_A_CONTROL_PLANE | ON_A_CLUSTER
    if unknown := set(names) - set(known):
        print(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
        return 2
    if missing := find_missing():
        print(f"without {', '.join(ON_A_CLUSTER)}: {missing}", file=sys.stderr)
        known = BENCHMARKS | OF_A_CONTROL_PLANE
    rows = []
    for name, run in known.items():
        if not names or name in names:
            print(f"running {name} ...", file=sys.stderr, flush=True)
            rows += run()
    print_table(rows)
    return 0


sys.exit(main(sys.argv[1:]))
