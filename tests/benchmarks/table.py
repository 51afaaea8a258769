"""A row of the benchmarks' table, and how the table is printed."""

import json
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

SAMPLES = Path(__file__).with_name("samples")

_runs: defaultdict[str, list[dict[str, object]]] = defaultdict(list)
"""By the name of a row: its samples of each run of this process."""


@dataclass(frozen=True)
class Row:
    """A row of the table: the quantity, its goal, the result, and the way it was measured."""

    what: str
    goal: str
    measured: str
    how: str


def join_runs(runs: Sequence[Sequence[Row]]) -> list[Row]:
    """Return the rows of several runs of a benchmark as one, whose results show the spread."""
    return [
        replace(rows[0], measured="; ".join(row.measured for row in rows))
        for rows in zip(*runs, strict=True)
    ]


def print_table(rows: Iterable[Row]) -> None:
    """Print Markdown."""
    print("| what | goal | measured | how |")
    print("| --- | --- | --- | --- |")
    for row in rows:
        print(f"| {row.what} | {row.goal} | {row.measured} | {row.how} |")


def keep_samples(name: str, samples: dict[str, object]) -> None:
    """Write the raw data of a row, those of each run, into a file next to the benchmarks."""
    SAMPLES.mkdir(exist_ok=True)
    _runs[name].append(samples)
    (SAMPLES / f"{name}.json").write_text(json.dumps(_runs[name], indent=1) + "\n")


def percentile(samples: Sequence[float], percent: int) -> float:
    """The sample that ``percent`` of all do not exceed."""
    return statistics.quantiles(samples, n=100, method="inclusive")[percent - 1]


def show_percentiles(samples: Sequence[float]) -> str:
    """Times for the table: half of them, and nearly all, take no longer."""
    return ", ".join(f"p{n} {milliseconds(percentile(samples, n))}" for n in (50, 99))


def milliseconds(seconds: float) -> str:
    """A time for the table."""
    return f"{seconds * 1000:.1f} ms"
