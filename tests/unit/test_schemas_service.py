"""Target schemas: what may be in one, how it may grow, and who keeps it from being deleted."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from scripted_kind import opened_context

from etl_engine.errors import BadInput, Conflict, Denied, NotFound, Stale
from etl_engine.model.collections import COLUMN_MAPPINGS, MAPPINGS
from etl_engine.model.schema import house_columns, key_of
from etl_engine.model.table import Family, Type
from etl_engine.services import schemas
from etl_engine.services.context import Actor, Context
from etl_engine.services.documents import Query

ID = {"name": "id", "data_type": "integer", "key": True}
TOTAL = {"name": "total", "data_type": "decimal(12,2)"}


@pytest.fixture
def ctx(tmp_path: Path) -> Iterator[Context]:
    with opened_context(tmp_path) as context:
        yield context


def draft(*columns: dict[str, Any], name: str = "Orders") -> dict[str, Any]:
    return {"name": name, "columns": list(columns or (ID, TOTAL))}


def used(ctx: Context, schema_id: str, *fields: str, name: str = "Shop to orders") -> str:
    """A mapping that fills these columns, as the store holds one."""
    now = ctx.store.now()
    times = {"created_at": now, "updated_at": now, "revision": 1}
    mapping = {"name": name, "name_key": name.casefold(), "search": name, "target_schema_id": schema_id, **times}
    mapping_id: str = ctx.store.insert(MAPPINGS.name, mapping)[0]["_id"]
    rule = {"mapping_id": mapping_id, "type": "direct", "place": 0, "target_fields": list(fields), **times}
    ctx.store.insert(COLUMN_MAPPINGS.name, rule)
    return mapping_id


def test_a_schema_is_stored_and_answered_with_its_first_version(ctx: Context) -> None:
    made = schemas.create(ctx, draft())
    assert schemas.get(ctx, made.id) == made
    assert (made.name, made.version, made.revision) == ("Orders", 1, 1)
    assert made.columns[0].model_dump() == {"name": "id", "data_type": "integer", "nullable": True, "key": True}
    assert [one.version for one in schemas.versions(ctx, made.id)] == [1]


@pytest.mark.parametrize(
    ("data_type", "expected"),
    [
        ("string", Type(Family.TEXT)),
        ("integer", Type(Family.INTEGER, size=64)),
        ("float", Type(Family.FLOAT, size=64)),
        ("boolean", Type(Family.BOOLEAN)),
        ("date", Type(Family.DATE, special=False)),
        ("timestamp", Type(Family.TIMESTAMP, precision=6, special=False)),
        ("timestamptz", Type(Family.TIMESTAMP, precision=6, zoned=True, special=False)),
        ("decimal(38,0)", Type(Family.DECIMAL, precision=38, scale=0, special=False)),
        ("bytes", Type(Family.BYTES)),
        ("json", Type(Family.JSON)),
    ],
)
def test_every_type_has_its_house_type(ctx: Context, data_type: str, expected: Type) -> None:
    made = schemas.create(ctx, draft(ID, {"name": "x", "data_type": data_type, "nullable": False}))
    [key, column] = house_columns(made.columns)
    assert column.type == expected
    assert not key.nullable and not column.nullable, "a key is required, and so is what is not nullable"
    assert key_of(made.columns) == ("id",)


@pytest.mark.parametrize(
    ("columns", "pointer", "said"),
    [
        ([], "/columns", "must not be empty"),
        ([{"name": "a", "data_type": "varchar"}], "/columns/0/data_type", "must"),
        ([{"name": "a", "data_type": "decimal(39,0)"}], "/columns/0/data_type", "must"),
        ([{"name": "a", "data_type": "decimal(2,3)"}], "", "more decimal places (3) than digits (2)"),
        ([{"name": "a", "data_type": "string"}, {"name": "A ", "data_type": "string"}], "", "have one name"),
        ([{"name": "a", "data_type": "string", "size": 3}], "/columns/0/size", "is not a field"),
        ([{"name": " ", "data_type": "string"}], "/columns/0/name", "must not be blank"),
    ],
)
def test_a_schema_that_holds_nothing_together_is_refused(
    ctx: Context, columns: list[dict[str, Any]], pointer: str, said: str
) -> None:
    with pytest.raises(BadInput) as refused:
        schemas.create(ctx, {"name": "Orders", "columns": columns})
    assert [problem.pointer for problem in refused.value.problems] == [pointer]
    assert said in refused.value.message


def test_a_name_is_taken_without_regard_to_case(ctx: Context) -> None:
    made = schemas.create(ctx, draft())
    with pytest.raises(Conflict, match=f"taken by the schema 'Orders' \\({made.id}\\)"):
        schemas.create(ctx, draft(name=" ORDERS "))
    other = schemas.create(ctx, draft(name="Other"))
    with pytest.raises(Conflict, match="taken"):
        schemas.update(ctx, other.id, {"name": "orders"})


def test_columns_may_be_added_and_every_version_is_kept(ctx: Context) -> None:
    made = schemas.create(ctx, draft())
    note = {"name": "note", "data_type": "string"}
    grown = schemas.update(ctx, made.id, {"columns": [ID, TOTAL, note]})
    assert (grown.version, [one.name for one in grown.columns]) == (2, ["id", "total", "note"])
    renamed = schemas.update(ctx, made.id, {"name": "Sales"})
    assert (renamed.version, renamed.revision) == (2, 3), "a new name is no new version"
    assert [(one.version, len(one.columns)) for one in schemas.versions(ctx, made.id)] == [(2, 3), (1, 2)]


@pytest.mark.parametrize("in_use", [False, True])
def test_the_type_of_a_column_never_changes(ctx: Context, in_use: bool) -> None:
    made = schemas.create(ctx, draft())
    if in_use:
        used(ctx, made.id, "total")
    with pytest.raises(Conflict) as refused:
        schemas.update(ctx, made.id, {"columns": [ID, TOTAL | {"data_type": "float"}]})
    assert "is decimal(12,2) and cannot become float" in refused.value.message
    assert [problem.pointer for problem in refused.value.problems] == ["/columns/1/data_type"]
    assert schemas.get(ctx, made.id) == made


def test_other_letters_make_no_other_column(ctx: Context) -> None:
    made = schemas.create(ctx, draft())
    with pytest.raises(Conflict, match=r"The column 'Total' of the schema Orders is decimal\(12,2\)"):
        schemas.update(ctx, made.id, {"columns": [ID, {"name": "Total", "data_type": "float"}]})
    same = schemas.update(ctx, made.id, {"columns": [ID, TOTAL | {"name": "Total"}]})
    assert [one.name for one in same.columns] == ["id", "Total"]


def test_a_column_that_a_mapping_fills_stays_and_another_may_go(ctx: Context) -> None:
    made = schemas.create(ctx, draft())
    mapping = used(ctx, made.id, "total")
    with pytest.raises(Conflict, match="'total' of the schema Orders is filled by the mapping 'Shop to orders'") as no:
        schemas.update(ctx, made.id, {"columns": [ID]})
    assert no.value.context["mapping_id"] == mapping
    assert [one.name for one in schemas.update(ctx, made.id, {"columns": [TOTAL]}).columns] == ["total"]


def test_a_schema_in_use_is_not_deleted_and_says_by_whom(ctx: Context) -> None:
    made = schemas.create(ctx, draft())
    mapping = used(ctx, made.id, "total")
    with pytest.raises(Conflict, match="in use by the mapping 'Shop to orders'"):
        schemas.delete(ctx, made.id)
    ctx.store.delete(MAPPINGS.name, {"_id": mapping})
    schemas.delete(ctx, made.id)
    with pytest.raises(NotFound):
        schemas.get(ctx, made.id)


def test_a_change_on_top_of_an_old_revision_is_stale(ctx: Context) -> None:
    made = schemas.create(ctx, draft())
    schemas.update(ctx, made.id, {"description": "What was sold"})
    for change in (
        lambda: schemas.update(ctx, made.id, {"name": "Mine"}, revision=1),
        lambda: schemas.delete(ctx, made.id, revision=1),
    ):
        with pytest.raises(Stale):
            change()


def test_schemas_are_found_by_name_and_description(ctx: Context) -> None:
    for name in ("Orders", "Customers", "Stock"):
        schemas.create(ctx, draft(name=name))
    schemas.update(ctx, schemas.list_(ctx, Query(text="stock")).items[0].id, {"description": "of the ORDERS desk"})
    found = schemas.list_(ctx, Query(text="orders", sort="name", descending=False))
    assert ([one.name for one in found.items], found.total) == (["Orders", "Stock"], 2)
    page = schemas.list_(ctx, Query(sort="name", descending=False, limit=1, offset=1))
    assert ([one.name for one in page.items], page.total) == (["Orders"], 3)


def test_who_may_only_look_changes_nothing(ctx: Context) -> None:
    made = schemas.create(ctx, draft())
    reader = ctx.for_request("r", Actor("reader", frozenset({"schema:read"})))
    assert schemas.get(reader, made.id) == made
    for change in (
        lambda: schemas.create(reader, draft(name="x")),
        lambda: schemas.update(reader, made.id, {"name": "x"}),
        lambda: schemas.delete(reader, made.id),
    ):
        with pytest.raises(Denied):
            change()
