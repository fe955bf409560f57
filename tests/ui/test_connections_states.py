"""The States of the list without a browser: what each event asks, shows and says."""

import asyncio
import json
import pickle
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from scripted_kind import Script, draft, failed, passed, registered
from tab import Tab

from etl_engine import wiring
from etl_engine.connectors.contract import Health
from etl_engine.errors import StoreUnavailable
from etl_engine.model.connection import ConnectionConfig
from etl_engine.services import connection_overview, connections, mappings, sample_data, schemas
from etl_engine.services.connections import Query
from etl_engine.services.context import Context
from etl_engine.settings import Settings
from etl_engine.ui import live, offers
from etl_engine.ui.connection_form import ConnectionForm
from etl_engine.ui.connections import testing
from etl_engine.ui.connections.actions import ConnectionActions
from etl_engine.ui.connections.diagnosis import Diagnosis
from etl_engine.ui.connections.sample import SampleData
from etl_engine.ui.connections.state import Connections
from etl_engine.ui.connections.testing import ConnectionTests
from etl_engine.ui.finder import Finder
from etl_engine.ui.toasts import Toasts

SECRET = "pl4nted?#@:%/secret"
STATES = (Connections, ConnectionTests, ConnectionActions, Finder, SampleData, Diagnosis, ConnectionForm)


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Iterator[Script]:
    with registered(monkeypatch) as script:
        yield script


@pytest.fixture
def ctx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: Script) -> Iterator[Context]:
    engine = wiring.Engine(Settings(data_dir=tmp_path))
    monkeypatch.setattr(wiring, "_engine", engine)
    yield engine.context()
    engine.close()


@pytest.fixture
def tab(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> Tab:
    return Tab(monkeypatch, *STATES)


@pytest.fixture
def nudges(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    rung: list[None] = []
    monkeypatch.setattr(live._bell, "ring", lambda: rung.append(None))
    return rung


def stored(ctx: Context, name: str) -> str:
    return connections.create(ctx, draft(name=name, password=SECRET)).id


def names(tab: Tab) -> list[str]:
    return [row.name for row in tab[Connections].rows]


def in_store(ctx: Context) -> set[str]:
    return {one.name for one in connections.list_(ctx, Query()).items}


async def test_the_list_shows_what_its_address_asks_for(tab: Tab, ctx: Context) -> None:
    for name in ("Orders", "Warehouse", "Billing"):
        stored(ctx, name)
    tab.parameters.update(q="r", sort="name")
    await tab.fire(Connections.load)
    assert tab[Connections].loaded
    assert names(tab) == ["Orders", "Warehouse"]
    assert (tab[Connections].bar.matching, tab[Connections].bar.total) == (2, 3)


async def test_no_secret_gets_into_any_state(tab: Tab, ctx: Context, script: Script) -> None:
    identity = stored(ctx, "Orders")
    await tab.fire(Connections.load)
    await tab.fire(ConnectionTests.test, identity)
    await tab.follow(Diagnosis.open, identity)
    await tab.fire(ConnectionActions.ask_to_delete, identity)
    await tab.fire(ConnectionActions.delete)
    for kind in (*STATES, Toasts):
        state = tab[kind]
        kept = pickle.dumps({name: value for name, value in vars(state).items() if not name.startswith("__")
                             and name not in ("parent_state", "substates", "_changed_dict")})  # fmt: skip
        shown = json.dumps(state.dict(), default=str)
        assert SECRET.encode() not in kept and SECRET not in shown, kind
        assert b"gAAAA" not in kept, kind  # nor anything sealed


async def test_a_refresh_keeps_the_view_and_waits_for_a_page_to_be_open(tab: Tab, ctx: Context) -> None:
    stored(ctx, "Orders")
    await tab.fire(Connections.refresh)
    assert not tab[Connections].loaded
    tab.parameters["q"] = "ord"
    await tab.fire(Connections.load)
    tab.parameters.clear()  # an event from the server brings no address
    stored(ctx, "Billing")
    stored(ctx, "Ordinary")
    await tab.fire(Connections.refresh)
    assert names(tab) == ["Ordinary", "Orders"]


async def test_what_did_not_change_is_not_sent_again(tab: Tab, ctx: Context) -> None:
    stored(ctx, "Orders")
    await tab.fire(Connections.load)
    state = tab[Connections]
    state._clean()
    await tab.fire(Connections.refresh)
    assert not {"rows", "bar"} & state.dirty_vars
    stored(ctx, "Billing")
    await tab.fire(Connections.refresh)
    assert {"rows", "bar"} <= state.dirty_vars


async def test_an_answer_that_comes_late_does_not_replace_a_newer_one(
    tab: Tab, ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(ctx, "Orders")
    stored(ctx, "Billing")
    look, held = connection_overview.look, threading.Event()

    def slow_at_first(ctx: Context, query: Query) -> Any:
        found = look(ctx, query)
        if query.text == "orders":
            held.wait(5)
        return found

    monkeypatch.setattr(connection_overview, "look", slow_at_first)
    tab.parameters["q"] = "orders"
    first = asyncio.create_task(tab.fire(Connections.load))
    await asyncio.sleep(0.05)
    tab.parameters["q"] = "billing"
    await tab.fire(Connections.load)
    held.set()
    await first
    assert names(tab) == ["Billing"]


async def test_an_engine_in_trouble_is_said_once_and_goes_away(
    tab: Tab, ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(ctx, "Orders")
    look = connection_overview.look

    def away(ctx: Context, query: Query) -> Any:
        raise StoreUnavailable("The store is away", hint="Wait.")

    monkeypatch.setattr(connection_overview, "look", away)
    await tab.fire(Connections.load)
    assert (tab[Connections].trouble.message, tab[Connections].trouble.hint) == ("The store is away", "Wait.")
    monkeypatch.setattr(connection_overview, "look", look)
    await tab.fire(Connections.refresh)
    assert tab[Connections].trouble.message == "" and names(tab) == ["Orders"]
    monkeypatch.setattr(connection_overview, "look", away)
    await tab.fire(Connections.refresh)
    assert tab[Connections].trouble.message == "" and names(tab) == ["Orders"]


async def test_another_order_is_another_address(tab: Tab) -> None:
    tab.parameters.update(q="a", page="3")
    (sent,) = await tab.fire(Connections.sort_by, "name")
    assert "/?q=a&sort=name" in str(sent)
    (sent,) = await tab.fire(Connections.sort_by, "<script>")
    assert "/?q=a'" in str(sent) or '/?q=a"' in str(sent)


async def test_a_test_runs_once_and_tells_the_others(
    tab: Tab, ctx: Context, script: Script, nudges: list[None]
) -> None:
    identity, release = stored(ctx, "Orders"), threading.Event()

    def slow(config: ConnectionConfig) -> Health:
        assert release.wait(5)
        return passed(version="Scripted 1.2")

    script.check = slow
    first = asyncio.create_task(tab.fire(ConnectionTests.test, identity))
    await asyncio.sleep(0.05)
    assert tab[ConnectionTests].running == [identity]
    await tab.fire(ConnectionTests.test, identity)  # a second click
    release.set()
    await first
    assert len(script.configs) == 1
    assert tab[ConnectionTests].running == []
    assert tab[ConnectionTests].said.startswith("Connected, ")
    assert nudges
    assert connections.get(ctx, identity).last_test_status == "success"


async def test_a_test_of_what_is_gone_says_so(tab: Tab, ctx: Context) -> None:
    await tab.fire(ConnectionTests.test, "6b00440a8cc000bbd48fc846")
    assert tab.toast.tone == "bad" and "no connection" in tab.toast.title
    assert tab[ConnectionTests].running == []


async def test_all_that_is_shown_is_tested_and_counted(tab: Tab, ctx: Context, script: Script) -> None:
    for number in range(20):
        stored(ctx, f"Orders {number}")
    other = stored(ctx, "Billing")
    at_once = most = 0
    lock = threading.Lock()

    def check(config: ConnectionConfig) -> Health:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        release.wait(0.01)
        with lock:
            at_once -= 1
        return failed() if config.name.endswith("7") else passed()

    release = threading.Event()
    script.check = check
    tab.parameters["q"] = "orders"
    await tab.fire(Connections.load)
    await tab.follow(ConnectionTests.test_all)
    state = tab[ConnectionTests]
    assert (state.done, state.failed, state.total, state.all_running) == (20, 2, 20, False)
    assert state.running == []
    assert 1 < most <= testing.AT_ONCE
    assert (tab.toast.title, tab.toast.text) == ("Tested 20 connections", "2 failed.")
    assert connections.get(ctx, other).last_test_status is None


async def test_everything_is_tested_whatever_the_list_shows(tab: Tab, ctx: Context) -> None:
    for name in ("Orders", "Warehouse"):
        stored(ctx, name)
    tab.parameters["q"] = "ware"
    await tab.fire(Connections.load)
    await tab.follow(ConnectionTests.test_all, True)
    assert tab.toast.title == "Tested 2 connections"
    await tab.follow(ConnectionTests.test_all, "whatever the wire brings")
    assert tab.toast.title == "Tested 1 connection"


async def test_testing_all_stops_when_asked(tab: Tab, ctx: Context, script: Script) -> None:
    for number in range(20):
        stored(ctx, f"Orders {number}")
    release = threading.Event()
    script.check = lambda config: passed() if release.wait(5) else failed()
    await tab.fire(Connections.load)
    running = asyncio.create_task(tab.follow(ConnectionTests.test_all))
    while len(tab[ConnectionTests].running) < testing.AT_ONCE:
        await asyncio.sleep(0.01)
    await tab.fire(ConnectionTests.stop)
    assert tab[ConnectionTests].stopping
    release.set()
    await running
    assert len(script.configs) == testing.AT_ONCE
    assert tab.toast.title == "Stopped: tested 0 connections"
    assert not tab[ConnectionTests].all_running and tab[ConnectionTests].running == []
    assert testing._cancel == {}


async def test_delete_asks_first_and_can_be_taken_back(tab: Tab, ctx: Context, nudges: list[None]) -> None:
    identity = stored(ctx, "Orders")
    await tab.fire(ConnectionActions.ask_to_delete, identity)
    doomed = tab[ConnectionActions].doomed
    assert (doomed.name, doomed.title, doomed.place) == ("Orders", "Scripted", "db.example.com:7000")
    await tab.fire(ConnectionActions.keep)
    await tab.fire(ConnectionActions.delete)  # nobody was asked about anything
    assert in_store(ctx) == {"Orders"}
    await tab.fire(ConnectionActions.ask_to_delete, identity)
    await tab.fire(ConnectionActions.delete)
    assert in_store(ctx) == set() and nudges
    toast = tab.toast
    assert (toast.title, toast.action) == ("Deleted Orders", "Undo")
    await tab.fire(Toasts.accept, toast.offer)
    assert in_store(ctx) == {"Orders"}
    assert tab.toast.title == "Restored Orders"
    await tab.fire(Toasts.accept, toast.offer)
    assert (tab.toast.tone, tab.toast.title) == ("bad", "It is too late for that")


async def test_a_connection_that_a_mapping_uses_stays_and_the_message_says_which(tab: Tab, ctx: Context) -> None:
    identity = stored(ctx, "Orders")
    schema = schemas.create(ctx, {"name": "Ids", "columns": [{"name": "id", "data_type": "integer"}]}).id
    values = {"name": "Every night", "source_connection_id": identity, "target_schema_id": schema}
    mappings.create(ctx, values | {"source_query": "SELECT 1 AS id"})
    await tab.fire(ConnectionActions.ask_to_delete, identity)
    await tab.fire(ConnectionActions.delete)
    assert (tab.toast.tone, tab[ConnectionActions].doomed.id) == ("bad", "")
    assert "in use by the mapping" in tab.toast.title and "Every night" in tab.toast.title
    assert "another connection" in tab.toast.text
    assert in_store(ctx) == {"Orders"}


async def test_an_undo_of_a_name_that_is_taken_says_by_whom(tab: Tab, ctx: Context) -> None:
    identity = stored(ctx, "Orders")
    await tab.fire(ConnectionActions.ask_to_delete, identity)
    await tab.fire(ConnectionActions.delete)
    offer = tab.toast.offer
    stored(ctx, "orders")
    await tab.fire(Toasts.accept, offer)
    assert tab.toast.tone == "bad" and "is taken" in tab.toast.title


async def test_a_copy_is_made_and_opened(tab: Tab, ctx: Context) -> None:
    identity = stored(ctx, "Orders")
    (sent,) = await tab.fire(ConnectionActions.duplicate, identity)
    assert sent.handler.fn is ConnectionForm.open_edit.fn
    assert in_store(ctx) == {"Orders", "Orders (copy)"}
    await tab.fire(Toasts.accept, tab.toast.offer)
    assert in_store(ctx) == {"Orders"}


async def test_what_is_gone_cannot_be_deleted_or_copied(tab: Tab, ctx: Context) -> None:
    for handler in (ConnectionActions.ask_to_delete, ConnectionActions.duplicate):
        await tab.fire(handler, "6b00440a8cc000bbd48fc846")
        assert tab.toast.tone == "bad"
    assert tab[ConnectionActions].doomed.id == ""


async def test_the_palette_finds_a_handful_by_name(tab: Tab, ctx: Context) -> None:
    for number in range(9):
        stored(ctx, f"Orders {number}")
    await tab.fire(Finder.search, "orders")
    state = tab[Finder]
    assert state.searched == "orders"
    assert [one.label for one in state.found] == [f"Orders {number}" for number in range(7)]
    assert state.found[0].hint == "db.example.com:7000"


async def test_sample_data_is_made_with_progress(
    tab: Tab, ctx: Context, monkeypatch: pytest.MonkeyPatch, nudges: list[None]
) -> None:
    seen: list[tuple[int, str]] = []
    release = threading.Event()

    def create(ctx: Context, on_progress: Any) -> Any:
        on_progress(0.4, "Orders")
        assert release.wait(5)
        return connections.get(ctx, stored(ctx, "Sample shop"))

    monkeypatch.setattr(sample_data, "create_sample", create)
    work = asyncio.create_task(tab.fire(SampleData.make))
    while tab[SampleData].percent != 40:
        await asyncio.sleep(0.01)
    seen.append((tab[SampleData].percent, tab[SampleData].what))
    await tab.fire(SampleData.make)  # a second click
    release.set()
    await work
    assert seen == [(40, "Orders")]
    assert not tab[SampleData].making
    assert tab.toast.title == "Sample shop is ready" and nudges
    assert in_store(ctx) == {"Sample shop"}


async def test_a_diagnosis_shows_the_step_that_fails_and_what_to_do(
    tab: Tab, ctx: Context, script: Script, nudges: list[None]
) -> None:
    identity = stored(ctx, "Orders")
    script.check = lambda config: failed("the server refused the password")
    await tab.follow(Diagnosis.open, identity)
    state = tab[Diagnosis]
    assert (state.name, state.phase) == ("Orders", "failed")
    assert [rung.state for rung in state.rungs] == ["pass", "fail"]
    assert (state.failure.cause, state.failure.fix) == ("the server refused the password", "Change it.")
    assert connections.get(ctx, identity).last_test_status == "failed" and nudges
    script.check = lambda config: passed()
    await tab.follow(Diagnosis.open, identity)
    assert (state.phase, state.headline) == ("passed", "Scripted 1.0")
    assert [rung.before for rung in state.rungs] == ["was OK", "had failed"]
    await tab.fire(Diagnosis.close)
    assert state.id == ""


@pytest.fixture(autouse=True)
async def no_offer_is_left() -> AsyncIterator[None]:
    yield
    offers._open.clear()


async def test_an_element_stays_with_its_connection_until_other_rows_are_asked_for(tab: Tab, ctx: Context) -> None:
    for name in ("Orders", "Warehouse", "Billing"):
        stored(ctx, name)
    tab.parameters["sort"] = "name"
    await tab.fire(Connections.load)

    def slots() -> dict[str, str]:
        return {row.name: row.slot for row in tab[Connections].rows}

    assert slots() == {"Billing": "0", "Orders": "1", "Warehouse": "2"}
    connections.delete(ctx, tab[Connections].rows[0].id)
    stored(ctx, "Archive")
    stored(ctx, "Zones")
    await tab.fire(Connections.refresh)
    assert slots() == {"Archive": "0", "Orders": "1", "Warehouse": "2", "Zones": "3"}
    tab.parameters["view"] = "table"
    await tab.fire(Connections.load)
    assert slots() == {"Archive": "0", "Orders": "1", "Warehouse": "2", "Zones": "3"}  # the same rows in another shape
    tab.parameters["sort"] = "-name"
    await tab.fire(Connections.load)
    assert slots() == {"Zones": "0", "Warehouse": "1", "Orders": "2", "Archive": "3"}
