"""Target schemas in a real browser: made, changed, refused, deleted and brought back."""

from collections.abc import Iterator

import pytest
from axe import findings
from playwright.sync_api import Page, expect
from running import Server

from etl_engine.model.collections import COLUMN_MAPPINGS, CONNECTIONS, MAPPINGS, SCHEMAS
from etl_engine.services import schemas
from etl_engine.services.context import Context

COLUMNS = [
    {"name": "id", "data_type": "integer", "nullable": False, "key": True},
    {"name": "amount", "data_type": "decimal(12,2)"},
]


@pytest.fixture(autouse=True)
def nothing_stored(ctx: Context) -> Iterator[None]:
    for collection in (SCHEMAS, MAPPINGS, COLUMN_MAPPINGS, CONNECTIONS):
        ctx.store.delete(collection.name, {})
    yield
    for collection in (SCHEMAS, MAPPINGS, COLUMN_MAPPINGS):
        ctx.store.delete(collection.name, {})


@pytest.fixture
def orders(ctx: Context) -> str:
    return schemas.create(ctx, {"name": "orders", "columns": COLUMNS}).id


def visit(page: Page, server: Server) -> None:
    page.goto(server.url + "/schemas")
    expect(page.get_by_role("heading", name="Schemas", level=1)).to_be_visible()


def test_a_schema_is_made_by_keyboard_and_pointer(page: Page, server: Server, ctx: Context) -> None:
    visit(page, server)
    page.get_by_role("button", name="Make a schema").click()
    page.get_by_label("Name", exact=True).fill("customers")
    line = page.locator("[data-line]").first
    line.get_by_label("Name of the field").fill("id")
    line.get_by_label("Type").select_option("integer")
    line.get_by_label("key").check()
    page.get_by_role("button", name="Add a field").click()
    second = page.locator("[data-line]").nth(1)
    second.get_by_label("Name of the field").fill("balance")
    second.get_by_label("Type").select_option("decimal")
    second.get_by_label("Digits in all").fill("12, 2")
    second.get_by_role("button", name="Move up").click()
    expect(page.locator("[data-line]").first.get_by_label("Name of the field")).to_have_value("balance")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved customers")).to_be_visible()
    card = page.locator("[data-card]")
    expect(card).to_contain_text("2 fields · balance, id")
    stored = schemas.list_(ctx).items[0]
    assert [(one.name, one.data_type, one.key) for one in stored.columns] == [
        ("balance", "decimal(12,2)", False),
        ("id", "integer", True),
    ]


def test_what_is_wrong_stands_at_its_field_and_nothing_typed_is_lost(page: Page, server: Server) -> None:
    visit(page, server)
    page.get_by_role("button", name="New schema").click()
    page.get_by_label("Name", exact=True).fill("broken")
    line = page.locator("[data-line]").first
    line.get_by_label("Name of the field").fill("amount")
    line.get_by_label("Type").select_option("decimal")
    line.get_by_label("Digits in all").fill("99,2")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_be_visible()
    expect(line.locator(".problem")).to_contain_text("38 digits")
    expect(line.get_by_label("Name of the field")).to_have_value("amount")


def test_a_saved_type_stays_and_fields_can_be_added(page: Page, server: Server, ctx: Context, orders: str) -> None:
    visit(page, server)
    page.get_by_role("button", name="orders", exact=True).click()
    expect(page.locator("[data-line]").first.get_by_label("Type")).to_be_disabled()
    page.get_by_role("button", name="Add a field").click()
    page.locator("[data-line]").nth(2).get_by_label("Name of the field").fill("note")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("[data-card]")).to_contain_text("v2")
    page.get_by_role("button", name="Edit orders").click()
    page.get_by_text("History").click()
    expect(page.locator(".schema-versions")).to_contain_text("+ note")
    assert schemas.get(ctx, orders).version == 2


def test_a_deleted_schema_comes_back(page: Page, server: Server, ctx: Context, orders: str) -> None:
    visit(page, server)
    page.get_by_role("button", name="Delete orders").click()
    page.get_by_role("alertdialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("Deleted orders")).to_be_visible()
    expect(page.locator("[data-card]")).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("[data-card]")).to_contain_text("orders")
    assert [one.name for one in schemas.list_(ctx).items] == ["orders"]


def test_a_change_elsewhere_shows_and_the_search_finds(page: Page, server: Server, ctx: Context, orders: str) -> None:
    visit(page, server)
    schemas.create(ctx, {"name": "people", "columns": COLUMNS})
    expect(page.locator("[data-card]")).to_have_count(2)
    page.get_by_label("Search schemas").fill("peo")
    expect(page.locator("[data-card]")).to_have_count(1)
    page.get_by_label("Search schemas").fill("nothing like it")
    expect(page.get_by_text("No schema fits")).to_be_visible()


@pytest.mark.parametrize(
    "context",
    [
        {"color_scheme": scheme, "viewport": {"width": width, "height": 900}}
        for scheme in ("light", "dark")
        for width in (1440, 390)
    ],
    ids=["light-1440", "light-390", "dark-1440", "dark-390"],
    indirect=True,
)
def test_nothing_stands_in_the_way_of_a_screen_reader(page: Page, server: Server, orders: str) -> None:
    visit(page, server)
    expect(page.locator("[data-card]")).to_have_count(1)
    assert not findings(page)
    page.get_by_role("button", name="Delete orders").click()
    expect(page.get_by_role("alertdialog")).to_be_visible()
    assert not findings(page)
    page.get_by_role("button", name="Keep it").click()
    page.get_by_role("button", name="Edit orders").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert not findings(page)
    page.get_by_role("dialog").locator("summary", has_text="History").click()
    page.get_by_role("button", name="Add a field").click()
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_be_visible()
    expect(page.locator("[data-line] [aria-invalid=true]").first).to_be_visible()
    assert not findings(page)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
