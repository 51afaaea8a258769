"""The times of a sampler's runs, in the form of qiskit-ibm-runtime's execution spans.

The form is written here, as the package with its classes takes longer to import than most runs.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any


class RunTimes:
    """Takes the time of each pub's run, in order."""

    def __init__(self) -> None:
        self._spans: list[dict[str, Any]] = []

    @contextmanager
    def measure(self, shape: tuple[int, ...]) -> Iterator[None]:
        """Take the time of the block, which runs the next pub: data of this shape, all of it."""
        start = datetime.now(UTC)
        yield
        slices = {str(len(self._spans)): [list(shape), 0, math.prod(shape)]}
        span = {"start": start, "stop": datetime.now(UTC), "data_slices": slices}
        self._spans.append({"__type__": "ExecutionSpan", "__value__": span})

    @property
    def metadata(self) -> dict[str, Any]:
        """The entry of a result's metadata, where the client's users look for the spans."""
        spans = {"__type__": "ExecutionSpans", "__value__": {"spans": self._spans}}
        return {"execution": {"execution_spans": spans}}
