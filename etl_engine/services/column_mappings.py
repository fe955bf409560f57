"""The column mappings of a mapping: list, get, append, replace, change one, delete one."""

from collections.abc import Mapping, Sequence
from typing import Any

from etl_engine.engine.mapping_check import findings
from etl_engine.errors import NotFound, Stale
from etl_engine.model.collections import COLUMN_MAPPINGS
from etl_engine.model.mapping import RULES, ColumnMapping, Rule, revision_of
from etl_engine.model.schema import house_columns
from etl_engine.services import access, audit, schemas
from etl_engine.services.context import Context
from etl_engine.services.mapping_documents import SHELF, refusal, rule_of, rules_of, schema_columns
from etl_engine.store.contract import Document
from etl_engine.store.ids import new_id

_FIELDS = ("type", "source_columns", "target_fields", "config")
# Fields may be mapped one after the other: what is still missing is said when the mapping is to run.
_LATER = "required-unmapped"
_UNUSABLE = "This column mapping cannot be used"


def list_(ctx: Context, mapping_id: str) -> list[ColumnMapping]:
    """All of them, in their order."""
    access.require(ctx, "mapping:read")
    SHELF.stored(ctx, mapping_id)
    return rules_of(ctx, mapping_id)


def get(ctx: Context, mapping_id: str, column_mapping_id: str) -> ColumnMapping:
    access.require(ctx, "mapping:read")
    SHELF.stored(ctx, mapping_id)
    return ColumnMapping.model_validate(_stored(ctx, mapping_id, column_mapping_id))


def append(ctx: Context, mapping_id: str, drafts: Sequence[Mapping[str, Any]], *, alone: bool) -> list[ColumnMapping]:
    """Add them behind those that are there; all or none. `alone`: what was sent is one, and no list."""
    access.require(ctx, "mapping:update")
    mapping = SHELF.stored(ctx, mapping_id)
    new = [rule_of(draft, () if alone else (str(place),)) for place, draft in enumerate(drafts)]
    there = rules_of(ctx, mapping_id)
    _insist(ctx, mapping, [one.rule for one in there], new)
    first = ctx.store.find(COLUMN_MAPPINGS.name, {"mapping_id": mapping_id}, sort=[("place", -1)], limit=1)
    behind = first[0]["place"] + 1 if first else 0
    with _audited(ctx, mapping):
        made = [_document(ctx, mapping_id, rule, behind + number) for number, rule in enumerate(new)]
        stored = ctx.store.insert(COLUMN_MAPPINGS.name, *made) if made else []
        return [ColumnMapping.model_validate(one) for one in stored]


def replace(
    ctx: Context, mapping_id: str, drafts: Sequence[Mapping[str, Any]], *, revision: int | None = None
) -> list[ColumnMapping]:
    """Put these in the place of all that are there. `revision` is that of all of them."""
    access.require(ctx, "mapping:update")
    mapping = SHELF.stored(ctx, mapping_id)
    new = [rule_of(draft, (str(place),)) for place, draft in enumerate(drafts)]
    _insist(ctx, mapping, [], new)
    there = rules_of(ctx, mapping_id)
    if revision is not None and revision_of(there) != revision:
        raise _stale(f"The state of the column mappings of {mapping['name']} was")
    with _audited(ctx, mapping):
        old = [one.id for one in there]
        made = [_document(ctx, mapping_id, rule, number) for number, rule in enumerate(new)]
        stored = ctx.store.insert(COLUMN_MAPPINGS.name, *made) if made else []
        if old:
            ctx.store.delete(COLUMN_MAPPINGS.name, {"mapping_id": mapping_id, "_id": {"$in": old}})
        return [ColumnMapping.model_validate(one) for one in stored]


def change(
    ctx: Context, mapping_id: str, column_mapping_id: str, draft: Mapping[str, Any], *, revision: int | None = None
) -> ColumnMapping:
    """Put this one in the place of that one."""
    access.require(ctx, "mapping:update")
    mapping = SHELF.stored(ctx, mapping_id)
    _stored(ctx, mapping_id, column_mapping_id)
    rule = rule_of(draft)
    others = [one.rule for one in rules_of(ctx, mapping_id) if one.id != column_mapping_id]
    _insist(ctx, mapping, others, [rule])
    with _audited(ctx, mapping):
        changed = ctx.store.update(
            COLUMN_MAPPINGS.name,
            _here(mapping_id, column_mapping_id, revision),
            {**_values(rule), "updated_at": ctx.store.now()},
            increment={"revision": 1},
        )
        if changed is None:
            raise _changed_meanwhile(ctx, mapping_id, column_mapping_id)
        return ColumnMapping.model_validate(changed)


def delete(ctx: Context, mapping_id: str, column_mapping_id: str, *, revision: int | None = None) -> None:
    """Take one out."""
    access.require(ctx, "mapping:update")
    mapping = SHELF.stored(ctx, mapping_id)
    _stored(ctx, mapping_id, column_mapping_id)
    with _audited(ctx, mapping):
        if not ctx.store.delete(COLUMN_MAPPINGS.name, _here(mapping_id, column_mapping_id, revision)):
            raise _changed_meanwhile(ctx, mapping_id, column_mapping_id)


def _insist(ctx: Context, mapping: Document, there: list[Rule], new: list[Rule]) -> None:
    """BadInput for what is wrong with the new ones, beside those that stay."""
    schema = schemas.SHELF.stored(ctx, mapping["target_schema_id"])
    found = [
        one
        for one in findings([*there, *new], house_columns(schema_columns(schema)))
        if one.rule is not None and one.rule >= len(there) and one.problem.code != _LATER
    ]
    if found:
        raise refusal(_UNUSABLE, [type(one)((one.rule or 0) - len(there), one.problem) for one in found])


def _audited(ctx: Context, mapping: Document) -> Any:
    return audit.recorded(ctx, "mapping:update", mapping["_id"], mapping["name"], ["column_mappings"])


def _stored(ctx: Context, mapping_id: str, column_mapping_id: str) -> Document:
    document = ctx.store.get(COLUMN_MAPPINGS.name, column_mapping_id)
    if document is None or document["mapping_id"] != mapping_id:
        raise NotFound(
            f"The mapping {mapping_id} has no column mapping {column_mapping_id}",
            hint="List its column mappings to see which there are.",
        )
    return document


def _here(mapping_id: str, column_mapping_id: str, revision: int | None) -> dict[str, Any]:
    here = {"_id": column_mapping_id, "mapping_id": mapping_id}
    return here if revision is None else here | {"revision": revision}


def _changed_meanwhile(ctx: Context, mapping_id: str, column_mapping_id: str) -> Stale:
    """NotFound where it is gone."""
    _stored(ctx, mapping_id, column_mapping_id)
    return _stale(f"The column mapping {column_mapping_id} was")


def _stale(what: str) -> Stale:
    hint = "Read it again, and repeat your change on top of it."
    return Stale(f"{what} changed by somebody else since you read it", hint=hint)


def _values(rule: Rule) -> dict[str, Any]:
    values: dict[str, Any] = RULES.dump_python(rule, include=set(_FIELDS))
    return values


def _document(ctx: Context, mapping_id: str, rule: Rule, place: int) -> Document:
    now = ctx.store.now()
    times = {"created_at": now, "updated_at": now, "revision": 1}
    return {"_id": new_id(), "mapping_id": mapping_id, **_values(rule), "place": place, **times}
