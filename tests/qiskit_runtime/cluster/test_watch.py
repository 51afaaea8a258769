"""A watch that breaks off or falls silent, over an API server in memory."""

import asyncio
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest

from qiskit_runtime.cluster import watch as watch_module
from qiskit_runtime.cluster.cache import ResourceCache
from qiskit_runtime.cluster.client import Unanswered
from qiskit_runtime.cluster.watch import ResourceWatch
from qiskit_runtime.host.backoff import Backoff

pytestmark = pytest.mark.anyio


class Api:
    """Opens a stream after some seconds, which ends in ``end`` after others, and counts lists.

    Its clock is the test's.
    """

    def __init__(self, to_open, to_break, end):
        self.now, self._to_open, self._to_break, self._end = 0.0, to_open, to_break, end
        self.lists = 0

    async def call(self, *_, **__):
        """A list without objects."""
        self.lists += 1
        return {"metadata": {"resourceVersion": "1"}, "items": []}

    @asynccontextmanager
    async def open_stream(self, *_, **__):
        """A stream without events."""
        self.now += self._to_open
        yield self._read()

    async def _read(self):
        self.now += self._to_break
        raise self._end
        yield b""


CUT_OFF = Unanswered("cut off")
SILENT = TimeoutError()


@pytest.mark.parametrize(
    ("to_open", "to_break", "end", "failures", "fresh", "lists"),
    [
        (0, 40, CUT_OFF, [0, 0, 0, 0], [True] * 4, 1),
        (0, 0.5, CUT_OFF, [0, 1, 2, 3], [True] * 4, 2),
        (20, 0, CUT_OFF, [0, 1, 2, 3], [True] * 4, 2),
        (0, 75, SILENT, [0, 1, 2, 3], [True, False, False, True], 2),
    ],
    ids=["a proxy cuts it off", "it ends at once", "the answer takes long", "it is silent"],
)
async def test_only_a_watch_that_was_good_is_opened_again_at_once_and_believed(
    monkeypatch, to_open, to_break, end, failures, fresh, lists
):
    """Any other makes the pauses longer; three of them in a row, and all is listed again.

    A silent one is opened by the API server as a good one is, and is not believed for that: the
    cache is not fresh until the list.
    """
    api, seen, done = Api(to_open, to_break, end), [], asyncio.Event()
    watch = ResourceWatch(api, "/things", ResourceCache(dict))

    class Pauses(Backoff):
        def next_seconds(self):
            seen.append((self.failures, watch.is_fresh, api.lists))
            if len(seen) == len(failures):
                done.set()
            super().next_seconds()
            return 0

    monkeypatch.setattr(watch_module, "Backoff", Pauses)
    monkeypatch.setattr(watch_module, "time", SimpleNamespace(monotonic=lambda: api.now))
    watching = asyncio.create_task(watch.run())
    await done.wait()
    monkeypatch.undo()
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    seen_failures, seen_fresh, seen_lists = zip(*seen[: len(failures)], strict=True)
    assert list(seen_failures) == failures
    assert list(seen_fresh) == fresh
    assert seen_lists[-1] == lists
