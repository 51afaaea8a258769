"""The workers: one step at a time for each object, again after a failure, never twice at once."""

import asyncio

import pytest

from controller import workers as workers_module
from controller.workers import Workers
from qiskit_runtime.cluster.client import Unanswered
from tests.operator.fake_cluster import refused

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Pauses of a hundredth of a second."""
    for name in ("FIRST_RETRY_SECONDS", "LONGEST_RETRY_SECONDS", "FAULT_SECONDS"):
        monkeypatch.setattr(workers_module, name, 0.01)


class Steps:
    """Steps that end with these answers, and a list of what was done."""

    def __init__(self, *answers):
        self.answers, self.taken, self.refreshed = list(answers), [], []
        self.gate = asyncio.Event()
        self.gate.set()
        self.at_once = self.most_at_once = 0

    async def step(self, name):
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.taken.append(name)
        await self.gate.wait()
        self.at_once -= 1
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def refresh(self, name):
        self.refreshed.append(name)


async def until(holds):
    """Wait until it holds."""
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110  (any condition)
            await asyncio.sleep(0.001)


async def test_step_that_names_no_time_is_the_last():
    """The worker ends; another event makes another one."""
    steps = Steps()
    workers = Workers("runtimejob", steps.step, steps.refresh)
    for count in (1, 2):
        workers.enqueue("j")
        await until(lambda count=count: len(steps.taken) == count and not workers._turns)
    assert steps.refreshed == []


async def test_step_is_repeated_after_its_time():
    """A wait needs no event."""
    steps = Steps(0, 0.01)
    workers = Workers("runtimejob", steps.step, steps.refresh)
    workers.enqueue("j")
    await until(lambda: len(steps.taken) == 3)


async def test_event_ends_a_wait():
    """A job that waits for long is looked at as soon as something happens to it."""
    steps = Steps(1000.0)
    workers = Workers("runtimejob", steps.step, steps.refresh)
    workers.enqueue("j")
    await until(lambda: steps.taken)
    workers.enqueue("j")
    await until(lambda: len(steps.taken) == 2)


async def test_event_during_a_step_is_not_lost():
    """Events lead to one more step, however many came; steps of one object never overlap."""
    steps = Steps()
    steps.gate.clear()
    workers = Workers("runtimejob", steps.step, steps.refresh)
    workers.enqueue("j")
    await until(lambda: steps.taken)
    for _ in range(5):
        workers.enqueue("j")
    steps.gate.set()
    await until(lambda: not workers._turns)
    assert (len(steps.taken), steps.most_at_once) == (2, 1)


async def test_step_that_the_api_server_refused_is_repeated_on_a_fresh_look():
    """Nothing was decided by it; what was read may have changed."""
    steps = Steps(refused(409), Unanswered("away"))
    workers = Workers("runtimejob", steps.step, steps.refresh)
    workers.enqueue("j")
    await until(lambda: len(steps.taken) == 3)
    assert steps.refreshed == ["j", "j"]


async def test_fault_in_a_step_holds_up_no_other(caplog):
    """The fault is logged with its traceback, and the step is repeated later."""
    steps = Steps(KeyError("uid"))
    workers = Workers("runtimejob", steps.step, steps.refresh)
    workers.enqueue("odd")
    workers.enqueue("j")
    await until(lambda: steps.taken.count("odd") == 2 and "j" in steps.taken)
    assert "KeyError" in caplog.text


async def test_close_stops_all():
    """The next operator goes on with what is unfinished."""
    steps = Steps()
    steps.gate.clear()
    workers = Workers("runtimejob", steps.step, steps.refresh)
    workers.enqueue("j")
    await until(lambda: steps.taken)
    await workers.close()
    assert not workers._tasks


async def test_steps_that_were_held_are_taken_in_the_order_of_the_places():
    """Until the release none is taken; an object that was named twice has one step."""
    steps = Steps()
    workers = Workers("runtimejob", steps.step, steps.refresh)
    workers.hold()
    for name in ("bb", "ccc", "a", "bb"):
        workers.enqueue(name)
    await asyncio.sleep(0.01)
    assert steps.taken == []
    await workers.release(len)
    await until(lambda: len(steps.taken) == 3)
    workers.enqueue("d")
    await until(lambda: not workers._turns)
    assert steps.taken == ["a", "bb", "ccc", "d"]
