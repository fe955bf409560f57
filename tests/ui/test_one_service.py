"""The count of what an event asks: it notices a second function wherever it is called, and nothing else."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import pytest
import reflex as rx
from one_service import UI, one_service, services_watched
from scripted_kind import draft, opened_context, registered
from tab import Tab

from etl_engine import wiring
from etl_engine.services import connection_overview, connection_tests, connections, kinds
from etl_engine.services.connections import Query
from etl_engine.services.context import Context
from etl_engine.ui import session
from etl_engine.ui.props import event
from etl_engine.ui.session import ask


@pytest.fixture
def ctx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Context]:
    with registered(monkeypatch), opened_context(tmp_path) as opened:
        monkeypatch.setattr(wiring, "context", lambda: opened)
        yield opened


@pytest.fixture
def identity(ctx: Context) -> str:
    return connections.create(ctx, draft(name="Orders")).id


def on_a_page(function: Any) -> Any:
    """The same code as if it stood in a module of the UI."""
    there = {**function.__globals__, "__name__": f"{UI}.somewhere"}
    made = FunctionType(function.__code__, there, function.__name__, function.__defaults__, function.__closure__)
    made.__qualname__ = function.__qualname__
    return made


class Shelf(rx.State):
    """A page whose handlers are written as they should and should not be."""

    names: rx.Field[list[str]] = rx.field(default_factory=list)

    @event(background=True)
    @on_a_page
    async def two_at_once(self) -> None:
        found, total = await ask(lambda ctx: (connections.list_(ctx, Query()), connections.facets(ctx)))
        async with self:
            self.names = [one.name for one in found.items][: total.total]

    @event(background=True)
    @on_a_page
    async def one_after_the_other(self, connection_id: str) -> None:
        await ask(lambda ctx: connections.get(ctx, connection_id))
        await ask(lambda ctx: connection_tests.test_saved(ctx, connection_id))

    @event(background=True)
    @on_a_page
    async def of_each(self) -> None:
        async with self:
            names = list(self.names)
        for one in names:
            await ask(lambda ctx, one=one: connections.get(ctx, one))

    @event(background=True)
    @on_a_page
    async def a_page_of_them(self) -> None:
        await ask(lambda ctx: connection_overview.look(ctx, Query()))


async def test_two_functions_for_one_event_are_one_too_many(
    ctx: Context, identity: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tab = Tab(monkeypatch, Shelf)
    with pytest.raises(AssertionError, match=r"Shelf.two_at_once asks 2 .*: connections.facets, connections.list_"):
        await tab.fire(Shelf.two_at_once)
    with pytest.raises(AssertionError, match=r"Shelf.one_after_the_other asks 2 .*: connection_tests.test_saved, c"):
        await tab.fire(Shelf.one_after_the_other, identity)


async def test_the_same_function_again_and_what_services_ask_of_each_other_are_no_second(
    ctx: Context, identity: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tab = Tab(monkeypatch, Shelf)
    tab[Shelf].names = [identity, identity]
    await tab.fire(Shelf.of_each)
    await tab.fire(Shelf.a_page_of_them)


async def test_what_one_event_asks_is_not_counted_for_another(
    ctx: Context, identity: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tab = Tab(monkeypatch, Shelf)
    for _ in range(2):
        await tab.fire(Shelf.a_page_of_them)
        await tab.fire(Shelf.of_each)
    with one_service("a test"):
        connections.get(ctx, identity)  # by whoever is no page
        kinds.list_(ctx)


def test_a_function_that_a_page_imported_by_its_name_is_watched(
    ctx: Context, identity: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = ModuleType(f"{UI}.importing")
    page.__dict__["get"] = connections.get
    exec("def shown(ctx, one, kinds):\n    return get(ctx, one), kinds.list_(ctx)", page.__dict__)
    monkeypatch.setitem(sys.modules, page.__name__, page)
    with services_watched(), pytest.raises(AssertionError, match="asks 2"), one_service("an event"):
        page.shown(ctx, identity, kinds)


def test_the_watch_is_over_with_its_module() -> None:
    watched = connections.get
    with services_watched():
        assert connections.get is not watched
    assert connections.get is watched
    assert session.ask is ask
