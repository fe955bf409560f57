"""The States of the schedules and of the overview without a browser: what each event asks, shows and says."""

import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from executing import scripted_blocks, submitted, worked
from scripted_kind import draft as connection
from scripted_kind import registered
from tab import Tab

from etl_engine import wiring
from etl_engine.engine.block import Output, Work
from etl_engine.errors import BadInput
from etl_engine.model.collections import SCHEDULES
from etl_engine.model.execution import Counters
from etl_engine.model.schedule import NextFire, Schedule
from etl_engine.services import column_mappings, connections, executions, mappings, run_overview, schedules, schemas
from etl_engine.services.context import Context
from etl_engine.services.documents import Query
from etl_engine.settings import Settings
from etl_engine.ui.overview.state import Overview, shown
from etl_engine.ui.schedules.actions import ScheduleActions
from etl_engine.ui.schedules.form import ScheduleForm
from etl_engine.ui.schedules.listing import Schedules
from etl_engine.ui.schedules.rows import fire_of

MISSING = "0" * 24


@pytest.fixture
def ctx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Context]:
    with registered(monkeypatch):
        engine = wiring.Engine(Settings(data_dir=tmp_path))
        monkeypatch.setattr(wiring, "_engine", engine)
        yield engine.context()
        engine.close()


@pytest.fixture
def tab(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> Tab:
    made = Tab(monkeypatch, Schedules, ScheduleForm, ScheduleActions, Overview)
    made.url.path = "/schedules"
    return made


@pytest.fixture
def mapping(ctx: Context) -> str:
    source = connections.create(ctx, connection("Shop")).id
    schema = schemas.create(ctx, {"name": "Ids", "columns": [{"name": "id", "data_type": "integer"}]}).id
    values = {"name": "Ids", "source_connection_id": source, "target_schema_id": schema}
    made = mappings.create(ctx, values | {"source_query": "SELECT 1 AS id"}).id
    rule = {"type": "direct", "source_columns": ["id"], "target_fields": ["id"]}
    column_mappings.append(ctx, made, [rule], alone=False)
    return made


@pytest.fixture
def make(ctx: Context, mapping: str) -> Callable[..., Schedule]:
    def made(**changes: Any) -> Schedule:
        return schedules.create(
            ctx, {"name": "Hourly", "mapping_id": mapping, "cron_expression": "0 * * * *", **changes}
        )

    return made


async def test_the_list_says_what_each_schedule_does_and_when(tab: Tab, make: Callable[..., Schedule]) -> None:
    make(timezone="Europe/Berlin", cron_expression="30 7 * * 1-5")
    make(name="Never", enabled=False, pause_reason="Holidays")
    await tab.fire(Schedules.load)
    hourly, never = tab[Schedules].rows
    assert hourly.reading == "At 07:30 on weekdays (Monday to Friday)"
    assert (hourly.mapping, hourly.zone, hourly.next_local[-5:]) == ("Ids", "Europe/Berlin", "07:30")
    assert (never.enabled, never.paused_for, never.next) == (False, "Holidays", "")
    assert tab[Schedules].bar.subtitle == "2 schedules · 1 paused"
    tab.parameters.update(state="paused", page="9")
    await tab.fire(Schedules.load)
    assert [row.name for row in tab[Schedules].rows] == ["Never"]
    make(name="Not now", enabled=False)
    await tab.fire(Schedules.refresh)
    assert [row.name for row in tab[Schedules].rows] == ["Never", "Not now"]


async def test_the_form_reads_the_expression_and_shows_ten_fires_on_both_clocks(tab: Tab, mapping: str) -> None:
    tab[ScheduleForm].seen_from("America/New_York")
    await tab.fire(ScheduleForm.open_new)
    form = tab[ScheduleForm]
    assert form.open
    assert form.zone == "America/New_York"
    assert form.draft.mapping_id == mapping, "there is but one to choose"
    await tab.fire(ScheduleForm.set_zone, "Europe/Berlin")
    await tab.fire(ScheduleForm.set_cron, "0 12 * * *")
    assert form.reading == "At 12:00 every day"
    assert len(form.fires) == 10
    assert all("12:00 UTC+" in fire.local and "UTC−" in fire.viewer for fire in form.fires)
    await tab.fire(ScheduleForm.set_cron, "61 * * * *")
    assert (form.fires, form.reading) == ([], "")
    assert form.unread.startswith("The expression has a minute that cannot be read: 61")
    await tab.fire(ScheduleForm.set_cron, "0 12 * * *")
    await tab.fire(ScheduleForm.set_zone, "Europe/Berlyn")
    assert form.unread == "The time zone must be a time zone such as Europe/Berlin."


async def test_a_zone_that_only_the_browser_knows_is_no_trouble(tab: Tab, mapping: str) -> None:
    tab[ScheduleForm].seen_from("Mars/Olympus")
    await tab.fire(ScheduleForm.open_new)
    await tab.fire(ScheduleForm.set_zone, "UTC")
    assert len(tab[ScheduleForm].fires) == 10


def test_fires_beside_a_change_of_the_clock_are_marked() -> None:
    at = dt.datetime(2026, 3, 29, 1, tzinfo=dt.UTC)
    fire = NextFire(at=at, local="2026-03-29T03:00:00+02:00", viewer=at.isoformat(), clock_changed=True, moved=True)
    assert fire_of(fire).local == "Sun 29 Mar 2026, 03:00 UTC+2:00"
    assert "jumps over" in fire_of(fire).mark
    assert "has changed" in fire_of(fire.model_copy(update={"moved": False})).mark
    assert not fire_of(fire.model_copy(update={"moved": False, "clock_changed": False})).mark


async def test_a_schedule_is_saved_and_what_is_wrong_stands_at_its_field(tab: Tab, ctx: Context, mapping: str) -> None:
    await tab.fire(ScheduleForm.open_new)
    form = tab[ScheduleForm]
    values = {"name": " ", "mapping_id": mapping, "missed_limit": "ten", "overlap_policy": "skip"}
    await tab.fire(ScheduleForm.save, values)
    assert form.open
    assert set(form.problems) == {"name", "missed_limit"}
    await tab.fire(ScheduleForm.save, {**values, "name": "Mornings", "missed_limit": "3"})
    assert not form.open
    [saved] = schedules.list_(ctx, Query()).items
    assert (saved.name, saved.overlap_policy, saved.missed_limit) == ("Mornings", "skip", 3)
    assert tab.toast.title == "Saved Mornings"
    await tab.fire(ScheduleForm.open_new)
    await tab.fire(ScheduleForm.save, {**values, "name": "mornings", "missed_limit": "3"})
    assert "taken" in form.problems["name"].lower()


async def test_a_stored_schedule_is_changed_unless_somebody_was_faster(
    tab: Tab, ctx: Context, make: Callable[..., Schedule]
) -> None:
    made = make(description="Old", missed_policy="all", missed_limit=7)
    await tab.fire(ScheduleForm.open_edit, made.id)
    form = tab[ScheduleForm]
    assert (form.cron, form.draft.missed, form.draft.missed_limit) == ("0 * * * *", "all", "7")
    values = {"name": "Other", "mapping_id": made.mapping_id, "missed_limit": "7", "missed_policy": "all"}
    schedules.update(ctx, made.id, {"description": "New"})
    await tab.fire(ScheduleForm.save, values)
    assert form.open
    assert "somebody else" in form.trouble.message
    tab[ScheduleForm].close()
    await tab.fire(ScheduleForm.open_edit, made.id)
    await tab.fire(ScheduleForm.save, values)
    changed = schedules.get(ctx, made.id)
    assert (changed.name, changed.description) == ("Other", None)


async def test_a_link_opens_the_form_for_a_mapping(tab: Tab, mapping: str) -> None:
    tab.parameters.update(new=mapping)
    [sent] = await tab.fire(Schedules.load)
    assert mapping in str(sent)
    await tab.fire(ScheduleForm.open_new, mapping)
    assert tab[ScheduleForm].draft.mapping_id == mapping
    assert "/schedules" in str(await tab.fire(ScheduleForm.close))


async def test_a_pause_has_a_reason_and_an_end(tab: Tab, ctx: Context, make: Callable[..., Schedule]) -> None:
    made = make()
    await tab.fire(ScheduleActions.ask_to_pause, made.id)
    assert tab[ScheduleActions].pausing.name == "Hourly"
    await tab.fire(ScheduleActions.pause, {"pause_reason": " The warehouse moves "})
    paused = schedules.get(ctx, made.id)
    assert (paused.enabled, paused.pause_reason, paused.next_run_at) == (False, "The warehouse moves", None)
    await tab.fire(ScheduleActions.resume, made.id)
    assert schedules.get(ctx, made.id).enabled
    assert tab.toast.title == "Hourly is active again"


async def test_it_runs_now_and_the_page_goes_to_the_run(tab: Tab, ctx: Context, make: Callable[..., Schedule]) -> None:
    made = make()
    [sent] = await tab.fire(ScheduleActions.run_now, made.id)
    [run] = executions.list_(ctx, executions.Query()).items
    assert f"/runs/{run.id}" in str(sent)
    assert run.trigger.id == made.id


async def test_a_deletion_is_asked_for_first(tab: Tab, ctx: Context, make: Callable[..., Schedule]) -> None:
    made = make()
    await tab.fire(ScheduleActions.ask_to_delete, made.id)
    tab[ScheduleActions].keep()
    await tab.fire(ScheduleActions.delete)
    assert schedules.get(ctx, made.id)
    await tab.fire(ScheduleActions.ask_to_delete, made.id)
    await tab.fire(ScheduleActions.delete)
    assert schedules.list_(ctx, Query()).total == 0
    for handler in (ScheduleActions.run_now, ScheduleActions.ask_to_pause, ScheduleActions.resume):
        await tab.fire(handler, MISSING)
        assert tab.toast.title.startswith("There is no schedule")


async def test_the_overview_says_what_is_broken_running_late_and_next(
    tab: Tab, ctx: Context, make: Callable[..., Schedule], monkeypatch: pytest.MonkeyPatch
) -> None:
    tab.url.path = "/overview"
    await tab.fire(Overview.load)
    assert not tab[Overview].page.any

    def fails(work: Work) -> Output:
        raise BadInput("It broke", hint="Repair it.")

    with scripted_blocks(monkeypatch, "one", "two") as blocks:
        blocks["one"].does = fails
        blocks["two"].does = lambda work: Output(counters=Counters(read=40, loaded=40))
        for name in ("one", "two"):
            submitted(ctx, name)
            assert worked(ctx)
        waiting = submitted(ctx, "two")
    schedule = make()
    await tab.fire(Overview.refresh)
    page = tab[Overview].page
    assert page.subtitle == "1 thing needs you."
    assert [(one.said.split(": ")[1], one.hint) for one in page.broken] == [("It broke.", "Repair it.")]
    assert [row.id for row in page.running] == [waiting.id]
    assert [one.name for one in page.coming] == ["Hourly"]
    assert [tile.value for tile in page.tiles] == ["40", "1", "1", "0"]
    assert page.columns[-1].words.endswith("40 rows in 2 runs, 1 failed")
    past = ctx.store.now() - dt.timedelta(minutes=5)
    ctx.store.update(SCHEDULES.name, {"_id": schedule.id}, {"next_run_at": past})
    await tab.fire(Overview.refresh)
    assert [one.name for one in tab[Overview].page.late] == ["Hourly"]
    assert tab[Overview].page.subtitle == "1 thing needs you and 1 schedule is late."


def test_what_ran_well_since_is_not_broken(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(work: Work) -> Output:
        raise BadInput("It broke", hint="Repair it.")

    with scripted_blocks(monkeypatch, "one") as blocks:
        blocks["one"].does = fails
        submitted(ctx, "one")
        assert worked(ctx)
        assert len(run_overview.look(ctx).broken) == 1
        blocks["one"].does = lambda work: Output(counters=Counters(read=5, loaded=5))
        submitted(ctx, "one")
        assert worked(ctx)
    found = run_overview.look(ctx)
    assert found.broken == []
    assert (found.days[-1].runs, found.days[-1].failed, found.days[-1].loaded) == (2, 1, 5)


def test_a_day_is_counted_once_however_often_it_is_looked_at(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted_blocks(monkeypatch, "one") as blocks:
        blocks["one"].does = lambda work: Output(counters=Counters(read=5, loaded=5))
        for number in range(1, 4):
            submitted(ctx, "one")
            assert worked(ctx)
            assert run_overview.look(ctx).days[-1].loaded == 5 * number
            monkeypatch.setattr(run_overview, "_SETTLED", dt.timedelta(0))
            assert run_overview.look(ctx).days[-1].loaded == 5 * number
    assert len(run_overview.look(ctx).days) == run_overview.DAYS


def test_days_that_are_not_counted_whole_are_named(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_overview, "_MOST", 2)
    monkeypatch.setattr(run_overview, "_PAGE", 1)
    with scripted_blocks(monkeypatch, "one") as blocks:
        blocks["one"].does = lambda work: Output(counters=Counters(read=5, loaded=5))
        for _ in range(3):
            submitted(ctx, "one")
            assert worked(ctx)
    found = run_overview.look(ctx)
    assert found.days[-1].loaded == 10
    assert found.counted_from > found.days[-1].date
    assert "not all is counted" in shown(found).chart
