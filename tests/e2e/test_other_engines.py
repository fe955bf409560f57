"""Nothing is Chromium's alone: the same story in the engines of Firefox and Safari, against the same server."""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import firefox
import pytest
import sample_connections as samples
import webkit
from engines import SECONDS, Chromium, Engine, Screen
from form_page import Api
from playwright.sync_api import Page
from running import Server, eventually
from servers import PostgresServer

from etl_engine.services.context import Context
from etl_engine.ui.navigation import PAGES

DESK, PHONE = (1440, 900), (390, 844)
CARD = "[data-view]:not([hidden]) [data-card]"
NAME = "[data-view]:not([hidden]) [data-name]"
DIALOG = "[role=dialog]"
QUESTION = "[role=alertdialog]"
TOAST = "[data-sonner-toast]"
SWITCH = "[aria-label='Switch between light and dark']"
ENGINES: dict[str, tuple[Callable[[], str], Callable[..., AbstractContextManager[Engine]]]] = {
    "firefox": (firefox.missing, firefox.firefox),
    "webkit": (webkit.missing, webkit.webkit),
}
# One of each kind of thing on the screen.
PARTS = (
    ".sidebar",
    ".brand b",
    ".finder",
    ".nav a[aria-current=page]",
    ".foot",
    ".page-header h1",
    ".page-header p",
    ".page-header .button.primary",
    ".search",
    ".order select",
    ".chip[aria-current=true]",
    CARD,
    CARD + " .card-title h2",
    CARD + " .badge",
    CARD + " .status",
    CARD + " dd",
    CARD + " .acts button",
)
LOOKS = """(parts) => Object.fromEntries(parts.map((part) => {
  const one = document.querySelector(part);
  const style = getComputedStyle(one);
  const { x, y, width, height } = one.getBoundingClientRect();
  const said = ['color', 'backgroundColor', 'backgroundImage', 'borderTopColor', 'borderTopWidth',
    'borderTopLeftRadius', 'boxShadow', 'display', 'fontFamily', 'fontFeatureSettings', 'fontSize', 'fontWeight',
    'gap', 'letterSpacing', 'lineHeight', 'opacity', 'paddingLeft', 'paddingTop', 'position', 'textTransform'];
  return [part, { place: [x, y, width, height], ...Object.fromEntries(said.map((name) => [name, style[name]])) }];
}))"""
# What is higher than its box, and a select whose line is lower than its letters: outside of Chromium they are cut off.
CUT = """() => [...document.querySelectorAll('input, select, button, .button, .chip, [data-name]')].filter((one) => {
  const { fontSize, lineHeight } = getComputedStyle(one);
  const low = one.tagName === 'SELECT' && parseFloat(lineHeight) < 1.2 * parseFloat(fontSize);
  return one.checkVisibility({ visibilityProperty: true }) && (low || one.scrollHeight > one.clientHeight + 1);
}).map((one) => one.outerHTML.slice(0, 90))"""

# Of the seven steps six hold and one warns: in the colours of the tokens, when the animations have ended.
COLOURS = """() => [...document.querySelectorAll('.rung.pass .rung-mark')]
  .filter((one) => getComputedStyle(one).backgroundColor === 'rgb(22, 163, 74)').length"""


@pytest.fixture(scope="module", params=ENGINES)
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    missing, started = ENGINES[request.param]
    if packages := missing():
        pytest.skip(f"needs {request.param.capitalize()}: apt-get install {packages}")
    with started(tmp_path_factory.mktemp(request.param)) as one:
        yield one


@pytest.fixture
def screen(engine: Engine, server: Server, ctx: Context) -> Iterator[Screen]:
    """The page at a desk, with nothing kept from before; without a word in the console at the end."""
    one = Screen(engine, server)
    engine.resize(*DESK)
    yield one
    one.ask("() => { localStorage.clear(); sessionStorage.clear(); }")
    assert engine.problems(server.url) == []


@pytest.fixture
def twelve(ctx: Context) -> list[str]:
    return samples.fill(ctx, samples.TWELVE)


def test_the_list_stands_at_a_desk_and_on_a_phone(screen: Screen, twelve: list[str]) -> None:
    screen.open()
    columns = f"() => new Set([...document.querySelectorAll({CARD!r})].map((one) => one.offsetLeft)).size"
    screen.until(f"() => document.querySelectorAll({CARD!r}).length", wanted=12)
    screen.until(columns, wanted=3)
    screen.until(
        "() => [...document.fonts].some((one) => one.family.includes('Inter Variable') && one.status === 'loaded')"
    )
    screen.until("() => document.fonts.check('16px \"Inter Variable\"')")
    sidebar = screen.ask("() => getComputedStyle(document.querySelector('.sidebar')).backgroundImage")
    assert "linear-gradient(168deg, rgb(126, 34, 206), rgb(88, 28, 135) 74%" in sidebar
    assert screen.ask(CUT) == []
    screen.engine.resize(*PHONE)
    screen.until(columns, wanted=1)
    screen.sees_no(".sidebar")
    screen.until("() => document.documentElement.scrollWidth <= innerWidth")
    screen.click("button", "^Open the menu$")
    screen.sees(f"{DIALOG} a", "^Connections$")
    screen.engine.press("Escape")
    screen.sees_no(DIALOG)


def test_a_search_narrows_the_list_and_the_address_says_so(screen: Screen, twelve: list[str]) -> None:
    screen.open()
    screen.sees(CARD)
    screen.engine.press("/")
    screen.until("() => document.activeElement.getAttribute('aria-label')", wanted="Search connections")
    screen.engine.type("analy")
    screen.sees_exactly(NAME, "Warehouse", "Data science sandbox")
    screen.until("() => location.search", wanted="?q=analy")
    screen.engine.press("Escape")
    screen.until(f"() => document.querySelectorAll({CARD!r}).length", wanted=12)
    screen.click(".filters a", "^Failed")
    screen.sees_exactly(NAME, "Billing archive", "Supplier portal")
    screen.click("a", "^Table$")
    screen.sees("[data-view]:not([hidden]) table")
    screen.engine.press("Control+k")
    screen.until("() => document.activeElement.closest('.palette') !== null")
    screen.engine.type("go to runs")
    screen.engine.press("Enter")
    screen.until("() => location.pathname", wanted="/runs")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_looks_as_it_does_in_chromium(screen: Screen, page: Page, server: Server, ctx: Context, theme: str) -> None:
    samples.fill(ctx, samples.TWELVE[:3])  # so few that no engine needs a scroll bar
    reference = Screen(Chromium(page), server)
    for one in (reference, screen):
        one.open()
        if theme == "dark":
            one.click(f".sidebar {SWITCH}")
        one.engine.point(700, 5)  # over nothing that lights up
        one.until("() => document.documentElement.classList.contains('dark')", wanted=theme == "dark")
        one.sees(CARD + " .status")
    differing: list[str] = []

    def same() -> bool:
        differing[:] = differences(reference.ask(LOOKS, PARTS), screen.ask(LOOKS, PARTS))
        return not differing

    eventually(same, lambda: "\n".join(differing), SECONDS)


def test_a_connection_is_made_tested_saved_deleted_and_brought_back(
    screen: Screen, server: Server, postgres_server: PostgresServer
) -> None:
    screen.open()
    screen.sees("h2", "^Connect your first database$")
    screen.click(".page-header button", "^New Connection$")
    screen.until("() => document.activeElement.name", wanted="name")
    screen.engine.press("Tab")
    screen.sees("#form-name-problem")
    screen.write("[name=name]", "Orders")
    screen.engine.press("Tab")
    screen.engine.type("Post")
    screen.sees_no("#form-name-problem")
    screen.until("() => document.querySelector('[name=db_type]').value", wanted="postgresql")
    screen.until("() => document.querySelector('[name=port]')?.value", wanted="5432")
    fields = {
        "host": "127.0.0.1",
        "port": str(postgres_server.port),
        "database": "postgres",
        "username": postgres_server.user,
        "password": postgres_server.password,
    }
    for name, text in fields.items():
        screen.engine.press("Tab")
        screen.until("() => document.activeElement.name", wanted=name)
        screen.engine.press("Control+a")
        screen.engine.type(text)
    assert screen.ask("() => document.activeElement.type") == "password"
    assert screen.ask(CUT) == []
    screen.sees(f"{DIALOG} button:disabled", "^Save")
    screen.click(f"{DIALOG} button", "^Test connection$")
    screen.sees(".outcome.good", "Connected to PostgreSQL 1")
    screen.until(COLOURS, wanted=6)
    screen.click(f"{DIALOG} button:enabled", "^Save")
    screen.sees_no(DIALOG)
    screen.sees(TOAST, "Saved Orders")
    screen.sees(CARD, r"Connected.*PostgreSQL 1\d")
    screen.click("button", "^Delete Orders$")
    screen.sees(QUESTION, "Delete Orders?")
    screen.until("() => document.activeElement.innerText", wanted="Keep it")
    screen.engine.press("Escape")
    screen.sees_no(QUESTION)
    screen.click("button", "^Delete Orders$")
    screen.click(f"{QUESTION} button", "^Delete$")
    screen.sees("h2", "^Connect your first database$")
    screen.click(f"{TOAST} button", "^Undo$")
    screen.sees(CARD, "Orders")
    screen.sees(TOAST, "Restored Orders")
    assert [one["name"] for one in Api(server).all()] == ["Orders"]


def test_a_change_through_the_api_shows_by_itself(screen: Screen, server: Server) -> None:
    screen.open()
    screen.sees("h2", "^Connect your first database$")
    identity = Api(server).create(name="From outside", db_type="sqlite", database="there.db")
    screen.sees(CARD, "From outside", seconds=5)  # test_alive.py measures how soon
    Api(server).call("DELETE", identity)
    screen.sees_no(CARD)


def test_every_page_opens_from_the_sidebar_and_the_theme_stays(screen: Screen, twelve: list[str]) -> None:
    screen.open()
    screen.click(f".sidebar {SWITCH}")
    for page in PAGES:
        screen.click(".sidebar .nav a", f"^{page.title}$")
        screen.until("() => location.pathname", wanted=page.to)
        screen.sees("h1", f"^{page.title}$")
        screen.until("() => document.querySelectorAll('[aria-busy=true]').length", wanted=0)
        assert screen.ask("() => document.documentElement.classList.contains('dark')")
        assert screen.ask("() => document.documentElement.scrollWidth <= innerWidth"), page.to
        assert screen.ask(CUT) == [], page.to
        screen.open(page.to)  # and by its address
        screen.sees("h1", f"^{page.title}$")
        assert screen.ask("() => document.documentElement.classList.contains('dark')")


def test_a_dialog_begins_in_its_first_field(screen: Screen) -> None:
    screen.open("/schemas")
    screen.click("button", "^New schema$")
    screen.until("() => document.activeElement.closest('dialog')?.open && document.activeElement.name", wanted="name")
    screen.engine.press("Escape")
    screen.sees_no("dialog")


def differences(wanted: dict[str, Any], seen: dict[str, Any]) -> list[str]:
    """Sizes within two pixels, everything else as it is."""
    told = []
    for part, looks in wanted.items():
        place, other = looks.pop("place"), seen[part].pop("place")
        if any(abs(one - two) > 2 for one, two in zip(place, other, strict=True)):
            told.append(f"{part}: at {other}, in Chromium {place}")
        told += [
            f"{part}: {name} {seen[part][name]}, in Chromium {value}"
            for name, value in looks.items()
            if _spelled(value) != _spelled(seen[part][name])
        ]
    return told


def _spelled(value: str) -> str:
    """One spelling: engines write the same number with more or fewer digits."""
    return re.sub(r"\d+\.\d+", lambda number: f"{float(number[0]):.2f}", value)
