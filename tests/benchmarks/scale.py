"""Memory, list latency, order and writes against the number of jobs that are kept.

The API server and the Job controller are real; the node is a fake one, as thousands of pods would
not fit on this machine. ``SCALE_JOBS=200,1000`` chooses other numbers of jobs, ``SCALE_RATE=8``
another rate of their submission.
"""

import asyncio
import os
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path

import httpx
import psutil

from qiskit_runtime.contract.resources.resource import SUBMITTED_AT
from tests.benchmarks.cluster_operator import Clock
from tests.benchmarks.control_plane import ControlPlane, open_control_plane
from tests.benchmarks.processor_time import read_seconds
from tests.benchmarks.server import time_reads
from tests.benchmarks.table import Row, keep_samples, milliseconds, percentile, show_percentiles
from tests.cluster.stand import Stand, free_port, open_stand, wait_until

COUNTS = "200,1000,5000"
RATE = int(os.environ.get("SCALE_RATE", "25"))
"""Jobs a second while a step is filled up."""
SLOTS = 100
"""How many run at once."""
BURST = 200
"""Jobs posted at once in the end: half of them wait, and their order is looked at."""
SETTLE_SECONDS = 65
"""After it the operator has compared all with a list of everything at least once."""
SEEN_SECONDS = 0.05
"""How long a job has to be there to count as waiting: a job's creation takes so long to be seen."""
READS = 200
MIB = 2**20
PARTS = ("operator", "api")
LISTS = {
    "first page": {"limit": 20},
    "by program and tag": {"program": "count", "tags": "none", "limit": 20},
    "last page": {"limit": 20, "offset": -20},
}


@dataclass(frozen=True)
class Step:
    """The measurements with so many ended jobs; memory in MiB, times in seconds."""

    jobs: int
    operator: float
    operator_peak: float
    api: float
    processor: dict[str, float]
    """CPU time of operator and API for each job of this step."""
    delays: list[float]
    lists: dict[str, list[float]]


def run() -> list[Row]:
    """Fill the cluster in steps; at the end a burst, and a new operator."""
    counts = [int(count) for count in os.environ.get("SCALE_JOBS", COUNTS).split(",")]
    with tempfile.TemporaryDirectory() as scratch, open_control_plane(Path(scratch)) as plane:
        users = {user: plane.kubeconfig(user) for user in ("operator", "api")}
        options = {
            "RUNTIME_MAX_RUNNING_JOBS": str(SLOTS),
            "RUNTIME_MAX_JOBS": "20000",
            # Leaves none of our ended jobs' records out of the measurement.
            "RUNTIME_STORAGE_BUDGET_MIB": "4096",
        }
        with open_stand(Path(scratch), plane.describe(), users, **options) as stand:
            _start_kubelet(stand, plane, Path(scratch))
            return _measure(stand, plane, counts, options)


def _start_kubelet(stand: Stand, plane: ControlPlane, folder: Path) -> None:
    module = [sys.executable, "-m", "tests.benchmarks.fake_kubelet"]
    files = [str(folder / name) for name in ("server.pem", "server.key")]
    command = [*module, stand.namespace, str(free_port()), *files]
    stand.add("kubelet", command, KUBECONFIG=plane.kubeconfig("kubelet"), PYTHONPATH=".")


def _measure(
    stand: Stand, plane: ControlPlane, counts: list[int], options: dict[str, str]
) -> list[Row]:
    clock = Clock(stand)
    empty = _weigh(stand, "operator"), _weigh(stand, "api")
    steps, posted = [], 0
    for count in counts:
        steps.append(_fill(stand, clock, posted, count))
        posted = count
        print(_describe(steps[-1]), file=sys.stderr, flush=True)
    writes = plane.count_writes()
    overtaking, ahead = _try_order(stand, clock, posted)
    ready, fresh = _restart(stand, options)
    keep_samples(
        "scale",
        {"steps": [asdict(step) for step in steps], "writes": writes, "empty": empty}
        | {"overtaking": [overtaking, ahead], "restart": [ready, *fresh]},
    )
    return [
        *_make_memory_rows(empty, steps),
        _make_processor_row(steps),
        *_make_list_rows(steps[-1]),
        *_make_delay_rows(steps),
        _make_write_row(writes, posted),
        Row(
            f"{BURST} posted at once to {SLOTS} places: jobs that overtook one that waited",
            "0",
            f"{overtaking}, by {milliseconds(ahead)}",
            "by the times of their submission, and of their Jobs' creation as one watch sees it",
        ),
        Row(
            f"a new operator with {posted + BURST} ended jobs",
            "",
            f"{ready:.1f} s until it has seen all, then {fresh[0]:.0f} MiB, peak {fresh[1]:.0f}",
            "from its start until it has started one more job",
        ),
    ]


def _fill(stand: Stand, clock: Clock, begin: int, end: int) -> Step:
    """Post jobs until there are ``end``, let them end, and measure."""
    busy = {part: _read_processor(stand, part) for part in PARTS}
    names = asyncio.run(_post(stand, end - begin, 1 / RATE))
    _wait_until_ended(stand, clock, names, end)
    taken = {part: _read_processor(stand, part) - busy[part] for part in PARTS}
    time.sleep(SETTLE_SECONDS)
    delays = [clock.delay(name) for name in names]
    return Step(
        end,
        _weigh(stand, "operator"),
        _read_peak(_find_process(stand, "operator").pid),
        _weigh(stand, "api"),
        {part: seconds / len(names) for part, seconds in taken.items()},
        delays,
        {name: _time_list(stand, query, end) for name, query in LISTS.items()},
    )


async def _post(stand: Stand, count: int, pause: float) -> list[str]:
    """Post jobs at fixed times; their ids, in order."""
    body = {"programId": "count", "hub": "", "group": "", "project": "", "backend": ""}
    limits = httpx.Limits(max_connections=BURST)
    async with httpx.AsyncClient(base_url=stand.url, timeout=120, limits=limits) as client:

        async def post(number: int) -> str:
            await asyncio.sleep(number * pause)
            answer = await client.post("/jobs", json=body | {"params": ["{}"]})
            while answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
                # The API server or etcd waits for a busy disk; a client tries again.
                await asyncio.sleep(1)
                answer = await client.post("/jobs", json=body | {"params": ["{}"]})
            answer.raise_for_status()
            return str(answer.json()["id"])

        return list(await asyncio.gather(*map(post, range(count))))


def _wait_until_ended(stand: Stand, clock: Clock, names: list[str], total: int) -> None:
    """Wait until so many jobs have ended, and these were seen to start.

    A submission that was not answered may have made a job besides.
    """
    wait_until(
        lambda: set(names) <= set(clock.order()) and _count_ended(stand) >= total,
        1200,
        f"{total} jobs have ended",
    )


def _count_ended(stand: Stand) -> int:
    answer = httpx.get(f"{stand.url}/jobs", params={"limit": 1}, timeout=30)
    return int(answer.json()["total"])


def _time_list(stand: Stand, query: dict[str, object], count: int) -> list[float]:
    query = query | ({"offset": count - 20} if query.get("offset") else {})
    with httpx.Client(base_url=stand.url, timeout=30) as client:
        return time_reads(client, "/jobs", query, READS)


def _try_order(stand: Stand, clock: Clock, posted: int) -> tuple[int, float]:
    """Post a burst; return how many jobs overtook one that waited, at most, and for how long.

    The first ones find free places, and do not wait for each other.
    """
    names = asyncio.run(_post(stand, BURST, 0))
    _wait_until_ended(stand, clock, names, posted + BURST)
    waited = set([name for name in clock.order() if name in set(names)][SLOTS:])
    jobs = stand.jobs()
    queue = sorted(waited, key=lambda name: jobs[name]["metadata"]["annotations"][SUBMITTED_AT])
    overtaken = [_find_overtaking(clock, queue, place) for place in range(len(queue))]
    return max(map(len, overtaken)), max(max(times, default=0.0) for times in overtaken)


def _find_overtaking(clock: Clock, queue: list[str], place: int) -> list[float]:
    """Return for how long each job that was submitted later had its Job before this one.

    A job overtakes only one that was there for a moment when it started itself.
    """
    made, started = clock.made(queue[place]), clock.started(queue[place])
    later = map(clock.started, queue[place + 1 :])
    return [started - other for other in later if made + SEEN_SECONDS < other < started]


def _restart(stand: Stand, options: dict[str, str]) -> tuple[float, tuple[float, float]]:
    """Return the seconds until a new operator has run a job, its memory then, and its peak."""
    stand.parts["operator"].kill()
    begin = time.monotonic()
    stand.start_operator(**options)
    (name,) = asyncio.run(_post(stand, 1, 0))
    wait_until(lambda: stand.kubernetes_jobs(name), 300, "the new operator starts a job")
    ready = time.monotonic() - begin
    time.sleep(SETTLE_SECONDS)
    return ready, (_weigh(stand, "operator"), _read_peak(_find_process(stand, "operator").pid))


def _find_process(stand: Stand, part: str) -> psutil.Process:
    process = stand.parts[part].process
    assert process
    return psutil.Process(process.pid)


def _read_processor(stand: Stand, part: str) -> float:
    """Return the CPU time of a part so far, in seconds."""
    return read_seconds(_find_process(stand, part).pid)


def _weigh(stand: Stand, part: str) -> float:
    """Return the resident memory of a part with its children, in MiB."""
    own = _find_process(stand, part)
    return sum(one.memory_info().rss for one in (own, *own.children(recursive=True))) / MIB


def _read_peak(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def _describe(step: Step) -> str:
    lists = {name: milliseconds(percentile(times, 99)) for name, times in step.lists.items()}
    processor = {part: milliseconds(seconds) for part, seconds in step.processor.items()}
    return (
        f"{step.jobs} jobs: operator {step.operator:.1f} MiB, peak {step.operator_peak:.1f}; "
        f"API {step.api:.1f} MiB; CPU {processor}; delay {show_percentiles(step.delays)}; "
        f"lists p99 {lists}"
    )


def _make_memory_rows(empty: tuple[float, float], steps: list[Step]) -> list[Row]:
    rows, first, last = [], steps[0], steps[-1]
    for place, (name, weigh) in enumerate(
        {"operator": lambda step: step.operator, "API": lambda step: step.api}.items()
    ):
        shown = ", ".join(f"{weigh(step):.0f} with {step.jobs}" for step in steps)
        span = max(last.jobs - first.jobs, 1)
        growth = (weigh(last) - weigh(first)) * 1024 / span
        how = "resident, a minute after the last job has ended"
        if name == "operator":
            how += f"; peak {last.operator_peak:.0f} MiB"
        measured = f"{shown} ({empty[place]:.0f} with none): {growth:.1f} KiB a job"
        rows.append(Row(f"memory of the {name}, MiB", "<= 150 with 1,000 jobs", measured, how))
    return rows


def _make_processor_row(steps: list[Step]) -> Row:
    shown = [
        ", ".join(f"{milliseconds(step.processor[part])} up to {step.jobs}" for step in steps)
        for part in PARTS
    ]
    how = "from the first POST of a step to the end of its last job"
    return Row("CPU time a job: operator; API", "does not grow", "; ".join(shown), how)


def _make_list_rows(step: Step) -> list[Row]:
    how = f"{READS} reads, one after the other, {step.jobs} ended jobs"
    return [
        Row(f"GET /jobs, {name}", "p99 <= 50 ms", show_percentiles(times), how)
        for name, times in step.lists.items()
    ]


def _make_delay_rows(steps: list[Step]) -> list[Row]:
    return [
        Row(
            f"RuntimeJob created to Job created, {RATE} a second, up to {step.jobs} jobs",
            "p50 <= 6 ms, p99 <= 30 ms",
            show_percentiles(step.delays),
            f"{len(step.delays)} jobs, each run to its end by a fake node meanwhile",
        )
        for step in steps
    ]


def _make_write_row(writes: Counter[str], jobs: int) -> Row:
    shown = {what: round(count / jobs, 2) for what, count in writes.most_common()}
    ours = sum(count for what, count in writes.items() if " events" not in what)
    how = f"the API server's audit log, Events not counted, a job: {shown}"
    return Row("our own Kubernetes API writes a job", "<= 7", f"{ours / jobs:.2f}", how)
