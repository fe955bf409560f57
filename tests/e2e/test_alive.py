"""Open pages show what is: changes from other browsers, the API and the command line, and a server that went away."""

import contextlib
import json
import re
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import axe
import sample_connections as samples
from conftest import Watch
from listing import SHOWN, card, cards, expect_names, folder_of_files, open_list, sqlite_connection
from playwright.sync_api import Browser, BrowserContext, Page, expect
from playwright.sync_api import TimeoutError as TooLate
from running import CHECKOUT, Server, running
from seeing import Sight, Watched
from servers import start_postgres, temporary

from etl_engine import wiring
from etl_engine.model.collections import AUDIT
from etl_engine.sealing import new_key
from etl_engine.services import connections
from etl_engine.services.connection_documents import as_config
from etl_engine.services.context import Context
from etl_engine.settings import Settings

ROUNDS = 4
SERVER = {
    "name": "The orders",
    "db_type": "postgresql",
    "host": "127.0.0.1",
    "database": "shop",
    "username": "reader",
    "password": "pw",
}


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


def row(identity: str, more: str = "") -> str:
    return f'{SHOWN}[data-card="{identity}"]{more}'


def report(what: str, took: dict[str, list[float]]) -> list[float]:
    """Every sample, printed by what it is about."""
    for name, seconds in took.items():
        print(f"{what} {name}: {', '.join(f'{one * 1000:.0f} ms' for one in seconds)}")
    return [one for seconds in took.values() for one in seconds]


def done_at(ctx: Context, action: str) -> float:
    """When the last such change was finished, by the store."""
    (entry,) = ctx.store.find(AUDIT.name, {"action": action}, sort=[("done_at", -1)], limit=1)
    return float(entry["done_at"].timestamp())


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


def test_what_one_browser_shows_the_other_shows_within_a_second(
    page: Page, browser: Browser, server: Server, ctx: Context
) -> None:
    """From the frame of the acting browser, and from the end of the change in the store, to the other one's frame."""
    samples.fill(ctx, samples.TWELVE)
    orders = connections.create(ctx, as_config(SERVER)).id
    file = sqlite_connection(ctx, server, "A file", "alive.db", there=False)
    database = folder_of_files(server) / "alive.db"
    took: dict[str, list[float]] = {}
    with second_browser(browser, server) as other:
        for one in (page, other):
            open_list(one, server)
            expect(cards(one)).to_have_count(14)

        def seen(what: str, action: str, sight: Sight, act: Callable[[], None]) -> None:
            here, there = Watched(page, sight), Watched(other, sight)
            act()
            shown = there.at()
            took.setdefault(f"{what}, screen to screen", []).append(shown - here.at())
            took.setdefault(f"{what}, store to screen", []).append(shown - done_at(ctx, f"connection:{action}"))

        for number in range(ROUNDS):
            if number % 2:
                database.unlink()
            else:
                with contextlib.closing(sqlite3.connect(database)) as made:
                    made.execute("CREATE TABLE orders (id INTEGER)")
            status = "failed" if number % 2 else "success"
            test = card(page, "A file").get_by_role("button", name="Test A file", exact=True)
            seen("test", "test", Sight(row(file, f'[data-status="{status}"]')), test.click)
            page.get_by_role("button", name="Delete The orders").click()
            sure = page.get_by_role("alertdialog").get_by_role("button", name="Delete")
            seen("delete", "delete", Sight(row(orders), gone=True), sure.click)
            message = page.locator("[data-sonner-toast]").filter(has_text="Deleted The orders").first
            undo = message.get_by_role("button", name="Undo")
            seen("undo", "restore", Sight(row(orders)), undo.click)
            seen(
                "duplicate",
                "create",
                Sight(f"{SHOWN}[data-name]", "A file (copy)"),
                page.get_by_role("button", name="Duplicate A file").click,
            )
            form = page.get_by_role("dialog", name="connection")
            form.locator("[name=name]").fill(f"Copy {number}")
            save = form.get_by_role("button", name="Save")
            expect(save).to_be_enabled()
            seen("rename", "update", Sight(f"{SHOWN}[data-name]", f"Copy {number}"), save.click)
            expect(form).to_be_hidden()
    every = report("the other browser after", took)
    assert len(every) == 10 * ROUNDS
    assert max(every) < 1


def test_a_change_through_the_api_shows_within_a_second(page: Page, server: Server, ctx: Context) -> None:
    """From the end of the change in the store, which is before the answer, to the frame that shows it."""
    open_list(page, server)
    expect(page.get_by_role("heading", name="Connect your first database")).to_be_visible()
    took: dict[str, list[float]] = {}

    def seen(action: str, sight: Sight, method: str, path: str, body: object = None) -> dict[str, object]:
        watched = Watched(page, sight)
        answer = call(server, method, f"connections/{path}", body)
        took.setdefault(action, []).append(watched.at() - done_at(ctx, f"connection:{action}"))
        return answer

    for number in range(ROUNDS):
        name, other = f"From outside {number}", f"Renamed {number}"
        made = seen("create", Sight(f"{SHOWN}[data-name]", name), "POST", "", file_connection(name))
        identity = str(made["_id"])
        seen("update", Sight(f"{SHOWN}[data-name]", other), "PUT", identity, {"name": other})
        tested = Sight(f"{row(identity, '[data-status=success]')}, {row(identity, '[data-status=failed]')}")
        seen("test", tested, "POST", f"{identity}/test")
        seen("delete", Sight(row(identity), gone=True), "DELETE", identity)
    every = report("the page after the API's", took)
    assert len(every) == 4 * ROUNDS
    assert max(every) < 1


def test_a_change_on_the_command_line_shows_within_a_second(page: Page, server: Server, ctx: Context) -> None:
    """From the end of the change in the store; the command itself takes longer to end."""
    identity = sqlite_connection(ctx, server, "A file")
    open_list(page, server)
    expect(card(page, "A file")).to_contain_text("Never tested")
    took: dict[str, list[float]] = {}

    def seen(action: str, sight: Sight, *arguments: str) -> None:
        watched = Watched(page, sight)
        command = [sys.executable, "-m", "etl_engine.cli", "connections", action, "A file", *arguments]
        subprocess.run(command, env=server.environment(), cwd=CHECKOUT, check=True, capture_output=True)
        took.setdefault(action, []).append(watched.at() - done_at(ctx, f"connection:{action}"))

    seen("test", Sight(row(identity, '[data-status="success"]')))
    seen("delete", Sight(row(identity), gone=True), "--yes")
    expect(page.get_by_role("heading", name="Connect your first database")).to_be_visible()
    assert max(report("the page after the command line's", took)) < 1


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
                with contextlib.suppress(TooLate):  # the page may have seen by itself that it is back
                    trouble.get_by_role("button", name="Try again").click(timeout=3_000)
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
