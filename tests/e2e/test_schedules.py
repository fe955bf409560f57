"""Schedules in a real browser: made, read in plain words, run now, paused, deleted; by keyboard too."""

import re
from collections.abc import Iterator

import axe
import pytest
from moving import Shop, clear, open_at
from playwright.sync_api import Locator, Page, expect
from running import Server

from etl_engine.services.context import Context

NEW_YORK = {"timezone_id": "America/New_York"}
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
    clear(ctx)


def rows(page: Page) -> Locator:
    return page.locator("[data-card]")


def form(page: Page) -> Locator:
    return page.get_by_role("dialog", name=re.compile("schedule"))


@pytest.mark.parametrize("context", [NEW_YORK], indirect=True, ids=["new-york"])
def test_a_schedule_is_made_by_keyboard_and_reads_in_plain_words(page: Page, server: Server, shop: Shop) -> None:
    open_at(page, server, "/schedules")
    expect(page.get_by_role("heading", name="Nothing runs by itself yet")).to_be_visible()
    page.keyboard.press("n")
    expect(form(page).get_by_label("Name")).to_be_focused()
    expect(form(page).get_by_label("Time zone")).to_have_value("America/New_York")
    expect(form(page).get_by_label("Mapping")).to_have_value(shop.mapping)
    page.keyboard.type("Berlin mornings")
    form(page).get_by_label("Usual times").select_option(label="Every weekday at 07:30")
    form(page).get_by_label("Time zone").fill("Europe/Berlin")
    expect(form(page).locator(".reading")).to_have_text("At 07:30 on weekdays (Monday to Friday)")
    fires = form(page).get_by_role("region", name="The next ten fires").get_by_role("row")
    expect(fires).to_have_count(11)
    expect(fires.first).to_have_text(re.compile("Europe/Berlin.*You, America/New_York"))
    expect(fires.nth(1)).to_have_text(re.compile(r"07:30 UTC\+[12]:00.*01:30 UTC−[54]:00|07:30.*02:30"))
    page.keyboard.press("Enter")
    expect(form(page)).to_have_count(0)
    expect(rows(page)).to_have_count(1)
    expect(rows(page).first).to_contain_text("At 07:30 on weekdays (Monday to Friday)")
    expect(rows(page).first).to_contain_text("Europe/Berlin")
    [saved] = shop.call("GET", "/schedules/")
    assert (saved["cron_expression"], saved["timezone"]) == ("30 7 * * 1-5", "Europe/Berlin")


@pytest.mark.parametrize("context", [NEW_YORK], indirect=True, ids=["new-york"])
def test_the_nights_on_which_the_clock_changes_are_marked(page: Page, server: Server, shop: Shop) -> None:
    open_at(page, server, "/schedules?new=any")
    form(page).get_by_label("Time zone").fill("Europe/Berlin")
    form(page).get_by_label("Cron expression").fill("30 2 L 3,10 0")
    form(page).get_by_label("Cron expression").fill("30 2 25-31 3,10 *")
    expect(form(page).locator(".dst").first).to_be_visible()


def test_what_cannot_be_read_is_said_while_typing_and_at_its_field(page: Page, server: Server, shop: Shop) -> None:
    open_at(page, server, "/schedules")
    page.get_by_role("button", name="New schedule").click()
    cron = form(page).get_by_label("Cron expression")
    cron.fill("0 0 30 2 *")
    expect(form(page).locator(".reading")).to_contain_text("never fires")
    form(page).get_by_role("button", name="Save").click()
    expect(cron).to_have_attribute("aria-invalid", "true")
    expect(form(page).get_by_label("Name")).to_have_attribute("aria-invalid", "true")
    cron.fill("0 6 * * *")
    expect(cron).to_have_attribute("aria-invalid", "false")
    form(page).get_by_label("Name").fill("Dawn")
    form(page).get_by_role("button", name="Save").click()
    expect(rows(page)).to_have_count(1)


def test_it_runs_now_and_the_run_ends(page: Page, server: Server, shop: Shop) -> None:
    shop.schedule()
    open_at(page, server, "/schedules")
    page.get_by_role("button", name="Run now: Every morning").click()
    expect(page).to_have_url(re.compile("/runs/[0-9a-f]{24}"))
    expect(page.locator(".run-facts")).to_contain_text("by hand, from the schedule “Every morning”")
    expect(page.locator("h1 .status")).to_have_text("Partly done", timeout=30_000)
    page.goto(server.url + "/schedules")
    rows(page).get_by_role("link", name="all its runs").click()
    expect(page.locator("[data-card]")).to_have_count(1)
    expect(page.locator(".hidden-note")).to_contain_text("Only of the schedule “Every morning”")


def test_it_is_paused_with_a_reason_changed_and_deleted(page: Page, server: Server, shop: Shop) -> None:
    made = shop.schedule(overlap_policy="skip")
    open_at(page, server, "/schedules")
    page.keyboard.press("ArrowDown")
    page.get_by_role("button", name="Pause Every morning").click()
    page.get_by_label("Why, for everybody who wonders").fill("The warehouse is being moved")
    page.keyboard.press("Enter")
    expect(rows(page).first).to_have_attribute("data-status", "paused")
    expect(rows(page).first).to_contain_text("The warehouse is being moved")
    page.get_by_role("link", name="Active 0").click()
    expect(page.get_by_role("heading", name="No schedule fits")).to_be_visible()
    page.get_by_role("link", name="Show all schedules").click()
    page.get_by_role("button", name="Edit Every morning").click()
    expect(form(page).get_by_label("If it still runs")).to_have_value("skip")
    form(page).get_by_label("Name").fill("Every evening")
    form(page).get_by_label("If fires were missed").select_option("all")
    form(page).get_by_role("button", name="Save").click()
    expect(rows(page).first.get_by_role("heading", name="Every evening")).to_be_visible()
    saved = shop.call("GET", f"/schedules/{made}")
    assert (saved["missed_policy"], saved["pause_reason"]) == ("all", "The warehouse is being moved")
    page.get_by_role("button", name="Resume Every evening").click()
    expect(rows(page).first).to_have_attribute("data-status", "active")
    page.get_by_role("button", name="Delete Every evening").click()
    page.get_by_role("alertdialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("heading", name="Nothing runs by itself yet")).to_be_visible()


def test_what_another_one_changes_is_seen_without_a_reload(page: Page, server: Server, shop: Shop) -> None:
    made = shop.schedule()
    open_at(page, server, "/schedules")
    expect(rows(page)).to_have_count(1)
    shop.schedule(name="Another", cron_expression="0 * * * *")
    expect(rows(page)).to_have_count(2)
    shop.call("DELETE", f"/schedules/{made}")
    expect(rows(page)).to_have_count(1)


@pytest.mark.parametrize(
    "context", LOOKS, indirect=True, ids=lambda look: f"{look['color_scheme']}-{look['viewport']['width']}"
)
def test_nothing_stands_in_the_way(page: Page, server: Server, shop: Shop) -> None:
    open_at(page, server, "/schedules")
    expect(page.get_by_role("heading", name="Nothing runs by itself yet")).to_be_visible()
    assert axe.findings(page) == [], "empty"
    page.get_by_role("button", name="New schedule").first.click()
    expect(form(page).get_by_role("region", name="The next ten fires")).to_be_visible()
    assert axe.findings(page) == [], "new"
    page.keyboard.press("Escape")
    expect(form(page)).to_have_count(0)
    shop.schedule(timezone="Europe/Berlin")
    shop.schedule(name="Paused", enabled=False, pause_reason="Holidays")
    expect(rows(page)).to_have_count(2)
    assert axe.findings(page) == [], "list"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("button", name="Edit Every morning").click()
    expect(form(page).get_by_role("region", name="The next ten fires")).to_be_visible()
    form(page).get_by_label("Name").fill("")
    form(page).get_by_role("button", name="Save").click()
    expect(form(page).get_by_label("Name")).to_have_attribute("aria-invalid", "true")
    assert axe.findings(page) == [], "form"
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Pause Every morning").click()
    expect(page.get_by_role("heading", name="Pause Every morning?")).to_be_visible()
    assert axe.findings(page) == [], "pause"
    page.get_by_role("button", name="Keep it active").click()
    page.get_by_role("button", name="Delete Every morning").click()
    expect(page.get_by_role("alertdialog", name="Delete Every morning?")).to_be_visible()
    assert axe.findings(page) == [], "delete"
    page.get_by_role("button", name="Keep it", exact=True).click()
    expect(page.get_by_role("alertdialog")).to_have_count(0)
