"""Target schemas: create, list, get, update by rules of evolution, delete where nothing uses them."""

from collections.abc import Mapping, Sequence
from typing import Any

from etl_engine.errors import Conflict, Problem
from etl_engine.model.collections import COLUMN_MAPPINGS, MAPPINGS, SCHEMAS
from etl_engine.model.schema import Schema, SchemaDraft, SchemaVersion
from etl_engine.model.text import name_key
from etl_engine.services import access, documents
from etl_engine.services.context import Context
from etl_engine.services.documents import Listing, Query, Shelf, names_of
from etl_engine.store.contract import Document

SHELF = Shelf(SCHEMAS, "schema")
VERSIONS_KEPT = 50


def create(ctx: Context, draft: Mapping[str, Any]) -> Schema:
    """Store a schema; its columns are version 1."""
    access.require(ctx, "schema:create")
    values = documents.read_as(SchemaDraft, draft, "schema").model_dump()
    first = {"version": 1, "at": ctx.store.now(), "columns": values["columns"]}
    return _saved(SHELF.insert(ctx, {**values, "version": 1, "versions": [first]}))


def list_(ctx: Context, query: Query = Query()) -> Listing:  # noqa: B008 - frozen
    """A page of schemas that match."""
    access.require(ctx, "schema:read")
    found, total = SHELF.find(ctx, query)
    return Listing([_saved(one) for one in found], total)


def get(ctx: Context, schema_id: str) -> Schema:
    access.require(ctx, "schema:read")
    return _saved(SHELF.stored(ctx, schema_id))


def versions(ctx: Context, schema_id: str) -> list[SchemaVersion]:
    """What the columns were, newest first; the last fifty."""
    access.require(ctx, "schema:read")
    kept = SHELF.stored(ctx, schema_id)["versions"]
    return [SchemaVersion.model_validate(one) for one in reversed(kept)]


def update(ctx: Context, schema_id: str, patch: Mapping[str, Any], *, revision: int | None = None) -> Schema:
    """Change the fields of the patch. Columns may be added; the type of one that is there never changes.

    Conflict where a type would change, or where a column would go that a mapping fills.
    """
    access.require(ctx, "schema:update")

    def prepare(document: Document) -> dict[str, Any]:
        values = documents.patched(SchemaDraft, document, patch, "schema").model_dump()
        if values["columns"] == document["columns"]:
            return values
        _insist_on_types(document["name"], document["columns"], values["columns"])
        _insist_on_used_columns(ctx, document, values["columns"])
        version = document["version"] + 1
        grown = {"version": version, "at": ctx.store.now(), "columns": values["columns"]}
        return {**values, "version": version, "versions": [*document["versions"], grown][-VERSIONS_KEPT:]}

    return _saved(SHELF.change(ctx, schema_id, revision, prepare))


def delete(ctx: Context, schema_id: str, *, revision: int | None = None) -> Schema:
    """Remove a schema; Conflict, with who uses it, where a mapping does. Answers what was deleted."""
    access.require(ctx, "schema:delete")

    def check(document: Document) -> None:
        users = ctx.store.find(MAPPINGS.name, {"target_schema_id": schema_id}, sort=[("name_key", 1)])
        if users:
            raise Conflict(
                f"The schema {document['name']} is in use by {_mappings(users)}",
                hint="Give these mappings another schema, or delete them first.",
                context={"mapping_id": users[0]["_id"], "users": len(users)},
            )

    return _saved(SHELF.delete(ctx, schema_id, revision, check))


def _insist_on_types(name: str, before: Sequence[Document], after: Sequence[Document]) -> None:
    """A column is the same one in other letters too: destinations that fold them would find its old type."""
    types = {name_key(column["name"]): column["data_type"] for column in before}
    fix = "Add a column of the new type under another name, or make another schema."
    changed = [
        (place, column, was)
        for place, column in enumerate(after)
        if (was := types.get(name_key(column["name"]), column["data_type"])) != column["data_type"]
    ]
    if changed:
        _, first, was = changed[0]
        raise Conflict(
            f"The column {first['name']!r} of the schema {name} is {was} and cannot become "
            f"{first['data_type']}: the type of an existing column never changes",
            hint=fix,
            problems=tuple(
                Problem(f"/columns/{place}/data_type", "type-change", f"is {was} and stays so", fix)
                for place, _, was in changed
            ),
        )


def _insist_on_used_columns(ctx: Context, document: Document, after: Sequence[Document]) -> None:
    kept = {column["name"] for column in after}
    gone = [column["name"] for column in document["columns"] if column["name"] not in kept]
    if not gone:
        return
    for mapping in ctx.store.find(MAPPINGS.name, {"target_schema_id": document["_id"]}, sort=[("name_key", 1)]):
        rules = ctx.store.find(COLUMN_MAPPINGS.name, {"mapping_id": mapping["_id"]})
        used = [name for name in gone if any(name in rule["target_fields"] for rule in rules)]
        if used:
            raise Conflict(
                f"The column {used[0]!r} of the schema {document['name']} is filled by the mapping {mapping['name']!r}",
                hint="Take it out of that mapping first.",
                context={"mapping_id": mapping["_id"], "column": used[0]},
            )


def _mappings(users: list[Document]) -> str:
    return f"{'the mapping' if len(users) == 1 else f'{len(users)} mappings:'} {names_of(users)}"


def _saved(document: Document) -> Schema:
    return Schema.model_validate(document)
