"""Any client can fire any public handler: each of them is listed here with the right that it needs, and is fired."""

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import reflex as rx
from scripted_kind import draft, registered
from tab import Tab

import etl_engine.etl_engine as app_module
from etl_engine import wiring
from etl_engine.errors import Denied
from etl_engine.model.collections import ALL
from etl_engine.services import access, connections
from etl_engine.services.context import Context
from etl_engine.settings import Settings

# What a handler may do without a right: look at its own screen. Everything else asks a service, which asks for one.
PUBLIC = {
    "SchemaForm.open_new": "its own browser's form",
    "SchemaForm.close": "its own browser's form",
    "SchemaForm.add": "its own browser's form",
    "SchemaForm.remove": "its own browser's form",
    "SchemaForm.move": "its own browser's form",
    "Schemas.keep": "its own browser's question",
    "Editor.cancel": "its own browser's reading",
    "Editor.choose_schema": "its own browser's draft",
    "Editor.choose_source": "its own browser's draft",
    "Editor.close_panel": "its own browser's panel",
    "Editor.connect": "its own browser's draft",
    "Editor.set_option": "its own browser's draft",
    "Editor.set_text": "its own browser's draft",
    "Editor.set_type": "its own browser's draft",
    "Editor.add_source": "its own browser's draft",
    "Editor.add_step": "its own browser's draft",
    "Editor.add_target": "its own browser's draft",
    "Editor.remove_rule": "its own browser's draft",
    "Editor.remove_source": "its own browser's draft",
    "Editor.remove_step": "its own browser's draft",
    "Editor.remove_target": "its own browser's draft",
    "Editor.fill_constant": "its own browser's draft",
    "Editor.fill_from": "its own browser's draft",
    "Editor.auto_map": "its own browser's draft",
    "Editor.undo": "its own browser's draft",
    "Editor.revive": "its own browser's draft",
    "Editor.redo": "its own browser's draft",
    "Editor.typed": "its own browser's draft",
    "Editor.start_from": "its own browser's draft; hands on to preview",
    "Editor.select": "its own browser's panel",
    "Editor.select_field": "its own browser's panel",
    "Editor.go_to": "its own browser's focus",
    "Editor.edit_schema": "hands on to SchemaForm.open_edit",
    "Editor.save_and_run": "hands on to save and run",
    "Editor.take_theirs": "hands on to load",
    "Mappings.ask_to_delete": "of the rows that its own browser shows",
    "Mappings.keep": "its own browser's question",
    "Mappings.make": "an address",
    "ConnectionForm.visit": "hands on to open_new and open_edit",
    "ConnectionForm.leave_form": "its own browser's dialog",
    "ConnectionForm.escape": "its own browser's dialog and test",
    "ConnectionForm.keep_editing": "its own browser's dialog",
    "ConnectionForm.discard": "its own browser's dialog",
    "ConnectionForm.touch": "its own browser's dialog",
    "ConnectionForm.cancel": "its own browser's test",
    "EngineStatus.look": "health:read, asked by services.health",
    "ConnectionActions.keep": "its own browser's question",
    "Diagnosis.close": "its own browser's dialog and test",
    "Diagnosis.edit": "hands on to ConnectionForm.open_edit",
    "ConnectionTests.stop": "its own browser's tests",
    "Connections.sort_by": "its own browser's address",
    "ScheduleForm.seen_from": "its own browser's zone",
    "ScheduleForm.close": "its own browser's dialog",
    "ScheduleActions.keep": "its own browser's question",
    "Toasts.shown": "its own browser's message",
    "Toasts.unexpected": "its own browser's message",
}
GUARDED = {
    "Schemas.load": "schema:read and mapping:read, asked by services.schema_listing",
    "Schemas.refresh": "schema:read and mapping:read, asked by services.schema_listing",
    "Schemas.ask_to_delete": "schema:read, asked by services.schemas",
    "Schemas.delete": "schema:delete, asked by services.schemas",
    "SchemaForm.open_edit": "schema:read, asked by services.schema_listing",
    "SchemaForm.save": "schema:create or schema:update, asked by services.schemas",
    "Editor.load": "mapping:read, asked by services.mapping_drafts",
    "Editor.refresh": "mapping:read, asked by services.mapping_drafts",
    "Editor.schema_saved": "mapping:read, asked by services.mapping_drafts",
    "Editor.list_tables": "connection:use, asked by services.mapping_drafts",
    "Editor.preview": "mapping:preview, asked by services.preview",
    "Editor.describe": "mapping:preview, asked by services.preview",
    "Editor.try_again": "mapping:preview, asked by services.mapping_drafts",
    "Editor.new_schema": "schema:read, asked by services.mapping_drafts",
    "Editor.save": "mapping:update and mapping:create, asked by services.mapping_drafts",
    "Editor.run": "mapping:run, asked by services.mappings",
    "Mappings.load": "mapping:read, asked by services.mapping_drafts",
    "Mappings.refresh": "mapping:read, asked by services.mapping_drafts",
    "Mappings.run": "mapping:run, asked by services.mappings",
    "Mappings.duplicate": "mapping:create, asked by services.mapping_drafts",
    "Mappings.delete": "mapping:delete, asked by services.mapping_drafts",
    "Connections.load": "connection:read, asked by services.connection_overview",
    "Connections.refresh": "connection:read, asked by services.connection_overview",
    "ConnectionActions.ask_to_delete": "connection:read, asked by services.connections",
    "ConnectionActions.delete": "connection:delete, asked by services.connections",
    "ConnectionActions.duplicate": "connection:create, asked by services.connections",
    "ConnectionTests.test": "connection:test, asked by services.connection_tests",
    "ConnectionTests.test_all": "connection:read, asked by services.connection_overview",
    "ConnectionTests.test_waiting": "connection:test, asked by services.connection_tests",
    "Diagnosis.open": "connection:read, asked by services.forms",
    "Diagnosis.climb": "connection:test, asked by services.connection_tests",
    "Runs.load": "execution:read, asked by services.run_listing",
    "Runs.refresh": "execution:read, asked by services.run_listing",
    "Run.load": "execution:read, asked by services.run_detail",
    "Run.refresh": "execution:read, asked by services.run_detail",
    "Run.cancel": "execution:cancel, asked by services.executions",
    "Run.retry": "execution:submit, asked by services.executions",
    "Schedules.load": "schedule:read and mapping:read, asked by services.schedule_listing",
    "Schedules.refresh": "schedule:read and mapping:read, asked by services.schedule_listing",
    "ScheduleForm.open_new": "schedule:read and mapping:read, asked by services.schedule_forms",
    "ScheduleForm.open_edit": "schedule:read and mapping:read, asked by services.schedule_forms",
    "ScheduleForm.set_cron": "schedule:read, asked by services.schedule_forms",
    "ScheduleForm.set_zone": "schedule:read, asked by services.schedule_forms",
    "ScheduleForm.save": "schedule:create or schedule:update, asked by services.schedules",
    "ScheduleActions.run_now": "schedule:run, asked by services.schedules",
    "ScheduleActions.ask_to_pause": "schedule:read, asked by services.schedules",
    "ScheduleActions.ask_to_delete": "schedule:read, asked by services.schedules",
    "ScheduleActions.pause": "schedule:update, asked by services.schedules",
    "ScheduleActions.resume": "schedule:update, asked by services.schedules",
    "ScheduleActions.delete": "schedule:delete, asked by services.schedules",
    "Overview.load": "execution:read and schedule:read, asked by services.run_overview",
    "Overview.refresh": "execution:read and schedule:read, asked by services.run_overview",
    "Finder.search": "connection:read, asked by services.connection_overview",
    "SampleData.make": "connection:create, asked by services.sample_data",
    "Toasts.accept": "an unguessable handle of an offer; what it does asks for its own right",
    "ConnectionForm.open_new": "kind:read, asked by services.forms",
    "ConnectionForm.open_edit": "connection:read, asked by services.forms",
    "ConnectionForm.leave_field": "connection:read, asked by services.forms",
    "ConnectionForm.choose_kind": "kind:read, asked by services.forms",
    "ConnectionForm.take_paste": "kind:read, asked by services.filled_forms",
    "ConnectionForm.test": "connection:test, asked by services.filled_forms",
    "ConnectionForm.save": "connection:create or connection:update, asked by services.filled_forms",
    "ConnectionForm.load_new_values": "connection:read, asked by services.forms",
}


def _is_ours(function: Callable[..., Any]) -> bool:
    return function.__module__.startswith("etl_engine.")


def states() -> list[type[rx.State]]:
    found = []
    pending = list(rx.State.__subclasses__())
    while pending:
        state = pending.pop()
        pending += state.__subclasses__()
        if state.__module__.startswith("etl_engine.") and not state._mixin:
            found.append(state)
    return found


def handlers() -> dict[str, Any]:
    return {
        f"{state.__name__}.{name}": handler
        for state in states()
        for name, handler in state.event_handlers.items()
        if _is_ours(handler.fn)
    }


def ours() -> set[str]:
    return set(handlers())


def test_every_handler_is_public_by_declaration_or_guarded() -> None:
    assert app_module.app
    declared = PUBLIC.keys() | GUARDED.keys()
    new, gone = sorted(ours() - declared), sorted(declared - ours())
    assert not new, f"say above what guards these, or that nothing has to: {', '.join(new)}"
    assert not gone, f"these are gone, take them out above: {', '.join(gone)}"


GARBAGE: list[Any] = [None, 7, "0" * 24, "x" * 10_000, "\ud800", [[]], {"x": []}]


@pytest.fixture
def ctx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Context]:
    with registered(monkeypatch):
        engine = wiring.Engine(Settings(data_dir=tmp_path))
        monkeypatch.setattr(wiring, "_engine", engine)
        yield engine.context()
        engine.close()


@pytest.fixture
def tab(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> Tab:
    return Tab(monkeypatch, *states())


def takes(handler: Any) -> int:
    return len(inspect.signature(handler.fn).parameters) - 1


def everything(ctx: Context) -> list[Any]:
    return [ctx.store.find(one.name, {}) for one in ALL]


async def test_whoever_has_no_right_changes_and_sees_nothing_whatever_is_fired(
    tab: Tab, ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = connections.create(ctx, draft(name="Orders")).id
    before, asked, shown = everything(ctx), set(), []

    def refuse(_: Context, action: str) -> None:
        asked.add(action)
        if action != "health:read":  # everybody's
            raise Denied("Nobody may do that")

    monkeypatch.setattr(access, "require", refuse)
    for name, handler in handlers().items():
        await tab.fire(handler, *[identity] * takes(handler))
        shown += [name for kind in states() if "Orders" in repr(tab[kind].dict())]
    assert everything(ctx) == before
    assert not shown
    assert asked >= {f"{noun}:read" for noun in ("connection", "execution", "kind", "schedule", "schema")}
    assert asked >= {"connection:create", "connection:test", "schedule:run"}


@pytest.mark.parametrize("garbage", GARBAGE, ids=lambda value: repr(value)[:20])
async def test_whatever_the_wire_brings_no_handler_raises(tab: Tab, ctx: Context, garbage: Any) -> None:
    raised, fired = [], handlers()
    opened = [fired[name] for name in ("ConnectionForm.open_new", "ScheduleForm.open_new", "SchemaForm.open_new")]
    for name, handler in fired.items():
        if number := takes(handler):
            for dialog in opened:  # what was fired before may have closed it
                await tab.fire(dialog, *["scripted"] * takes(dialog))
            try:
                await tab.fire(handler, *[garbage] * number)
            except Exception as error:
                raised.append(f"{name}: {error!r}")
    assert not raised
