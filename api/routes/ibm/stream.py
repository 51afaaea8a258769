"""The output of a running job, for the official clients up to 0.31 (2023): newer ones only poll.

The websocket begins with an acknowledgement, which those clients drop, whatever it says; each frame
after it is one message as it was published, the result the last of them. They open it for ``wss://``
alone: without TLS they fall back to polling, and see the result and no interim ones.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from itertools import chain
from typing import Any

from fastapi import APIRouter, WebSocket
from fastapi.responses import StreamingResponse

from api.dependencies import EventsDep, JobStoreDep
from api.routes.ibm.errors import describe
from api.routes.root.stream import Wanted, explain_stream, send_stream
from api.text_pieces import join_small
from qiskit_runtime.contract.wire.events import Event, Message

router = APIRouter(tags=["jobs"])

router.add_api_route(
    "/stream/jobs/{job_id}", explain_stream, status_code=426, responses=describe(404, 426, 503)
)


@router.websocket("/stream/jobs/{job_id}")
async def stream_job(websocket: WebSocket, job_id: str, store: JobStoreDep) -> None:
    """Send an acknowledgement, and the job's messages from the first to its result; close."""
    greeting = json.dumps({"type": "acknowledgement", "job_id": job_id})
    await send_stream(websocket, job_id, store, Wanted(greeting=greeting))


# FAST003 does not see the job_id of the dependencies.
@router.get(
    "/jobs/{job_id}/interim_results",  # noqa: FAST003  (EventsDep has it)
    response_model=list[Any],
    responses=describe(404, 410, 503),
)
async def get_interim_results(events: EventsDep) -> StreamingResponse:
    """Return the messages that the job has published so far, without its result."""
    return StreamingResponse(_write_list(_interim_texts(events)), media_type="application/json")


def _interim_texts(events: Iterable[Event]) -> Iterable[str]:
    return (one.text for one in events if isinstance(one, Message) and not one.final)


async def _write_list(texts: Iterable[str]) -> AsyncIterator[str]:
    """Write JSON texts as one list, in pieces; other requests are served between them."""
    separated = chain.from_iterable(("," * (number > 0), text) for number, text in enumerate(texts))
    for piece in join_small(chain("[", separated, "]")):
        yield piece
        await asyncio.sleep(0)
