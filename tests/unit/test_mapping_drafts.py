"""A mapping while it is made: what there is to choose, how it stands, saved as one, copied, brought back."""

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from etl_engine import wiring
from etl_engine.connectors import registry
from etl_engine.errors import BadInput, Cancelled, Conflict, NotFound, Stale
from etl_engine.model.collections import COLUMN_MAPPINGS, MAPPINGS
from etl_engine.services import column_mappings, connections, mapping_drafts, mappings, preview, schedules, schemas
from etl_engine.services.context import Context
from etl_engine.services.documents import Query
from etl_engine.settings import Settings

ID = {"type": "direct", "source_columns": ["id"], "target_fields": ["id"]}
NAME = {"type": "direct", "source_columns": ["name"], "target_fields": ["name"]}
QUERY = "SELECT id, name FROM people"


@pytest.fixture
def ctx(tmp_path: Path) -> Iterator[Context]:
    engine = wiring.Engine(Settings(data_dir=tmp_path))
    yield engine.context()
    engine.close()


@pytest.fixture
def shop(ctx: Context, tmp_path: Path) -> str:
    (tmp_path / "files").mkdir(exist_ok=True)
    with contextlib.closing(sqlite3.connect(tmp_path / "files" / "shop.db")) as database:
        database.execute("CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT)")
        database.execute('CREATE TABLE "odd ""name" (a TEXT)')
        database.executemany("INSERT INTO people VALUES (?, ?)", [(1, "Ada"), (2, None)])
        database.commit()
    values = {"name": "Shop", "db_type": "sqlite", "database": "shop.db"}
    return connections.create(ctx, registry.kind("sqlite").config.model_validate(values)).id


@pytest.fixture
def schema(ctx: Context) -> str:
    columns = [{"name": "id", "data_type": "integer", "nullable": False}, {"name": "name", "data_type": "string"}]
    return schemas.create(ctx, {"name": "People", "columns": columns}).id


@pytest.fixture
def draft(shop: str, schema: str) -> dict[str, Any]:
    return {"name": "People", "source_connection_id": shop, "source_query": QUERY, "target_schema_id": schema}


def saved(ctx: Context, draft: dict[str, Any], *rules: dict[str, Any]) -> mapping_drafts.Opened:
    return mapping_drafts.save(ctx, draft, rules or [ID, NAME])


def test_a_mapping_and_its_column_mappings_are_stored_as_one(ctx: Context, draft: dict[str, Any]) -> None:
    made = saved(ctx, draft)
    assert made.mapping is not None
    assert [one.target_fields for one in made.rules] == [["id"], ["name"]]
    again = mapping_drafts.save(ctx, draft | {"description": "x"}, [ID], mapping_id=made.mapping.id, seen=made)
    assert [one.target_fields for one in again.rules] == [["id"]]
    assert again.mapping is not None
    assert again.mapping.description == "x"


def test_what_cannot_be_used_stores_nothing_at_all(ctx: Context, draft: dict[str, Any]) -> None:
    split = {"type": "split", "source_columns": ["name"], "target_fields": ["name"], "config": {"delimiter": ""}}
    for rules, pointer in (
        ([ID, split], "/column_mappings/1/config/delimiter"),
        ([ID, ID], "/column_mappings/1/target_fields/0"),
        ([{**ID, "target_fields": ["nobody"]}], "/column_mappings/0/target_fields/0"),
    ):
        with pytest.raises(BadInput) as caught:
            mapping_drafts.save(ctx, draft, rules)
        assert pointer in [one.pointer for one in caught.value.problems]
    with pytest.raises(BadInput) as caught:
        mapping_drafts.save(ctx, draft | {"name": ""}, [ID])
    assert [one.pointer for one in caught.value.problems] == ["/name"]
    assert ctx.store.count(MAPPINGS.name, {}) == ctx.store.count(COLUMN_MAPPINGS.name, {}) == 0


def test_neither_half_is_written_over_what_somebody_else_stored(ctx: Context, draft: dict[str, Any]) -> None:
    seen = saved(ctx, draft)
    assert seen.mapping is not None
    mapping_id = seen.mapping.id
    mappings.update(ctx, mapping_id, {"description": "theirs"})
    with pytest.raises(Stale):
        mapping_drafts.save(ctx, draft, [ID], mapping_id=mapping_id, seen=seen)
    seen = mapping_drafts.opened(ctx, mapping_id)
    column_mappings.change(ctx, mapping_id, seen.rules[1].id, {**NAME, "config": {"steps": [{"op": "trim"}]}})
    with pytest.raises(Stale, match="column mappings were changed by somebody else"):
        mapping_drafts.save(ctx, draft, [ID], mapping_id=mapping_id, seen=seen)
    assert len(column_mappings.list_(ctx, mapping_id)) == 2
    mapping_drafts.save(ctx, draft, [ID], mapping_id=mapping_id)
    assert len(column_mappings.list_(ctx, mapping_id)) == 1


def test_column_mappings_that_did_not_change_keep_their_ids(ctx: Context, draft: dict[str, Any]) -> None:
    seen = saved(ctx, draft)
    assert seen.mapping is not None
    again = mapping_drafts.save(ctx, draft | {"description": "x"}, [ID, NAME], mapping_id=seen.mapping.id, seen=seen)
    assert [one.id for one in again.rules] == [one.id for one in seen.rules]


def test_rows_are_tried_again_without_their_source(ctx: Context, shop: str, schema: str, tmp_path: Path) -> None:
    sample = preview.sampled(ctx, shop, QUERY)
    (tmp_path / "files" / "shop.db").unlink()
    found = mapping_drafts.tried(ctx, sample, schema, [ID, NAME])
    assert found.problems == []
    assert found.preview is not None
    assert found.preview.result is not None
    assert found.preview.result.rows == [["1", "Ada"], ["2", None]]
    none = mapping_drafts.tried(ctx, sample, schema, [])
    assert [one.code for one in none.problems] == ["required-unmapped"]
    assert none.preview is not None
    assert none.preview.result is not None
    assert none.preview.result.rows == [[], []]
    broken = mapping_drafts.tried(ctx, sample, schema, [{**ID, "source_columns": ["gone"]}, {"type": "join"}, NAME])
    assert "/column_mappings/0/source_columns/0" in [one.pointer for one in broken.problems]
    assert any(one.pointer.startswith("/column_mappings/1/") for one in broken.problems)
    assert broken.preview is not None
    assert (len(broken.preview.rows), broken.preview.result) == (2, None)


def test_the_columns_alone_are_known_without_a_row(ctx: Context, shop: str) -> None:
    sample = preview.sampled(ctx, shop, QUERY, limit=0)
    assert [one.name for one in sample.columns] == ["id", "name"]
    assert sample.batch.num_rows == 0


def test_a_preview_of_a_schema_without_column_mappings_is_no_error(ctx: Context, shop: str, schema: str) -> None:
    order = {"source_connection_id": shop, "source_query": QUERY, "target_schema_id": schema}
    assert preview.show(ctx, order).rows == [["1", "Ada"], ["2", None]]


def test_who_has_gone_is_read_nothing_for(ctx: Context, shop: str) -> None:
    gone = threading.Event()
    gone.set()
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) AS m FROM n"
    with pytest.raises(Cancelled):
        preview.sampled(ctx, shop, endless, gone=gone)


def test_tables_come_with_their_columns_whatever_they_are_called(ctx: Context, shop: str) -> None:
    found = {one.name: one.columns for one in mapping_drafts.tables(ctx, shop)}
    assert found == {"people": ["id", "name"], 'odd "name': ["a"]}


def test_kinds_that_answer_no_query_are_no_source(ctx: Context, shop: str, tmp_path: Path) -> None:
    (tmp_path / "files" / "folder").mkdir()
    values = {"name": "Folder", "db_type": "files", "folder": "folder"}
    connections.create(ctx, registry.kind("files").config.model_validate(values))
    assert {one.name: one.answers_queries for one in mapping_drafts.opened(ctx).connections} == {
        "Folder": False,
        "Shop": True,
    }


def test_a_copy_and_what_comes_back(ctx: Context, draft: dict[str, Any]) -> None:
    made = saved(ctx, draft).mapping
    assert made is not None
    copy = mapping_drafts.duplicate(ctx, made.id)
    assert copy.name == "People (copy)"
    gone = mapping_drafts.delete(ctx, made.id)
    assert ctx.store.count(COLUMN_MAPPINGS.name, {"mapping_id": made.id}) == 0
    back = mapping_drafts.restore(ctx, gone)
    assert (back.name, back.id == made.id) == ("People", False)
    assert len(column_mappings.list_(ctx, back.id)) == 2
    with pytest.raises(NotFound):
        mapping_drafts.duplicate(ctx, made.id)


def test_one_that_a_schedule_runs_is_not_deleted(ctx: Context, draft: dict[str, Any]) -> None:
    made = saved(ctx, draft).mapping
    assert made is not None
    schedules.create(ctx, {"name": "Hourly", "mapping_id": made.id, "cron_expression": "0 * * * *"})
    with pytest.raises(Conflict, match="in use by the schedule 'Hourly'"):
        mapping_drafts.delete(ctx, made.id)
    assert mappings.get(ctx, made.id).name == "People"


def test_a_page_behind_the_last_is_the_last(ctx: Context, draft: dict[str, Any]) -> None:
    for number in range(3):
        saved(ctx, draft | {"name": f"People {number}"})
    found = mapping_drafts.overview(ctx, Query(sort="name", descending=False, limit=2, offset=40))
    assert [one.mapping.name for one in found.items] == ["People 2"]
    assert (found.total, found.any) == (3, True)
    assert not mapping_drafts.overview(ctx, Query(text="nobody")).items
