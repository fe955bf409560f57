"""The form's State without a browser: what each event shows, and what never gets into it."""

import asyncio
import json
import pickle
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from one_service import one_service
from scripted_kind import Script, draft, failed, passed, registered

from etl_engine import wiring
from etl_engine.connectors.contract import Health
from etl_engine.errors import Cancelled
from etl_engine.model.connection import ConnectionConfig
from etl_engine.services import connections, filled_forms
from etl_engine.services.connections import Query
from etl_engine.services.context import Context
from etl_engine.settings import Settings
from etl_engine.ui.connection_form import ConnectionForm, running, screen, state
from etl_engine.ui.connection_form.fields import every
from etl_engine.ui.toasts import Toasts

SECRET = "pl4nted?#@:%/secret"
VALUES = {
    "name": "Shop",
    "db_type": "scripted",
    "host": "db.example.com",
    "port": "7000",
    "database": "shop",
    "username": "me",
    "password": SECRET,
    "tls_mode": "prefer",
}


class Browser:
    """Fires events as a browser does, at a State that nobody else holds."""

    def __init__(self, form: ConnectionForm, toasts: Toasts) -> None:
        self.form = form
        self.toasts = toasts

    async def fire(self, name: str, *arguments: Any) -> list[Any]:
        """Run one handler to its end; answers the events it sends to the browser."""
        with one_service(f"ConnectionForm.{name}"):
            answer = getattr(ConnectionForm, name).fn(self.form, *arguments)
            if hasattr(answer, "__aiter__"):
                return [event async for event in answer]
            if hasattr(answer, "__await__"):
                answer = await answer
            return [] if answer is None else [answer]

    async def test(self, **more: Any) -> None:
        await self.fire("test", VALUES | more, [])

    async def save(self, **more: Any) -> None:
        await self.fire("save", VALUES | more, [])

    @property
    def toast(self) -> tuple[str, str]:
        return self.toasts.latest.tone, self.toasts.latest.title


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
def browser(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> Browser:
    toasts = Toasts()

    async def enter(self: ConnectionForm) -> ConnectionForm:
        return self

    async def leave(self: ConnectionForm, *_: object) -> None:
        pass

    async def other_state(self: ConnectionForm, _: type) -> Toasts:
        return toasts

    monkeypatch.setattr(ConnectionForm, "__aenter__", enter, raising=False)
    monkeypatch.setattr(ConnectionForm, "__aexit__", leave, raising=False)
    monkeypatch.setattr(ConnectionForm, "get_state", other_state)
    return Browser(ConnectionForm(), toasts)


def stored(ctx: Context, **more: Any) -> str:
    return connections.create(ctx, draft(password=SECRET, **more)).id


def names(ctx: Context) -> list[str]:
    return [one.name for one in connections.list_(ctx, Query()).items]


async def test_a_new_form_shows_the_fields_of_its_kind(browser: Browser) -> None:
    await browser.fire("open_new", "scripted")
    form = browser.form
    assert form.shown and form.db_type == "scripted" and not form.connection_id
    assert [one.name for one in form.fields] == ["name", "host", "port", "database", "username", "password"]
    assert [fold.name for fold in form.folds] == ["tls"] and not form.folds[0].opened
    assert [rung.state for rung in form.rungs] == ["pending", "pending"]
    assert not (form.dirty or form.can_save or form.testing or form.asking)


async def test_a_form_that_cannot_be_opened_says_why_and_stays_closed(browser: Browser) -> None:
    await browser.fire("open_new", "oracle")
    assert not browser.form.shown and browser.form.missed == 1
    assert browser.toast == ("bad", "There is no kind 'oracle'")
    await browser.fire("open_edit", "0" * 24)
    assert not browser.form.shown and browser.form.missed == 2


async def test_a_stored_connection_is_shown_without_its_secrets(browser: Browser, ctx: Context) -> None:
    await browser.fire("open_edit", stored(ctx, tls_cert="CERT", tls_key="the client key"))
    form = browser.form
    shown = {one.name: one for one in every(form.fields, form.folds)}
    assert shown["host"].value == "db.example.com" and shown["port"].value == "7000"
    assert shown["password"].kept and shown["password"].value == "" and not shown["password"].required
    assert shown["tls_key"].removable and not shown["password"].removable
    assert form.folds[0].opened
    assert SECRET not in everything(form) and "the client key" not in everything(form)


async def test_a_new_connection_is_saved_only_after_a_test_of_its_values(browser: Browser, ctx: Context) -> None:
    await browser.fire("open_new", "scripted")
    await browser.fire("touch", "host")
    await browser.save()
    assert names(ctx) == [] and browser.form.trouble.message == filled_forms.UNTESTED
    await browser.test()
    form = browser.form
    assert (form.phase, form.headline, form.version) == ("passed", "Scripted 1.0", "Scripted 1.0")
    assert form.can_save and [rung.state for rung in form.rungs] == ["pass", "pass"]
    await browser.save()
    assert names(ctx) == ["Shop"] and not form.shown
    assert browser.toast == ("ok", "Saved Shop")
    assert connections.list_(ctx, Query()).items[0].last_test_status == "success"


async def test_values_other_than_the_tested_are_not_saved_whatever_the_browser_says(
    browser: Browser, ctx: Context
) -> None:
    await browser.fire("open_new", "scripted")
    await browser.test()
    await browser.save(host="other.example.com")
    assert names(ctx) == [] and not browser.form.can_save
    assert (browser.form.trouble.message, browser.form.trouble.hint) == (screen.TOO_OLD, "Test again.")
    assert not browser.form.saving


async def test_a_change_makes_the_test_void_and_a_new_name_does_not(browser: Browser) -> None:
    await browser.fire("open_new", "scripted")
    await browser.test()
    await browser.fire("touch", "name")
    assert browser.form.can_save and not browser.form.outdated
    await browser.fire("touch", "password")
    assert not browser.form.can_save and browser.form.outdated
    await browser.test()
    assert browser.form.can_save


async def test_what_changes_during_a_test_was_not_tested(browser: Browser, script: Script) -> None:
    await browser.fire("open_new", "scripted")

    def check(config: ConnectionConfig) -> Health:
        browser.form._touch("host")
        return passed()

    script.check = check
    await browser.test()
    assert browser.form.phase == "passed" and browser.form.outdated and not browser.form.can_save


async def test_a_failed_test_says_cause_fix_and_who(browser: Browser, script: Script) -> None:
    script.check = lambda config: failed("the password is not the one")
    await browser.fire("open_new", "scripted")
    await browser.test()
    form = browser.form
    assert (form.phase, form.can_save) == ("failed", False)
    assert (form.failure.title, form.failure.cause) == ("Login", "the password is not the one")
    assert (form.failure.fix, form.failure.who) == ("Change it.", "You can do this")
    assert [rung.state for rung in form.rungs] == ["pass", "fail"]
    assert "the password is not the one" in form.report and SECRET not in form.report
    assert form.said == "The test failed at Login: the password is not the one"


async def test_wrong_values_are_named_field_by_field_and_nothing_is_tested(browser: Browser, script: Script) -> None:
    await browser.fire("open_new", "scripted")
    before = browser.form.attempt
    await browser.test(host="https://x", port="3306abc", name="", password="")
    assert browser.form.problems == {
        "name": "Connection name is required.",
        "host": "Host must be a host name alone, without a scheme or a path.",
        "port": "Port must be a whole number.",
        "password": "Password is required.",
    }
    assert browser.form.attempt == before + 1 and not browser.form.trouble.message
    assert browser.form.phase == "" and not script.configs


async def test_a_problem_of_the_whole_is_shown_beside_the_buttons(browser: Browser) -> None:
    await browser.fire("open_new", "scripted")
    await browser.test(tls_cert="CERT")
    assert "a client certificate needs its key" in browser.form.trouble.message


async def test_a_field_is_checked_as_it_is_left(browser: Browser) -> None:
    await browser.fire("open_new", "scripted")
    await browser.fire("leave_field", "host", "a,b")
    assert browser.form.problems == {"host": "Host must be one host, not a list."}
    await browser.fire("leave_field", "password", "")
    assert browser.form.problems.keys() == {"host", "password"}
    await browser.fire("touch", "password")
    await browser.fire("leave_field", "host", "db.example.com")
    assert browser.form.problems == {}


async def test_a_secret_is_not_looked_at_as_it_is_left(browser: Browser) -> None:
    await browser.fire("open_new", "scripted")
    await browser.fire("leave_field", "password", SECRET)
    assert SECRET not in everything(browser.form)


async def test_a_url_in_the_wrong_field_is_not_kept(browser: Browser) -> None:
    await browser.fire("open_new", "scripted")
    for name in ("host", "database", "username", "name"):
        await browser.fire("leave_field", name, f"postgres://me:{SECRET}@db/shop")
        assert "pl4nted" not in everything(browser.form)
    await browser.fire("leave_field", "username", "reader")
    assert browser.form._typed == {"username": "reader", "database": ""}


async def test_a_taken_name_is_said_as_it_is_left_and_as_it_is_saved(browser: Browser, ctx: Context) -> None:
    await browser.fire("open_new", "scripted")
    await browser.test()
    stored(ctx)
    await browser.fire("leave_field", "name", "shop ")
    assert browser.form.problems == {"name": "Connection name is taken by the Scripted connection 'Shop'."}
    await browser.save()
    assert browser.form.shown and "Connection name is taken by the connection 'Shop'" in browser.form.problems["name"]
    assert browser.form.can_save  # the test still holds: only the name is another
    await browser.save(name="Shop 2")
    assert sorted(names(ctx)) == ["Shop", "Shop 2"]


async def test_another_kind_brings_its_fields_and_its_port(browser: Browser) -> None:
    await browser.fire("open_new", "scripted")
    filled = await browser.fire("choose_kind", "postgresql")
    assert sent(filled) == {"port": "5432"}
    assert browser.form.db_type == "postgresql" and browser.form.dirty
    assert browser.form.rungs[0].key == "dns"
    await browser.fire("touch", "port")
    assert sent(await browser.fire("choose_kind", "mysql")) == {}
    assert sent(await browser.fire("choose_kind", "sqlite")) == {}
    assert [one.name for one in browser.form.fields] == ["name", "database"]


async def test_an_unknown_kind_changes_nothing(browser: Browser) -> None:
    await browser.fire("open_new", "scripted")
    for wrong in ("oracle", "", 7, None, {}, "x" * 100_000):
        await browser.fire("choose_kind", wrong)
        assert browser.form.db_type in ("scripted", state.USUAL_KIND)


async def test_a_pasted_text_fills_the_form_and_its_password_goes_past_the_state(browser: Browser) -> None:
    await browser.fire("open_new", "scripted")
    url = "postgres://reader:pl4nted-secret@db.example.com:6432/shop"
    filled = sent(await browser.fire("take_paste", url))
    assert filled["password"] == "pl4nted-secret"
    assert (filled["host"], filled["port"], filled["database"]) == ("db.example.com", "6432", "shop")
    form = browser.form
    assert form.db_type == "postgresql" and form.dirty and not form.can_save
    assert {one.title for one in form.read} >= {"Host", "Port", "Password"} and form.pasted
    assert "pl4nted-secret" not in everything(form)
    assert "password" in form.touched


async def test_a_pasted_name_is_a_suggestion_only(browser: Browser) -> None:
    await browser.fire("open_new", "scripted")
    url = "mysql://u:p@db.example.com/shop"
    assert sent(await browser.fire("take_paste", url))["name"] == "shop on db.example.com"
    await browser.fire("touch", "name")
    assert "name" not in sent(await browser.fire("take_paste", url))


async def test_what_cannot_be_read_says_what_can(browser: Browser) -> None:
    await browser.fire("open_new", "scripted")
    for wrong in ("hello", "", None, 7, ["x"], "x" * 70_000):
        await browser.fire("take_paste", wrong)
        assert browser.form.unread.message and browser.form.unread.hint, wrong
    assert not browser.form.dirty


async def test_a_rename_needs_no_test_and_anything_else_does(browser: Browser, ctx: Context) -> None:
    connection = stored(ctx)
    await browser.fire("open_edit", connection)
    assert not browser.form.can_save
    await browser.fire("touch", "name")
    assert browser.form.can_save
    await browser.save(name="Renamed", password="")
    assert names(ctx) == ["Renamed"]
    await browser.fire("open_edit", connection)
    await browser.fire("touch", "host")
    assert not browser.form.can_save
    await browser.fire("save", VALUES | {"host": "x", "password": ""}, [])
    assert browser.form.trouble.message == filled_forms.UNTESTED


async def test_a_rename_does_not_carry_an_untested_change_along(browser: Browser, ctx: Context) -> None:
    connection = stored(ctx)
    await browser.fire("open_edit", connection)
    await browser.fire("touch", "name")
    await browser.save(name="Renamed", host="evil.example.com", password="")
    assert names(ctx) == ["Shop"] and browser.form.trouble.message == filled_forms.UNTESTED


async def test_a_change_is_tested_with_the_stored_secret_and_saved(
    browser: Browser, ctx: Context, script: Script
) -> None:
    connection = stored(ctx)
    await browser.fire("open_edit", connection)
    await browser.fire("touch", "host")
    await browser.test(host="new.example.com", password="")
    assert script.configs[-1].revealed()["password"] == SECRET
    await browser.save(host="new.example.com", password="")
    saved = connections.get(ctx, connection)
    assert (saved.host, saved.last_test_status) == ("new.example.com", "success")  # type: ignore[attr-defined]


async def test_a_stale_edit_takes_the_new_values_and_keeps_what_was_typed(browser: Browser, ctx: Context) -> None:
    connection = stored(ctx)
    await browser.fire("open_edit", connection)
    connections.update(ctx, connection, {"database": "theirs", "host": "theirs.example.com"})
    await browser.fire("touch", "host")
    await browser.test(host="mine.example.com", password="")
    await browser.save(host="mine.example.com", password="")
    assert browser.form.stale and "changed by somebody else" in browser.form.trouble.message
    filled = sent(await browser.fire("load_new_values"))
    assert filled["database"] == "theirs" and "host" not in filled
    assert not browser.form.stale and not browser.form.can_save
    mine = {"host": "mine.example.com", "database": "theirs", "password": ""}
    await browser.test(**mine)
    await browser.save(**mine)
    saved = connections.get(ctx, connection)
    assert (saved.host, saved.database) == ("mine.example.com", "theirs")  # type: ignore[attr-defined]


async def test_a_connection_that_is_gone_is_said(browser: Browser, ctx: Context) -> None:
    connection = stored(ctx)
    await browser.fire("open_edit", connection)
    connections.delete(ctx, connection)
    await browser.fire("touch", "name")
    await browser.save(name="Other", password="")
    assert "There is no connection" in browser.form.trouble.message and browser.form.shown


async def test_an_old_receipt_asks_for_another_test(browser: Browser, ctx: Context, monkeypatch: Any) -> None:
    await browser.fire("open_new", "scripted")
    await browser.test()
    monkeypatch.setattr("etl_engine.services.connection_documents.RECEIPT_SECONDS", -1)
    await browser.save()
    assert browser.form.trouble.message == screen.TOO_OLD
    assert not browser.form.can_save and names(ctx) == []


async def test_escape_stops_the_test_first_then_asks_then_leaves(browser: Browser) -> None:
    form = browser.form
    await browser.fire("open_new", "scripted")
    form._begin()
    await browser.fire("touch", "host")
    await browser.fire("escape")
    assert form.phase == "cancelled" and form.shown and not form.asking
    await browser.fire("escape")
    assert form.asking
    await browser.fire("escape")
    assert form.shown and not form.asking
    await browser.fire("leave_form")
    assert form.asking
    await browser.fire("discard")
    assert not form.shown and not form.dirty


async def test_an_untouched_form_closes_without_a_question(browser: Browser) -> None:
    await browser.fire("open_new", "scripted")
    await browser.fire("leave_form")
    assert not browser.form.shown


async def test_a_test_can_be_cancelled_and_says_nothing_afterwards(browser: Browser, script: Script) -> None:
    await browser.fire("open_new", "scripted")

    def check(config: ConnectionConfig) -> Health:
        cancelled = next(iter(running._running.values()))
        browser.form.cancel()
        assert cancelled.wait(5)
        raise Cancelled("The test was cancelled")

    script.check = check
    await browser.test()
    assert browser.form.phase == "cancelled" and not browser.form.can_save and not running._running
    assert {rung.state for rung in browser.form.rungs} == {"skipped"} and not browser.form.trouble.message


async def test_a_second_test_replaces_the_first(browser: Browser, script: Script) -> None:
    await browser.fire("open_new", "scripted")
    entered, events = threading.Event(), []

    def check(config: ConnectionConfig) -> Health:
        events.append(next(iter(running._running.values())))
        if len(events) == 1:
            entered.set()
            assert events[0].wait(5)
            raise Cancelled("The test was cancelled")
        return passed()

    script.check = check
    first = asyncio.create_task(browser.test())
    assert await asyncio.to_thread(entered.wait, 5)
    await browser.test()
    await first
    assert browser.form.phase == "passed" and browser.form.can_save


async def test_a_link_opens_the_form_and_forgets_what_was_there(browser: Browser, ctx: Context) -> None:
    connection = stored(ctx)
    await browser.fire("open_new", "scripted")
    await browser.fire("touch", "host")
    (event,) = await browser.fire("visit", "", connection)
    assert "open_edit" in str(event.handler.fn.__qualname__) and not browser.form.shown
    assert await browser.fire("visit", "", "") == []


GARBAGE: list[Any] = [None, 7, 1.5, True, "x", "x" * 100_000, [], [[]], {}, {"x": []}, "\0", "\ud800", "../../etc"]


@pytest.mark.parametrize("garbage", GARBAGE, ids=lambda value: repr(value)[:20])
async def test_whatever_the_wire_brings_is_an_answer_and_no_exception(browser: Browser, garbage: Any) -> None:
    for opened in (False, True):
        if opened:
            await browser.fire("open_new", "scripted")
        for name in ("touch", "open_new", "open_edit", "choose_kind", "take_paste"):
            await browser.fire(name, garbage)
        for name in ("leave_field", "test", "save", "visit"):
            await browser.fire(name, garbage, garbage)
        await browser.fire("open_new", "scripted")
        await browser.fire("leave_field", "host", garbage)
        await browser.fire("test", dict.fromkeys(VALUES, garbage), [garbage])
        await browser.fire("save", dict.fromkeys(VALUES, garbage) | {"x": garbage}, garbage)
        for name in ("escape", "leave_form", "keep_editing", "cancel", "load_new_values", "discard"):
            await browser.fire(name)


async def test_no_secret_ever_gets_into_the_state(browser: Browser, ctx: Context, script: Script) -> None:
    seen: list[str] = []
    outcomes = iter([failed(), passed(), passed()])

    def look(config: ConnectionConfig) -> Health:
        seen.append(everything(browser.form))
        return next(outcomes)

    script.check = look
    await browser.fire("open_new", "scripted")
    await browser.fire("take_paste", "postgres://u:" + "pl4nted" + "@h/db")
    await browser.fire("open_new", "scripted")
    for _ in range(2):
        await browser.test()
        seen.append(everything(browser.form))
    await browser.save(name="")
    seen.append(everything(browser.form))
    await browser.save()
    seen.append(everything(browser.form))
    await browser.fire("open_edit", connections.list_(ctx, Query()).items[0].id)
    seen.append(everything(browser.form))
    await browser.fire("touch", "password")
    await browser.test()
    seen.append(everything(browser.form))
    assert len(seen) == 9 and all("Scripted" in text for text in seen)  # it is the whole of it that was looked at
    assert not any("pl4nted" in text for text in seen)


def sent(events: list[Any]) -> dict[str, str]:
    """What the one event among these fills into the browser's fields."""
    (event,) = events
    values = {str(name): value for name, value in event.args}
    assert values["ref"]._decode() == "ref_connection_form"
    decoded: dict[str, str] = values["value"]._decode()
    return decoded


def everything(form: ConnectionForm) -> str:
    """All that would be pickled to disk or sent to the browser."""
    return json.dumps(form.dict(), default=repr) + repr(pickle.dumps(form.__getstate__()))
