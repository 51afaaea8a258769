"""One bell job's time, stage by stage: in local mode, on a pod that waits for it, on a cold pod.

A stage ends when an observer outside sees its end: the answer to the POST, an event of a watch, a
frame at a listener. Each of them is the median of some jobs. ``docs/assets/timeline.svg`` is drawn.
"""

import statistics
import time
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import httpx
import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from websockets.sync.client import connect

from tests.benchmarks import bell
from tests.benchmarks.server import post, serve, stream_address
from tests.benchmarks.table import Row, keep_samples, milliseconds
from tests.benchmarks.warm_jobs import POOL, open_stand_with_pool, wait_for_pool
from tests.cluster.stand import Stand, wait_until
from tests.cluster.target import find_missing
from tests.faults.history import History
from tests.faults.recorder import Recorder

JOBS = 7
FIGURE = Path(__file__).parents[2] / "docs" / "assets" / "timeline.svg"
FINAL = "Completed"

Stages = dict[str, float]
"""The seconds from the POST to the end of each stage, in the order of the ends."""


def run() -> list[Row]:
    """The rows of local mode, and of both kinds of pods where there is a cluster."""
    taken = {"local, a runner ready": _measure_local()}
    if not find_missing():
        taken["warm pod"] = _measure_on_cluster(POOL)
        taken["cold pod"] = _measure_on_cluster(0)
    keep_samples("timeline", dict(taken))
    medians = {name: _find_medians(jobs) for name, jobs in taken.items()}
    draw(medians)
    how = f"medians of {JOBS} jobs, one after the other, seen from outside"
    return [
        Row(f"when a bell job's stages end: {name}", "", _describe(stages), how)
        for name, stages in medians.items()
    ]


def _describe(stages: Stages) -> str:
    return ", ".join(f"{stage} {milliseconds(seconds)}" for stage, seconds in stages.items())


def _find_medians(jobs: list[Stages]) -> Stages:
    """Return the medians of the stages that most jobs were seen in: not all are, as Running."""
    seen = {stage: [job[stage] for job in jobs if stage in job] for stage in {*chain(*jobs)}}
    most = len(jobs) / 2
    medians = {stage: statistics.median(ends) for stage, ends in seen.items() if len(ends) > most}
    return dict(sorted(medians.items(), key=lambda stage: stage[1]))


def _measure_local() -> list[Stages]:
    with serve({bell.NAME: bell.PROGRAM}) as client:
        _time_local(client)
        jobs = []
        for _ in range(JOBS):
            # Until the next runner is ready.
            time.sleep(2)
            jobs.append(_time_local(client))
        return jobs


def _time_local(client: httpx.Client) -> Stages:
    begun = time.perf_counter()
    job_id = post(client, bell.NAME)
    stages = {"accepted": time.perf_counter() - begun}
    stages |= _follow(stream_address(client, job_id), begun)
    while client.get(f"/jobs/{job_id}").json()["status"] != FINAL:
        time.sleep(0.001)
    return stages | {FINAL: time.perf_counter() - begun}


def _follow(address: str, begun: float) -> Stages:
    """Return when the program's first message came, and when its result."""
    with connect(address, proxy=None, open_timeout=60) as listener:
        first, result = ((listener.recv(), time.perf_counter() - begun)[1] for _ in range(2))
    return {"first message": first, "result": result}


def _measure_on_cluster(pool: int) -> list[Stages]:
    with open_stand_with_pool(pool) as stand:
        jobs = []
        for _ in range(JOBS + 1):
            wait_for_pool(stand, pool)
            jobs.append(_time_on_cluster(stand))
        # The first one has the caches to fill.
        return jobs[1:]


def _time_on_cluster(stand: Stand) -> Stages:
    # A client loads the certificates of all authorities as it is made, which takes 40 ms.
    with Recorder(stand) as recorder, httpx.Client(base_url=stand.url, timeout=60) as api:
        # Its watches tell what is there first.
        time.sleep(1)
        posted, begun = recorder.seconds, time.perf_counter()
        name = post(api, bell.NAME)
        stages = {"accepted": time.perf_counter() - begun}
        stages |= _follow(stream_address(api, name), begun)
        wait_until(lambda: stand.phase(name) == FINAL, 60, f"{name} is {FINAL}")
    return stages | _find_events(recorder.history, name, posted)


def _find_events(history: History, name: str, posted: float) -> Stages:
    """Return when the watches told of the job's resource, Job and pod, and of its end."""
    ours = [event for event in history.events if event.name == name]
    uid = next(event.uid for event in ours if event.kind == "RuntimeJob")
    jobs = {event.uid for event in history.events if event.kind == "Job" and event.owner == uid}
    marks: dict[str, Callable[..., bool]] = {
        "resource seen": lambda event: event.uid == uid,
        "Job is its own": lambda event: event.kind == "Job" and event.owner == uid,
        "container started": lambda event: event.owner in jobs and event.ran,
        "status Running": lambda event: event.uid == uid and event.phase == "Running",
        FINAL: lambda event: event.uid == uid and event.phase == FINAL,
    }
    found = {
        stage: next((event.seconds for event in history.events if is_it(event)), None)
        for stage, is_it in marks.items()
    }
    # A pod that waited has started before.
    return {
        stage: seconds - posted
        for stage, seconds in found.items()
        if seconds is not None and seconds > posted
    }


def draw(medians: dict[str, Stages]) -> None:
    """Draw a line for each way to run a job, each to its own scale."""
    mpl.rcParams["svg.fonttype"] = "none"
    mpl.rcParams["svg.hashsalt"] = "timeline"
    figure = Figure(figsize=(9, 1.9 * len(medians)), layout="constrained")
    every = figure.subplots(len(medians), squeeze=False)
    for axes, (name, stages) in zip(every[:, 0], medians.items(), strict=True):
        _draw_line(axes, name, stages)
    figure.savefig(FIGURE, metadata={"Date": None})


def _draw_line(axes: Axes, name: str, stages: Stages) -> None:
    ends = [seconds * 1000 for seconds in stages.values()]
    for number, (stage, begin, end) in enumerate(zip(stages, [0, *ends], ends, strict=False)):
        label = f"{stage}: {end:.0f} ms"
        axes.broken_barh([(begin, end - begin)], (0, 1), color=f"C{number}", label=label)
    axes.set(ylim=(0, 1), xlim=(0, ends[-1]), yticks=[], xlabel="ms after the POST")
    axes.set_title(name, loc="left", fontsize=10)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=8, frameon=False)
    axes.spines[["top", "left", "right"]].set_visible(False)
