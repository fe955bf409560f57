"""`reflex run` seen from outside: how it starts, where it listens, what it leaves behind."""

import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import sample_connections as samples
from conftest import Watch
from listing import cards
from playwright.sync_api import BrowserContext, Page, expect
from running import CHECKOUT, Server, eventually, running

from etl_engine import wiring
from etl_engine.settings import Settings

LOOPBACK = {"127.0.0.1"}


def get(url: str, accept: str) -> tuple[int, str, str]:
    request = urllib.request.Request(url, headers={"Accept": accept})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.headers.get_content_type(), answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers.get_content_type(), error.read().decode()


def check_api_and_pages_share(port: int) -> None:
    status, kind, body = get(f"http://127.0.0.1:{port}/health", "*/*")
    assert (status, kind, json.loads(body)["status"]) == (200, "application/json", "ok")
    status, kind, body = get(f"http://127.0.0.1:{port}/", "*/*")
    assert (status, kind, json.loads(body)["name"]) == (200, "application/json", "ETL Engine")
    assert get(f"http://127.0.0.1:{port}/", "text/html,*/*;q=0.8")[1] == "text/html"
    assert get(f"http://127.0.0.1:{port}/api/v1/connections/", "*/*")[:2] == (200, "application/json")
    assert get(f"http://127.0.0.1:{port}/api/v1/nothing", "*/*")[:2] == (404, "application/problem+json")
    assert get(f"http://127.0.0.1:{port}/openapi.json", "*/*")[:2] == (200, "application/json")
    assert get(f"http://127.0.0.1:{port}/docs", "text/html")[:2] == (200, "text/html")


def nothing_is_left(server: Server) -> None:
    eventually(lambda: not server.processes(), lambda: f"left behind: {server.processes()}", 5)


def test_in_production_one_loopback_port_serves_api_and_pages(server: Server) -> None:
    assert server.listeners() == LOOPBACK
    check_api_and_pages_share(server.port)


def test_a_terminated_production_server_leaves_nothing_behind(tmp_path: Path) -> None:
    with running(Server(tmp_path)) as server:
        server.terminate()
        nothing_is_left(server)


def look_around(page: Page, server: Server) -> None:
    """Everything that the page of the connections can show."""
    engine = wiring.Engine(Settings(data_dir=server.folder / "data"))
    samples.fill(engine.context(), samples.TWELVE)
    engine.close()
    page.reload()
    expect(cards(page)).to_have_count(12, timeout=15_000)
    for view in ("Table", "Cards"):
        page.get_by_role("link", name=view).click()
        expect(page.locator("[data-view]:not([hidden])")).to_have_attribute("data-view", view.lower())
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Control+k")
    page.keyboard.type("orders")
    expect(page.get_by_role("option", name="Orders")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog").get_by_label("Connection name")).to_have_value("Orders")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Delete Orders").click()
    page.get_by_role("alertdialog").get_by_role("button", name="Keep it").click()
    expect(page.get_by_role("alertdialog")).to_be_hidden()


def test_the_development_server_shows_the_page_and_leaves_nothing_behind(
    context: BrowserContext, tmp_path: Path
) -> None:
    with running(Server(tmp_path, mode="dev")) as server:
        assert server.listeners() == LOOPBACK
        check_api_and_pages_share(server.port)
        watch = Watch(context, server.url)
        watch.allow_origin(f"localhost:{server.api_port}")  # in dev the socket goes straight to the backend
        page = context.new_page()
        page.goto(server.url)
        expect(page.locator(".sidebar .engine")).to_have_attribute("data-mood", "ready", timeout=30_000)
        expect(page.get_by_role("heading", level=1)).to_have_text("Connections")
        look_around(page, server)
        for path in ("schemas", "mappings", "runs", "schedules", "overview", "mappings/new"):
            page.goto(f"{server.url}/{path}")
            title = "New mapping" if path == "mappings/new" else path.capitalize()
            expect(page.get_by_role("heading", level=1)).to_have_text(title)
            expect(page.locator(".sidebar .engine")).to_have_attribute("data-mood", "ready")
        assert watch.remaining() == []  # React says in dev alone what it does not like
        page.close()
        server.terminate()
        nothing_is_left(server)


def refused(tmp_path: Path, **settings: str) -> str:
    """What `reflex run` says when it does not start."""
    server = Server(tmp_path, settings=settings)
    ended = subprocess.run(
        [sys.executable, "-m", "reflex", "run", "--env", "prod", "--backend-port", str(server.port)],
        cwd=CHECKOUT,
        env=server.environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert "Traceback" not in ended.stdout + ended.stderr
    return ended.stderr.strip()


@pytest.mark.parametrize(
    ("name", "value"),
    [("CORS_ORIGINS", "*"), ("HOST", "everywhere"), ("ENCRYPTION_KEY", "short"), ("API_V1_PREFIX", "api")],
)
def test_a_wrong_setting_stops_the_start_with_one_sentence(tmp_path: Path, name: str, value: str) -> None:
    said = refused(tmp_path, **{name: value})
    assert said.startswith("ETL Engine cannot start: ")
    assert name in said
    assert "\n" not in said


def test_a_key_that_does_not_fit_stops_the_start_and_changes_nothing(tmp_path: Path) -> None:
    with running(Server(tmp_path)) as server:
        server.terminate()
    key_file = tmp_path / "data" / "encryption.key"
    other = "bm90IHRoZSBrZXkgb2YgdGhpcyBzdG9yZSwgc29ycnk="
    key_file.write_text(other + "\n")
    said = refused(tmp_path)
    assert "does not open this store" in said
    assert "\n" not in said
    assert key_file.read_text() == other + "\n"


def test_a_page_comes_back_by_itself_when_the_server_does(context: BrowserContext, tmp_path: Path) -> None:
    with running(Server(tmp_path)) as server:
        page = context.new_page()
        page.goto(server.url)
        engine = page.locator(".sidebar .engine")
        expect(engine).to_have_attribute("data-mood", "ready")
        page.evaluate("window.sameDocument = true")
        server.terminate()
        expect(engine).to_have_attribute("data-mood", "lost")
        expect(page.get_by_text("Cannot reach the server")).to_be_visible()
        server.start()
        server.wait_until_usable()
        expect(engine).to_have_attribute("data-mood", "ready", timeout=15_000)
        expect(page.get_by_text("Cannot reach the server")).to_be_hidden()
        assert page.evaluate("window.sameDocument")
        page.close()
