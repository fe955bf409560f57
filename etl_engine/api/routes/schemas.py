"""/schemas: what mappings fill. Columns may be added; the type of one that is there never changes."""

from typing import Annotated, Any

from fastapi import Depends, Query, Request
from pydantic_core import to_json
from starlette.responses import Response

from etl_engine.api.deps import JSON, Ctx, IfMatch, ObjectId, Router, accepts, answered, reads, wanted_revision
from etl_engine.api.documented import headed, reading, writing
from etl_engine.api.once import REPLAYED, Once
from etl_engine.api.pages import PageQuery, listed
from etl_engine.api.shapes import DescribedAs, changes_of
from etl_engine.model.schema import Schema, SchemaDraft, SchemaVersion
from etl_engine.services import schemas

router = Router(prefix="/schemas", tags=["schemas"], dependencies=[Depends(accepts(JSON))])
_READS_JSON = Depends(reads(JSON))
Draft = Annotated[dict[str, Any], DescribedAs(SchemaDraft)]
Patch = Annotated[dict[str, Any], DescribedAs(changes_of(SchemaDraft))]


@router.post(
    "/",
    status_code=201,
    response_model=Schema,
    operation_id="createSchema",
    summary="Create a schema",
    responses=writing(409) | headed(201, "ETag", "Location", REPLAYED),
    dependencies=[_READS_JSON],
)
def create(request: Request, ctx: Ctx, once: Once, body: Draft) -> Response:
    """Columns are of ten types; decimal(p,s) takes up to 38 digits."""

    def work() -> Response:
        made = schemas.create(ctx, body)
        return _shown(request, made, 201, Location=f"{request.scope['path'].rstrip('/')}/{made.id}")

    return once(work)


@router.get(
    "/",
    response_model=list[Schema],
    operation_id="listSchemas",
    summary="List schemas",
    responses=reading() | headed(200, "ETag", "Link", "X-Total-Count"),
)
def list_(request: Request, ctx: Ctx, query: Annotated[PageQuery, Query()]) -> Response:
    """All schemas that match, or a page of them."""
    return listed(request, query, schemas.list_(ctx, query.search()))


@router.get(
    "/{schema_id:id}",
    response_model=Schema,
    operation_id="getSchema",
    summary="Get a schema",
    responses=reading(404) | headed(200, "ETag"),
)
def get(request: Request, ctx: Ctx, schema_id: ObjectId) -> Response:
    """One schema as it is now."""
    return _shown(request, schemas.get(ctx, schema_id))


@router.get(
    "/{schema_id:id}/versions",
    response_model=list[SchemaVersion],
    operation_id="listSchemaVersions",
    summary="List the versions of a schema",
    responses=reading(404) | headed(200, "ETag"),
)
def versions(request: Request, ctx: Ctx, schema_id: ObjectId) -> Response:
    """What the columns were, newest first; the last fifty."""
    return answered(request, to_json(schemas.versions(ctx, schema_id)))


@router.put(
    "/{schema_id:id}",
    response_model=Schema,
    operation_id="updateSchema",
    summary="Update a schema",
    responses=writing(404, 409, 412) | headed(200, "ETag"),
    dependencies=[_READS_JSON],
)
def update(request: Request, ctx: Ctx, schema_id: ObjectId, body: Patch, if_match: IfMatch = None) -> Response:
    """Change the fields that are sent. 409 where a type would change, or a column go that a mapping fills."""
    revision = wanted_revision(if_match, lambda: schemas.get(ctx, schema_id).revision)
    return _shown(request, schemas.update(ctx, schema_id, body, revision=revision))


@router.delete(
    "/{schema_id:id}",
    status_code=204,
    operation_id="deleteSchema",
    summary="Delete a schema",
    responses=reading(404, 409, 412),
)
def delete(ctx: Ctx, schema_id: ObjectId, if_match: IfMatch = None) -> Response:
    """Remove a schema for good; 409, with who uses it, where a mapping does."""
    revision = wanted_revision(if_match, lambda: schemas.get(ctx, schema_id).revision)
    schemas.delete(ctx, schema_id, revision=revision)
    return Response(status_code=204)


def _shown(request: Request, saved: Schema, status: int = 200, **headers: str) -> Response:
    return answered(request, to_json(saved, by_alias=True), revision=saved.revision, status=status, headers=headers)
