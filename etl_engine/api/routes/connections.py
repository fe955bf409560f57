"""/connections: the first specification's seven endpoints, merge patch, and tests that can be watched."""

from collections.abc import Sequence
from typing import Annotated, Any, cast, get_args
from urllib.parse import urlencode

from fastapi import Body, Depends, Query, Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import to_json
from starlette.responses import Response

from etl_engine.api import ladders
from etl_engine.api.deps import (
    EVENTS,
    JSON,
    ConnectionId,
    Ctx,
    IfMatch,
    Router,
    accepts,
    answered,
    reads,
    wanted_revision,
)
from etl_engine.api.documented import headed, reading, writing
from etl_engine.api.once import REPLAYED, Once
from etl_engine.api.shapes import Answer, Changes, Draft, Patch, Trial, kind_names, typed, without_receipt
from etl_engine.model.connection import SavedFields, TestResult
from etl_engine.model.text import Plain
from etl_engine.services import connection_tests, connections
from etl_engine.services.connection_tests import OnStep
from etl_engine.services.connections import Listing, SortField, Status

MERGE_PATCH = "application/merge-patch+json"
_SORTS = [sign + field for field in get_args(SortField) for sign in ("", "-")]

router = Router(prefix="/connections", tags=["connections"])
_ANSWERS_JSON = Depends(accepts(JSON))
_READS_JSON = Depends(reads(JSON))
Media = Annotated[str, Depends(accepts(JSON, EVENTS))]


def _one_of(value: str, choices: Sequence[str]) -> str:
    if value not in choices:
        raise ValueError(f"must be one of: {', '.join(choices)}")
    return value


class ListQuery(BaseModel):
    """How to search, filter, sort and page; nothing of it means everything, newest change first."""

    model_config = ConfigDict(extra="forbid")

    q: Annotated[Plain, Field(description="Found in name, host, port, database or username.", max_length=200)] = ""
    db_type: list[
        Annotated[
            str, AfterValidator(lambda v: _one_of(v, kind_names())), Field(json_schema_extra={"enum": kind_names()})
        ]
    ] = []
    status: list[Status] = []
    sort: Annotated[
        str,
        AfterValidator(lambda v: _one_of(v, _SORTS)),
        Field(description="A minus sorts downwards.", json_schema_extra={"enum": _SORTS}),
    ] = "-updated_at"
    limit: Annotated[int | None, Field(ge=1, le=1000, description="The length of a page; left out: everything.")] = None
    offset: Annotated[int, Field(ge=0, le=1_000_000)] = 0

    def search(self) -> connections.Query:
        return connections.Query(
            text=self.q,
            db_types=tuple(self.db_type),
            statuses=tuple(self.status),
            sort=cast(SortField, self.sort.removeprefix("-")),
            descending=self.sort.startswith("-"),
            limit=self.limit or 0,
            offset=self.offset,
        )


@router.post(
    "/",
    status_code=201,
    response_model=Answer,
    operation_id="createConnection",
    summary="Create a connection",
    responses=writing(409) | headed(201, "ETag", "Location", REPLAYED),
    dependencies=[_ANSWERS_JSON, _READS_JSON],
)
def create(request: Request, ctx: Ctx, once: Once, body: Draft) -> Response:
    """Names are unique without regard to case and outer spaces. With the receipt of its test it counts as tested."""
    values, receipt = without_receipt(body)

    def work() -> Response:
        saved = connections.create(ctx, typed(values), receipt=receipt)
        return _shown(request, saved, status=201, Location=f"{request.scope['path'].rstrip('/')}/{saved.id}")

    return once(work)


@router.get(
    "/",
    response_model=list[Answer],
    operation_id="listConnections",
    summary="List connections",
    responses=reading() | headed(200, "ETag", "Link", "X-Total-Count"),
    dependencies=[_ANSWERS_JSON],
)
def list_(request: Request, ctx: Ctx, query: Annotated[ListQuery, Query()]) -> Response:
    """All connections that match, or a page of them."""
    found = connections.list_(ctx, query.search())
    links = _links(request.scope["path"], query, found)
    headers = {"X-Total-Count": str(found.total)} | ({"Link": links} if links else {})
    return answered(request, to_json(found.items, by_alias=True), headers=headers)


@router.get(
    "/{connection_id:id}",
    response_model=Answer,
    operation_id="getConnection",
    summary="Get a connection",
    responses=reading(404) | headed(200, "ETag"),
    dependencies=[_ANSWERS_JSON],
)
def get(request: Request, ctx: Ctx, connection_id: ConnectionId) -> Response:
    """One connection, its secrets masked."""
    return _shown(request, connections.get(ctx, connection_id))


@router.put(
    "/{connection_id:id}",
    response_model=Answer,
    operation_id="updateConnection",
    summary="Update a connection",
    responses=writing(404, 409, 412) | headed(200, "ETag"),
    dependencies=[_ANSWERS_JSON, _READS_JSON],
)
def update(request: Request, ctx: Ctx, connection_id: ConnectionId, body: Patch, if_match: IfMatch = None) -> Response:
    """Change the fields that are sent. A change of anything but the name makes the connection untested again."""
    return _updated(request, ctx, connection_id, body, if_match)


@router.patch(
    "/{connection_id:id}",
    response_model=Answer,
    operation_id="patchConnection",
    summary="Update a connection by merge patch",
    responses=writing(404, 409, 412) | headed(200, "ETag"),
    dependencies=[_ANSWERS_JSON, Depends(reads(MERGE_PATCH, JSON))],
)
def patch(
    request: Request,
    ctx: Ctx,
    connection_id: ConnectionId,
    body: Annotated[Patch, Body(media_type=MERGE_PATCH)],
    if_match: IfMatch = None,
) -> Response:
    """Change the fields that are sent; null sets one back to its default (JSON Merge Patch, RFC 7396)."""
    return _updated(request, ctx, connection_id, body, if_match)


@router.delete(
    "/{connection_id:id}",
    status_code=204,
    operation_id="deleteConnection",
    summary="Delete a connection",
    responses=reading(404, 412),
    dependencies=[_ANSWERS_JSON],
)
def delete(ctx: Ctx, connection_id: ConnectionId, if_match: IfMatch = None) -> Response:
    """Remove a connection for good."""
    revision = wanted_revision(if_match, lambda: connections.get(ctx, connection_id).revision)
    connections.delete(ctx, connection_id, revision=revision)
    return Response(status_code=204)


@router.post(
    "/test",
    response_model=TestResult,
    operation_id="testNewConnection",
    summary="Test a new connection",
    responses=writing() | ladders.DOCUMENTED,
    dependencies=[_READS_JSON],
)
async def test_new(request: Request, ctx: Ctx, media: Media, body: Trial) -> Response:
    """Test values that are not saved. A failed test is an answer, not an error."""
    draft = typed(body)

    def climb(on_step: OnStep, cancelled: ladders.Cancelling) -> TestResult:
        return connection_tests.test_new(ctx, draft, on_step=on_step, cancelled=cancelled)

    return await ladders.answered(request, media, climb)


@router.post(
    "/{connection_id:id}/test",
    response_model=TestResult,
    operation_id="testConnection",
    summary="Test a stored connection",
    responses=writing(404, 409) | ladders.DOCUMENTED,
    dependencies=[_READS_JSON],
)
async def test_saved(
    request: Request, ctx: Ctx, media: Media, connection_id: ConnectionId, body: Changes | None = None
) -> Response:
    """Test a stored connection and record the result; with a body, test what it would be with these changes."""

    def climb(on_step: OnStep, cancelled: ladders.Cancelling) -> TestResult:
        return connection_tests.test_saved(ctx, connection_id, body, on_step=on_step, cancelled=cancelled)

    return await ladders.answered(request, media, climb)


def _updated(request: Request, ctx: Ctx, connection_id: str, body: dict[str, Any], if_match: str | None) -> Response:
    values, receipt = without_receipt(body)
    revision = wanted_revision(if_match, lambda: connections.get(ctx, connection_id).revision)
    return _shown(request, connections.update(ctx, connection_id, values, revision=revision, receipt=receipt))


def _shown(request: Request, saved: SavedFields, status: int = 200, **headers: str) -> Response:
    return answered(request, to_json(saved, by_alias=True), revision=saved.revision, status=status, headers=headers)


def _links(path: str, query: ListQuery, found: Listing) -> str:
    if query.limit is None:
        return ""
    pages = {"first": 0} if query.offset else {}
    if query.offset:
        pages["prev"] = max(0, query.offset - query.limit)
    if query.offset + len(found.items) < found.total and found.items:
        pages["next"] = query.offset + query.limit
    given = query.model_dump(exclude_unset=True)
    return ", ".join(
        f'<{path}?{urlencode(given | {"offset": o}, doseq=True)}>; rel="{rel}"' for rel, o in pages.items()
    )
