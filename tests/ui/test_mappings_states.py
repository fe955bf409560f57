"""The States of the mappings without a browser: what each event asks, shows, stores and says."""

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tab import Tab

from etl_engine import wiring
from etl_engine.connectors import registry
from etl_engine.model.collections import MAPPINGS
from etl_engine.services import column_mappings, connections, executions, mapping_drafts, mappings, preview, schemas
from etl_engine.services.context import Context
from etl_engine.services.preview import Sample
from etl_engine.settings import Settings
from etl_engine.ui.mappings import samples
from etl_engine.ui.mappings.draft import Rule, Step, as_rule, of_rule
from etl_engine.ui.mappings.editor import Editor
from etl_engine.ui.mappings.grid import Side
from etl_engine.ui.mappings.listing import Mappings
from etl_engine.ui.schemas.form import SchemaForm
from etl_engine.ui.schemas.state import Schemas
from etl_engine.ui.toasts import Toasts

QUERY = "SELECT id, full_name, city, balance FROM people"
COLUMNS = [
    {"name": "id", "data_type": "integer", "nullable": False, "key": True},
    {"name": "first", "data_type": "string"},
    {"name": "last", "data_type": "string"},
    {"name": "City", "data_type": "string"},
    {"name": "balance", "data_type": "decimal(12,2)"},
]


@pytest.fixture
def ctx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Context]:
    engine = wiring.Engine(Settings(data_dir=tmp_path))
    monkeypatch.setattr(wiring, "_engine", engine)
    yield engine.context()
    engine.close()
    samples.forget("a-tab")


@pytest.fixture
def shop(ctx: Context, tmp_path: Path) -> str:
    (tmp_path / "files").mkdir(exist_ok=True)
    with contextlib.closing(sqlite3.connect(tmp_path / "files" / "shop.db")) as database:
        database.execute("CREATE TABLE people (id INTEGER PRIMARY KEY, full_name TEXT, city TEXT, balance TEXT)")
        rows = [(1, "Ada Lovelace", "London", "12.50"), (2, "Grace Hopper", None, "n/a")]
        database.executemany("INSERT INTO people VALUES (?, ?, ?, ?)", rows)
        database.commit()
    config = registry.kind("sqlite").config.model_validate({"name": "Shop", "db_type": "sqlite", "database": "shop.db"})
    return connections.create(ctx, config).id


@pytest.fixture
def schema(ctx: Context) -> str:
    return schemas.create(ctx, {"name": "People", "columns": COLUMNS}).id


@pytest.fixture
def tab(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> Tab:
    made = Tab(monkeypatch, Editor, Mappings, SchemaForm, Schemas)
    made.url.path = "/mappings/new"
    return made


@pytest.fixture
def editor(tab: Tab) -> Editor:
    return tab[Editor]


async def begun(tab: Tab, schema: str = "") -> Editor:
    """A new mapping with its query, its rows and, if given, its schema."""
    await tab.follow(Editor.load)
    editor = tab[Editor]
    await tab.fire(Editor.typed, QUERY)
    await tab.follow(Editor.preview)
    if schema:
        await tab.follow(Editor.choose_schema, schema)
    return editor


def result(editor: Editor, row: int = 0, side: Side | None = None) -> list[str | None]:
    found = (side or editor.made).rows[row]
    assert found is not None
    return list(found)


@pytest.fixture
def stored(ctx: Context, shop: str, schema: str) -> str:
    draft = {"name": "People", "source_connection_id": shop, "source_query": QUERY, "target_schema_id": schema}
    made = mappings.create(ctx, draft).id
    rules = [{"type": "direct", "source_columns": ["id"], "target_fields": ["id"]}]
    column_mappings.append(ctx, made, rules, alone=False)
    return made


async def test_a_new_mapping_knows_the_only_source_and_its_tables(tab: Tab, shop: str) -> None:
    await tab.follow(Editor.load)
    editor = tab[Editor]
    assert (editor.draft.source, editor.dialect) == (shop, "sqlite")
    assert editor.tables == {"people": ["id", "full_name", "city", "balance"]}
    assert not editor.dirty
    assert [one.input for one in editor.wrong] == ["name", "query", "schema"]


async def test_an_address_may_name_the_source(tab: Tab, ctx: Context, shop: str) -> None:
    config = registry.kind("sqlite").config.model_validate(
        {"name": "Shop 2", "db_type": "sqlite", "database": "shop.db"}
    )
    other = connections.create(ctx, config).id
    await tab.fire(Editor.load)
    assert tab[Editor].draft.source == "", "there are two to choose from"
    tab.parameters["source"] = other
    await tab.fire(Editor.load)
    assert tab[Editor].draft.source == other
    tab.parameters["source"] = "nonsense"
    await tab.fire(Editor.load)
    assert tab[Editor].draft.source == ""


async def test_a_query_begins_with_a_table(tab: Tab, shop: str) -> None:
    await tab.follow(Editor.load)
    await tab.follow(Editor.start_from, "people")
    editor = tab[Editor]
    assert editor.query == "SELECT id, full_name, city, balance\nFROM people"
    assert [row and row[1] for row in editor.given.rows] == ["Ada Lovelace", "Grace Hopper"]
    assert result(editor, 1, editor.given)[2] is None
    assert editor.columns[0].sample == "1"
    assert not editor.outdated
    await tab.fire(Editor.typed, "SELECT 1 AS one")
    assert editor.outdated


async def test_what_is_wrong_with_a_query_stands_beside_it(tab: Tab, shop: str) -> None:
    await tab.follow(Editor.load)
    editor = tab[Editor]
    for query, said in (
        ("DELETE FROM people", "The query changes data: it has DELETE"),
        ("SELECT * FROM persons", "persons"),
        ("SELECT 1 AS a; SELECT 2 AS b", "more than one statement"),
        ("SELECT 1 AS a, 2 AS a", "several columns named 'a'"),
        ("", "The query is empty"),
    ):
        await tab.fire(Editor.typed, query)
        await tab.follow(Editor.preview)
        assert said in editor.query_trouble.message
        assert [one.words for one in editor.wrong if one.input == "query"] == [
            editor.query_trouble.message if query else "It has no query"
        ]
        assert not editor.looking


async def test_names_that_are_alike_are_mapped_and_the_rest_is_drawn(tab: Tab, shop: str, schema: str) -> None:
    editor = await begun(tab, schema)
    assert [one.field for one in editor.wrong if one.field] == ["id"]
    await tab.follow(Editor.auto_map)
    assert {one.targets[0]: one.sources for one in editor.links} == {
        "id": ["id"],
        "City": ["city"],
        "balance": ["balance"],
    }
    await tab.follow(Editor.connect, "full_name", "first")
    await tab.follow(Editor.set_type, "split")
    await tab.follow(Editor.add_target, "last")
    rule = editor.panel
    assert (rule.type, rule.targets) == ("split", ["first", "last"])
    assert "where to split" in next(one.problem for one in rule.inputs if one.name == "delimiter")
    await tab.follow(Editor.set_option, rule.id, "", "delimiter", " ")
    assert [one.words for one in editor.wrong if one.rule] == []
    assert result(editor) == ["1", "Ada", "Lovelace", "London", "12.50"]
    assert editor.made.rows[1] is None
    assert editor.grid.refusals == ["", "balance: 'n/a' is not a number"]
    assert editor.grid.told.startswith("1 of 2 rows would be kept apart")


async def test_two_columns_drawn_to_one_field_are_joined(tab: Tab, shop: str, schema: str) -> None:
    editor = await begun(tab, schema)
    await tab.follow(Editor.connect, "full_name", "first")
    await tab.follow(Editor.connect, "city", "first")
    assert (editor.panel.type, editor.panel.sources) == ("join", ["full_name", "city"])
    await tab.follow(Editor.set_option, editor.panel.id, "", "separator", ", ")
    assert result(editor)[0] == "Ada Lovelace, London"
    await tab.follow(Editor.remove_source, "full_name")
    await tab.follow(Editor.set_type, "direct")
    assert result(editor)[0] == "London"


async def test_steps_and_constants_show_in_the_rows_at_once(tab: Tab, shop: str, schema: str) -> None:
    editor = await begun(tab, schema)
    await tab.follow(Editor.connect, "full_name", "first")
    await tab.follow(Editor.add_step, "case")
    step = editor.panel.steps[0]
    await tab.follow(Editor.set_option, editor.panel.id, step.id, "to", "upper")
    assert result(editor)[0] == "ADA LOVELACE"
    await tab.follow(Editor.add_step, "regex")
    broken = editor.panel.steps[1]
    await tab.follow(Editor.set_option, editor.panel.id, broken.id, "pattern", "(")
    assert editor.panel.steps[1].inputs[0].problem
    assert editor.links[0].problem
    await tab.follow(Editor.remove_step, broken.id)
    await tab.fire(Editor.select_field, "last")
    await tab.follow(Editor.fill_constant)
    await tab.follow(Editor.set_option, editor.panel.id, "", "value", "x")
    assert result(editor)[1] == "x"
    await tab.follow(Editor.remove_rule)
    assert [one.name for one in editor.fields if one.rule] == ["first"]


async def test_lines_are_taken_back_and_drawn_again(tab: Tab, shop: str, schema: str) -> None:
    editor = await begun(tab, schema)
    await tab.follow(Editor.connect, "id", "id")
    await tab.follow(Editor.add_step, "trim")
    for text in ("x", "xy", "xyz"):
        await tab.follow(Editor.set_option, editor.panel.id, editor.panel.steps[0].id, "characters", text)
    await tab.follow(Editor.undo)
    assert editor.panel.steps[0].inputs[1].value == "", "what was typed in one input is one step"
    await tab.follow(Editor.undo)
    await tab.follow(Editor.undo)
    assert editor.links == []
    assert editor.can_redo
    await tab.follow(Editor.redo)
    await tab.follow(Editor.redo)
    await tab.follow(Editor.redo)
    await tab.fire(Editor.select, editor.links[0].id)
    assert editor.panel.steps[0].inputs[1].value == "xyz"
    assert not editor.can_redo


async def test_a_schema_is_made_of_the_columns_and_mapped_by_name(tab: Tab, shop: str, ctx: Context) -> None:
    editor = await begun(tab)
    await tab.fire(Editor.set_text, "name", "People")
    await tab.fire(Editor.new_schema)
    form = tab[SchemaForm]
    assert form.shown
    assert [(line.name, line.type, line.fixed) for line in form.lines][:2] == [
        ("id", "integer", False),
        ("full_name", "string", False),
    ]
    typed = {"name": "People", **{f"name-{line.id}": line.name for line in form.lines}}
    typed |= {f"type-{line.id}": line.type for line in form.lines}
    await tab.fire(SchemaForm.save, typed)
    await tab.follow(Editor.schema_saved, form.saved)
    assert editor.draft.schema == schemas.list_(ctx).items[0].id
    assert [one.targets for one in editor.links] == [["id"], ["full_name"], ["city"], ["balance"]]
    assert editor.wrong == []


async def test_it_is_saved_and_runs(tab: Tab, ctx: Context, shop: str, schema: str) -> None:
    editor = await begun(tab, schema)
    await tab.fire(Editor.set_text, "name", "People")
    await tab.follow(Editor.auto_map)
    assert editor.dirty
    sent = await tab.fire(Editor.save)
    assert len(sent) == 1, "to the address of what is stored now"
    assert not editor.dirty
    saved = mappings.list_(ctx).items[0]
    assert editor.mapping_id == saved.id
    assert [one.target_fields for one in column_mappings.list_(ctx, saved.id)] == [["id"], ["City"], ["balance"]]
    tab.url.path = f"/mappings/{saved.id}"
    rows = editor.given.rows
    await tab.fire(Editor.load)
    assert editor.given.rows == rows, "what was stored a moment ago is not read again"
    await tab.fire(Editor.save_and_run)
    sent = await tab.fire(Editor.run)
    run = executions.list_(ctx, executions.Query()).items[0]
    assert run.id in repr(sent)


async def test_running_stores_what_was_changed_first(tab: Tab, ctx: Context, stored: str) -> None:
    tab.url.path = f"/mappings/{stored}"
    await tab.follow(Editor.load)
    await tab.fire(Editor.set_text, "description", "told")
    await tab.follow(Editor.save_and_run)
    assert mappings.get(ctx, stored).description == "told"
    assert executions.list_(ctx, executions.Query()).items[0].subject.id == stored


async def test_what_is_wrong_when_it_is_saved_stands_at_its_input(
    tab: Tab, ctx: Context, shop: str, schema: str
) -> None:
    editor = await begun(tab, schema)
    await tab.fire(Editor.save)
    assert "name" in editor.refused
    await tab.fire(Editor.set_text, "name", "People")
    assert "name" not in editor.refused
    await tab.fire(Editor.set_text, "most", "many")
    await tab.fire(Editor.save)
    assert "most" in editor.refused
    assert ctx.store.count(MAPPINGS.name, {}) == 0


async def test_a_stored_mapping_opens_with_its_columns_and_without_reading_rows(tab: Tab, stored: str) -> None:
    tab.url.path = f"/mappings/{stored}"
    await tab.follow(Editor.load)
    editor = tab[Editor]
    assert [one.name for one in editor.columns] == ["id", "full_name", "city", "balance"]
    assert editor.given.heads == []
    assert (editor.title, editor.wrong, editor.dirty) == ("People", [], False)


async def test_who_wants_rows_does_not_wait_for_the_columns(
    tab: Tab, stored: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tab.url.path = f"/mappings/{stored}"
    await tab.fire(Editor.load)
    editor, sampled, asked = tab[Editor], preview.sampled, asyncio.Event()
    loop, seen = asyncio.get_running_loop(), []

    def slow(ctx: Context, connection_id: str, query: str, *, limit: int, gone: threading.Event) -> Sample:
        if not limit:
            loop.call_soon_threadsafe(asked.set)
            seen.append(gone.wait(20))
        return sampled(ctx, connection_id, query, limit=limit, gone=threading.Event())

    monkeypatch.setattr(preview, "sampled", slow)
    columns = asyncio.create_task(tab.follow(Editor.describe))
    await asyncio.wait_for(asked.wait(), 20)
    assert not editor.looking
    await tab.follow(Editor.preview)
    await columns
    assert seen == [True], "the first question was given up"
    assert len(editor.given.rows) == 2
    assert not editor.looking


async def test_a_change_elsewhere_is_taken_over_or_told(tab: Tab, ctx: Context, stored: str) -> None:
    tab.url.path = f"/mappings/{stored}"
    await tab.follow(Editor.load)
    editor = tab[Editor]
    mappings.update(ctx, stored, {"name": "Persons"})
    await tab.follow(Editor.refresh)
    assert (editor.title, editor.stale) == ("Persons", False)
    await tab.fire(Editor.set_text, "name", "Mine")
    column_mappings.replace(ctx, stored, [])
    await tab.follow(Editor.refresh)
    assert editor.stale, "what was typed here is not thrown away"
    assert editor.draft.name == "Mine"
    await tab.fire(Editor.save)
    assert editor.stale
    assert mappings.get(ctx, stored).name == "Persons"
    await tab.fire(Editor.save, "over")
    assert (mappings.get(ctx, stored).name, editor.stale) == ("Mine", False)
    assert len(column_mappings.list_(ctx, stored)) == 1


async def test_theirs_can_be_taken(tab: Tab, ctx: Context, stored: str) -> None:
    tab.url.path = f"/mappings/{stored}"
    await tab.follow(Editor.load)
    editor = tab[Editor]
    await tab.fire(Editor.set_text, "name", "Mine")
    mappings.update(ctx, stored, {"name": "Theirs"})
    await tab.fire(Editor.save)
    assert editor.stale
    await tab.follow(Editor.take_theirs)
    assert (editor.draft.name, editor.stale, editor.dirty) == ("Theirs", False, False)


async def test_what_a_browser_kept_is_brought_back_once_to_a_server_that_forgot_it(
    tab: Tab, stored: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tab.url.path = f"/mappings/{stored}"
    await tab.follow(Editor.load)
    await tab.fire(Editor.set_text, "name", "Mine")
    await tab.follow(Editor.connect, "full_name", "first")
    await tab.follow(Editor.add_step, "mask")
    backup = tab[Editor].backup
    assert backup
    again = Tab(monkeypatch, Editor, Mappings, SchemaForm, Schemas)
    again.url.path = tab.url.path
    await again.follow(Editor.load)
    for nonsense in ("", "{}", backup.replace('"mask"', '"burn"'), backup.replace('"direct"', '"magic"')):
        await again.follow(Editor.revive, nonsense)
        assert not again[Editor].dirty
    await again.follow(Editor.revive, backup)
    editor = again[Editor]
    assert (editor.draft.name, editor.title, editor.dirty) == ("Mine", "People", True)
    assert [(one.targets, one.said) for one in editor.links] == [(["id"], ""), (["first"], "mask")]
    await again.follow(Editor.add_step, "trim")
    await again.follow(Editor.take_theirs)
    await again.follow(Editor.revive, backup)
    assert not again[Editor].dirty, "nothing was forgotten by anybody"


async def test_a_place_that_names_nothing_is_told(tab: Tab, shop: str) -> None:
    for path in ("/mappings/" + "0" * 24, "/mappings/nonsense"):
        tab.url.path = path
        await tab.follow(Editor.load)
        assert tab[Editor].missing


async def test_problems_lead_to_their_places(tab: Tab, shop: str, schema: str) -> None:
    editor = await begun(tab, schema)
    unfilled = next(one for one in editor.wrong if one.field)
    await tab.fire(Editor.go_to, unfilled.id)
    assert (editor.panel.target, editor.focus) == ("id", "rule-panel#1")
    nameless = next(one for one in editor.wrong if one.input == "name")
    await tab.fire(Editor.go_to, nameless.id)
    assert editor.focus == "page-name#2"


async def test_a_column_that_left_the_query_is_shown_as_missing(tab: Tab, stored: str) -> None:
    tab.url.path = f"/mappings/{stored}"
    await tab.follow(Editor.load)
    editor = tab[Editor]
    await tab.fire(Editor.typed, "SELECT city FROM people")
    await tab.follow(Editor.preview)
    assert [(one.name, one.native != "") for one in editor.columns] == [("city", True), ("id", False)]
    assert editor.links[0].problem


async def test_the_list_names_both_ends_and_the_last_run(tab: Tab, ctx: Context, stored: str) -> None:
    tab.url.path = "/mappings"
    run = mappings.run(ctx, stored)
    await tab.fire(Mappings.load)
    row = tab[Mappings].rows[0]
    assert (row.source, row.destination, row.schema) == ("Shop", "The built-in lake", "People")
    assert (row.status, row.last_run, row.rules) == ("pending", f"/runs/{run.id}", "1 column mapping")
    assert tab[Mappings].bar.subtitle == "1 mapping"
    tab.parameters.update(q="nothing like it")
    await tab.fire(Mappings.load)
    assert (tab[Mappings].rows, tab[Mappings].bar.any) == ([], True)


async def test_a_copy_has_the_same_lines_and_a_free_name(tab: Tab, ctx: Context, stored: str) -> None:
    tab.url.path = "/mappings"
    for name in ("People (copy)", "People (copy 2)"):
        await tab.fire(Mappings.duplicate, stored)
        made = next(one for one in mappings.list_(ctx).items if one.name == name)
        assert [one.target_fields for one in column_mappings.list_(ctx, made.id)] == [["id"]]


async def test_a_deleted_mapping_comes_back(tab: Tab, ctx: Context, stored: str) -> None:
    tab.url.path = "/mappings"
    await tab.fire(Mappings.load)
    await tab.fire(Mappings.ask_to_delete, stored)
    assert tab[Mappings].doomed.rules == "1 column mapping"
    await tab.fire(Mappings.delete)
    assert ctx.store.count(MAPPINGS.name, {}) == 0
    await tab.fire(Toasts.accept, tab.toast.offer)
    back = mappings.list_(ctx).items[0]
    assert back.name == "People"
    assert len(column_mappings.list_(ctx, back.id)) == 1


def test_options_survive_the_way_to_the_services_and_back(ctx: Context, stored: str) -> None:
    steps = [
        Step("s1", "null_if", {"values": "n/a\n\na\\nb\\\\c"}),
        Step("s2", "mask", {"keep_start": "1", "keep_end": "2", "character": "#"}),
        Step("s3", "trim", {"side": "end", "characters": ""}),
    ]
    rule = Rule(
        "r", "split", ["full_name"], ["first", "last"], {"delimiter": " ", "fewer": "reject", "more": "drop"}, steps
    )
    document = as_rule(rule)
    assert document["config"]["steps"][0]["values"] == ["n/a", "", "a\nb\\c"]
    made = column_mappings.replace(ctx, stored, [document])
    again: dict[str, Any] = as_rule(of_rule(made[0], "r"))
    assert again == document


def test_a_schema_of_columns_holds_every_value(ctx: Context, shop: str) -> None:
    query = "SELECT id, full_name, 1.5 AS ratio, x'00' AS raw FROM people"
    found = mapping_drafts.as_schema(ctx, preview.sampled(ctx, shop, query))
    assert [one.data_type for one in found][:2] == ["integer", "string"]
