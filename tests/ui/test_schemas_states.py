"""The States of the schemas without a browser: what each event asks, shows and says."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from scripted_kind import draft as connection
from scripted_kind import registered
from tab import Tab

from etl_engine import wiring
from etl_engine.model.schema import Schema
from etl_engine.services import connections, mappings, schemas
from etl_engine.services.context import Context
from etl_engine.settings import Settings
from etl_engine.ui.schemas.form import SchemaForm
from etl_engine.ui.schemas.state import Schemas
from etl_engine.ui.toasts import Toasts

MISSING = "0" * 24
ID = {"name": "id", "data_type": "integer", "nullable": False, "key": True}
AMOUNT = {"name": "amount", "data_type": "decimal(12,2)"}


@pytest.fixture
def ctx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Context]:
    with registered(monkeypatch):
        engine = wiring.Engine(Settings(data_dir=tmp_path))
        monkeypatch.setattr(wiring, "_engine", engine)
        yield engine.context()
        engine.close()


@pytest.fixture
def tab(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> Tab:
    made = Tab(monkeypatch, Schemas, SchemaForm)
    made.url.path = "/schemas"
    return made


def stored(ctx: Context, name: str, *columns: dict[str, Any]) -> Schema:
    return schemas.create(ctx, {"name": name, "columns": [ID, *columns]})


def mapped(ctx: Context, schema: Schema, name: str = "Every night") -> None:
    source = connections.create(ctx, connection(f"Shop of {name}")).id
    values = {"name": name, "source_connection_id": source, "target_schema_id": schema.id}
    mappings.create(ctx, values | {"source_query": "SELECT 1 AS id"})


def shown(tab: Tab) -> list[tuple[str, str, str]]:
    return [(row.name, row.fields, row.users) for row in tab[Schemas].rows]


async def test_the_list_says_who_uses_a_schema_and_how_many_there_are(tab: Tab, ctx: Context) -> None:
    orders = stored(ctx, "orders", AMOUNT)
    stored(ctx, "customers")
    for name in ("Every night", "At noon"):
        mapped(ctx, orders, name)
    await tab.fire(Schemas.load)
    assert shown(tab) == [("customers", "1 field", ""), ("orders", "2 fields", "2 mappings")]
    assert tab[Schemas].subtitle == "2 schemas that mappings can write"
    tab.parameters["q"] = "CUST"
    await tab.fire(Schemas.load)
    assert shown(tab) == [("customers", "1 field", "")]
    assert tab[Schemas].total == 2
    tab.parameters["q"] = "nothing like this"
    await tab.fire(Schemas.load)
    assert (shown(tab), tab[Schemas].total) == ([], 2)


async def test_the_form_shows_what_each_version_changed(tab: Tab, ctx: Context) -> None:
    orders = stored(ctx, "orders")
    schemas.update(ctx, orders.id, {"columns": [ID, AMOUNT]})
    await tab.fire(SchemaForm.open_edit, orders.id)
    form = tab[SchemaForm]
    assert [(line.name, line.type, line.digits, line.fixed) for line in form.lines] == [
        ("id", "integer", "", True),
        ("amount", "decimal", "12,2", True),
    ]
    assert [(one.title, one.what) for one in form.versions] == [("Version 2", "+ amount"), ("Version 1", "1 field")]
    await tab.fire(SchemaForm.close)
    await tab.fire(SchemaForm.open_edit, MISSING)
    assert not form.shown
    assert tab.toast.title.startswith("There is no schema")


async def test_what_is_saved_is_in_the_list_at_once(tab: Tab, ctx: Context) -> None:
    await tab.fire(Schemas.load)
    await tab.fire(SchemaForm.open_new)
    line = tab[SchemaForm].lines[0].id
    typed = {"name": "orders", f"name-{line}": "id", f"type-{line}": "integer", f"key-{line}": True}
    await tab.follow(SchemaForm.save, typed | {f"type-{line}": "nonsense"})
    assert tab[SchemaForm].shown
    assert tab[SchemaForm].problems.keys() == {line}
    await tab.follow(SchemaForm.save, typed)
    assert not tab[SchemaForm].shown
    assert (tab.toast.title, shown(tab)) == ("Saved orders", [("orders", "1 field", "")])


async def test_a_schema_that_is_deleted_leaves_the_list_and_can_come_back(tab: Tab, ctx: Context) -> None:
    orders = stored(ctx, "orders", AMOUNT)
    await tab.fire(Schemas.load)
    await tab.fire(Schemas.ask_to_delete, orders.id)
    assert tab[Schemas].doomed.name == "orders"
    await tab.fire(Schemas.keep)
    await tab.follow(Schemas.delete)
    assert shown(tab) == [("orders", "2 fields", "")]
    await tab.fire(Schemas.ask_to_delete, orders.id)
    await tab.follow(Schemas.delete)
    assert (shown(tab), tab.toast.title, schemas.list_(ctx).total) == ([], "Deleted orders", 0)
    await tab.fire(Toasts.accept, tab.toast.offer)
    await tab.fire(Schemas.refresh)
    assert shown(tab) == [("orders", "2 fields", "")]
    [back] = schemas.list_(ctx).items
    assert back.columns == orders.columns


async def test_a_schema_in_use_stays_and_the_message_says_by_whom(tab: Tab, ctx: Context) -> None:
    orders = stored(ctx, "orders")
    mapped(ctx, orders)
    await tab.fire(Schemas.load)
    await tab.fire(Schemas.ask_to_delete, orders.id)
    await tab.follow(Schemas.delete)
    assert "in use by the mapping 'Every night'" in tab.toast.title
    assert (tab[Schemas].doomed.id, tab[Schemas].deleting) == ("", False)
    assert shown(tab) == [("orders", "1 field", "1 mapping")]
