"""The overview in a real browser: what is broken, running, late and next, as it happens."""

import time
from collections.abc import Iterator

import axe
import pytest
from moving import Shop, clear, open_at
from playwright.sync_api import Locator, Page, expect
from running import Server

from etl_engine.services.context import Context

LOOKS = [
    {"color_scheme": scheme, "reduced_motion": "reduce", "viewport": {"width": width, "height": 900}}
    for scheme in ("light", "dark")
    for width in (1440, 390)
]


@pytest.fixture
def shop(page: Page, server: Server, ctx: Context) -> Iterator[Shop]:
    clear(ctx)
    made = Shop(server).fill()
    yield made
    page.goto("about:blank")  # it would ask for what goes now
    for run in made.call("GET", "/executions/?status=running&status=pending")["items"]:
        made.call("POST", f"/executions/{run['_id']}/cancel")
        made.wait(run["_id"])
    clear(ctx)


def part(page: Page, title: str) -> Locator:
    return page.get_by_role("region", name=title)


def number(page: Page, title: str) -> Locator:
    return page.locator(".tile-number").filter(has_text=title).locator("b")


def test_it_tells_as_it_happens_what_is_broken_running_and_next(page: Page, server: Server, shop: Shop) -> None:
    open_at(page, server, "/overview")
    expect(page.get_by_role("heading", name="Nothing has run yet")).to_be_visible()
    shop.schedule()
    expect(part(page, "Next")).to_contain_text("Every morning", timeout=10_000)
    expect(page.locator(".page-header p")).to_have_text("Nothing is broken, and nothing is late.")
    shop.wait(shop.failing())
    expect(part(page, "Needs you")).to_contain_text("There is no table invoices", timeout=10_000)
    expect(number(page, "Broken")).to_have_text("1")
    shop.wait(shop.copy())
    expect(part(page, "Rows loaded per day").get_by_role("listitem").last).to_contain_text("500 rows in 2 runs")
    slow = shop.slow()
    shop.wait(slow, "running")
    expect(part(page, "At work")).to_contain_text("a query of The shop", timeout=10_000)
    part(page, "At work").get_by_role("link").click()
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    page.go_back()
    part(page, "Needs you").get_by_role("link").click()
    expect(page.get_by_role("region", name="Error")).to_be_visible()


def test_it_opens_at_once(page: Page, server: Server, shop: Shop) -> None:
    shop.wait(shop.copy())
    open_at(page, server, "/runs")
    began = time.monotonic()
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Overview").click()
    expect(number(page, "Rows loaded today")).to_have_text("500")
    opened = time.monotonic() - began
    print(f"the overview opens in {opened * 1000:.0f} ms")
    assert opened < 1.0


@pytest.mark.parametrize(
    "context", LOOKS, indirect=True, ids=lambda look: f"{look['color_scheme']}-{look['viewport']['width']}"
)
def test_nothing_stands_in_the_way(page: Page, server: Server, shop: Shop) -> None:
    open_at(page, server, "/overview")
    expect(page.get_by_role("heading", name="Nothing has run yet")).to_be_visible()
    assert axe.findings(page) == [], "empty"
    shop.schedule()
    for run in (shop.failing(), shop.mapped()):
        shop.wait(run)
    expect(part(page, "Needs you")).to_contain_text("There is no table invoices", timeout=10_000)
    assert axe.findings(page) == [], "full"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
