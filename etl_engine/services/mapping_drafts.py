"""A mapping while it is made: what there is to choose, how it stands beside rows that were read, saved as one."""

import contextlib
import time
from collections.abc import Mapping as Values
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from etl_engine.connectors.rows import Explores
from etl_engine.engine.mapping_check import findings
from etl_engine.errors import BadInput, Conflict, EtlError, Problem, Stale
from etl_engine.model.collections import COLUMN_MAPPINGS, CONNECTIONS, MAPPINGS, SCHEMAS
from etl_engine.model.execution import Execution
from etl_engine.model.mapping import ColumnMapping, Mapping, MappingDraft, MappingProblem, Rule
from etl_engine.model.preview import Preview
from etl_engine.model.problems import rejected
from etl_engine.model.schema import SchemaColumn, house_columns
from etl_engine.model.table import Column, Family, Table
from etl_engine.model.text import NAME_LENGTH, name_key
from etl_engine.services import access, column_mappings, executions, mappings, preview
from etl_engine.services.capabilities import open_as
from etl_engine.services.context import Context
from etl_engine.services.documents import Query
from etl_engine.services.mapping_documents import refusal, rule_of, rules_of, schema_columns
from etl_engine.services.preview import Sample

_UNUSABLE = "This mapping cannot be used"
_LATER = "required-unmapped"
# Kinds whose tables are files: they answer no query, so that no mapping can begin there.
_WITHOUT_QUERIES = frozenset({"files", "s3", "lake"})
MOST_TABLES = 500
MOST_DESCRIBED = 80  # each costs the other side a question
SECONDS_DESCRIBING = 3.0
_MOST_DIGITS = 38


@dataclass(frozen=True)
class End:
    """A connection that rows can come from or go to."""

    id: str
    name: str
    db_type: str
    answers_queries: bool


@dataclass(frozen=True)
class Target:
    """A schema that can be filled."""

    id: str
    name: str
    columns: int


@dataclass(frozen=True)
class Opened:
    """A mapping with everything that its page needs; without one, what a new one can be made of."""

    mapping: Mapping | None
    rules: list[ColumnMapping]
    connections: list[End]
    schemas: list[Target]


@dataclass(frozen=True)
class Tried:
    """How a mapping stands: its target's columns, what is wrong, and what it makes of the rows."""

    columns: list[SchemaColumn]
    problems: list[MappingProblem]
    preview: Preview | None


@dataclass(frozen=True)
class Summary:
    """A mapping as a list shows it."""

    mapping: Mapping
    source: End | None
    destination: End | None
    schema: str
    rules: int
    last: Execution | None


@dataclass(frozen=True)
class Overview:
    """A page of mappings, how many match in all, and whether there are any."""

    items: list[Summary]
    total: int
    any: bool


@dataclass(frozen=True)
class NamedTable:
    """A table of the source, for whoever writes a query."""

    schema: str
    name: str
    columns: list[str] = field(default_factory=list)


def overview(ctx: Context, query: Query = Query()) -> Overview:  # noqa: B008 - frozen
    """A page of mappings with the names of what they name, and their last runs."""
    access.require(ctx, "mapping:read")
    found = mappings.list_(ctx, query)
    if not found.items and found.total and query.limit:  # behind the last page
        found = mappings.list_(ctx, replace(query, offset=(found.total - 1) // query.limit * query.limit))
    ends = {one.id: one for one in _ends(ctx)}
    names = {one.id: one.name for one in _targets(ctx)}
    items = []
    for one in found.items:
        last = executions.latest(ctx, "mapping", one.id)
        items.append(
            Summary(
                mapping=one,
                source=ends.get(one.source_connection_id),
                destination=ends.get(one.destination_connection_id or ""),
                schema=names.get(one.target_schema_id, ""),
                rules=ctx.store.count(COLUMN_MAPPINGS.name, {"mapping_id": one.id}),
                last=last[0] if last else None,
            )
        )
    return Overview(items, found.total, bool(found.total) or ctx.store.count(MAPPINGS.name, {}) > 0)


def opened(ctx: Context, mapping_id: str = "") -> Opened:
    """A mapping as it is now, or the beginning of a new one."""
    access.require(ctx, "mapping:read")
    mapping = mappings.get(ctx, mapping_id) if mapping_id else None
    return Opened(mapping, rules_of(ctx, mapping_id) if mapping_id else [], _ends(ctx), _targets(ctx))


def tried(ctx: Context, sample: Sample | None, schema_id: str, drafts: Sequence[Values[str, Any]]) -> Tried:
    """How these column mappings stand, whatever is still wrong with them."""
    access.require(ctx, "mapping:preview")
    schema = ctx.store.get(SCHEMAS.name, schema_id) if schema_id else None
    columns = schema_columns(schema) if schema else []
    rules, problems = _read(drafts)
    sound = not problems and schema is not None
    shown = (
        preview.tried(ctx, sample, [rule for _, rule in rules] if sound else [], schema_id if sound else None)
        if sample
        else None
    )
    problems += _standing(rules, columns, sample.columns if sample else None) if schema else []
    return Tried(columns, problems, shown)


def save(
    ctx: Context,
    draft: Values[str, Any],
    rules: Sequence[Values[str, Any]],
    *,
    mapping_id: str = "",
    seen: Opened | None = None,
) -> Opened:
    """Store a mapping with its column mappings; Stale where either is not as it was `seen` any more."""
    access.require(ctx, "mapping:update")
    read, problems = _read(rules)
    schema = ctx.store.get(SCHEMAS.name, str(draft.get("target_schema_id") or ""))
    if schema:
        problems += [one for one in _standing(read, schema_columns(schema), None) if one.code != _LATER]
    if problems:
        found = tuple(Problem(one.pointer, one.code, one.message, one.fix) for one in problems)
        raise rejected(_UNUSABLE, found)
    if mapping_id:
        stored = rules_of(ctx, mapping_id)
        if seen is not None and _marks(stored) != _marks(seen.rules):
            raise Stale(
                "The column mappings were changed by somebody else since you read them",
                hint="Read the mapping again, and repeat your change on top of it.",
            )
        revision = seen.mapping.revision if seen and seen.mapping else None
        saved = mappings.update(ctx, mapping_id, draft, revision=revision)
        changed = [one.rule for one in stored] != [rule for _, rule in read]
    else:
        saved = mappings.create(ctx, {name: value for name, value in draft.items() if value is not None})
        changed = bool(read)
    if changed:
        column_mappings.replace(ctx, saved.id, list(rules))
    return opened(ctx, saved.id)


def duplicate(ctx: Context, mapping_id: str) -> Mapping:
    """A copy under a free name, with the same column mappings."""
    access.require(ctx, "mapping:create")
    original = opened(ctx, mapping_id)
    called = original.mapping.name if original.mapping else ""
    for number in range(1, 100):
        suffix = " (copy)" if number == 1 else f" (copy {number})"
        name = called[: NAME_LENGTH - len(suffix)] + suffix
        if not ctx.store.count(MAPPINGS.name, {"name_key": name_key(name)}):
            with contextlib.suppress(Conflict):  # somebody else makes a copy at the same time
                return _made_again(ctx, original, name)
    raise Conflict(f"There are too many copies of {called}", hint="Rename or delete some of them.")


def delete(ctx: Context, mapping_id: str) -> Opened:
    """Remove a mapping. Answers what it was: saved again, it is back under another id."""
    access.require(ctx, "mapping:delete")
    gone = opened(ctx, mapping_id)
    mappings.delete(ctx, mapping_id, revision=gone.mapping.revision if gone.mapping else None)
    return gone


def restore(ctx: Context, gone: Opened) -> Mapping:
    """A mapping that was deleted, with its column mappings, under another id."""
    access.require(ctx, "mapping:create")
    return _made_again(ctx, gone, gone.mapping.name if gone.mapping else "")


def tables(ctx: Context, connection_id: str) -> list[NamedTable]:
    """The tables of a source, the first of them with their columns, as far as there is time."""
    access.require(ctx, "connection:use")
    with open_as(ctx, connection_id, Explores) as connector:
        explorer = connector.explore()
        try:
            names = [one.name for one in explorer.tables() if one.name is not None][:MOST_TABLES]
            end = time.monotonic() + SECONDS_DESCRIBING
            found = []
            for place, name in enumerate(names):
                described: Table | None = None
                if place < MOST_DESCRIBED and time.monotonic() < end:
                    with contextlib.suppress(EtlError):  # one that may not be read has no columns here
                        described = explorer.describe(str(name))
                found.append(NamedTable(name.schema, name.name, list(described.names) if described else []))
            return found
        finally:
            explorer.close()


def as_schema(ctx: Context, sample: Sample) -> list[SchemaColumn]:
    """A target schema that holds every value of these columns as it is."""
    access.require(ctx, "schema:read")
    return [SchemaColumn(name=one.name, data_type=_house(one)) for one in sample.columns]


def _made_again(ctx: Context, original: Opened, name: str) -> Mapping:
    draft = original.mapping.model_dump(include=set(MappingDraft.model_fields)) if original.mapping else {}
    made = save(ctx, draft | {"name": name}, [one.rule.model_dump() for one in original.rules])
    return mappings.get(ctx, made.mapping.id if made.mapping else "")


def _house(column: Column) -> str:
    type_ = column.type
    if type_.family is Family.INTEGER:
        return "integer" if type_.signed or (type_.size or 64) < 64 else "decimal(20,0)"
    if type_.family is Family.DECIMAL:
        digits, places = type_.precision, type_.scale or 0
        return f"decimal({digits},{places})" if digits and 0 <= places <= digits <= _MOST_DIGITS else "string"
    if type_.family is Family.TIMESTAMP:
        return "timestamptz" if type_.zoned else "timestamp"
    plain = {
        Family.FLOAT: "float",
        Family.BOOLEAN: "boolean",
        Family.DATE: "date",
        Family.BYTES: "bytes",
        Family.JSON: "json",
    }
    return plain.get(type_.family, "string")


def _ends(ctx: Context) -> list[End]:
    found = ctx.store.find(CONNECTIONS.name, {}, sort=[("name_key", 1)])
    return [End(one["_id"], one["name"], one["db_type"], one["db_type"] not in _WITHOUT_QUERIES) for one in found]


def _targets(ctx: Context) -> list[Target]:
    found = ctx.store.find(SCHEMAS.name, {}, sort=[("name_key", 1)])
    return [Target(one["_id"], one["name"], len(one["columns"])) for one in found]


def _read(drafts: Sequence[Values[str, Any]]) -> tuple[list[tuple[int, Rule]], list[MappingProblem]]:
    """Those that can be read, each with its place; and what is wrong with the others."""
    rules, problems = [], []
    for place, draft in enumerate(drafts):
        try:
            rules.append((place, rule_of(dict(draft), ("column_mappings", str(place)))))
        except BadInput as error:
            problems += [
                MappingProblem(severity="error", pointer=one.pointer, code=one.code, message=one.message, fix=one.fix)
                for one in error.problems
            ]
    return rules, problems


def _standing(
    rules: Sequence[tuple[int, Rule]], columns: list[SchemaColumn], source: Sequence[Column] | None
) -> list[MappingProblem]:
    """What does not fit together among rules that can be read."""
    found = findings([rule for _, rule in rules], house_columns(columns), source)
    if not found:
        return []
    answer = []
    for one, problem in zip(found, refusal("", found).problems, strict=True):
        pointer = problem.pointer
        if one.rule is not None:
            inner = pointer.split("/", 3)[3:]
            pointer = "/".join(["/column_mappings", str(rules[one.rule][0]), *inner])
        answer.append(
            MappingProblem(
                severity="error", pointer=pointer, code=problem.code, message=problem.message, fix=problem.fix
            )
        )
    return answer


def _marks(rules: Sequence[ColumnMapping]) -> list[tuple[str, int]]:
    return [(one.id, one.revision) for one in rules]
