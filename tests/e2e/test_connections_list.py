"""The connections list in a real browser: what it shows, how it is searched, filtered, ordered and paged."""

import re

import pytest
import sample_connections as samples
from conftest import Watch
from listing import SHOWN, card, cards, expect_address, expect_names, open_list, sqlite_connection, titles
from playwright.sync_api import BrowserContext, Page, WebSocketRoute, expect
from running import Server

from etl_engine.services.context import Context

PHONE = {"viewport": {"width": 390, "height": 844}}
COUNT_WHAT_IS_MADE = """
window.made = 0;
new MutationObserver((all) => all.forEach(({ addedNodes }) => {
  window.made += [...addedNodes].filter((node) => node.nodeType === Node.ELEMENT_NODE).length;
})).observe(document.querySelector('[data-view]').parentElement, { childList: true, subtree: true });
"""
WINDOWS = [{"viewport": {"width": width, "height": 900}} for width in (390, 1024, 1440)]


@pytest.fixture
def twelve(ctx: Context) -> list[str]:
    return samples.fill(ctx, samples.TWELVE)


def test_a_card_says_all_about_its_connection(page: Page, server: Server, twelve: list[str]) -> None:
    open_list(page, server)
    expect(page.locator(".page-header p")).to_have_text("12 connections · 8 connected, 2 failed, 2 untested")
    orders = card(page, "Orders")
    for word in ("MySQL", "orders-db.internal:3306", "shop", "etl_reader", "Connected", "MySQL 8.4.2", "4 min ago"):
        expect(orders).to_contain_text(word)
    expect(orders.get_by_role("img")).to_have_accessible_name(
        re.compile("^Last 20 tests: all connected, .* ms to .* ms$")
    )
    for act in ("Edit", "Test", "Duplicate", "Delete"):
        expect(orders.get_by_role("button", name=f"{act} Orders")).to_be_visible()
    expect(orders.locator("time")).to_have_attribute("title", re.compile(r"\d{4}.*\d:\d\d"))
    failed = card(page, "Billing archive")
    expect(failed).to_contain_text("Failed")
    expect(failed).to_contain_text("Login: The server refused the password of the user readonly")
    expect(failed.get_by_role("img")).to_have_accessible_name(re.compile("^Last 20 tests: 3 failed"))
    expect(card(page, "Customer service")).to_contain_text("Never tested")


def test_an_age_grows_while_the_page_is_open(context: BrowserContext, page: Page, server: Server, ctx: Context) -> None:
    samples.fill(ctx, samples.TWELVE[:1])
    page.clock.install()
    open_list(page, server)
    expect(card(page, "Orders").locator("time")).to_have_text("4 min ago")
    page.clock.fast_forward("03:00")
    expect(card(page, "Orders").locator("time")).to_have_text("7 min ago")


def test_search_finds_as_one_types_and_is_one_step_of_history(page: Page, server: Server, twelve: list[str]) -> None:
    open_list(page, server)
    page.keyboard.press("/")
    search = page.get_by_role("textbox", name="Search connections")
    expect(search).to_be_focused()
    page.keyboard.type("analy", delay=20)
    expect_names(page, "Warehouse", "Data science sandbox")  # a database, a host
    expect_address(page, "/?q=analy")
    page.keyboard.type("tics.INT", delay=20)
    expect_names(page, "Data science sandbox")
    expect_address(page, "/?q=analytics.INT")
    page.reload()
    expect_names(page, "Data science sandbox")
    expect(search).to_have_value("analytics.INT")
    page.keyboard.press("/")
    page.keyboard.press("Escape")
    expect(cards(page)).to_have_count(12)
    expect_address(page, "/")
    expect(search).to_have_value("")


def test_filters_are_in_the_address_and_back_takes_them_away(page: Page, server: Server, twelve: list[str]) -> None:
    open_list(page, server)
    filters = page.get_by_role("navigation", name="Filters")
    expect(filters.get_by_role("link")).to_have_text(
        ["All", "MySQL5", "PostgreSQL7", "Connected8", "Failed2", "Untested2"]
    )
    filters.get_by_role("link", name="MySQL").click()
    expect(cards(page)).to_have_count(5)
    expect_address(page, "/?type=mysql")
    expect(page.get_by_text("7 connections are hidden by filters.")).to_be_visible()
    filters.get_by_role("link", name="Failed").click()
    expect_names(page, "Supplier portal")
    expect_address(page, "/?type=mysql&status=failed")
    page.reload()
    expect_names(page, "Supplier portal")
    page.go_back()
    expect(cards(page)).to_have_count(5)
    page.go_back()
    expect(cards(page)).to_have_count(12)
    page.go_forward()
    expect(cards(page)).to_have_count(5)
    page.get_by_role("link", name="Clear filters").click()
    expect(cards(page)).to_have_count(12)


def test_what_is_typed_comes_back_with_the_history(page: Page, server: Server, twelve: list[str]) -> None:
    open_list(page, server)
    search = page.get_by_role("textbox", name="Search connections")
    search.fill("etl_reader")
    expect_names(page, "Orders", "Stock levels", "Returns")
    page.get_by_role("link", name="Table").click()
    expect(page.get_by_role("table")).to_be_visible()
    expect_address(page, "/?q=etl_reader&view=table")
    page.go_back()
    expect(page.get_by_role("table")).to_be_hidden()
    expect(search).to_have_value("etl_reader")
    page.go_back()
    page.go_forward()
    expect(search).to_have_value("etl_reader")
    expect_names(page, "Orders", "Stock levels", "Returns")


def test_a_search_without_result_says_what_hides_it(page: Page, server: Server, twelve: list[str]) -> None:
    open_list(page, server, "/?q=billing&type=mysql")
    expect(page.get_by_role("heading", name="No connection fits")).to_be_visible()
    expect(page.get_by_text("1 connection is hidden by filters.")).to_be_visible()
    page.get_by_role("link", name="Clear the filters").click()
    expect_names(page, "Billing archive")
    page.get_by_role("textbox", name="Search connections").fill("no such thing")
    expect(page.get_by_role("heading", name="No connection fits")).to_be_visible()
    page.get_by_role("link", name="Show all connections").click()
    expect(cards(page)).to_have_count(12)


def test_the_order_is_chosen_and_kept(page: Page, server: Server, twelve: list[str]) -> None:
    open_list(page, server)
    expect(titles(page).nth(0)).to_have_text("Orders")
    expect(titles(page).nth(1)).to_have_text("Warehouse")
    page.get_by_role("combobox", name="Order").select_option("Name, A to Z")
    expect(titles(page).first).to_have_text("Billing archive")
    expect_address(page, "/?sort=name")
    page.reload()
    expect(page.get_by_role("combobox", name="Order")).to_have_value("name")
    expect(titles(page).first).to_have_text("Billing archive")
    page.get_by_role("combobox", name="Order").select_option("Slowest first")
    expect(titles(page).first).to_have_text("Supplier portal")


def test_the_table_is_ordered_by_its_headings(page: Page, server: Server, twelve: list[str]) -> None:
    open_list(page, server, "/?view=table")
    heading = page.get_by_role("columnheader", name="Name")
    expect(heading).to_have_attribute("aria-sort", "none")
    heading.get_by_role("link").click()
    expect(heading).to_have_attribute("aria-sort", "ascending")
    expect(titles(page).first).to_have_text("Billing archive")
    heading.get_by_role("link").click()
    expect(heading).to_have_attribute("aria-sort", "descending")
    expect(titles(page).first).to_have_text("Web events")
    expect_address(page, "/?sort=-name&view=table")


def test_a_thousand_connections_come_in_pages(page: Page, server: Server, ctx: Context) -> None:
    samples.fill(ctx, samples.many(1000))
    open_list(page, server)
    expect(cards(page)).to_have_count(48)
    pages = page.get_by_role("navigation", name="Pages of the list")
    expect(pages).to_contain_text("1–48 of 1,000")
    pages.get_by_role("link", name="Next page").click()
    expect(pages).to_contain_text("49–96 of 1,000")
    expect_address(page, "/?page=2")
    pages.get_by_role("link", name="Page 21").click()
    expect(cards(page)).to_have_count(40)
    expect(pages).to_contain_text("961–1,000 of 1,000")
    page.go_back()
    expect(pages).to_contain_text("49–96 of 1,000")
    page.get_by_role("textbox", name="Search connections").fill("oslo")
    expect(pages).to_contain_text("1–48 of 100")
    expect_address(page, "/?q=oslo")
    open_list(page, server, "/?page=99")
    expect(pages).to_contain_text("961–1,000 of 1,000")


def test_an_address_with_nonsense_shows_the_list(page: Page, server: Server, twelve: list[str]) -> None:
    open_list(page, server, "/?page=0&sort=password&status=maybe&view=cinema&type=%3Cb%3E&q=&unknown=1")
    expect(cards(page)).to_have_count(12)


def test_another_view_needs_neither_the_server_nor_new_elements(
    context: BrowserContext, page: Page, server: Server, ctx: Context
) -> None:
    samples.fill(ctx, samples.many(60))
    kept_back: list[str | bytes] = []
    silent = False

    def between(socket: WebSocketRoute) -> None:
        upstream = socket.connect_to_server()
        socket.on_message(lambda said: kept_back.append(said) if silent else upstream.send(said))

    context.route_web_socket(re.compile("/_event"), between)
    open_list(page, server, "/?type=postgresql,mysql")
    expect(cards(page)).to_have_count(48)
    expect(page.locator("[data-view=table] [data-card]")).to_have_count(48)  # made when there was nothing else to do
    page.evaluate(COUNT_WHAT_IS_MADE)
    silent = True
    cards_list = page.get_by_role("list", name="Connections", exact=True)
    for title, now, before in (
        ("Table", page.get_by_role("table"), cards_list),
        ("Cards", cards_list, page.get_by_role("table")),
    ):
        page.get_by_role("link", name=title).click()
        expect(now).to_be_visible()
        expect(before).to_have_count(0)  # nor is it there for a screen reader
        expect(page.get_by_role("link", name=title)).to_have_attribute("aria-current", "true")
        expect(cards(page)).to_have_count(48)
    expect_address(page, "/?type=postgresql,mysql")
    assert page.evaluate("window.made") == 0
    assert kept_back, "the server hears of it afterwards"


def test_the_keys_stay_in_the_view_that_is_shown(page: Page, server: Server, twelve: list[str]) -> None:
    open_list(page, server, "/?view=table&sort=name")
    expect(page.locator("[data-view=cards] [data-card]")).to_have_count(12)
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("button", name="Billing archive", exact=True)).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("button", name="Customer service", exact=True)).to_be_focused()
    page.get_by_role("link", name="Cards").click()
    page.locator("#main").focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator(SHOWN + "[data-name]:focus")).to_have_count(1)


@pytest.mark.parametrize("context", WINDOWS, indirect=True, ids=lambda window: str(window["viewport"]["width"]))
def test_long_names_do_not_make_the_page_wider(page: Page, server: Server, ctx: Context) -> None:
    long = "An-extraordinarily-long-name-of-a-connection-" * 2
    sqlite_connection(ctx, server, long, "a-folder/" * 12 + "file.db", there=False)
    samples.fill(ctx, samples.TWELVE)
    for address in ("/", "/?view=table"):
        open_list(page, server, address)
        expect(cards(page)).to_have_count(13)
        assert page.evaluate("document.documentElement.scrollWidth") <= page.evaluate("innerWidth"), address
    expect(page.get_by_role("button", name=long, exact=True)).to_have_attribute("title", long)


def test_a_slow_engine_shows_the_shape_of_what_comes(
    context: BrowserContext, page: Page, server: Server, watch: Watch, ctx: Context
) -> None:
    context.route_web_socket(re.compile("/_event"), lambda socket: None)  # answers nothing, for now
    page.goto(server.url)
    expect(page.get_by_text("Loading")).to_be_attached()
    expect(page.locator(".skeleton").first).to_be_visible()
    context.unroute_all()
