"""/events: everything that happens, as it happens: server-sent events, a WebSocket, or a page to poll."""

import asyncio
import datetime as dt
import secrets
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Depends, Header, Query, Request, WebSocket
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json
from starlette.responses import Response

from etl_engine.api.deps import EVENTS, JSON, Ctx, Router, accepts
from etl_engine.api.documented import reading
from etl_engine.api.hub import TooSlow, hub_of
from etl_engine.api.streams import Message, asked, streamed
from etl_engine.errors import BadInput
from etl_engine.services import events
from etl_engine.services.context import Context
from etl_engine.services.events import Event

API_VERSION = "v1"
_MOST_AT_ONCE = 1000
_POLICY, _TRY_AGAIN = 1008, 1013  # close codes of RFC 6455

router = Router(prefix="/events", tags=["events"])
Media = Annotated[str, Depends(accepts(JSON, EVENTS))]
LastEventId = Annotated[str | None, Header(description="Goes on behind this event.", max_length=200)]


class EventsQuery(BaseModel):
    """Where to go on."""

    model_config = ConfigDict(extra="forbid")

    after: Annotated[str, Field(max_length=200, description="The id of the last event that was read.")] = ""
    limit: Annotated[int, Field(ge=1, le=_MOST_AT_ONCE)] = 100


class EventMessage(BaseModel):
    """One thing that happened; the same on every way it is sent."""

    id: str = Field(description="Stays the same; an event that comes twice has the same id.")
    type: str = Field(examples=["execution.failed", "connection.update"])
    created: dt.datetime
    data: dict[str, Any]
    api_version: str = API_VERSION


class EventPage(BaseModel):
    """Events, oldest first."""

    items: list[EventMessage]


@router.get(
    "/",
    response_model=EventPage,
    operation_id="readEvents",
    summary="Read or follow events",
    responses=reading()
    | {
        200: {
            "description": "A page of events; as server-sent events every one as it happens.",
            "content": {EVENTS: {"schema": {"type": "string"}}},
        }
    },
)
async def read(
    request: Request,
    ctx: Ctx,
    media: Media,
    query: Annotated[EventsQuery, Query()],
    last_event_id: LastEventId = None,
) -> Response:
    """Events behind `after`, or of the last hour. A stream begins with now, or behind Last-Event-ID.

    Whoever goes on behind an event may read those of the two seconds before it again, under the same ids.
    """
    after = last_event_id or query.after
    if media == EVENTS:
        missed = await asked(lambda: events.since(ctx, after, _MOST_AT_ONCE)) if after else []
        return streamed(_messages(_happening(request.app, ctx, missed)))
    found = await asked(lambda: events.since(ctx, query.after, query.limit))
    page = EventPage(items=[_message(event) for event in found])
    return Response(to_json(page), media_type=JSON, headers={"Cache-Control": "no-store"})


@router.websocket("/ws")
async def socket(websocket: WebSocket, after: str = "") -> None:
    """The same messages, one a frame."""
    ctx: Context = (await asked(websocket.app.state.open_context)).for_request(secrets.token_hex(8))
    try:
        missed = await asked(lambda: events.since(ctx, after[:200], _MOST_AT_ONCE)) if after else []
    except BadInput as error:
        await websocket.close(_POLICY, error.message)
        return
    await websocket.accept()
    sending = asyncio.ensure_future(_send(websocket, _happening(websocket.app, ctx, missed)))
    leaving = asyncio.ensure_future(_left(websocket))
    try:
        await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not leaving.done() and sending.exception() is None:
            await websocket.close(_TRY_AGAIN, "reading too slowly: go on behind the last event")
    finally:
        for task in (sending, leaving):
            task.cancel()
        await asyncio.gather(sending, leaving, return_exceptions=True)


async def _send(websocket: WebSocket, happening: AsyncIterator[Event]) -> None:
    async for event in happening:
        await websocket.send_text(_message(event).model_dump_json())


async def _left(websocket: WebSocket) -> None:
    """What a reader says is not listened to; that it leaves is."""
    while (await websocket.receive())["type"] != "websocket.disconnect":
        pass


async def _happening(app: Any, ctx: Context, missed: list[Event]) -> AsyncIterator[Event]:
    """What was missed, then what happens; ends where the reader is too slow, who then goes on by the last id."""
    with hub_of(app).listening(ctx) as queue:
        seen = {event.id for event in missed}
        for event in missed:
            yield event
        while True:
            try:
                event = await queue.next()
            except TooSlow:
                return
            if event.id not in seen:
                yield event


async def _messages(happening: AsyncIterator[Event]) -> AsyncIterator[Message]:
    async for event in happening:
        yield Message(event.type, _message(event).model_dump(mode="json"), event.id)


def _message(event: Event) -> EventMessage:
    return EventMessage(id=event.id, type=event.type, created=event.created, data=dict(event.data))
