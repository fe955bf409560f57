"""The schemas with what uses them, and one of them with what it was before."""

from dataclasses import dataclass

from etl_engine.model.collections import MAPPINGS, SCHEMAS
from etl_engine.model.schema import Schema, SchemaVersion
from etl_engine.services import access, schemas
from etl_engine.services.context import Context
from etl_engine.services.documents import Query


@dataclass(frozen=True)
class SchemaListing:
    """What a list of schemas shows."""

    items: list[Schema]
    total: int  # there are
    used: dict[str, int]  # by how many mappings, by id of the schema


@dataclass(frozen=True)
class SchemaDetail:
    """What the form of a schema shows."""

    schema: Schema
    versions: list[SchemaVersion]  # newest first


def look(ctx: Context, text: str = "") -> SchemaListing:
    """What a search finds, by name."""
    access.require(ctx, "schema:read")
    access.require(ctx, "mapping:read")
    items = schemas.list_(ctx, Query(text=text, sort="name", descending=False)).items
    total = ctx.store.count(SCHEMAS.name) if text.strip() else len(items)
    return SchemaListing(items, total, ctx.store.count_by(MAPPINGS.name, "target_schema_id"))


def one(ctx: Context, schema_id: str) -> SchemaDetail:
    """A schema as it is now, with its history."""
    access.require(ctx, "schema:read")
    return SchemaDetail(schemas.get(ctx, schema_id), schemas.versions(ctx, schema_id))
