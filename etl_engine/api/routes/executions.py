"""/executions: what ran, runs and is to run; its tasks and its log; cancel and retry."""

import contextlib
import datetime as dt
import functools
import hashlib
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated, Any
from urllib.parse import urlencode

import anyio
from fastapi import Depends, Header, Query, Request
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import to_json
from starlette.responses import Response, StreamingResponse

from etl_engine.api.deps import EVENTS, JSON, Ctx, ObjectId, Router, accepts, answered
from etl_engine.api.documented import headed, reading
from etl_engine.api.problem import InvalidCursor
from etl_engine.api.streams import Message, asked, streamed
from etl_engine.errors import StoreUnavailable
from etl_engine.model.execution import Execution, Level, LogLine, Origin, Status, SubjectKind, TaskRecord
from etl_engine.model.text import Plain
from etl_engine.services import execution_logs, executions
from etl_engine.services.context import Context
from etl_engine.services.execution_logs import Lines, Search
from etl_engine.services.executions import Position

NDJSON = "application/x-ndjson"
_CURSOR_SECONDS = 86_400
_FOLLOW_SECONDS = 0.5
_DOWNLOAD_LINES = 5_000

router = Router(prefix="/executions", tags=["executions"])
_ANSWERS_JSON = Depends(accepts(JSON))
LogMedia = Annotated[str, Depends(accepts(JSON, EVENTS, NDJSON))]
LastEventId = Annotated[str | None, Header(description="Server-sent events go on behind this one.", max_length=100)]


def _written_out(value: Any) -> Any:
    """Pydantic would take a number for the seconds since 1970."""
    if isinstance(value, str) and not re.match(r"\d{4}-\d\d-\d\d[Tt ]", value):
        raise ValueError("must be a time such as 2026-11-20T07:30:00Z")
    return value


Moment = Annotated[AwareDatetime, BeforeValidator(_written_out)]


class ListQuery(BaseModel):
    """How to search, filter and page; newest first."""

    model_config = ConfigDict(extra="forbid")

    q: Annotated[Plain, Field(description="Found in the name of what is executed.", max_length=200)] = ""
    status: list[Status] = []
    kind: list[SubjectKind] = []
    subject_id: Annotated[str, Field(pattern="^([0-9a-f]{24})?$", description="Of the mapping, pipeline or sync.")] = ""
    trigger_id: Annotated[str, Field(pattern="^([0-9a-f]{24})?$", description="Of the schedule that fired it.")] = ""
    created_after: Moment | None = None
    created_before: Moment | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=2000, description="next_cursor of the page before, with its filter.")] = ""

    def filter_mark(self) -> str:
        text = json.dumps(self.model_dump(mode="json", exclude={"cursor", "limit"}), sort_keys=True)
        return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]


class ExecutionPage(BaseModel):
    """A page of executions."""

    items: list[Execution]
    next_cursor: str | None
    has_more: bool


class LogQuery(BaseModel):
    """Which lines of the log."""

    model_config = ConfigDict(extra="forbid")

    after_seq: Annotated[int, Field(ge=0, le=2**53, description="Lines behind this number.")] = 0
    before_seq: Annotated[
        int | None, Field(ge=1, le=2**53, description="The last lines in front of this number, in their order.")
    ] = None
    level: Annotated[Level, Field(description="This bad, or worse.")] = Level.DEBUG
    origin: list[Origin] = []
    q: Annotated[str, Field(max_length=200, description="Found in the message, without regard to case.")] = ""
    limit: Annotated[int, Field(ge=1, le=5000)] = 500

    def search(self, after: int | None = None, limit: int | None = None) -> Search:
        return Search(
            after=self.after_seq if after is None else after,
            before=self.before_seq if after is None else None,
            level=self.level,
            origins=tuple(self.origin),
            text=self.q,
            limit=limit or self.limit,
        )


class LogPage(BaseModel):
    """Lines of a log in order."""

    items: list[LogLine]
    has_more: bool = Field(description="There are more in the direction that was asked for.")
    last_seq: int = Field(description="The number of the last line of the whole log.")
    ended: bool = Field(description="No more lines will come.")


@router.get(
    "/",
    response_model=ExecutionPage,
    operation_id="listExecutions",
    summary="List executions",
    responses=reading(400) | headed(200, "ETag", "Link"),
    dependencies=[_ANSWERS_JSON],
)
def list_(request: Request, ctx: Ctx, query: Annotated[ListQuery, Query()]) -> Response:
    """A page of executions, newest first."""
    found = executions.list_(
        ctx,
        executions.Query(
            text=query.q,
            statuses=tuple(query.status),
            kinds=tuple(query.kind),
            subject_id=query.subject_id,
            trigger_id=query.trigger_id,
            created_after=query.created_after,
            created_before=query.created_before,
            limit=query.limit,
            after=_position(ctx, query) if query.cursor else None,
        ),
    )
    cursor = None if found.next is None else _cursor(ctx, query, found.next)
    page = ExecutionPage(items=found.items, next_cursor=cursor, has_more=cursor is not None)
    headers = {}
    if cursor is not None:
        given = query.model_dump(mode="json", exclude_unset=True) | {"cursor": cursor}
        headers["Link"] = f'<{request.scope["path"]}?{urlencode(given, doseq=True)}>; rel="next"'
    return answered(request, to_json(page, by_alias=True), headers=headers)


@router.get(
    "/{execution_id:id}",
    response_model=Execution,
    operation_id="getExecution",
    summary="Get an execution",
    responses=reading(404) | headed(200, "ETag"),
    dependencies=[_ANSWERS_JSON],
)
def get(request: Request, ctx: Ctx, execution_id: ObjectId) -> Response:
    """Where it stands, how far it is, how it ended."""
    return _shown(request, executions.get(ctx, execution_id))


@router.get(
    "/{execution_id:id}/tasks",
    response_model=list[TaskRecord],
    operation_id="listExecutionTasks",
    summary="List the tasks of an execution",
    responses=reading(404) | headed(200, "ETag"),
    dependencies=[_ANSWERS_JSON],
)
def tasks(request: Request, ctx: Ctx, execution_id: ObjectId) -> Response:
    """One for each block of its graph."""
    return answered(request, to_json(executions.tasks(ctx, execution_id), by_alias=True))


@router.post(
    "/{execution_id:id}/cancel",
    response_model=Execution,
    operation_id="cancelExecution",
    summary="Cancel an execution",
    responses=reading(404, 409) | headed(200, "ETag"),
    dependencies=[_ANSWERS_JSON],
)
def cancel(request: Request, ctx: Ctx, execution_id: ObjectId) -> Response:
    """One that waits ends at once; one that runs ends within seconds, even where its worker is gone."""
    return _shown(request, executions.cancel(ctx, execution_id))


@router.post(
    "/{execution_id:id}/retry",
    status_code=202,
    response_model=Execution,
    operation_id="retryExecution",
    summary="Repeat an execution",
    responses=reading(404, 409) | headed(202, "ETag", "Location"),
    dependencies=[_ANSWERS_JSON],
)
def retry(request: Request, ctx: Ctx, execution_id: ObjectId) -> Response:
    """A new execution goes on where this one was broken off. Asked twice, the answer is the same one."""
    made = executions.retry(ctx, execution_id)
    return _shown(request, made, 202, Location=f"{request.app.state.prefix}/executions/{made.id}")


@router.get(
    "/{execution_id:id}/logs",
    response_model=LogPage,
    operation_id="readExecutionLog",
    summary="Read the log of an execution",
    responses=reading(404)
    | {
        200: {
            "description": "Lines; as server-sent events every line as it comes, then `end`; as NDJSON the whole log.",
            "content": {
                EVENTS: {"schema": {"type": "string"}},
                NDJSON: {"schema": {"type": "string"}},
            },
        }
    },
)
async def logs(
    ctx: Ctx,
    execution_id: ObjectId,
    media: LogMedia,
    query: Annotated[LogQuery, Query()],
    last_event_id: LastEventId = None,
) -> Response:
    """A page of lines; `text/event-stream` follows the log, `application/x-ndjson` downloads it."""
    if media == EVENTS:
        resumed = last_event_id if last_event_id and last_event_id.isascii() and last_event_id.isdigit() else ""
        after = max(query.after_seq, int(resumed[:15] or 0))
        first = await asked(lambda: execution_logs.page(ctx, execution_id, query.search(after)))
        return streamed(_followed(ctx, execution_id, query, after, first))
    if media == NDJSON:
        await asked(lambda: executions.get(ctx, execution_id))  # 404 comes before the first line
        name = f'attachment; filename="execution-{execution_id}.ndjson"'
        lines = _downloaded(ctx, execution_id, query)
        return StreamingResponse(lines, media_type=NDJSON, headers={"Content-Disposition": name})
    found = await asked(lambda: execution_logs.page(ctx, execution_id, query.search()))
    page = LogPage.model_construct(items=found.items, has_more=found.more, last_seq=found.last, ended=found.ended)
    return Response(to_json(page), media_type=JSON, headers={"Cache-Control": "no-store"})


async def _followed(
    ctx: Context, execution_id: str, query: LogQuery, after: int, found: Lines
) -> AsyncIterator[Message]:
    while True:
        for line in found.items:
            after = line.seq
            yield Message("line", line.model_dump(mode="json"), str(line.seq))
        if not found.more:
            if found.ended and not found.items:
                break
            await anyio.sleep(0 if found.ended else _FOLLOW_SECONDS)
        found = await _when_it_answers(functools.partial(execution_logs.page, ctx, execution_id, query.search(after)))
    yield Message("end", {"last_seq": found.last})


async def _when_it_answers(page: Callable[[], Lines]) -> Lines:
    """A store that is away comes back, or the reader leaves."""
    while True:
        with contextlib.suppress(StoreUnavailable):
            return await asked(page)
        await anyio.sleep(_FOLLOW_SECONDS * 4)


def _downloaded(ctx: Context, execution_id: str, query: LogQuery) -> Iterator[bytes]:
    after, more = query.after_seq, True
    while more:
        found = execution_logs.page(ctx, execution_id, query.search(after, _DOWNLOAD_LINES))
        more = found.more
        if found.items:
            after = found.items[-1].seq
            yield b"".join(to_json(line) + b"\n" for line in found.items)


def _shown(request: Request, execution: Execution, status: int = 200, **headers: str) -> Response:
    return answered(request, to_json(execution, by_alias=True), status=status, headers=headers)


def _cursor(ctx: Context, query: ListQuery, position: Position) -> str:
    claims = {"at": position.created_at.isoformat(), "id": position.id, "filter": query.filter_mark()}
    return ctx.keyring.vault().sign({"page": claims})


def _position(ctx: Context, query: ListQuery) -> Position:
    claims: dict[str, Any] = (ctx.keyring.vault().verify(query.cursor, _CURSOR_SECONDS) or {}).get("page") or {}
    if claims.get("filter") != query.filter_mark():
        raise InvalidCursor("The cursor does not fit this list, or is too old", hint="Begin with the first page.")
    return Position(dt.datetime.fromisoformat(claims["at"]), claims["id"])
