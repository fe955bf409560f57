"""Runs in a real browser, done by real workers: seen live, searched, cancelled, repeated, and read to the last line."""

import os
import re
import signal
import time
from collections.abc import Iterator

import axe
import pytest
from conftest import Watch
from moving import ENDLESS, ROWS, WRONG, Shop, clear, open_at, with_a_long_log
from playwright.sync_api import Locator, Page, expect
from running import Server, eventually

from etl_engine.services.context import Context

MILLION = 1_000_000
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


def rows(page: Page) -> Locator:
    return page.locator("[data-card]")


def lines(page: Page) -> Locator:
    return page.locator(".line")


def sentence(page: Page) -> Locator:
    return page.locator(".sentence")


def tile(page: Page, title: str) -> Locator:
    return page.locator(".tile-number").filter(has_text=title).locator("b")


def test_a_page_without_runs_says_what_a_run_is(page: Page, server: Server, ctx: Context) -> None:
    clear(ctx)
    open_at(page, server, "/runs")
    expect(page.get_by_role("heading", name="Nothing has run yet")).to_be_visible()
    assert axe.findings(page) == []


def test_runs_come_and_end_in_the_list_without_a_reload(page: Page, server: Server, shop: Shop) -> None:
    open_at(page, server, "/runs")
    expect(page.get_by_role("heading", name="Nothing has run yet")).to_be_visible()
    shop.copy()
    expect(rows(page)).to_have_count(1, timeout=10_000)
    expect(rows(page).first).to_have_attribute("data-status", "success", timeout=30_000)
    expect(rows(page).first).to_contain_text("500")
    shop.failing()
    expect(rows(page).first).to_have_attribute("data-status", "failed", timeout=30_000)
    expect(rows(page).first).to_contain_text("There is no table invoices")


def test_filters_and_search_stand_in_the_address(page: Page, server: Server, shop: Shop) -> None:
    for run in (shop.copy(), shop.failing(), shop.mapped()):
        shop.wait(run)
    open_at(page, server, "/runs")
    expect(rows(page)).to_have_count(3)
    filters = page.get_by_role("navigation", name="Filters")
    filters.get_by_role("link", name="Failed 1").click()
    expect(rows(page)).to_have_count(1)
    expect(page).to_have_url(re.compile(r"/runs/?\?status=failed$"))
    filters.get_by_role("link", name="All", exact=True).click()
    filters.get_by_role("link", name="Mapping runs").click()
    expect(rows(page)).to_have_count(1)
    expect(rows(page).first).to_contain_text("Orders to the lake")
    filters.get_by_role("link", name="All", exact=True).click()
    expect(rows(page)).to_have_count(3)
    page.keyboard.press("/")
    page.keyboard.type("lake")
    expect(rows(page)).to_have_count(1)
    page.keyboard.type("-nothing")
    expect(page.get_by_role("heading", name="No run fits")).to_be_visible()


def test_a_run_of_a_mapping_shows_its_tasks_its_log_and_what_was_set_aside(
    page: Page, server: Server, shop: Shop
) -> None:
    run = shop.mapped()
    shop.wait(run)
    open_at(page, server, "/runs")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"/runs/{run}"))
    expect(page.get_by_role("heading", level=1)).to_contain_text("Orders to the lake")
    expect(sentence(page)).to_have_text(re.compile(rf"Moved {ROWS - WRONG} rows in .*; {WRONG} rows were set aside\."))
    expect(page.locator(".gantt li")).to_have_count(3)
    expect(page.locator(".gantt .bar")).to_have_count(3)
    kept = page.get_by_role("region", name="Rows that were set aside").get_by_role("row")
    expect(kept).to_have_count(WRONG + 1)
    expect(kept.nth(1)).to_have_text(re.compile("1.*amount.*n/a.*is not a whole number"))
    expect(lines(page).first).to_contain_text("Started by")
    expect(lines(page).last).to_contain_text("Ended: partial")
    assert shop.run(run)["counters"]["rejected"] == WRONG


def test_a_run_is_seen_to_move_and_ends_before_ones_eyes(page: Page, server: Server, shop: Shop) -> None:
    run = shop.long()
    open_at(page, server, f"/runs/{run}")
    shop.wait(run, "running", "success")
    seen: set[str] = set()

    def moves() -> bool:
        seen.add(tile(page, "Read").inner_text())
        return len(seen - {"0"}) >= 3

    eventually(moves, lambda: f"counters that grow: {seen}", 40)
    expect(page.get_by_role("button", name="Following")).to_be_visible()
    expect(page.locator("h1 .status")).to_have_text("Succeeded", timeout=60_000)
    expect(lines(page).last).to_contain_text("Ended: success")
    expect(tile(page, "Loaded")).to_have_text("3.0 M")
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0)


def test_a_run_is_cancelled_and_tells_by_whom(page: Page, server: Server, shop: Shop) -> None:
    run = shop.slow()
    shop.wait(run, "running")
    open_at(page, server, f"/runs/{run}")
    expect(page.locator("h1 .status")).to_have_text("Running")
    expect(page.locator(".run-facts")).to_contain_text("last sign of life")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("h1 .status")).to_have_text("Cancelled", timeout=30_000)
    expect(sentence(page)).to_contain_text("Cancelled by anonymous")
    assert shop.run(run)["status"] == "cancelled"
    expect(page.get_by_role("button", name="Retry")).to_be_visible()


def test_a_run_whose_worker_is_killed_is_seen_to_be_lost_and_to_go_on(page: Page, server: Server, shop: Shop) -> None:
    run = shop.slow()
    worker = int(shop.wait(run, "running")["owner"].split(":")[1])
    open_at(page, server, f"/runs/{run}")
    expect(page.locator("h1 .status")).to_have_text("Running")
    assert worker in server.processes()
    os.kill(worker, signal.SIGKILL)
    history = page.get_by_role("region", name="What happened")
    expect(history).to_contain_text("Worker lost", timeout=40_000)
    expect(history).to_contain_text("does not answer any more")
    expect(page.locator(".run-facts")).to_contain_text("attempt 2", timeout=40_000)
    expect(page.locator("h1 .status")).to_have_text("Running", timeout=40_000)
    expect(lines(page).filter(has_text="Taken up again: attempt 2")).to_have_count(1)
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("h1 .status")).to_have_text("Cancelled", timeout=40_000)


def test_a_failed_run_says_what_to_do_and_is_repeated(page: Page, server: Server, shop: Shop) -> None:
    run = shop.failing()
    shop.wait(run)
    open_at(page, server, f"/runs/{run}")
    error = page.get_by_role("region", name="Error")
    for words in ("There is no table invoices", "What to do: List the tables to see which there are.", run):
        expect(error).to_contain_text(words)
    page.get_by_role("button", name="Retry").click()
    expect(page).not_to_have_url(re.compile(run))
    expect(page.get_by_role("link", name="The run that this one repeats")).to_be_visible()
    expect(page.locator("h1 .status")).to_have_text("Failed", timeout=30_000)
    page.get_by_role("link", name="The run that this one repeats").click()
    expect(page).to_have_url(re.compile(run))


def test_an_address_that_is_cut_off_says_so(page: Page, server: Server, shop: Shop, watch: Watch) -> None:
    for path in ("/runs/abc", f"/runs/{'0' * 24}"):
        open_at(page, server, path)
        expect(page.get_by_role("heading", name="There is no such run")).to_be_visible()


def test_a_million_lines_open_at_once_and_are_searched_and_followed(
    page: Page, server: Server, shop: Shop, ctx: Context
) -> None:
    run = shop.copy()
    shop.wait(run)
    with_a_long_log(ctx, run, MILLION)
    short = shop.failing()
    shop.wait(short)

    def opened(name: str, last: str) -> float:
        """The best of three: the machine may have other things to do."""
        seconds = []
        for _ in range(3):
            open_at(page, server, "/runs")
            expect(rows(page)).to_have_count(2)
            began = time.monotonic()
            page.locator(f'[data-name="{name}"]').click()
            expect(lines(page).last).to_contain_text(last)
            seconds.append(time.monotonic() - began)
        return min(seconds)

    usual = opened(short, "Ended: failed")
    long = opened(run, f"batch {MILLION}:")
    print(f"a log of {MILLION:,} lines opens in {long * 1000:.0f} ms, one of four in {usual * 1000:.0f} ms")
    assert long < max(1.0, 1.5 * usual)
    expect(page.locator(".log > footer")).to_contain_text("1,000,000 lines in all")
    page.get_by_role("button", name="First").click()
    expect(lines(page).first).to_contain_text("Started by")
    page.get_by_role("button", name="To the end").click()
    expect(lines(page).last).to_contain_text(f"batch {MILLION}:")
    page.get_by_role("button", name="Warnings").click()
    expect(lines(page)).to_have_count(10)
    page.get_by_role("button", name="All", exact=True).click()
    expect(lines(page)).to_have_count(400)
    page.get_by_role("textbox", name="Search the log").fill("batch 777777:")
    expect(lines(page)).to_have_count(1)
    expect(lines(page).locator("mark")).to_have_text("batch 777777:")
    lines(page).get_by_role("button").click()
    expect(page.locator(".line.chosen")).to_contain_text("batch 777777:")
    expect(page).to_have_url(re.compile(r"line=777777"))
    expect(page.locator('.line[data-seq="777700"]')).to_have_count(1)
    page.reload()
    expect(page.locator(".line.chosen")).to_contain_text("batch 777777:")


def test_scrolling_back_reads_older_lines_and_keeps_the_page_small(
    page: Page, server: Server, shop: Shop, ctx: Context
) -> None:
    run = shop.copy()
    shop.wait(run)
    with_a_long_log(ctx, run, 20_000)
    open_at(page, server, f"/runs/{run}")
    expect(lines(page).last).to_contain_text("batch 20000:")
    box = page.get_by_role("log")
    for wanted in (19_000, 18_000, 16_000):
        for _ in range(30):
            if page.locator(f'.line[data-seq="{wanted}"]').count():
                break
            before = lines(page).first.get_attribute("data-seq")
            box.evaluate("box => { box.scrollTop = 0; }")
            expect(lines(page).first).not_to_have_attribute("data-seq", str(before))
        expect(page.locator(f'.line[data-seq="{wanted}"]')).to_have_count(1)
        assert lines(page).count() <= 2400
    page.get_by_role("button", name="To the end").click()
    expect(lines(page).last).to_contain_text("batch 20000:")


def at_rest(box: Locator) -> float:
    """Where it stands once it has stopped moving: browsers glide."""
    seen: list[float] = []

    def still() -> bool:
        seen.append(
            float(box.evaluate("async box => { await new Promise(r => setTimeout(r, 300)); return box.scrollTop; }"))
        )
        return seen[-2:-1] == seen[-1:]

    eventually(still, lambda: f"that it rests: {seen}", 15)
    return seen[-1]


def test_a_log_is_followed_until_one_scrolls_back_and_again_when_one_wants(
    page: Page, server: Server, shop: Shop, ctx: Context
) -> None:
    run = shop.slow()
    shop.wait(run, "running")
    open_at(page, server, f"/runs/{run}")
    expect(lines(page).first).to_contain_text("Started by")
    with_a_long_log(ctx, run, 900)
    expect(lines(page).last).to_contain_text("batch 900:")
    box = page.get_by_role("log")
    follow = page.locator("button.follow")  # by role, 900 buttons would be asked for their names again and again
    expect(follow).to_have_text("Following")
    expect(follow).to_have_attribute("aria-pressed", "true")
    page.locator(".log > footer").scroll_into_view_if_needed()
    expect(lines(page).last).to_be_in_viewport()
    box.focus()
    page.keyboard.press("PageUp")
    expect(follow).to_have_attribute("aria-pressed", "false")
    expect(lines(page).last).not_to_be_in_viewport()
    before = at_rest(box)
    with_a_long_log(ctx, run, 950)
    pill = page.locator("button.pill")
    expect(pill).to_have_text(re.compile(r"^(50|4\d) new lines$"))  # the run writes some of them itself
    assert box.evaluate("box => box.scrollTop") == before, "what is read stays where it is"
    pill.click()
    expect(follow).to_have_text("Following")
    expect(lines(page).last).to_be_in_viewport()
    with_a_long_log(ctx, run, 960)
    expect(lines(page).last).to_contain_text("batch 960:")
    expect(lines(page).last).to_be_in_viewport()


@pytest.mark.parametrize(
    "context", LOOKS, indirect=True, ids=lambda look: f"{look['color_scheme']}-{look['viewport']['width']}"
)
def test_nothing_stands_in_the_way(page: Page, server: Server, shop: Shop) -> None:
    ended = [shop.mapped(), shop.failing()]
    for run in ended:
        shop.wait(run)
    slow = shop.copy(table="", query=ENDLESS, target="numbers")
    shop.wait(slow, "running")
    for address in ("/runs", *(f"/runs/{run}" for run in (*ended, slow))):
        open_at(page, server, address)
        expect(page.locator("[data-card], .line").first).to_be_visible()
        assert axe.findings(page) == [], address
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), address
