"""One production server for the folder, and a browser page that tolerates no error, no warning and no other host."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, Response, expect, sync_playwright
from running import SHARED_BUILD, Server, running

from etl_engine import wiring
from etl_engine.model.collections import CONNECTIONS
from etl_engine.services.context import Context
from etl_engine.settings import Settings

LAUNCH = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of them use one build folder: they stay in one process when tests are spread over several."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.xdist_group("e2e"))


class Watch:
    """Everything a page said or asked for that it should not have."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.problems: list[str] = []
        self.tolerated: list[re.Pattern[str]] = []
        self._own = {urlsplit(url).netloc, urlsplit(url).netloc.replace("localhost", "127.0.0.1")}
        context.on("console", lambda said: said.type in ("error", "warning") and self._note(f"console: {said.text}"))
        context.on("weberror", lambda error: self._note(f"page error: {error.error}"))
        context.on("request", self._ask)
        context.on("response", self._answer)

    def tolerate(self, pattern: str) -> None:
        """This test provokes it."""
        self.tolerated.append(re.compile(pattern))

    def allow_origin(self, netloc: str) -> None:
        self._own.add(netloc)

    def remaining(self) -> list[str]:
        return [said for said in self.problems if not any(known.search(said) for known in self.tolerated)]

    def _ask(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob", "about") and parts.netloc not in self._own:
            self._note(f"asked another host: {request.url}")

    def _answer(self, response: Response) -> None:
        if response.status >= 400:
            self._note(f"answered {response.status}: {response.url}")

    def _note(self, what: str) -> None:
        self.problems.append(what)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    settings = {"PYTHONPATH": str(Path(__file__).parent / "resolver")}  # no name is asked for outside this machine
    with running(Server(tmp_path_factory.mktemp("e2e"), build=SHARED_BUILD, settings=settings)) as started:
        yield started


@pytest.fixture
def ctx(server: Server) -> Iterator[Context]:
    """The server's own store, opened beside it; without connections before and after the test."""
    engine = wiring.Engine(Settings(data_dir=server.folder / "data"))
    opened = engine.context()
    opened.store.delete(CONNECTIONS.name, {})
    yield opened
    opened.store.delete(CONNECTIONS.name, {})
    engine.close()


expect.set_options(timeout=15_000)  # other tests use the processors too


# Module by module: Playwright keeps an event loop running, in which asynchronous tests elsewhere cannot start theirs.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=LAUNCH)
        yield started
        started.close()


@pytest.fixture
def context(browser: Browser, request: pytest.FixtureRequest) -> Iterator[BrowserContext]:
    """A fresh profile; `@pytest.mark.parametrize("context", [{...}], indirect=True)` sets viewport or colour scheme."""
    options = {"viewport": {"width": 1440, "height": 900}, **getattr(request, "param", {})}
    opened = browser.new_context(**options)
    opened.set_default_timeout(15_000)
    yield opened
    opened.close()


@pytest.fixture
def watch(context: BrowserContext, server: Server) -> Watch:
    return Watch(context, server.url)


@pytest.fixture
def page(context: BrowserContext, watch: Watch) -> Iterator[Page]:
    opened = context.new_page()
    yield opened
    opened.close()
    assert not watch.remaining(), "\n".join(watch.remaining())
