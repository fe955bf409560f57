"""The frame of every page, in a real browser against a production build."""

import re

import axe
import pytest
import sample_connections as samples
from conftest import Watch
from listing import cards, sqlite_connection
from playwright.sync_api import BrowserContext, Page, expect
from running import Server

from etl_engine.services.context import Context

PHONE = {"viewport": {"width": 390, "height": 844}}
WINDOWS = [{"viewport": {"width": width, "height": 800}} for width in (390, 768, 1024, 1440)]
SCHEMES = [{"color_scheme": "light"}, {"color_scheme": "dark"}]


def is_dark(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.classList.contains('dark')"))


def open_page(page: Page, server: Server, path: str = "/") -> None:
    page.goto(server.url + path)
    expect(page.locator(".sidebar .engine")).to_have_attribute("data-mood", "ready")


def test_the_frame_names_the_page_and_says_how_the_engine_is(page: Page, server: Server) -> None:
    open_page(page, server)
    expect(page).to_have_title("Connections · ETL Engine")
    expect(page.get_by_role("heading", level=1)).to_have_text("Connections")
    expect(page.get_by_role("navigation").get_by_role("link", name="Connections")).to_have_attribute(
        "aria-current", "page"
    )
    expect(page.locator(".sidebar .engine")).to_contain_text("Engine ready")
    expect(page.locator(".sidebar .engine")).to_contain_text("SQLite")


def test_an_empty_product_says_what_to_do(page: Page, server: Server) -> None:
    open_page(page, server)
    expect(page.get_by_role("heading", name="Connect your first database")).to_be_visible()


@pytest.mark.parametrize("context", SCHEMES, indirect=True, ids=["light", "dark"])
def test_the_theme_starts_as_the_system_wishes(page: Page, server: Server) -> None:
    open_page(page, server)
    assert is_dark(page) == bool(page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches"))


def test_a_chosen_theme_is_kept_over_a_reload(page: Page, server: Server) -> None:
    open_page(page, server)
    page.locator(".sidebar").get_by_role("button", name="Switch between light and dark").click()
    expect(page.locator("html")).to_contain_class("dark")
    page.reload()
    assert is_dark(page)
    expect(page.locator(".sidebar .engine")).to_have_attribute("data-mood", "ready")
    assert is_dark(page)


@pytest.mark.parametrize("context", [PHONE], indirect=True, ids=["phone"])
def test_in_a_narrow_window_the_pages_are_in_a_drawer(page: Page, server: Server) -> None:
    page.goto(server.url)
    expect(page.locator(".sidebar")).to_be_hidden()
    menu = page.get_by_role("button", name="Open the menu")
    menu.click()
    drawer = page.get_by_role("dialog")
    expect(drawer.get_by_role("link", name="Connections")).to_be_visible()
    expect(drawer.locator(".engine")).to_have_attribute("data-mood", "ready")
    page.keyboard.press("Escape")
    expect(drawer).to_be_hidden()
    expect(menu).to_be_focused()
    menu.click()
    drawer.get_by_role("link", name="Connections").click()
    expect(drawer).to_be_hidden()


@pytest.mark.parametrize("context", WINDOWS, indirect=True, ids=lambda window: str(window["viewport"]["width"]))
def test_no_page_is_wider_than_its_window(page: Page, server: Server, watch: Watch) -> None:
    watch.tolerate("404")
    for path in ("/", "/nowhere"):
        page.goto(server.url + path)
        expect(page.locator("#main")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= page.evaluate("innerWidth"), path


def test_the_keyboard_skips_to_the_content(page: Page, server: Server) -> None:
    open_page(page, server)
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()


def test_an_unknown_address_is_a_page_of_its_own(page: Page, server: Server, watch: Watch) -> None:
    watch.tolerate("404")
    answer = page.goto(server.url + "/nowhere")
    assert answer and answer.status == 404
    expect(page).to_have_title("Not found · ETL Engine")
    page.get_by_role("link", name="Go to the connections").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Connections")


def test_palette_and_keys_are_on_every_page(page: Page, server: Server, watch: Watch, ctx: Context) -> None:
    samples.fill(ctx, samples.TWELVE)
    watch.tolerate("404")
    palette = page.get_by_role("dialog", name="Go anywhere, do anything")
    form = page.get_by_role("dialog").get_by_label("Connection name")

    def command(text: str) -> None:
        open_page(page, server, "/nowhere")
        page.keyboard.press("Control+k")
        expect(palette.get_by_role("combobox")).to_be_focused()
        page.keyboard.type(text)
        page.keyboard.press("Enter")
        expect(palette).to_be_hidden()

    command("go to conn")
    expect(page).to_have_title("Connections · ETL Engine")
    expect(form).to_be_hidden()
    command("new conn")
    expect(form).to_have_value("")
    expect(page).to_have_url(re.compile(r"/\?new=[a-z]+$"))
    assert "any" not in page.url
    command("finance")
    expect(form).to_have_value("Finance ledger")
    open_page(page, server, "/nowhere")
    page.keyboard.press("?")
    sheet = page.get_by_role("dialog", name="Keys")
    expect(sheet).to_contain_text("Go anywhere, do anything")
    page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()
    assert page.url.endswith("/nowhere")


def test_everything_is_tested_whatever_the_filters_were(page: Page, server: Server, watch: Watch, ctx: Context) -> None:
    watch.tolerate("404")
    for name in ("One file", "Another file"):
        sqlite_connection(ctx, server, name)
    open_page(page, server, "/?q=another")
    expect(cards(page)).to_have_count(1)
    open_page(page, server, "/nowhere")
    page.keyboard.press("Control+k")
    page.keyboard.type("test all")
    page.keyboard.press("Enter")
    expect(cards(page).and_(page.locator('[data-status="success"]'))).to_have_count(2)


@pytest.mark.parametrize("context", SCHEMES, indirect=True, ids=["light", "dark"])
def test_nothing_stands_in_the_way_of_a_screen_reader(page: Page, server: Server, watch: Watch) -> None:
    watch.tolerate("404")
    for path in ("/", "/nowhere"):
        open_page(page, server, path)
        assert axe.findings(page) == []


@pytest.mark.parametrize("context", [PHONE, {**PHONE, "color_scheme": "dark"}], indirect=True, ids=["light", "dark"])
def test_nothing_in_the_drawer_stands_in_the_way_either(page: Page, server: Server) -> None:
    page.goto(server.url)
    page.get_by_role("button", name="Open the menu").click()
    expect(page.get_by_role("dialog").locator(".engine")).to_have_attribute("data-mood", "ready")
    assert axe.findings(page) == []


def test_the_first_page_is_light_and_quick(context: BrowserContext, page: Page, server: Server) -> None:
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    kinds: dict[str, str] = {}
    weights: dict[str, int] = {"Script": 0, "Stylesheet": 0, "Font": 0}

    def weigh(event: dict[str, object]) -> None:
        kind = kinds.get(str(event["requestId"]), "")
        weights[kind] = weights.get(kind, 0) + int(event["encodedDataLength"])  # type: ignore[call-overload]

    session.on("Network.responseReceived", lambda event: kinds.__setitem__(event["requestId"], event["type"]))
    session.on("Network.loadingFinished", weigh)
    open_page(page, server)
    expect(page.get_by_role("heading", name="Connect your first database")).to_be_visible()
    page.wait_for_load_state("networkidle")
    painted = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    assert weights["Script"] <= 400_000, weights
    assert painted < 1_000
    print(f"first page: {weights}, first contentful paint {painted:.0f} ms")
