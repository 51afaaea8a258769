"""Parameters of any size against schemas of any kind, while the server goes on."""

import asyncio
import json
import os
import time

import pytest

from api import params_check
from api.params_check import CheckBusy, ParamsCheck
from api.params_worker import CPU_SECONDS
from api.strict_json import MAX_CONTAINERS, StrictJSONError
from qiskit_runtime.contract.resources.program import Program, ProgramMetadata
from qiskit_runtime.contract.schemas.params_schema import QUICK_BYTES, ParamsError, SchemaInvalid

pytestmark = pytest.mark.anyio

DOUBLING = {"d0": {"type": "object"}} | {
    f"d{i + 1}": {
        "anyOf": [{"$ref": f"#/$defs/d{i}"}, {"properties": {f"p{i}": {}}}],
        "unevaluatedProperties": False,
    }
    for i in range(32)
}
NEVER = {"properties": {"a": {"$ref": "#/$defs/d32"}}, "$defs": DOUBLING}
"""A check of 13 bytes by it takes a quarter of an hour."""


def program_of(schema) -> Program:
    metadata = {"name": "p", "description": "", "spec": {"parameters": schema}}
    return Program(id="p", metadata=ProgramMetadata.model_validate(metadata))


@pytest.fixture
async def check():
    """A server's check, ended as the server ends it."""
    check = ParamsCheck()
    yield check
    await check.close()


async def find(check, schema, params) -> list[ParamsError]:
    text = params if isinstance(params, str) else json.dumps(params)
    return list(await check.find_errors(program_of(schema), text))


async def measure(work) -> float:
    """Return the longest time that this loop was blocked until the work was done."""
    task, longest = asyncio.ensure_future(work), 0.0
    while not task.done():
        last = time.monotonic()
        await asyncio.sleep(0.005)
        longest = max(longest, time.monotonic() - last)
    await task
    return longest


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"a": {"items": {"type": "integer"}}}},
        {"properties": {"a": {"items": {"anyOf": [{"type": "integer"}]}}}},
    ],
    ids=["linear", "not linear"],
)
async def test_parameters_are_checked_alike_at_once_or_apart(check, schema):
    """Small or large, by a cheap schema or another: the error names the place."""
    for size in (1, QUICK_BYTES):
        assert await find(check, schema, {"a": [1] * size}) == []
        [error] = await find(check, schema, {"a": [*[1] * size, "x"]})
        assert error.place == ("a", size)
        assert error.message.startswith('"x" is not ')


@pytest.mark.parametrize(
    "text", ["[1]", "{", '{"a":1,"a":2}', '{"a":' + "[" * 101 + "]" * 101 + "}"]
)
async def test_json_that_is_refused_is_refused_alike_at_once_or_apart(check, text):
    """The rules of JSON do not depend on the size."""
    said = []
    for padding in (0, QUICK_BYTES):
        with pytest.raises(StrictJSONError) as refused:
            await find(check, None, text + " " * padding)
        said.append((type(refused.value), str(refused.value).partition(":")[0]))

    assert said[0] == said[1]


async def test_check_that_would_not_end_is_ended_and_holds_nobody_up(check):
    """An exponential schema costs its limit of a processor, no event loop, and no other check."""
    begin = time.monotonic()
    work = asyncio.ensure_future(find(check, NEVER, {"a": {"q": 1}}))
    longest = await measure(work)

    assert work.result() == [], "what is not known in time is left to the program"
    assert longest < 1
    assert time.monotonic() - begin < params_check.PATIENCE + 5
    [error] = await find(check, {"properties": {"a": {"pattern": "^b"}}}, {"a": "x"})
    assert error.place == ("a",)


async def test_errors_that_would_take_gigabytes_are_told_in_short(check):
    """To name all that is wrong may take a thousand times as long as to know that something is."""
    schema = {"properties": {"a": {"anyOf": [{"items": {"type": "string"}}] * 100}}}
    errors = await find(check, schema, {"a": [0] * 21_000})

    assert [str(error) for error in errors] == [
        "params: they do not match the program's JSON Schema"
    ]


async def test_list_of_lists_is_counted_before_it_is_made(check):
    """Two bytes can be a hundred in memory: lists and objects are bounded by their number."""
    for text in ("[],", '{"":0},', "[[[0]]],"):
        lists = text.count("[") + text.count("{")
        times = MAX_CONTAINERS // lists + 1
        with pytest.raises(StrictJSONError, match=f"{MAX_CONTAINERS} lists and objects"):
            await find(check, None, f'{{"a":[{(text * times)[:-1]}]}}')
    # What is in a text is none.
    assert await find(check, None, json.dumps({"a": "[" * 300_000})) == []


async def test_one_that_waits_too_long_is_left_to_the_program(check, monkeypatch, caplog):
    """A check that comes while another runs out of time is answered in its own time."""
    monkeypatch.setattr(params_check, "PATIENCE", 1.0)
    first = asyncio.ensure_future(find(check, NEVER, {"a": {"q": 1}}))
    await asyncio.sleep(0)
    begin = time.monotonic()
    assert await find(check, {"properties": {"a": {"pattern": "b"}}}, {"a": "x"}) == []
    assert time.monotonic() - begin < 5
    assert await first == []
    assert "given up" in caplog.text


async def test_more_than_may_wait_are_not_kept(check, monkeypatch):
    """Each that waits holds its parameters: beyond a number they go on at once."""
    monkeypatch.setattr(params_check, "MAX_WAITING", 0)
    assert await find(check, {"properties": {"a": {"pattern": "b"}}}, {"a": "x"}) == []
    with pytest.raises(CheckBusy):
        await check.check_schema({"pattern": "b"})


async def test_schema_of_an_upload_is_looked_at_apart(check):
    """The author of a costly schema gets its error as well."""
    await check.check_schema({"pattern": "b"})
    await check.check_schema({"type": "integer"})
    for wrong in ({"pattern": "("}, {"type": "objet"}):
        with pytest.raises(SchemaInvalid):
            await check.check_schema(wrong)


async def test_process_ends_with_the_server(check):
    """Nothing is left of it: neither itself nor what it has forked."""
    work = asyncio.ensure_future(find(check, NEVER, {"a": {"q": 1}}))
    while check._process._process is None:  # noqa: ASYNC110  (nobody tells)
        await asyncio.sleep(0.01)
    pid = check._process._process.pid
    await check.close()
    await work

    with pytest.raises(ProcessLookupError):
        os.killpg(pid, 0)


async def test_warm_check_takes_a_few_milliseconds(check):
    """A program whose schema has a pattern starts as fast as any other: the best of ten tries."""
    schema = {"properties": {"a": {"pattern": "^b"}}}
    await find(check, schema, {"a": "b"})
    times = []
    for _ in range(10):
        begin = time.monotonic()
        await find(check, schema, {"a": "b"})
        times.append(time.monotonic() - begin)

    assert min(times) < 0.1


async def test_unchecked_schema_that_is_broken_takes_anything_and_is_told_once(check, caplog):
    """A folder's or kubectl's program runs all the same; who wrote it finds out in the log."""
    for schema in ({"type": "objet"}, {"pattern": "("}):
        for _ in range(3):
            assert await find(check, schema, {"a": 1}) == []

    assert caplog.text.count("program p: its parameters are not checked") == 2
    assert CPU_SECONDS < params_check.PATIENCE


async def test_program_without_a_schema_takes_anything(check):
    """As in 2021."""
    assert await find(check, None, {"anything": [1, "x"]}) == []
    assert await find(check, {}, {"anything": [1, "x"]}) == []
