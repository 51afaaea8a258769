"""The pauses of a watch that breaks off, over an API server in memory."""

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
    """Opens a stream after some seconds, which breaks off after others. Its clock is the test's."""

    def __init__(self, to_open, to_break):
        self.now, self._to_open, self._to_break = 0.0, to_open, to_break

    async def call(self, *_, **__):
        """A list without objects."""
        return {"metadata": {"resourceVersion": "1"}, "items": []}

    @asynccontextmanager
    async def open_stream(self, *_, **__):
        """A stream without events."""
        self.now += self._to_open
        yield self._read()

    async def _read(self):
        self.now += self._to_break
        raise Unanswered("cut off")
        yield b""


@pytest.mark.parametrize(
    ("to_open", "to_break", "failures"),
    [(0, 40, [0, 0, 0, 0]), (0, 0.5, [0, 1, 2, 3]), (20, 0, [0, 1, 2, 3])],
    ids=["a proxy cuts it off", "it ends at once", "the answer takes long"],
)
async def test_only_a_watch_that_has_not_lived_makes_the_next_pause_longer(
    monkeypatch, to_open, to_break, failures
):
    """One that was good for a while is opened again at once, however often it is cut off."""
    api, seen, done = Api(to_open, to_break), [], asyncio.Event()

    class Pauses(Backoff):
        def next_seconds(self):
            seen.append(self.failures)
            if len(seen) == len(failures):
                done.set()
            super().next_seconds()
            return 0

    monkeypatch.setattr(watch_module, "Backoff", Pauses)
    monkeypatch.setattr(watch_module, "time", SimpleNamespace(monotonic=lambda: api.now))
    watching = asyncio.create_task(ResourceWatch(api, "/things", ResourceCache(dict)).run())
    await done.wait()
    monkeypatch.undo()
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    assert seen[: len(failures)] == failures
