"""Mappings in a real browser: from a connection over a query and its rows to a run, by pointer and by keyboard."""

import re
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import axe
import pytest
from conftest import Watch
from moving import ENDLESS, Shop, clear, open_at
from playwright.sync_api import Locator, Page, expect
from running import SECOND_BUILD, Server, running
from servers import PostgresServer

from etl_engine.services import column_mappings, executions, mappings, schemas
from etl_engine.services.context import Context

LOOKS = [
    {"color_scheme": scheme, "reduced_motion": "reduce", "viewport": {"width": width, "height": 900}}
    for scheme in ("light", "dark")
    for width in (1440, 390)
]
PEOPLE = 40
QUERY = "SELECT id, full_name, street, town, balance FROM mapped_people ORDER BY id"


class Screen:
    """The editor as a person finds it."""

    def __init__(self, page: Page, server: Server) -> None:
        self.page, self.server = page, server
        self.query = page.get_by_role("textbox", name="Query")
        self.rows = page.locator(".preview-box tbody tr:not(.refusal-line)")
        self.wrong = page.locator(".wrongs li")
        self.panel = page.locator("#rule-panel")
        self.save = page.get_by_role("button", name="Save", exact=True)
        self.saved = page.get_by_text("Saved", exact=True)
        self.preview = page.get_by_role("button", name="Preview")

    def open(self, place: str = "new") -> "Screen":
        open_at(self.page, self.server, f"/mappings/{place}")
        expect(self.query).to_be_visible()
        return self

    def name(self, text: str) -> None:
        self.page.get_by_label("Name of the mapping").fill(text)

    def write(self, query: str) -> None:
        self.query.fill(query)
        self.query.press("Control+Enter")

    def column(self, name: str) -> Locator:
        return self.page.locator(f'[data-column="{name}"]')

    def field(self, name: str) -> Locator:
        return self.page.locator(f'[data-field="{name}"]')

    def link(self, target: str) -> Locator:
        return self.page.get_by_role("button", name=re.compile(rf"^{target}[:,]"))

    def drag(self, source: str, target: str) -> None:
        """As a hand does it: down, some way, over the field, up."""
        self.column(source).scroll_into_view_if_needed()
        start, end = (box_of(one) for one in (self.column(source), self.field(target)))
        mouse = self.page.mouse
        mouse.move(*start)
        mouse.down()
        mouse.move((start[0] + end[0]) / 2, (start[1] + end[1]) / 2, steps=6)
        expect(self.page.locator(".board-drawn")).to_be_attached()
        mouse.move(*end, steps=6)
        mouse.up()

    def make_schema(self, changes: Any = None) -> None:
        self.page.get_by_role("button", name="Make a schema of the columns").click()
        dialog = self.page.get_by_role("dialog", name="New schema")
        expect(dialog).to_be_visible()
        if changes:
            changes(dialog)
        dialog.get_by_role("button", name="Save").click()
        expect(dialog).not_to_be_visible()


def box_of(one: Locator) -> tuple[float, float]:
    box = one.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def line_of(dialog: Locator, name: str) -> Locator:
    return dialog.locator("[data-line]").filter(has=dialog.page.locator(f'input[value="{name}"]'))


@pytest.fixture
def screen(page: Page, server: Server, ctx: Context) -> Iterator[Screen]:
    clear(ctx)
    yield Screen(page, server)
    page.goto("about:blank")  # it would ask for what goes now
    clear(ctx)


@pytest.fixture
def shop(screen: Screen, server: Server) -> Shop:
    return Shop(server).fill()


@pytest.fixture
def people(screen: Screen, server: Server, postgres_server: PostgresServer) -> str:
    """A PostgreSQL database with people in it, and the connection to it."""
    if not postgres_server.sql("SELECT 1 FROM pg_database WHERE datname = 'mapped'"):
        postgres_server.sql("CREATE DATABASE mapped")
    postgres_server.sql(
        "DROP TABLE IF EXISTS mapped_people, mapped_out",
        "CREATE TABLE mapped_people (id bigint PRIMARY KEY, full_name text, street text, town text, balance text)",
        f"INSERT INTO mapped_people SELECT n, 'First' || n || ' Last' || n, 'Street ' || n, 'Town', "
        f"CASE WHEN n = 7 THEN 'n/a' ELSE n || '.50' END FROM generate_series(1, {PEOPLE}) n",
        database="mapped",
    )
    draft = {
        "name": "People",
        "db_type": "postgresql",
        "host": "127.0.0.1",
        "port": postgres_server.port,
        "database": "mapped",
        "username": postgres_server.user,
        "password": postgres_server.password,
    }
    return str(Shop(server).call("POST", "/connections/", draft)["_id"])


def test_from_a_query_to_rows_in_another_table(
    screen: Screen, people: str, server: Server, ctx: Context, postgres_server: PostgresServer
) -> None:
    page = screen.open().page
    screen.name("People")
    expect(page.get_by_label("Connection")).to_have_value(people)  # there is but one
    screen.write(QUERY)
    expect(screen.rows).to_have_count(PEOPLE)
    expect(screen.rows.nth(0)).to_contain_text("First1 Last1")

    def fields(dialog: Locator) -> None:
        dialog.get_by_label("Name", exact=True).fill("Known people")
        for name, other in (("full_name", "first_name"), ("street", "last_name"), ("town", "address")):
            line_of(dialog, name).get_by_label("Name of the field").fill(other)
        line_of(dialog, "balance").get_by_label("Type").select_option("decimal")
        line_of(dialog, "balance").get_by_label("Digits in all").fill("12,2")
        line_of(dialog, "id").get_by_label("key").check()

    screen.make_schema(fields)
    expect(screen.field("id")).to_contain_text("key")
    expect(screen.link("id")).to_be_visible()
    expect(screen.link("balance")).to_be_visible()
    screen.drag("full_name", "first_name")
    screen.panel.get_by_label("Kind").select_option("split")
    screen.panel.get_by_label("Fields: add or change").select_option("last_name")
    screen.panel.get_by_label("Split at").fill(" ")
    screen.drag("street", "address")
    screen.drag("town", "address")
    expect(screen.panel.get_by_label("Kind")).to_have_value("join")
    screen.panel.get_by_label("Text between them").fill(", ")
    # What it makes of the same rows stands beside them.
    expect(screen.rows.nth(0)).to_contain_text("Street 1, Town")
    expect(screen.rows.nth(0).locator("td.result")).to_have_text(["1", "First1", "Last1", "Street 1, Town", "1.50"])
    expect(page.locator(".refusal-line")).to_contain_text("n/a")
    expect(page.get_by_text("1 of 40 rows would be kept apart")).to_be_visible()
    page.get_by_label("Destination").select_option(label="People")
    expect(screen.wrong).to_contain_text("The table to write is missing")
    page.get_by_label("Table", exact=True).fill("mapped_out")
    page.get_by_label("What becomes of the rows there").select_option("merge")
    expect(screen.wrong).to_have_count(0)
    page.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_url("**/runs/*")
    expect(page.locator(".sentence")).to_have_text(
        re.compile(rf"Moved {PEOPLE - 1} rows in .*; 1 row was set aside\."), timeout=30_000
    )
    expect(page.get_by_text("n/a")).to_be_visible()
    found = postgres_server.sql(
        "SELECT id, first_name, last_name, address, balance::text FROM mapped_out WHERE id IN (1, 7)", database="mapped"
    )
    assert found == [(1, "First1", "Last1", "Street 1, Town", "1.50")]
    stored = mappings.list_(ctx).items[0]
    assert (stored.name, stored.write_mode, stored.destination_table) == ("People", "merge", "mapped_out")


def test_sample_data_goes_into_the_lake_with_nothing_but_the_defaults(
    screen: Screen, server: Server, ctx: Context
) -> None:
    page = screen.page
    open_at(page, server, "/")
    page.get_by_role("button", name="Try with sample data").click()
    expect(page.get_by_text("is ready")).to_be_visible(timeout=60_000)
    open_at(page, server, "/mappings")
    page.get_by_role("link", name="Make a mapping").click()
    expect(screen.query).to_be_visible()
    screen.name("Customers of the shop")
    page.get_by_label("Start from a table").select_option("customers")
    expect(screen.rows).to_have_count(50)
    expect(screen.query).to_contain_text("FROM customers")
    screen.make_schema()
    expect(page.get_by_text("50 of 50 rows fit")).to_be_visible()
    screen.save.click()
    page.wait_for_url(re.compile(r"/mappings/[0-9a-f]{24}/?$"))
    expect(screen.saved).to_be_visible()
    page.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_url("**/runs/*")
    expect(page.locator(".sentence")).to_contain_text(re.compile(r"Moved [\d,.]+ k? ?rows"), timeout=30_000)
    assert executions.list_(ctx, executions.Query()).items[0].counters.rejected == 0
    open_at(page, server, "/mappings")
    card = page.locator("[data-card]")
    expect(card).to_contain_text("The built-in lake")
    expect(card).to_contain_text("Succeeded")


def test_words_of_the_source_are_offered_while_one_writes(screen: Screen, people: str) -> None:
    page = screen.open().page
    expect(page.get_by_label("Start from a table").get_by_role("option")).to_have_count(2)
    screen.query.click()
    page.keyboard.type("select full_name from mapped_")
    option = page.locator(".cm-tooltip-autocomplete li").filter(has_text="mapped_people")
    option.click()
    expect(screen.query).to_contain_text("mapped_people")
    page.keyboard.press("Control+Enter")
    expect(screen.rows).to_have_count(PEOPLE)


def test_what_is_wrong_with_a_query_stands_under_it(screen: Screen, people: str) -> None:
    screen.open()
    trouble = screen.page.locator("#query-trouble")
    for query, said in (
        ("SELECT * FROM nobody", "nobody"),
        ("DELETE FROM mapped_people", "DELETE"),
        ("SELECT 1 AS a; SELECT 2 AS b", "more than one statement"),
        ("SELECT id, id FROM mapped_people", "several columns named 'id'"),
        ("SELECT nothing FROM mapped_people", "nothing"),
    ):
        screen.write(query)
        expect(trouble).to_contain_text(said)
        expect(screen.query).to_have_attribute("aria-invalid", "true")
    screen.write("SELECT id FROM mapped_people WHERE false")
    expect(trouble).to_have_count(0)
    expect(screen.page.get_by_text("No rows")).to_be_visible()


def test_a_reading_that_takes_too_long_is_cancelled(screen: Screen, people: str) -> None:
    screen.open()
    screen.write("SELECT 1 AS one, pg_sleep(9)::text AS two")
    screen.page.get_by_role("button", name="Cancel", exact=True).click()
    expect(screen.preview).to_be_visible(timeout=3_000)
    screen.write("SELECT 1 AS one")
    expect(screen.rows).to_have_count(1)


def test_it_is_made_by_keyboard_alone(screen: Screen, shop: Shop) -> None:
    page = screen.open().page
    page.get_by_label("Connection").select_option(label="The shop")
    screen.write("SELECT id, who, amount FROM orders")
    expect(screen.rows).to_have_count(50)
    page.get_by_label("Schema: the fields to fill").select_option(label="Amounts")
    screen.column("amount").focus()
    page.keyboard.press("Enter")
    expect(screen.column("amount")).to_have_attribute("aria-pressed", "true")
    expect(screen.page.get_by_text("amount: choose the field that it fills")).to_be_attached()
    screen.field("amount").focus()
    page.keyboard.press("Enter")
    expect(screen.link("amount")).to_be_visible()
    screen.field("id").focus()
    page.keyboard.press("Enter")
    expect(screen.panel).to_be_focused()
    screen.panel.get_by_label("Fill it from").select_option("id")
    expect(screen.link("id")).to_be_visible()
    page.get_by_label("Name of the mapping").focus()
    page.keyboard.type("By keys")
    page.keyboard.press("Control+s")
    page.wait_for_url(re.compile(r"/mappings/[0-9a-f]{24}/?$"))
    screen.link("id").focus()
    page.keyboard.press("Enter")
    screen.panel.get_by_role("button", name="Remove this line").press("Enter")
    expect(screen.link("id")).to_have_count(0)
    page.locator("#main").focus()
    page.keyboard.press("Control+z")
    expect(screen.link("id")).to_be_visible()
    page.keyboard.press("Control+y")
    expect(screen.link("id")).to_have_count(0)


def test_what_was_not_saved_is_not_left_by_accident(screen: Screen, shop: Shop) -> None:
    page = screen.open(shop.mapping).page
    screen.name("Another name")
    expect(page.get_by_text("Not saved")).to_be_visible()
    page.get_by_role("link", name="Runs").click()
    question = page.get_by_role("alertdialog", name="Leave without saving?")
    question.get_by_role("button", name="Stay here").click()
    expect(question).not_to_be_visible()
    expect(page.get_by_label("Name of the mapping")).to_have_value("Another name")
    page.get_by_role("link", name="Runs").click()
    question.get_by_role("button", name="Leave").click()
    expect(page.get_by_role("heading", name="Runs", level=1)).to_be_visible()
    page.go_back()
    expect(page.get_by_label("Name of the mapping")).to_have_value("Orders to the lake")
    expect(page.get_by_text("Not saved")).to_have_count(0)


def test_a_change_by_somebody_else_is_told_and_neither_is_lost(screen: Screen, shop: Shop, ctx: Context) -> None:
    page = screen.open(shop.mapping).page
    screen.name("Mine")
    expect(page.get_by_text("Not saved")).to_be_visible()
    mappings.update(ctx, shop.mapping, {"description": "theirs"})
    alert = page.get_by_role("alert").filter(has_text="Somebody else changed this mapping")
    expect(alert).to_be_visible()
    alert.get_by_role("button", name="Store mine").click()
    expect(alert).to_have_count(0)
    expect(screen.saved).to_be_visible()
    assert mappings.get(ctx, shop.mapping).name == "Mine"
    mappings.update(ctx, shop.mapping, {"name": "Theirs"})
    expect(page.get_by_label("Name of the mapping")).to_have_value("Theirs")  # nothing of one's own is in the way


def test_problems_lead_to_the_place_where_they_are(screen: Screen, shop: Shop, ctx: Context) -> None:
    column_mappings.replace(ctx, shop.mapping, [])
    schemas.update(
        ctx,
        shop.schema,
        {
            "columns": [
                {"name": "id", "data_type": "integer", "nullable": False},
                {"name": "amount", "data_type": "integer"},
            ]
        },
    )
    page = screen.open(shop.mapping).page
    screen.wrong.get_by_role("button", name="id Needs a value").click()
    expect(screen.panel).to_be_focused()
    screen.panel.get_by_role("button", name="The same value in every row").click()
    screen.panel.get_by_label("Value").fill("seven")
    expect(screen.wrong).to_contain_text("id")
    expect(screen.panel.locator(".problem")).to_contain_text("integer")
    screen.panel.get_by_label("Value").fill("7")
    expect(screen.wrong).to_have_count(0)
    screen.name("")
    screen.wrong.get_by_role("button", name="It has no name").click()
    expect(page.get_by_label("Name of the mapping")).to_be_focused()


def test_a_copy_and_a_deletion_that_is_taken_back(screen: Screen, shop: Shop, ctx: Context, server: Server) -> None:
    page = screen.page
    open_at(page, server, "/mappings")
    page.get_by_role("button", name="Duplicate Orders to the lake").click()
    page.wait_for_url(re.compile(r"/mappings/[0-9a-f]{24}/?$"))
    expect(page.get_by_label("Name of the mapping")).to_have_value("Orders to the lake (copy)")
    open_at(page, server, "/mappings")
    page.get_by_role("button", name="Delete Orders to the lake", exact=True).click()
    question = page.get_by_role("alertdialog")
    expect(question).to_contain_text("2 column mappings")
    question.get_by_role("button", name="Delete").click()
    expect(page.locator("[data-card]")).to_have_count(1)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("[data-card]")).to_have_count(2)
    assert sorted(one.name for one in mappings.list_(ctx).items) == ["Orders to the lake", "Orders to the lake (copy)"]


def test_a_mapping_that_a_schedule_runs_is_kept_and_says_by_which(screen: Screen, shop: Shop, server: Server) -> None:
    page = screen.open(shop.mapping).page
    page.get_by_role("link", name="Schedule this").click()
    dialog = page.get_by_role("dialog", name="New schedule")
    expect(dialog.get_by_label("Mapping")).to_have_value(shop.mapping)
    dialog.get_by_label("Name", exact=True).fill("Every morning")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).not_to_be_visible()
    open_at(page, server, "/mappings")
    page.get_by_role("button", name="Delete Orders to the lake", exact=True).click()
    page.get_by_role("alertdialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("is in use by the schedule 'Every morning'")).to_be_visible()
    expect(page.locator("[data-card]")).to_have_count(1)


def test_an_address_that_names_nothing_says_so(screen: Screen, server: Server) -> None:
    open_at(screen.page, server, "/mappings/" + "0" * 24)
    expect(screen.page.get_by_role("heading", name="There is no such mapping")).to_be_visible()


@pytest.mark.parametrize("context", LOOKS, ids=["light-1440", "light-390", "dark-1440", "dark-390"], indirect=True)
def test_nothing_stands_in_the_way_of_a_screen_reader(screen: Screen, shop: Shop, server: Server, watch: Watch) -> None:
    page = screen.page
    open_at(page, server, "/mappings")
    expect(page.locator("[data-card]")).to_have_count(1)
    assert axe.findings(page) == []
    page.get_by_role("button", name="Delete Orders to the lake").click()
    expect(page.get_by_role("alertdialog")).to_be_visible()
    assert axe.findings(page) == []
    screen.open()
    assert axe.findings(page) == []
    screen.open(shop.mapping)
    screen.preview.click()
    expect(screen.rows).to_have_count(50)
    screen.field("amount").click()
    expect(screen.panel.get_by_label("Kind")).to_be_visible()
    screen.panel.get_by_label("Add a step").select_option("replace")
    expect(screen.wrong).to_have_count(1)
    assert axe.findings(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    screen.write(ENDLESS.replace("SELECT i FROM n", "SELECT nobody FROM n"))
    expect(page.locator("#query-trouble")).to_be_visible()
    assert axe.findings(page) == []


def test_without_any_mapping_the_page_says_what_one_is(screen: Screen, server: Server) -> None:
    open_at(screen.page, server, "/mappings")
    expect(screen.page.get_by_role("heading", name="From a query to rows that fit")).to_be_visible()
    assert axe.findings(screen.page) == []
    screen.open()
    expect(screen.page.get_by_text("No connection answers queries yet.")).to_be_visible()
    expect(screen.preview).to_be_disabled()


def test_a_server_that_is_started_anew_finds_the_mapping_as_it_was(page: Page, watch: Watch, tmp_path: Path) -> None:
    own = Server(tmp_path / "own", build=SECOND_BUILD)
    watch.allow_origin(urllib.parse.urlsplit(own.url).netloc)
    watch.tolerate("WebSocket connection")
    screen = Screen(page, own)
    with running(own):
        screen.open(Shop(own).fill().mapping)
        screen.name("Not stored yet")
        screen.query.fill("SELECT id, who FROM orders")
        screen.preview.click()
        expect(screen.rows).to_have_count(50)
        expect(screen.column("amount")).to_contain_text("not in the query")
        screen.link("amount").click()
        screen.panel.get_by_role("button", name="Remove this line").click()
        expect(screen.link("amount")).to_have_count(0)
        expect(page.get_by_role("button", name="Undo")).to_be_enabled()
        own.terminate()
    with running(own):
        expect(page.get_by_role("button", name="Undo")).to_be_disabled(timeout=30_000)  # it knows no earlier step
        expect(page.get_by_label("Name of the mapping")).to_have_value("Not stored yet")
        expect(page.get_by_text("Not saved")).to_be_visible()
        expect(screen.query).to_contain_text("SELECT id, who FROM orders")
        expect(screen.column("who")).to_be_visible()
        expect(screen.link("id")).to_be_visible()
        expect(screen.link("amount")).to_have_count(0)
