"""What is done with connections in the list: test, delete, undo, duplicate, the first minute, keys and the palette."""

import os
import re
import time

import pytest
import sample_connections as samples
from listing import (
    card,
    cards,
    expect_names,
    folder_of_files,
    open_list,
    server_connection,
    sqlite_connection,
)
from playwright.sync_api import Page, expect
from running import Server, free_port
from scripted import black_hole
from servers import PostgresServer

from etl_engine.model.collections import CONNECTIONS
from etl_engine.services import connections
from etl_engine.services.connections import Query
from etl_engine.services.context import Context
from etl_engine.ui.finder import COMMANDS


def stored(ctx: Context) -> set[str]:
    return {one.name for one in connections.list_(ctx, Query()).items}


def test_a_test_shows_its_work_in_the_button_and_its_end_in_the_card(
    page: Page, server: Server, ctx: Context, postgres_server: PostgresServer
) -> None:
    account = {"database": "postgres", "username": postgres_server.user, "password": postgres_server.password}
    server_connection(ctx, "Warehouse", "postgresql", postgres_server.port, **account)
    with black_hole() as port:
        server_connection(ctx, "Silent", "postgresql", port)
        open_list(page, server)
        button = card(page, "Silent").get_by_role("button", name="Test Silent")
        button.click()
        expect(button).to_have_attribute("aria-busy", "true")
        warehouse = card(page, "Warehouse")
        expect(warehouse).to_contain_text("Untested")
        warehouse.get_by_role("button", name="Test Warehouse").click()
        expect(warehouse).to_contain_text("Connected")
        expect(warehouse).to_contain_text(re.compile(r"PostgreSQL \d+"))
        expect(warehouse).to_contain_text("just now")
        expect(warehouse).to_contain_text(re.compile(r"<?\d+ ms|\d\.\d s"))
        expect(warehouse.get_by_role("img")).to_have_accessible_name(re.compile("^One test: all connected"))
        expect(button).to_have_attribute("aria-busy", "true")  # the silent one is still waited for
        expect(card(page, "Silent")).to_contain_text("Failed", timeout=10_000)
        expect(button).to_have_attribute("aria-busy", "false")
    expect(page.locator(".page-header p")).to_have_text("2 connections · 1 connected, 1 failed")


def test_a_failed_test_says_its_cause_and_the_form_what_to_do(page: Page, server: Server, ctx: Context) -> None:
    port = free_port()
    server_connection(ctx, "Orders", "postgresql", port)
    open_list(page, server)
    orders = card(page, "Orders")
    orders.get_by_role("button", name="Test Orders").click()
    expect(orders).to_contain_text("Failed")
    orders.get_by_role("button", name="What to do about it").click()
    ladder = page.get_by_role("dialog", name="Test of Orders")
    expect(ladder.get_by_role("heading", name="failed")).to_be_visible()
    expect(ladder).to_contain_text(str(port))
    expect(ladder.get_by_role("button", name="Copy what to do")).to_be_visible()
    ladder.get_by_role("button", name="Edit").click()
    expect(page.get_by_role("dialog").get_by_label("Connection name")).to_have_value("Orders")


def test_all_are_tested_a_few_at_a_time_with_a_summary(page: Page, server: Server, ctx: Context) -> None:
    for number in range(10):
        sqlite_connection(ctx, server, f"File {number}")
    sqlite_connection(ctx, server, "Lost", "nowhere.db", there=False)
    open_list(page, server)
    page.get_by_role("button", name="Test all").click()
    summary = page.locator("[data-sonner-toast]")
    expect(summary).to_contain_text("Tested 11 connections")
    expect(summary).to_contain_text("1 failed.")
    expect(page.locator(".page-header p")).to_have_text("11 connections · 10 connected, 1 failed")
    expect(cards(page).and_(page.locator('[data-status="success"]'))).to_have_count(10)
    expect(page.get_by_role("button", name="Test all")).to_be_enabled()


def test_only_what_the_filters_show_is_tested(page: Page, server: Server, ctx: Context) -> None:
    sqlite_connection(ctx, server, "One file")
    sqlite_connection(ctx, server, "Another file")
    open_list(page, server, "/?q=another")
    page.get_by_role("button", name="Test these 1").click()
    expect(page.locator("[data-sonner-toast]")).to_contain_text("Tested 1 connection")
    open_list(page, server)
    expect(card(page, "One file")).to_contain_text("Never tested")
    expect(card(page, "Another file")).to_contain_text("Connected")


def test_testing_all_is_cancelled_within_a_second(page: Page, server: Server, ctx: Context) -> None:
    with black_hole() as port:
        for number in range(12):
            server_connection(ctx, f"Silent {number}", "postgresql", port)
        open_list(page, server)
        page.get_by_role("button", name="Test all").click()
        expect(page.get_by_text("0 of 12 tested")).to_be_visible()
        expect(page.locator('[data-act="test"][aria-busy="true"]')).to_have_count(8)
        started = time.monotonic()
        page.locator(".progress").get_by_role("button", name="Cancel").click()
        expect(page.locator(".progress")).to_be_hidden()
        assert time.monotonic() - started < 1.5
        expect(page.locator("[data-sonner-toast]")).to_contain_text("Stopped: tested 0 connections")
        expect(page.locator('[data-act="test"][aria-busy="true"]')).to_have_count(0)
    assert all(one.last_test_status is None for one in connections.list_(ctx, Query()).items)


def test_delete_names_what_goes_and_can_be_undone(page: Page, server: Server, ctx: Context) -> None:
    samples.fill(ctx, samples.TWELVE[:3])
    open_list(page, server)
    card(page, "Warehouse").get_by_role("button", name="Delete Warehouse").click()
    question = page.get_by_role("alertdialog")
    expect(question).to_have_accessible_name("Delete Warehouse?")
    expect(question).to_contain_text("PostgreSQL connection to warehouse.internal:5432")
    expect(question).to_contain_text("Nothing in the database itself is touched.")
    expect(question.get_by_role("button", name="Keep it")).to_be_focused()
    page.keyboard.press("Escape")
    expect(question).to_be_hidden()
    expect(card(page, "Warehouse").get_by_role("button", name="Delete Warehouse")).to_be_focused()
    assert "Warehouse" in stored(ctx)
    page.keyboard.press("Enter")
    question.get_by_role("button", name="Delete").click()
    expect_names(page, "Orders", "Billing archive")
    assert "Warehouse" not in stored(ctx)
    toast = page.locator("[data-sonner-toast]").filter(has_text="Deleted Warehouse")
    toast.get_by_role("button", name="Undo").click()
    expect_names(page, "Orders", "Warehouse", "Billing archive")
    expect(card(page, "Warehouse")).to_contain_text("Connected")
    expect(page.locator("[data-sonner-toast]").filter(has_text="Restored Warehouse")).to_be_visible()


def test_a_connection_deleted_by_somebody_else_says_so(page: Page, server: Server, ctx: Context) -> None:
    ids = samples.fill(ctx, samples.TWELVE[:2])
    open_list(page, server)
    page.get_by_role("button", name="Delete Orders").click()
    connections.delete(ctx, ids[0])
    page.get_by_role("alertdialog").get_by_role("button", name="Delete").click()
    expect(page.locator("[data-sonner-toast]")).to_contain_text(f"There is no connection {ids[0]}")
    expect(page.get_by_role("alertdialog")).to_be_hidden()
    expect_names(page, "Warehouse")


def test_a_copy_opens_in_the_form(page: Page, server: Server, ctx: Context) -> None:
    samples.fill(ctx, samples.TWELVE[:2])
    open_list(page, server)
    page.get_by_role("button", name="Duplicate Orders").click()
    form = page.get_by_role("dialog")
    expect(form.get_by_label("Connection name")).to_have_value("Orders (copy)")
    page.keyboard.press("Escape")
    expect(form).to_be_hidden()
    expect_names(page, "Orders (copy)", "Orders", "Warehouse")
    copy = card(page, "Orders (copy)")
    expect(copy).to_contain_text("orders-db.internal:3306")
    expect(copy).to_contain_text("Untested")


def test_the_first_minute_ends_with_a_tested_connection(page: Page, server: Server, ctx: Context) -> None:
    took: list[float] = []
    while not took or (min(took) > 5 and len(took) < 3):
        ctx.store.delete(CONNECTIONS.name, {})
        (folder_of_files(server) / "sample" / "shop.db").unlink(missing_ok=True)
        open_list(page, server)
        expect(page.get_by_role("heading", name="Connect your first database")).to_be_visible()
        page.get_by_role("button", name="Try with sample data").click()
        started = time.monotonic()
        expect(page.get_by_role("progressbar", name="Sample data")).to_be_visible()
        expect(card(page, "Sample shop")).to_contain_text("Connected")
        took.append(time.monotonic() - started)
    print(f"sample data: {min(took):.1f} s from the click to the tested connection")
    crowded = os.getloadavg()[0] > 2 * (os.cpu_count() or 1)  # then it stands in line behind other tests
    assert min(took) < (15 if crowded else 5)
    page.get_by_role("button", name="Test Sample shop").click()
    expect(card(page, "Sample shop").get_by_role("img")).to_have_accessible_name(re.compile("^Last 2 tests"))


def test_an_empty_product_leads_into_the_form(page: Page, server: Server, ctx: Context) -> None:
    open_list(page, server)
    page.get_by_role("button", name="Add a connection").click()
    expect(page.get_by_role("dialog").get_by_label("Connection name")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Add a connection")).to_be_focused()


def test_everything_works_by_keyboard_alone(page: Page, server: Server, ctx: Context) -> None:
    samples.fill(ctx, samples.TWELVE[1:6])
    sqlite_connection(ctx, server, "A file")
    open_list(page, server)
    expect(cards(page)).to_have_count(6)

    def selected(name: str) -> None:
        expect(page.get_by_role("button", name=name, exact=True)).to_be_focused()

    page.keyboard.press("ArrowDown")
    selected("A file")
    page.keyboard.press("ArrowRight")
    selected("Warehouse")
    page.keyboard.press("ArrowDown")
    selected("Stock levels")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowLeft")
    selected("A file")
    page.keyboard.press("t")
    expect(card(page, "A file")).to_contain_text("Connected")
    selected("A file")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog").get_by_label("Connection name")).to_have_value("A file")
    page.keyboard.press("Escape")
    selected("A file")
    page.keyboard.press("Delete")
    expect(page.get_by_role("alertdialog")).to_have_accessible_name("Delete A file?")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(cards(page)).to_have_count(5)
    page.keyboard.press("ArrowDown")
    selected("Warehouse")  # in its place
    page.keyboard.press("?")
    sheet = page.get_by_role("dialog", name="Keys")
    expect(sheet).to_contain_text("Test the selected connection")
    page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()
    selected("Warehouse")
    page.keyboard.press("n")
    expect(page.get_by_role("dialog").get_by_label("Connection name")).to_be_focused()
    page.keyboard.type("/n?t")
    expect(page.get_by_role("dialog").get_by_label("Connection name")).to_have_value("/n?t")


def test_the_palette_finds_connections_and_commands(page: Page, server: Server, ctx: Context) -> None:
    samples.fill(ctx, samples.TWELVE)
    open_list(page, server)
    page.keyboard.press("Control+k")
    palette = page.get_by_role("dialog", name="Go anywhere, do anything")
    box = palette.get_by_role("combobox")
    expect(box).to_be_focused()
    expect(palette.get_by_role("option")).to_have_count(len(COMMANDS) - 1)  # it does not lead to where one is
    page.keyboard.type("ledger", delay=15)
    expect(palette.get_by_role("option", name="Finance ledger")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")
    expect(palette).to_be_hidden()
    expect(page.get_by_role("dialog").get_by_label("Connection name")).to_have_value("Finance ledger")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.keyboard.press("Control+k")
    page.keyboard.type("dark")
    page.keyboard.press("Enter")
    expect(page.locator("html")).to_contain_class("dark")
    page.keyboard.press("Control+k")
    page.keyboard.type("zzz")
    expect(palette.get_by_text("Nothing is called like that")).to_be_visible()
    page.keyboard.press("Escape")
    expect(palette).to_be_hidden()
    page.get_by_role("button", name="Go anywhere").click()
    expect(box).to_have_value("")
    page.keyboard.type("ware")
    page.keyboard.press("Enter")  # before the server has answered
    expect(page.get_by_role("dialog").get_by_label("Connection name")).to_have_value("Warehouse")


@pytest.mark.parametrize("context", [{"viewport": {"width": 390, "height": 844}}], indirect=True, ids=["phone"])
def test_the_list_is_used_on_a_phone(page: Page, server: Server, ctx: Context) -> None:
    sqlite_connection(ctx, server, "A file")
    samples.fill(ctx, samples.TWELVE[:2])
    page.goto(server.url)
    card(page, "A file").get_by_role("button", name="Test A file").click()
    expect(card(page, "A file")).to_contain_text("Connected")
    page.get_by_role("navigation", name="Filters").get_by_role("link", name="Connected").click()
    expect(cards(page)).to_have_count(3)
    page.get_by_role("button", name="Delete Orders").click()
    page.get_by_role("alertdialog").get_by_role("button", name="Delete").click()
    expect(cards(page)).to_have_count(2)
