"""/mappings: the specified endpoints, their column mappings one by one, what is wrong with one, and running it."""

import asyncio
import contextlib
import functools
import threading
from collections.abc import AsyncIterator
from typing import Annotated, Any

import anyio
from fastapi import Depends, Query, Request
from pydantic import BaseModel, Field
from pydantic_core import to_json
from starlette.responses import Response

from etl_engine.api.deps import JSON, Ctx, IfMatch, ObjectId, Router, accepts, answered, reads, wanted_revision
from etl_engine.api.documented import headed, reading, writing
from etl_engine.api.once import REPLAYED, Once
from etl_engine.api.pages import PageQuery, listed
from etl_engine.api.shapes import DescribedAs, changes_of
from etl_engine.model.execution import Execution
from etl_engine.model.mapping import AnyRule, ColumnMapping, Mapping, MappingDraft, MappingProblem, revision_of
from etl_engine.model.preview import Preview, PreviewOrder
from etl_engine.services import column_mappings, mappings, preview

PREVIEWS_AT_ONCE = 8

router = Router(prefix="/mappings", tags=["mappings"], dependencies=[Depends(accepts(JSON))])
_READS_JSON = Depends(reads(JSON))
Draft = Annotated[dict[str, Any], DescribedAs(MappingDraft)]
Patch = Annotated[dict[str, Any], DescribedAs(changes_of(MappingDraft))]
Order = Annotated[dict[str, Any], DescribedAs(PreviewOrder)]
RuleBody = Annotated[dict[str, Any], DescribedAs(AnyRule)]
RuleBodies = Annotated[list[RuleBody], Field(max_length=1600)]


class ProblemQuery(BaseModel):
    """How closely to look."""

    model_config = {"extra": "forbid"}

    look: Annotated[bool, Field(description="Ask the source which columns the query answers.")] = False


@router.post(
    "/",
    status_code=201,
    response_model=Mapping,
    operation_id="createMapping",
    summary="Create a mapping",
    responses=writing(409) | headed(201, "ETag", "Location", REPLAYED),
    dependencies=[_READS_JSON],
)
def create(request: Request, ctx: Ctx, once: Once, body: Draft) -> Response:
    """What it names must be there; its query must be one that only reads."""

    def work() -> Response:
        made = mappings.create(ctx, body)
        return _shown(request, made, 201, Location=f"{request.scope['path'].rstrip('/')}/{made.id}")

    return once(work)


@router.get(
    "/",
    response_model=list[Mapping],
    operation_id="listMappings",
    summary="List mappings",
    responses=reading() | headed(200, "ETag", "Link", "X-Total-Count"),
)
def list_(request: Request, ctx: Ctx, query: Annotated[PageQuery, Query()]) -> Response:
    """All mappings that match, or a page of them."""
    return listed(request, query, mappings.list_(ctx, query.search()))


@router.post(
    "/preview",
    response_model=Preview,
    operation_id="previewQuery",
    summary="Preview a query",
    responses=writing(404, 409, 502),
    dependencies=[_READS_JSON],
)
async def preview_(request: Request, ctx: Ctx, body: Order) -> Response:
    """The first rows as exact texts; with a schema and column mappings, what becomes of them. Leaving stops it."""
    async with _until_gone(request) as gone:
        look = functools.partial(preview.show, ctx, body, gone=gone)
        shown = await anyio.to_thread.run_sync(look, limiter=_previews())
    return Response(to_json(shown), media_type=JSON, headers={"Cache-Control": "no-store"})


@router.get(
    "/{mapping_id:id}",
    response_model=Mapping,
    operation_id="getMapping",
    summary="Get a mapping",
    responses=reading(404) | headed(200, "ETag"),
)
def get(request: Request, ctx: Ctx, mapping_id: ObjectId) -> Response:
    """One mapping, without its column mappings."""
    return _shown(request, mappings.get(ctx, mapping_id))


@router.put(
    "/{mapping_id:id}",
    response_model=Mapping,
    operation_id="updateMapping",
    summary="Update a mapping",
    responses=writing(404, 409, 412) | headed(200, "ETag"),
    dependencies=[_READS_JSON],
)
def update(request: Request, ctx: Ctx, mapping_id: ObjectId, body: Patch, if_match: IfMatch = None) -> Response:
    """Change the fields that are sent."""
    revision = wanted_revision(if_match, lambda: mappings.get(ctx, mapping_id).revision)
    return _shown(request, mappings.update(ctx, mapping_id, body, revision=revision))


@router.delete(
    "/{mapping_id:id}",
    status_code=204,
    operation_id="deleteMapping",
    summary="Delete a mapping",
    responses=reading(404, 409, 412),
)
def delete(ctx: Ctx, mapping_id: ObjectId, if_match: IfMatch = None) -> Response:
    """Remove a mapping and its column mappings; 409 while it runs, and while a schedule fires it."""
    revision = wanted_revision(if_match, lambda: mappings.get(ctx, mapping_id).revision)
    mappings.delete(ctx, mapping_id, revision=revision)
    return Response(status_code=204)


@router.get(
    "/{mapping_id:id}/problems",
    response_model=list[MappingProblem],
    operation_id="listMappingProblems",
    summary="List what keeps a mapping from running",
    responses=reading(404, 409, 502),
)
def problems(ctx: Ctx, mapping_id: ObjectId, query: Annotated[ProblemQuery, Query()]) -> Response:
    """Empty where it can run."""
    return Response(to_json(mappings.problems(ctx, mapping_id, look=query.look)), media_type=JSON)


@router.post(
    "/{mapping_id:id}/run",
    status_code=202,
    response_model=Execution,
    operation_id="runMapping",
    summary="Run a mapping",
    responses=reading(404, 409) | headed(202, "Location", REPLAYED),
)
def run(request: Request, ctx: Ctx, once: Once, mapping_id: ObjectId) -> Response:
    """Order its execution, as the mapping is now; 422 with everything that is wrong where it cannot run."""

    def work() -> Response:
        execution = mappings.run(ctx, mapping_id)
        where = f"{request.app.state.prefix}/executions/{execution.id}"
        return answered(request, to_json(execution, by_alias=True), status=202, headers={"Location": where})

    return once(work)


@router.post(
    "/{mapping_id:id}/column-mappings",
    status_code=201,
    response_model=ColumnMapping | list[ColumnMapping],
    operation_id="createColumnMappings",
    summary="Create column mappings",
    responses=writing(404) | headed(201, REPLAYED),
    dependencies=[_READS_JSON],
)
def append(ctx: Ctx, once: Once, mapping_id: ObjectId, body: RuleBodies | RuleBody) -> Response:
    """One object or an array, added behind those that are there; all or none."""
    alone = isinstance(body, dict)

    def work() -> Response:
        made = column_mappings.append(ctx, mapping_id, [body] if isinstance(body, dict) else body, alone=alone)
        return Response(to_json(made[0] if alone else made, by_alias=True), 201, media_type=JSON)

    return once(work)


@router.get(
    "/{mapping_id:id}/column-mappings",
    response_model=list[ColumnMapping],
    operation_id="listColumnMappings",
    summary="List column mappings",
    responses=reading(404) | headed(200, "ETag"),
)
def columns(request: Request, ctx: Ctx, mapping_id: ObjectId) -> Response:
    """All of a mapping, in their order."""
    return _all_shown(request, column_mappings.list_(ctx, mapping_id))


@router.put(
    "/{mapping_id:id}/column-mappings",
    response_model=list[ColumnMapping],
    operation_id="replaceColumnMappings",
    summary="Replace the column mappings",
    responses=writing(404, 412) | headed(200, "ETag"),
    dependencies=[_READS_JSON],
)
def replace(request: Request, ctx: Ctx, mapping_id: ObjectId, body: RuleBodies, if_match: IfMatch = None) -> Response:
    """Put these in the place of all that are there."""
    revision = wanted_revision(if_match, lambda: revision_of(column_mappings.list_(ctx, mapping_id)))
    return _all_shown(request, column_mappings.replace(ctx, mapping_id, body, revision=revision))


@router.get(
    "/{mapping_id:id}/column-mappings/{column_mapping_id:id}",
    response_model=ColumnMapping,
    operation_id="getColumnMapping",
    summary="Get a column mapping",
    responses=reading(404) | headed(200, "ETag"),
)
def column(request: Request, ctx: Ctx, mapping_id: ObjectId, column_mapping_id: ObjectId) -> Response:
    """One of them."""
    return _one_shown(request, column_mappings.get(ctx, mapping_id, column_mapping_id))


@router.put(
    "/{mapping_id:id}/column-mappings/{column_mapping_id:id}",
    response_model=ColumnMapping,
    operation_id="updateColumnMapping",
    summary="Update a column mapping",
    responses=writing(404, 412) | headed(200, "ETag"),
    dependencies=[_READS_JSON],
)
def change(
    request: Request,
    ctx: Ctx,
    mapping_id: ObjectId,
    column_mapping_id: ObjectId,
    body: RuleBody,
    if_match: IfMatch = None,
) -> Response:
    """Put this one in the place of that one."""
    revision = wanted_revision(if_match, lambda: column_mappings.get(ctx, mapping_id, column_mapping_id).revision)
    return _one_shown(request, column_mappings.change(ctx, mapping_id, column_mapping_id, body, revision=revision))


@router.delete(
    "/{mapping_id:id}/column-mappings/{column_mapping_id:id}",
    status_code=204,
    operation_id="deleteColumnMapping",
    summary="Delete a column mapping",
    responses=reading(404, 412),
)
def remove(ctx: Ctx, mapping_id: ObjectId, column_mapping_id: ObjectId, if_match: IfMatch = None) -> Response:
    """Take one out."""
    revision = wanted_revision(if_match, lambda: column_mappings.get(ctx, mapping_id, column_mapping_id).revision)
    column_mappings.delete(ctx, mapping_id, column_mapping_id, revision=revision)
    return Response(status_code=204)


def _all_shown(request: Request, rules: list[ColumnMapping]) -> Response:
    return answered(request, to_json(rules, by_alias=True), revision=revision_of(rules))


def _one_shown(request: Request, rule: ColumnMapping) -> Response:
    return answered(request, to_json(rule, by_alias=True), revision=rule.revision)


def _shown(request: Request, saved: Mapping, status: int = 200, **headers: str) -> Response:
    return answered(request, to_json(saved, by_alias=True), revision=saved.revision, status=status, headers=headers)


@functools.cache
def _previews() -> anyio.CapacityLimiter:
    """Their own threads: ten seconds each must not keep the other requests waiting."""
    return anyio.CapacityLimiter(PREVIEWS_AT_ONCE)


@contextlib.asynccontextmanager
async def _until_gone(request: Request) -> AsyncIterator[threading.Event]:
    """Set when the caller leaves, or when the answer is there."""
    gone = threading.Event()

    async def watch() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        gone.set()

    watching = asyncio.ensure_future(watch())
    try:
        yield gone
    finally:
        gone.set()
        watching.cancel()
