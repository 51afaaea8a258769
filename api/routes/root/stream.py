"""/stream/jobs/{id}: a job's messages over a websocket, from the first, and then live.

A frame is the JSON text of a message, as it was published, and nothing else. With ``?logs=true``
frames are typed: ``{"type": "message", "number", "final", "text"}``, ``{"type": "console", "line",
"text", "newline"}``, ``{"type": "gap", "first", "count"}``, ``{"type": "cut"}`` and ``{"type":
"progress", "done", "total"}``, this with ``"best"`` where there is such a value. With
``?after=N`` the first frame is what follows message N. With ``?live=false`` the last frame is the
newest that there is, also of a job that runs.

A private job's result is sent to nobody.

The server closes with 1000 after the last frame, in whatever phase the job is; with 4404 if the
job was deleted meanwhile, with 4410 if the rest of its record is not kept any more, with 1013 if it
can't be read just now (try again, with ``?after``), with 1008 within seconds if the login or token
that opened it has ended; the connection of a client that reads nothing for 30 s is dropped. Frames
from clients are ignored.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import Annotated

from fastapi import APIRouter, Query, WebSocket
from fastapi.responses import JSONResponse
from starlette.websockets import WebSocketDisconnect, WebSocketState

from api.accounts.admissions import wait_until_withdrawn
from api.dependencies import JobStoreDep
from api.errors import describe
from api.jobstore.base import JobNotFound, JobStore, RecordGone, may_show
from api.store_errors import StoreUnavailable
from api.text_pieces import PIECE, cut, json_pieces
from qiskit_runtime.contract.resources.job import Job
from qiskit_runtime.contract.wire.events import Event, Gap, Message, frame_fields

FRAGMENTS = "websocket.fragments"
"""The ASGI extension of our server (``serving``): a text whose message has ``more`` continues in
the next message. So a large frame is not copied for each client."""

CLOSE_DELETED = 4404
"""The close code if the job was deleted before its stream ended."""

CLOSE_GONE = 4410
"""The close code if the record, or the rest of it, was removed to make room for others."""

CLOSE_TRY_AGAIN = 1013
"""The close code of a server that can't serve just now, by the registry of RFC 6455."""

CLOSE_WITHDRAWN = 1008
"""The close code if the login or token that opened it has ended: "policy violation"."""

WITHDRAWN = "the login or token that opened this stream has ended"
"""The reason beside that code."""

_FRAMES_A_TURN = 64

router = APIRouter(tags=["jobs"])


@dataclass(frozen=True, slots=True)
class Wanted:
    """The frames that a client wants: what follows message ``after``, typed ones with ``logs``.

    Without ``live`` they are those so far. ``greeting`` is a frame before all others, for dialects
    that begin with one.
    """

    after: int = 0
    logs: bool = False
    live: bool = True
    greeting: str = ""


@router.get("/stream/jobs/{job_id}", status_code=426, responses=describe(404, 426, 503))
async def explain_stream(job_id: str, store: JobStoreDep) -> JSONResponse:
    """Explain that this address is a websocket, which streams the job's messages."""
    await store.get(job_id)
    detail = "open this address as a websocket (ws://, or wss:// behind TLS)"
    return JSONResponse({"detail": detail}, 426, {"Upgrade": "websocket"})


@router.websocket("/stream/jobs/{job_id}")
async def stream_job(
    websocket: WebSocket,
    job_id: str,
    store: JobStoreDep,
    after: Annotated[int, Query(ge=0)] = 0,
    logs: bool = False,
    live: bool = True,
) -> None:
    """Send the job's messages from the first, or from the one after ``after``, and close."""
    await send_stream(websocket, job_id, store, Wanted(after, logs, live))


async def send_stream(websocket: WebSocket, job_id: str, store: JobStore, wanted: Wanted) -> None:
    """Send the frames that are wanted, until the last of them, and close; also other dialects'."""
    try:
        job = await store.get(job_id)
    except JobNotFound:
        await websocket.send_denial_response(JSONResponse({"detail": "Job not found"}, 404))
        return
    except StoreUnavailable as error:
        await websocket.send_denial_response(JSONResponse({"detail": str(error)}, 503))
        return
    await websocket.accept()
    sender = asyncio.create_task(_send_frames(websocket, store, job, wanted))
    withdrawal = asyncio.create_task(wait_until_withdrawn(websocket))
    tasks = (sender, withdrawal, asyncio.create_task(_wait_for_end(websocket)))
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if sender.done():
            sender.result()
        elif withdrawal.done():
            await _stop(sender)
            await _close(websocket, CLOSE_WITHDRAWN, WITHDRAWN)
    except JobNotFound:
        await _close(websocket, CLOSE_DELETED, "the job was deleted")
    except RecordGone:
        await _close(websocket, CLOSE_GONE, "the record is not kept any more")
    except StoreUnavailable:
        await _close(websocket, CLOSE_TRY_AGAIN, "the record can't be read just now")
    except WebSocketDisconnect:
        # The client went away while a frame was sent.
        return
    finally:
        await _stop(*tasks)


async def _send_frames(websocket: WebSocket, store: JobStore, job: Job, wanted: Wanted) -> None:
    """Send frame after frame: the next is read from the record when the client has taken one."""
    if wanted.greeting:
        await websocket.send_text(wanted.greeting)
    behind = wanted.after > 0
    sent = 0
    async for event in store.follow(job.id) if wanted.live else _read_so_far(store, job.id):
        if not may_show(job, event):
            continue
        if behind:
            # The client has seen all up to that message; a gap may reach beyond it.
            number = _last_number(event)
            behind = number < wanted.after
            if number <= wanted.after:
                continue
        frame = _typed_pieces(event) if wanted.logs else _plain_pieces(event)
        if frame is None:
            continue
        await _send(websocket, frame)
        sent += 1
        if sent % _FRAMES_A_TURN == 0:
            # A long replay never waits otherwise; other tasks need their turn.
            await asyncio.sleep(0)
    reason = "the job has ended" if wanted.live else "the record so far has been sent"
    await _close(websocket, 1000, reason)


async def _read_so_far(store: JobStore, job_id: str) -> AsyncIterator[Event]:
    async with store.open_events(job_id) as events:
        for event in events:
            yield event


async def _send(websocket: WebSocket, frame: Iterable[str]) -> None:
    pieces = iter(frame)
    first, second = next(pieces, ""), next(pieces, None)
    if second is None:
        await websocket.send_text(first)
    elif FRAGMENTS not in websocket.scope.get("extensions", {}):
        await websocket.send_text("".join((first, second, *pieces)))
    else:
        for piece in chain((first, second), pieces):
            await websocket.send({"type": "websocket.send", "text": piece, "more": True})
        await websocket.send({"type": "websocket.send", "text": "", "more": False})


async def _stop(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _close(websocket: WebSocket, code: int, reason: str) -> None:
    if websocket.application_state is WebSocketState.DISCONNECTED:
        # The last frame was on its way.
        return
    # A client that does not take this frame is dropped.
    with suppress(WebSocketDisconnect):
        await websocket.close(code, reason)


async def _wait_for_end(websocket: WebSocket) -> None:
    """Ignore what the client sends, until it disconnects."""
    try:
        while True:
            await websocket.receive()
    except (WebSocketDisconnect, RuntimeError):
        # Starlette raises RuntimeError for a receive after the disconnect.
        return


def _last_number(event: Event) -> int:
    """Return the number of the last message that an event stands for; 0 for none."""
    match event:
        case Message(number=number):
            return number
        case Gap(last=last):
            return last
        case _:
            return 0


def _plain_pieces(event: Event) -> Iterable[str] | None:
    return cut(event.text) if isinstance(event, Message) else None


def _typed_pieces(event: Event) -> Iterable[str] | None:
    """Return the typed frame of an event; None for events that are not for clients."""
    fields = frame_fields(event)
    if fields is None:
        return None
    text = fields.get("text", "")
    if len(text) <= PIECE:
        return [json.dumps(fields)]
    # The same frame, without a copy of the text.
    head, tail = json.dumps({**fields, "text": ""}).split('""')
    return chain([head], json_pieces([text], ascii_only=True), [tail])
