"""Mappings: create, list, get, update, delete, what keeps one from running, and running it."""

import re
from collections.abc import Mapping as Values
from typing import Any

from etl_engine.connectors.statements import insist_on_a_query
from etl_engine.engine.mapping_check import Finding, findings
from etl_engine.errors import Conflict, Problem
from etl_engine.model.collections import COLUMN_MAPPINGS, MAPPINGS, SCHEDULES
from etl_engine.model.execution import Edge, Execution, Graph, Node, Subject, Trigger
from etl_engine.model.mapping import ColumnMapping, Mapping, MappingDraft, MappingProblem
from etl_engine.model.problems import rejected
from etl_engine.model.schema import house_columns, key_of
from etl_engine.services import access, documents, executions, preview
from etl_engine.services.context import Context
from etl_engine.services.documents import Listing, Query, names_of
from etl_engine.services.mapping_documents import SHELF, must_exist, refusal, rules_of, schema_columns, told
from etl_engine.store.contract import Document
from etl_engine.store.ids import new_id

_UNUSABLE = "This mapping cannot be used"


def create(ctx: Context, draft: Values[str, Any]) -> Mapping:
    """Store a mapping. What it names must be there, and its query be one that only reads."""
    access.require(ctx, "mapping:create")
    values = _checked(ctx, documents.read_as(MappingDraft, draft, "mapping"))
    return _saved(SHELF.insert(ctx, values))


def list_(ctx: Context, query: Query = Query()) -> Listing:  # noqa: B008 - frozen
    """A page of mappings that match."""
    access.require(ctx, "mapping:read")
    found, total = SHELF.find(ctx, query)
    return Listing([_saved(one) for one in found], total)


def get(ctx: Context, mapping_id: str) -> Mapping:
    access.require(ctx, "mapping:read")
    return _saved(SHELF.stored(ctx, mapping_id))


def update(ctx: Context, mapping_id: str, patch: Values[str, Any], *, revision: int | None = None) -> Mapping:
    """Change the fields of the patch."""
    access.require(ctx, "mapping:update")

    def prepare(document: Document) -> dict[str, Any]:
        return _checked(ctx, documents.patched(MappingDraft, document, patch, "mapping"), mapping_id)

    return _saved(SHELF.change(ctx, mapping_id, revision, prepare))


def delete(ctx: Context, mapping_id: str, *, revision: int | None = None) -> None:
    """Remove a mapping with its column mappings; Conflict while it runs, or while a schedule fires it."""
    access.require(ctx, "mapping:delete")

    def check(document: Document) -> None:
        running = executions.active(ctx, "mapping", mapping_id)
        if running:
            raise Conflict(
                f"The mapping {document['name']} is being run by the execution {running[0].id}",
                hint="Cancel that execution, or wait for its end.",
                context={"execution_id": running[0].id},
            )
        users = ctx.store.find(SCHEDULES.name, {"subject.id": mapping_id}, sort=[("name_key", 1)])
        if users:
            which = "the schedule" if len(users) == 1 else f"{len(users)} schedules:"
            raise Conflict(
                f"The mapping {document['name']} is in use by {which} {names_of(users)}",
                hint="Delete these schedules first.",
                context={"schedule_id": users[0]["_id"], "users": len(users)},
            )

    SHELF.delete(ctx, mapping_id, revision, check)
    ctx.store.delete(COLUMN_MAPPINGS.name, {"mapping_id": mapping_id})


def problems(ctx: Context, mapping_id: str, *, look: bool = False) -> list[MappingProblem]:
    """What keeps a mapping from running. With `look` its source is asked which columns the query answers."""
    access.require(ctx, "mapping:read")
    document = SHELF.stored(ctx, mapping_id)
    rules = rules_of(ctx, mapping_id)
    return told(_found(ctx, document, rules, look=look), [one.id for one in rules])


def run(ctx: Context, mapping_id: str, *, trigger: Trigger | None = None, key: str = "") -> Execution:
    """Order its execution, as the mapping is now. BadInput, with everything that is wrong, where it cannot run."""
    access.require(ctx, "mapping:run")
    document = SHELF.stored(ctx, mapping_id)
    rules = rules_of(ctx, mapping_id)
    must_exist(ctx, document)
    found = _found(ctx, document, rules, look=False)
    if found:
        raise refusal(f"The mapping {document['name']} cannot run", found)
    subject = Subject(kind="mapping", id=mapping_id, name=document["name"])
    return executions.submit(ctx, subject, _graph(ctx, document, rules), trigger=trigger, key=key)


def _found(ctx: Context, document: Document, rules: list[ColumnMapping], *, look: bool) -> list[Finding]:
    schema = ctx.store.get("schemas", document["target_schema_id"])
    if schema is None:
        gone = Problem("/target_schema_id", "no-such", "have no schema to fill", "Choose a schema that is there.")
        return [Finding(None, gone)]
    columns = schema_columns(schema)
    source = preview.columns(ctx, document["source_connection_id"], document["source_query"]) if look else None
    found = findings([one.rule for one in rules], house_columns(columns), source)
    if not rules:
        found = [Finding(None, Problem("/column_mappings", "required", "are missing", "Map at least one column."))]
    if document["write_mode"] == "merge" and not key_of(columns):
        fix = "Mark the columns of the schema that tell rows apart as key, or append."
        found.append(Finding(None, Problem("/write_mode", "key-missing", "cannot merge: the schema has no key", fix)))
    return found


def _graph(ctx: Context, document: Document, rules: list[ColumnMapping]) -> Graph:
    """Everything a worker needs, as it is now: later changes of the mapping do not touch a run."""
    schema = ctx.store.get("schemas", document["target_schema_id"]) or {}
    extract = {"connection_id": document["source_connection_id"], "query": document["source_query"]}
    mapped = {
        "mapping_id": document["_id"],
        "rules": [one.rule.model_dump() for one in rules],
        "columns": schema["columns"],
        "schema_id": schema["_id"],
        "schema_version": schema["version"],
        "reject_policy": document["reject_policy"],
        "max_rejected": document["max_rejected"],
    }
    load = {
        "connection_id": document["destination_connection_id"],  # None: the built-in lake
        "table": _table_of(document),
        "write_mode": document["write_mode"],
        "key": list(key_of(schema_columns(schema))),
        "columns": schema["columns"],
    }
    nodes = (
        Node(id="extract", block="db_extract", title="Read the source", config=extract),
        Node(id="map", block="map", title="Map the columns", config=mapped),
        Node(id="load", block="db_load", title="Load the destination", config=load),
    )
    return Graph(nodes=nodes, edges=(Edge(source="extract", target="map"), Edge(source="map", target="load")))


def _table_of(values: Values[str, Any]) -> str:
    """Where rows go; in the lake, whose tables are folders, by default after the mapping's name."""
    plain = re.sub(r"\W+", "_", values["name"].casefold()).strip("_")
    return values["destination_table"] or plain or "mapping"


def _checked(ctx: Context, draft: MappingDraft, mapping_id: str = "") -> dict[str, Any]:
    values = draft.model_dump()
    source, schema = must_exist(ctx, values)
    insist_on_a_query(draft.source_query, source["db_type"])
    if draft.write_mode == "merge" and not key_of(schema_columns(schema)):
        fix = "Mark the columns that tell rows apart as key in the schema, or append."
        raise rejected(
            _UNUSABLE,
            (Problem("/write_mode", "key-missing", f"needs key columns, and {schema['name']} has none", fix),),
        )
    if not values["destination_connection_id"] and not values["destination_table"]:
        _insist_on_a_table_of_its_own(ctx, values, mapping_id)
    return values


def _insist_on_a_table_of_its_own(ctx: Context, values: dict[str, Any], mapping_id: str) -> None:
    """`Shop orders` and `shop-orders` are two names and would be one table: only who names it may share one."""
    table = _table_of(values)
    beside = ctx.store.find(MAPPINGS.name, {"destination_connection_id": None, "_id": {"$ne": mapping_id or new_id()}})
    other = next((one for one in beside if _table_of(one).casefold() == table), None)
    if other is not None:
        said = f"is left out, and {table} in the built-in lake is written by the mapping {other['name']!r}"
        raise rejected(_UNUSABLE, (Problem("/destination_table", "taken", said, "Name a table, or change the name."),))


def _saved(document: Document) -> Mapping:
    return Mapping.model_validate(document)
