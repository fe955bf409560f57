"""axe-core over every state of the list and every dialog of it, light and dark, wide and narrow."""

import axe
import pytest
import sample_connections as samples
from listing import card, cards, open_list, server_connection
from playwright.sync_api import Page, expect
from running import Server, free_port

from etl_engine.services.context import Context

LOOKS = [
    {"color_scheme": scheme, "reduced_motion": "reduce", "viewport": {"width": width, "height": 900}}
    for scheme in ("light", "dark")
    for width in (1440, 390)
]


@pytest.mark.parametrize(
    "context", LOOKS, indirect=True, ids=lambda look: f"{look['color_scheme']}-{look['viewport']['width']}"
)
def test_nothing_in_the_list_stands_in_the_way(page: Page, server: Server, ctx: Context) -> None:
    page.goto(server.url)
    expect(page.get_by_role("button", name="Add a connection")).to_be_visible()
    assert axe.findings(page) == [], "empty"
    samples.fill(ctx, samples.TWELVE)
    server_connection(ctx, "Nobody listens", "postgresql", free_port())
    for address, count in (("/", 13), ("/?type=mysql&view=table", 5)):
        page.goto(server.url + address)
        expect(cards(page)).to_have_count(count)
        assert axe.findings(page) == [], address
    page.goto(server.url + "/?q=nothing")
    expect(page.get_by_role("heading", name="No connection fits")).to_be_visible()
    assert axe.findings(page) == [], "no match"


@pytest.mark.parametrize(
    "context", LOOKS, indirect=True, ids=lambda look: f"{look['color_scheme']}-{look['viewport']['width']}"
)
def test_nothing_in_its_dialogs_stands_in_the_way(page: Page, server: Server, ctx: Context) -> None:
    samples.fill(ctx, samples.TWELVE)
    server_connection(ctx, "Nobody listens", "postgresql", free_port())
    open_list(page, server)
    page.get_by_role("button", name="Test Nobody listens").click()
    card(page, "Nobody listens").get_by_role("button", name="What to do about it").click()
    ladder = page.get_by_role("dialog", name="Test of Nobody listens")
    expect(ladder.get_by_role("heading", name="failed")).to_be_visible()
    assert axe.findings(page) == [], "ladder"
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    assert axe.findings(page) == [], "keys"
    page.keyboard.press("Escape")
    page.keyboard.press("Control+k")
    page.keyboard.type("internal")
    expect(page.locator(".palette").get_by_role("option")).to_have_count(7)
    assert axe.findings(page) == [], "palette"
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Delete Nobody listens").click()
    expect(page.get_by_role("alertdialog")).to_be_visible()
    assert axe.findings(page) == [], "question"
    page.get_by_role("alertdialog").get_by_role("button", name="Delete").click()
    expect(page.locator("[data-sonner-toast]").get_by_role("button", name="Undo")).to_be_visible()
    assert axe.findings(page) == [], "message"
