"""The routes over a store in memory: what a real one does too seldom to wait for."""

import json
import warnings
from contextlib import asynccontextmanager

import pytest
from starlette.websockets import WebSocketDisconnect

from api.jobstore.base import JobNotFound, RecordGone
from api.main import create_app
from api.models import list_properties
from api.settings import ApiSettings
from api.store_errors import StoreUnavailable
from api.strict_json import StrictJSONError, load_strict
from api.text_pieces import log_pieces
from qiskit_runtime.contract.wire.events import (
    Console,
    ConsoleTruncated,
    Gap,
    MalformedLine,
    Message,
)
from qiskit_runtime.contract.wire.record_form import CONSOLE_BUDGET
from tests.api.fake_store import FakeStore

with warnings.catch_warnings():
    # Starlette's client is moving from one HTTP library to another.
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

BODY = {
    "programId": "hello-quantum",
    **dict.fromkeys(("hub", "group", "project", "backend"), "string"),
    "params": [],
}


@pytest.fixture
def store():
    """The store behind the client."""
    return FakeStore()


@pytest.fixture
def client(store):
    """A client of an app over the store."""
    app = create_app(ApiSettings(allowed_hosts=("testserver",)), store)
    with TestClient(app) as client:
        yield client


def _post(client):
    return client.post("/jobs", json=BODY).json()["id"]


def _frames(client, path):
    frames = []
    with client.websocket_connect(path) as websocket:
        try:
            while True:
                frames.append(websocket.receive_text())
        except WebSocketDisconnect as closed:
            return frames, closed.code


def test_job_deleted_while_it_is_listed_is_left_out(client, store):
    """A job that goes away between the search and its parameters breaks no list."""
    jobs = [_post(client) for _ in range(3)]
    del store.params[jobs[1]]
    read_params = store.read_params

    async def find_it_gone(job_id):
        if job_id == jobs[1]:
            raise JobNotFound(job_id)
        return await read_params(job_id)

    store.read_params = find_it_gone
    listed = [
        job["id"]
        for pending in (True, False)
        for job in client.get("/jobs", params={"pending": pending}).json()["jobs"]
    ]
    assert sorted(listed) == sorted([jobs[0], jobs[2]])


def test_stream_of_a_job_deleted_meanwhile_closes_4404(client, store):
    """A job that goes away between the handshake and the first frame closes the stream."""

    async def follow(job_id):
        raise JobNotFound(job_id)
        yield

    store.follow = follow
    assert _frames(client, f"/stream/jobs/{_post(client)}") == ([], 4404)


@pytest.mark.parametrize(("error", "code"), [(StoreUnavailable, 1013), (RecordGone, 4410)])
def test_record_so_far_that_can_t_be_read_is_not_sent_as_an_empty_one(client, store, error, code):
    """The close code says why; 1000 would say that this was all."""

    @asynccontextmanager
    async def open_events(_):
        raise error("Redis is away")
        yield

    store.open_events = open_events
    assert _frames(client, f"/stream/jobs/{_post(client)}?logs=true&live=false") == ([], code)


@pytest.mark.parametrize(
    ("after", "wanted"),
    [
        (0, ["1", "2", "gap 3+4", "7"]),
        (1, ["2", "gap 3+4", "7"]),
        (2, ["gap 3+4", "7"]),
        (4, ["gap 3+4", "7"]),
        (6, ["7"]),
        (7, []),
    ],
)
def test_after_within_a_gap_says_the_gap_again(client, store, after, wanted):
    """A listener that resumes within a gap gets the gap: some of it lies ahead."""
    events = [Message(1, 1, "1"), Message(2, 2, "2"), Gap(3, 3, 4), Message(4, 7, "7", final=True)]

    async def follow(_):
        for event in events:
            yield event

    store.follow = follow
    frames, code = _frames(client, f"/stream/jobs/{_post(client)}?logs=true&after={after}")

    assert code == 1000
    assert [_name(json.loads(frame)) for frame in frames] == wanted


def test_message_after_a_lost_one_is_not_skipped(client, store):
    """A listener that saw message 2 gets message 3, even if the record has lost message 2."""

    async def follow(_):
        for event in (Message(1, 1, "1"), MalformedLine(2, "unreadable"), Message(3, 3, "3")):
            yield event

    store.follow = follow
    assert _frames(client, f"/stream/jobs/{_post(client)}?after=2") == (["3"], 1000)


def test_typed_frames_say_gaps_and_cuts_and_no_garbage(client, store):
    """Typed frames tell what was dropped; plain ones are the messages alone."""
    events = [
        Console(1, b"a\xff"),
        ConsoleTruncated(2),
        Gap(3, 1, 2),
        MalformedLine(4, "x"),
        Message(5, 3, "3"),
    ]

    async def follow(_):
        for event in events:
            yield event

    store.follow = follow
    path = f"/stream/jobs/{_post(client)}"
    frames = [json.loads(frame) for frame in _frames(client, f"{path}?logs=true")[0]]

    assert frames == [
        {"type": "console", "line": 1, "text": "a\ufffd", "newline": True},
        {"type": "cut"},
        {"type": "gap", "first": 1, "count": 2},
        {"type": "message", "number": 3, "final": False, "text": "3"},
    ]
    assert _frames(client, path) == (["3"], 1000)


def _name(frame):
    return frame["text"] if frame["type"] == "message" else f"gap {frame['first']}+{frame['count']}"


def test_log_puts_a_message_on_a_line_of_its_own():
    """A message after an unfinished line begins a new one, and the next print as well."""
    events = [Console(1, b"par", newline=False), Message(2, 1, "{}"), Console(3, b"tial")]

    assert "".join(log_pieces(events)) == "par\n{}\ntial\n"


def test_log_says_what_was_dropped_and_its_limit():
    """Dropped lines and messages leave a line that names the limit and the numbers."""
    log = "".join(
        log_pieces([Console(1, b"\xff"), ConsoleTruncated(2), Gap(3, 5, 7), MalformedLine(4, "x")])
    )

    assert log.startswith("\ufffd\n[")
    assert str(CONSOLE_BUDGET) in log
    assert "[7 interim results from number 5 on were dropped" in log
    assert log.count("\n") == 3


@pytest.mark.anyio
async def test_result_is_the_final_message_verbatim(store, monkeypatch):
    """Only a final message is a result, and its text is not touched."""
    interim, final = Message(1, 1, '"no"'), Message(2, 2, ' {"a":1.0} ', final=True)
    for events, result in (([interim, final], ' {"a":1.0} '), ([interim], None)):

        @asynccontextmanager
        async def open_events(_: str, events=events):
            yield events

        monkeypatch.setattr(store, "open_events", open_events)
        assert await store.read_result("any") == result


@pytest.mark.parametrize("depth", [0, 1, 5])
def test_depth_is_counted_exactly(depth):
    """As deep as the limit is good, one deeper is not; lists and objects count alike."""
    for text in ("[" * depth + "1" + "]" * depth, '{"a":' * depth + "1" + "}" * depth):
        load_strict(text, depth)
        if depth:
            with pytest.raises(StrictJSONError, match=f"{depth - 1} levels"):
                load_strict(text, depth - 1)


@pytest.mark.parametrize(
    "schema",
    [None, {}, {"properties": None}, {"properties": []}, {"properties": {}}, [], "text", True],
)
def test_schema_with_nothing_to_list_is_null(schema):
    """Whatever an author wrote where a schema belongs, the answer is a list or null."""
    assert list_properties(schema) is None


@pytest.mark.parametrize("inner", [True, False, None, [], "text", 7, {"type": None}, {"type": 3}])
def test_property_of_any_form_is_listed(inner):
    """A property whose schema is odd has at least its name."""
    [listed] = list_properties({"properties": {"x": inner}, "required": "x"}) or []

    assert (listed.name, listed.required) == ("x", False)


def test_store_that_can_not_keep_a_job_is_503(client, store, monkeypatch):
    """An error that is no fault of the client's has a reason, and a time to try again."""

    async def refuse(*_):
        raise StoreUnavailable("the data folder can't be written: No space left on device")

    monkeypatch.setattr(store, "submit", refuse)
    answer = client.post("/jobs", json=BODY)
    assert answer.status_code == 503
    assert "No space left" in answer.json()["detail"]
