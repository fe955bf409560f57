"""Open pages show what is: changes from other browsers, the API and the command line, and a server that went away."""

import contextlib
import json
import re
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import axe
import sample_connections as samples
from conftest import Watch
from listing import card, cards, expect_names, open_list, sqlite_connection
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect
from running import CHECKOUT, Server, running
from servers import start_postgres, temporary

from etl_engine import wiring
from etl_engine.sealing import new_key
from etl_engine.services.context import Context
from etl_engine.settings import Settings


def call(server: Server, method: str, path: str, body: object = None) -> dict[str, object]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.port}/api/v1/{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        text = answer.read()
    return json.loads(text) if text else {}


def file_connection(name: str) -> dict[str, str]:
    return {"name": name, "db_type": "sqlite", "database": "there.db"}


def seconds_until(seen: Locator, change: Callable[[], object]) -> float:
    """From the answer to a change until it is on the screen."""
    change()
    started = time.monotonic()
    expect(seen).to_be_visible()
    return time.monotonic() - started


@contextlib.contextmanager
def second_browser(browser: Browser, server: Server) -> Iterator[Page]:
    context = browser.new_context()
    watch = Watch(context, server.url)
    page = context.new_page()
    yield page
    context.close()
    assert not watch.remaining()


def test_a_change_in_one_browser_shows_in_the_other(page: Page, browser: Browser, server: Server, ctx: Context) -> None:
    samples.fill(ctx, samples.TWELVE[:3])
    sqlite_connection(ctx, server, "A file")
    with second_browser(browser, server) as other:
        for one in (page, other):
            open_list(one, server)
            expect(cards(one)).to_have_count(4)
        card(page, "A file").get_by_role("button", name="Test A file").click()
        expect(card(other, "A file")).to_contain_text("Connected")
        page.get_by_role("button", name="Delete Orders").click()
        page.get_by_role("alertdialog").get_by_role("button", name="Delete").click()
        expect_names(other, "A file", "Warehouse", "Billing archive")
        expect(other.locator(".page-header p")).to_contain_text("3 connections")
        expect(other.locator("[data-sonner-toast]")).to_have_count(0)  # the message belongs to who did it
        page.locator("[data-sonner-toast]").get_by_role("button", name="Undo").click()
        expect_names(other, "A file", "Orders", "Warehouse", "Billing archive")


def test_a_change_through_the_api_shows_within_a_second(page: Page, server: Server, ctx: Context) -> None:
    open_list(page, server)
    expect(page.get_by_role("heading", name="Connect your first database")).to_be_visible()
    took = [
        seconds_until(
            card(page, f"From outside {number}"),
            lambda name=f"From outside {number}": call(server, "POST", "connections/", file_connection(name)),
        )
        for number in range(3)
    ]
    identity = call(server, "POST", "connections/", file_connection("Last"))["_id"]
    expect(card(page, "Last")).to_be_visible()
    renamed = card(page, "Renamed")
    took.append(seconds_until(renamed, lambda: call(server, "PUT", f"connections/{identity}", {"name": "Renamed"})))
    call(server, "DELETE", f"connections/{identity}")
    expect(renamed).to_be_hidden()
    print("seen after", [f"{seconds:.2f} s" for seconds in took])
    assert statistics.median(took) < 1


def test_a_change_on_the_command_line_shows_too(page: Page, server: Server, ctx: Context) -> None:
    sqlite_connection(ctx, server, "A file")
    open_list(page, server)
    expect(card(page, "A file")).to_contain_text("Never tested")
    environment = server.environment()
    command = [sys.executable, "-m", "etl_engine.cli"]
    subprocess.run(
        [*command, "connections", "test", "A file"], env=environment, cwd=CHECKOUT, check=True, capture_output=True
    )
    expect(card(page, "A file")).to_contain_text("Connected", timeout=2_000)
    subprocess.run(
        [*command, "connections", "delete", "A file", "--yes"],
        env=environment,
        cwd=CHECKOUT,
        check=True,
        capture_output=True,
    )
    expect(page.get_by_role("heading", name="Connect your first database")).to_be_visible(timeout=2_000)


def test_what_is_searched_and_filtered_stays_so_when_something_changes(
    page: Page, server: Server, ctx: Context
) -> None:
    samples.fill(ctx, samples.TWELVE)
    open_list(page, server, "/?type=mysql&sort=name&view=table")
    expect(cards(page)).to_have_count(5)
    page.get_by_role("button", name="Test all").or_(page.get_by_role("button", name="Test these")).focus()
    call(server, "POST", "connections/", file_connection("A file"))
    expect(page.get_by_text("8 connections are hidden by filters.")).to_be_visible()
    expect(cards(page)).to_have_count(5)
    expect(page.get_by_role("button", name="Test these")).to_be_focused()


def test_a_store_that_is_away_is_said_and_asked_again_on_a_click(context: BrowserContext, tmp_path: Path) -> None:
    with temporary(start_postgres) as postgres:
        url = f"postgresql+psycopg2://{postgres.user}:{postgres.password}@127.0.0.1:{postgres.port}/postgres"
        with running(Server(tmp_path, settings={"STORE_URL": url, "ENCRYPTION_KEY": new_key()})) as server:
            call(server, "POST", "connections/", file_connection("A file"))
            page = context.new_page()
            open_list(page, server)
            expect(card(page, "A file")).to_be_visible()
            postgres.stop()
            page.reload()
            trouble = page.get_by_role("alert")
            expect(trouble.get_by_role("heading")).to_have_text("The connections could not be read", timeout=15_000)
            expect(trouble).to_contain_text(re.compile("request [0-9a-f]{16}"))
            expect(page.locator(".banner")).to_contain_text("store", ignore_case=True)
            assert axe.findings(page) == []
            first = trouble.locator(".facts").inner_text()
            trouble.get_by_role("button", name="Try again").click()
            expect(trouble.locator(".facts")).not_to_have_text(first, timeout=15_000)  # asked, and still away
            again = start_postgres(postgres.folder, port=postgres.port)
            try:
                trouble.get_by_role("button", name="Try again").click()
                expect(card(page, "A file")).to_be_visible(timeout=15_000)
                expect(trouble).to_be_hidden()
            finally:
                page.close()
                again.stop()


def test_the_list_comes_back_by_itself_with_the_server(context: BrowserContext, tmp_path: Path) -> None:
    with running(Server(tmp_path)) as server:
        engine = wiring.Engine(Settings(data_dir=server.folder / "data"))
        samples.fill(engine.context(), samples.TWELVE[:3])
        page = context.new_page()
        open_list(page, server, "/?sort=name")
        expect_names(page, "Billing archive", "Orders", "Warehouse")
        page.evaluate("window.sameDocument = true")
        server.terminate()
        expect(page.get_by_text("Cannot reach the server")).to_be_visible()
        expect(cards(page)).to_have_count(3)  # what was read stays to be looked at
        samples.fill(engine.context(), samples.TWELVE[3:4])
        server.start()
        server.wait_until_usable()
        expect_names(page, "Billing archive", "Customer service", "Orders", "Warehouse")
        expect(page.get_by_text("Cannot reach the server")).to_be_hidden()
        call(server, "POST", "connections/", file_connection("Afterwards"))
        expect(card(page, "Afterwards")).to_be_visible()
        assert page.evaluate("window.sameDocument")
        page.close()
        engine.close()
