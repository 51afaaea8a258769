"""Parameters of any size against schemas of any kind, while the server goes on."""

import asyncio
import json
import time

import pytest

from api import params_check
from api.params_check import QUICK_COST, ParamsCheck
from qiskit_runtime.contract.program import Program, ProgramMetadata
from qiskit_runtime.params_schema import ParamsError

pytestmark = pytest.mark.anyio

MANY = {"items": {"anyOf": [{"const": number} for number in range(100)]}}
SLOW = {"properties": {"a": MANY}}
"""A check of millions of numbers by it takes most of a minute."""


def program_of(schema) -> Program:
    metadata = {"name": "p", "description": "", "spec": {"parameters": schema}}
    return Program(id="p", metadata=ProgramMetadata.model_validate(metadata))


async def find(schema, params) -> list[ParamsError]:
    check = ParamsCheck()
    return list(await check.find_errors(program_of(schema), params, json.dumps(params)))


async def test_small_and_large_parameters_are_checked_alike():
    """At once or in a process of its own: the error is the same, and names the place."""
    numbers = [1] * (QUICK_COST // 200)

    for size in (1, len(numbers)):
        assert await find(SLOW, {"a": numbers[:size]}) == []
        [error] = await find(SLOW, {"a": [*numbers[:size], "x"]})
        assert error.place == ("a", size)
        assert error.message.startswith('"x" is not valid')


async def test_slow_check_holds_nobody_up_and_is_given_up(monkeypatch, caplog):
    """What takes too long is left to the program; the server answers others meanwhile."""
    monkeypatch.setattr(params_check, "PATIENCE", 2.0)
    params = {"a": [99] * 2_000_000}
    text = json.dumps(params)
    begin = time.monotonic()
    work = asyncio.create_task(ParamsCheck().find_errors(program_of(SLOW), params, text))
    longest = 0.0
    while not work.done():
        last = time.monotonic()
        await asyncio.sleep(0.01)
        longest = max(longest, time.monotonic() - last)

    assert await work == []
    assert "were not checked" in caplog.text
    assert time.monotonic() - begin < 10
    assert longest < 1


async def test_unchecked_schema_that_is_broken_takes_anything_and_is_told_once(caplog):
    """A folder's or kubectl's program runs all the same; who wrote it finds out in the log."""
    check = ParamsCheck()
    for _ in range(3):
        assert await check.find_errors(program_of({"type": "objet"}), {"a": 1}, "{}") == []

    assert caplog.text.count("program p: its parameters are not checked") == 1


async def test_program_without_a_schema_takes_anything():
    """As in 2021."""
    assert await find(None, {"anything": [1, "x"]}) == []
    assert await find({}, {"anything": [1, "x"]}) == []
