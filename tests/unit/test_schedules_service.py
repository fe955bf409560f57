"""Schedules: what is stored, when it fires, and what becomes of each fire; the time is told, nobody waits."""

import datetime as dt
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from scripted_kind import draft as connection
from scripted_kind import opened_context, registered

from etl_engine import faultpoints
from etl_engine.errors import BadInput, Conflict, Denied, NotFound
from etl_engine.faultpoints import FaultInjected
from etl_engine.model.collections import EXECUTIONS, FIRES, SCHEDULES
from etl_engine.model.execution import Status
from etl_engine.model.schedule import Schedule
from etl_engine.services import (
    column_mappings,
    connections,
    events,
    executions,
    mappings,
    run_overview,
    schedule_fires,
    schedules,
    schemas,
)
from etl_engine.services.context import Actor, Context
from etl_engine.services.schedule_fires import tick
from etl_engine.workers.scheduler import ACTOR

MISSING = "0" * 24
MINUTE, HOUR, DAY = dt.timedelta(minutes=1), dt.timedelta(hours=1), dt.timedelta(days=1)
POINTS = ("deciding", "decided", "recorded", "ordered", "delivered")


@pytest.fixture
def ctx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Context]:
    with registered(monkeypatch), opened_context(tmp_path) as context:
        yield context
    faultpoints.arm("")


@pytest.fixture
def mapping(ctx: Context) -> str:
    source = connections.create(ctx, connection("Shop")).id
    schema = schemas.create(ctx, {"name": "Ids", "columns": [{"name": "id", "data_type": "integer"}]}).id
    values = {
        "name": "Ids",
        "source_connection_id": source,
        "target_schema_id": schema,
        "source_query": "SELECT 1 AS id",
    }
    made = mappings.create(ctx, values).id
    column_mappings.append(
        ctx, made, [{"type": "direct", "source_columns": ["id"], "target_fields": ["id"]}], alone=False
    )
    return made


@pytest.fixture
def make(ctx: Context, mapping: str) -> Callable[..., Schedule]:
    """A schedule whose next fire is the next full hour, counted from the store's own now."""

    def made(**changes: Any) -> Schedule:
        values = {"name": "Hourly", "mapping_id": mapping, "cron_expression": "0 * * * *", "overlap_policy": "allow"}
        return schedules.create(ctx, values | changes)

    return made


def due(schedule: Schedule, hours: int = 0) -> dt.datetime:
    assert schedule.next_run_at is not None
    return schedule.next_run_at + hours * HOUR


def ran(ctx: Context) -> list[dt.datetime]:
    """The fires that have a run, one entry for each run."""
    found = ctx.store.find(EXECUTIONS.name, sort=[("_id", 1)])
    return [one["trigger"]["fire_time"] for one in found]


def states(ctx: Context, schedule: Schedule) -> list[str]:
    return [one.state for one in reversed(schedules.fires(ctx, schedule.id))]


def finish(ctx: Context) -> None:
    """Everything that was ordered ends."""
    for one in ctx.store.find(EXECUTIONS.name):
        if not executions.get(ctx, one["_id"]).final:
            executions.cancel(ctx, one["_id"])


def test_a_schedule_says_when_it_fires_and_what_that_means(ctx: Context, mapping: str) -> None:
    values = {
        "name": "Mornings",
        "mapping_id": mapping,
        "cron_expression": " 30  7 * * 1-5 ",
        "timezone": "Europe/Berlin",
    }
    made = schedules.create(ctx, values)
    assert (made.cron_expression, made.reading) == ("30 7 * * 1-5", "At 07:30 on weekdays (Monday to Friday)")
    assert (made.subject.kind, made.subject.id, made.mapping_id) == ("mapping", mapping, mapping)
    assert (made.overlap_policy, made.missed_policy, made.last_run_at) == ("queue", "once", None)
    assert made.next_run_at == schedules.timetable(ctx, made.id).next[0].at
    assert schedules.get(ctx, made.id) == made


@pytest.mark.parametrize(
    ("change", "pointer", "said"),
    [
        ({"cron_expression": "0 0 30 2 *"}, "/cron_expression", "never fires"),
        ({"cron_expression": "soon"}, "/cron_expression", "must have five fields"),
        ({"timezone": "Europe/Berln"}, "/timezone", "must be a time zone such as Europe/Berlin"),
        ({"timezone": "../etc/passwd"}, "/timezone", "must be a time zone"),
        ({"mapping_id": MISSING}, "/mapping_id", "names a mapping that is not there"),
        ({"missed_limit": 0}, "/missed_limit", "must be greater"),
        ({"overlap_policy": "kill"}, "/overlap_policy", "is none of the choices"),
        ({"pause_reason": "holidays"}, "", "only a schedule that is not active has a pause_reason"),
    ],
)
def test_what_cannot_be_scheduled_is_refused_with_its_place(
    make: Callable[..., Schedule], change: dict[str, Any], pointer: str, said: str
) -> None:
    with pytest.raises(BadInput) as refused:
        make(**change)
    assert [one.pointer for one in refused.value.problems] == [pointer]
    assert said in refused.value.message


def test_the_next_fires_are_told_on_three_clocks_with_the_changes_of_the_clock_marked(ctx: Context) -> None:
    shown = schedules.timetable_of(ctx, "30 2 * * *", "Europe/Berlin", viewer="America/New_York", count=100)
    assert len(shown.next) == 100
    for fire in shown.next:
        local, viewer = dt.datetime.fromisoformat(fire.local), dt.datetime.fromisoformat(fire.viewer)
        assert local == viewer == fire.at
        assert fire.moved or (local.hour, local.minute) == (2, 30)
    whole_year = schedules.timetable_of(ctx, "0 12 * * 0", "Europe/Berlin", count=60).next
    assert sum(fire.clock_changed for fire in whole_year) >= 2


def test_a_fire_is_run_once_and_the_schedule_moves_on(ctx: Context, make: Callable[..., Schedule]) -> None:
    made = make()
    assert tick(ctx, now=due(made) - MINUTE).decided == 0
    assert tick(ctx, now=due(made)).delivered == 1
    assert tick(ctx, now=due(made)).delivered == 0
    assert ran(ctx) == [due(made)]
    now = schedules.get(ctx, made.id)
    assert (now.last_run_at, now.next_run_at, now.waiting) == (due(made), due(made, 1), 0)
    [record] = schedules.fires(ctx, made.id)
    assert (record.state, record.execution_id) == ("started", now.last_execution_id)
    execution = executions.get(ctx, str(now.last_execution_id))
    assert (execution.trigger.kind, execution.trigger.id, execution.trigger.fire_time) == (
        "schedule",
        made.id,
        due(made),
    )


@pytest.mark.parametrize(
    ("policy", "expected"),
    [("skip", []), ("once", [5]), ("all", [3, 4, 5])],
)
def test_fires_that_nobody_was_there_for(
    ctx: Context, make: Callable[..., Schedule], policy: str, expected: list[int]
) -> None:
    made = make(missed_policy=policy, missed_limit=3)
    tick(ctx, now=due(made, 5) + 20 * MINUTE)
    assert ran(ctx) == [due(made, hours) for hours in expected]
    assert schedules.get(ctx, made.id).next_run_at == due(made, 6)


def test_a_fire_on_time_is_run_beside_those_that_were_missed(ctx: Context, make: Callable[..., Schedule]) -> None:
    for policy, expected in (("skip", [5]), ("once", [5]), ("all", [0, 1, 2, 3, 4, 5])):
        made = make(name=policy, missed_policy=policy)
        tick(ctx, now=due(made, 5) + dt.timedelta(seconds=10))
        finish(ctx)
        assert len(schedules.fires(ctx, made.id)) == len(expected)
        schedules.delete(ctx, made.id)


def test_three_days_asleep_are_made_up_for_by_the_policy(ctx: Context, make: Callable[..., Schedule]) -> None:
    made = make(cron_expression="* * * * *", missed_policy="all", missed_limit=100)
    assert made.next_run_at is not None
    woken = made.next_run_at + 3 * DAY
    tick(ctx, now=woken)
    assert ran(ctx) == [woken - minutes * MINUTE for minutes in range(99, -1, -1)]


def test_one_fire_waits_for_the_end_of_what_runs_and_the_next_is_one_too_many(
    ctx: Context, make: Callable[..., Schedule]
) -> None:
    made = make(overlap_policy="queue")
    for hours in range(4):
        tick(ctx, now=due(made, hours))
    assert ran(ctx) == [due(made)]
    assert schedules.get(ctx, made.id).waiting == 1
    assert states(ctx, made) == ["started", "skipped", "skipped"]
    finish(ctx)
    tick(ctx, now=due(made, 3) + MINUTE)
    assert ran(ctx) == [due(made), due(made, 1)]
    assert schedules.get(ctx, made.id).waiting == 0


def test_a_fire_that_finds_it_running_is_left_out_where_that_is_wished(
    ctx: Context, make: Callable[..., Schedule]
) -> None:
    made = make(overlap_policy="skip")
    tick(ctx, now=due(made))
    tick(ctx, now=due(made, 1))
    finish(ctx)
    tick(ctx, now=due(made, 2))
    assert ran(ctx) == [due(made), due(made, 2)]
    latest, left_out, _ = schedules.fires(ctx, made.id)
    assert (latest.state, left_out.state) == ("started", "skipped")
    assert left_out.reason.startswith("it still ran: ")


def test_what_is_paused_fires_not_and_makes_up_for_nothing(ctx: Context, make: Callable[..., Schedule]) -> None:
    made = make(missed_policy="all")
    paused = schedules.update(ctx, made.id, {"enabled": False, "pause_reason": "Stocktaking"})
    assert (paused.next_run_at, paused.pause_reason) == (None, "Stocktaking")
    tick(ctx, now=due(made, 3))
    assert ran(ctx) == []
    active = schedules.update(ctx, made.id, {"enabled": True})
    assert (active.pause_reason, active.next_run_at) == (None, due(made))


def test_a_pause_while_fires_are_delivered_is_not_undone(
    ctx: Context, make: Callable[..., Schedule], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make(overlap_policy="queue", missed_policy="all")
    tick(ctx, now=due(made))
    judged = schedule_fires._verdict

    def paused_meanwhile(*asked: Any) -> tuple[str, str]:
        monkeypatch.setattr(schedule_fires, "_verdict", judged)
        schedules.update(ctx, made.id, {"enabled": False, "pause_reason": "Stocktaking"})
        return judged(*asked)

    monkeypatch.setattr(schedule_fires, "_verdict", paused_meanwhile)
    tick(ctx, now=due(made, 3))  # three fires: one would wait, two are too many
    assert schedules.get(ctx, made.id).waiting == 0
    finish(ctx)
    tick(ctx, now=due(made, 3) + MINUTE)
    assert ran(ctx) == [due(made)]


def test_another_time_counts_from_now_and_another_name_changes_no_time(
    ctx: Context, make: Callable[..., Schedule]
) -> None:
    made = make()
    assert schedules.update(ctx, made.id, {"name": "Other"}).next_run_at == made.next_run_at
    later = schedules.update(ctx, made.id, {"cron_expression": "30 4 1 1 *", "timezone": "Asia/Tokyo"})
    assert later.next_run_at is not None
    assert later.next_run_at.strftime("%m-%d %H:%M") == "12-31 19:30"


def test_it_runs_now_and_its_next_fire_stays(ctx: Context, make: Callable[..., Schedule]) -> None:
    made = make(enabled=False)
    execution = schedules.run_now(ctx, made.id)
    assert (execution.trigger.kind, execution.trigger.id) == ("manual", made.id)
    assert schedules.get(ctx, made.id).next_run_at is None


def test_a_mapping_that_a_schedule_runs_is_not_deleted(ctx: Context, make: Callable[..., Schedule]) -> None:
    made = make()
    with pytest.raises(Conflict, match="in use by the schedule 'Hourly'"):
        mappings.delete(ctx, made.mapping_id)
    schedules.delete(ctx, made.id)
    mappings.delete(ctx, made.mapping_id)
    with pytest.raises(NotFound):
        schedules.get(ctx, made.id)


def test_a_fire_that_cannot_be_run_says_why_and_the_next_one_is_tried(
    ctx: Context, make: Callable[..., Schedule], mapping: str
) -> None:
    made = make()
    [rule] = column_mappings.list_(ctx, mapping)
    column_mappings.delete(ctx, mapping, rule.id)
    tick(ctx, now=due(made))
    [record] = schedules.fires(ctx, made.id)
    assert record.state == "failed"
    assert "The column mappings are missing" in record.reason
    now = schedules.get(ctx, made.id)
    assert (now.last_problem, now.last_run_at, now.last_execution_id) == (record.reason, None, record.execution_id)
    failed = executions.get(ctx, str(record.execution_id))
    assert (failed.status, failed.subject.id, failed.trigger.fire_time) == (Status.FAILED, mapping, due(made))
    assert failed.error is not None and "The column mappings are missing" in failed.error.message
    assert [one.id for one in run_overview.look(ctx).broken] == [failed.id]
    told = [event.type for event in events.since(ctx) if event.data.get("execution_id") == failed.id]
    assert told == ["execution.pending", "execution.failed"]
    with pytest.raises(Conflict, match="was never begun"):
        executions.retry(ctx, failed.id)
    column_mappings.append(ctx, mapping, [rule.rule.model_dump()], alone=False)
    tick(ctx, now=due(made, 1))
    assert states(ctx, made) == ["failed", "started"]
    assert schedules.get(ctx, made.id).last_problem is None


def test_a_schedule_that_is_broken_keeps_no_other_from_firing(ctx: Context, make: Callable[..., Schedule]) -> None:
    broken, sound = make(name="A broken one"), make(name="A sound one")
    ctx.store.update(SCHEDULES.name, {"_id": broken.id}, {"cron_expression": "nonsense"})
    assert tick(ctx, now=due(sound)).delivered == 1
    assert ran(ctx) == [due(sound)]


@pytest.mark.parametrize("policy", ["allow", "skip", "queue"])
@pytest.mark.parametrize("point", POINTS)
def test_a_scheduler_that_dies_at_any_point_leaves_one_run(
    ctx: Context, make: Callable[..., Schedule], point: str, policy: str
) -> None:
    made = make(overlap_policy=policy)
    faultpoints.arm(f"schedule.{point}=raise")
    with pytest.raises(FaultInjected):
        tick(ctx, now=due(made))
    faultpoints.arm("")
    for seconds in (1, 2, 3):
        tick(ctx, now=due(made) + dt.timedelta(seconds=seconds))
    assert ran(ctx) == [due(made)]
    assert states(ctx, made) == ["started"]
    now = schedules.get(ctx, made.id)
    assert (now.waiting, now.next_run_at) == (0, due(made, 1))


def test_a_clock_that_jumps_ahead_and_back_doubles_nothing_and_loses_nothing_to_come(
    ctx: Context, make: Callable[..., Schedule]
) -> None:
    made = make(missed_policy="all")
    tick(ctx, now=due(made))
    tick(ctx, now=due(made, 2))  # two hours too early
    tick(ctx, now=due(made) + MINUTE)  # and back
    assert schedules.get(ctx, made.id).next_run_at == due(made, 1), "nothing waits for a time that was a mistake"
    for hours in (1, 2, 3):
        tick(ctx, now=due(made, hours))
    assert ran(ctx) == [due(made, hours) for hours in range(4)]


def test_a_clock_in_another_century_leaves_the_schedule_alive(ctx: Context, make: Callable[..., Schedule]) -> None:
    made = make(missed_policy="skip")
    tick(ctx, now=due(made) + 40_000 * DAY)
    tick(ctx, now=dt.datetime(1970, 1, 1, tzinfo=dt.UTC))
    tick(ctx, now=due(made) - MINUTE)
    tick(ctx, now=due(made))
    assert due(made) in ran(ctx)


def test_two_schedulers_at_once_run_each_fire_once(ctx: Context, make: Callable[..., Schedule]) -> None:
    made = [make(name=f"Hourly {number}", overlap_policy="skip" if number % 2 else "allow") for number in range(12)]
    start = threading.Barrier(2)
    failed: list[BaseException] = []

    def work() -> None:
        start.wait(10)
        try:
            tick(ctx, now=due(made[0]))
            tick(ctx, now=due(made[0]))
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    tick(ctx, now=due(made[0]))
    assert failed == []
    recorded = ctx.store.find(FIRES.name)
    assert len(recorded) == 12
    started = {one["execution_id"] for one in recorded if one["state"] == "started"}
    assert started == {one["_id"] for one in ctx.store.find(EXECUTIONS.name)}
    assert ctx.store.count(SCHEDULES.name, {"waiting": {"$gt": 0}}) == 0


def test_old_records_of_fires_are_forgotten(ctx: Context, make: Callable[..., Schedule]) -> None:
    made = make()
    tick(ctx, now=due(made))
    ctx.store.update(FIRES.name, {"schedule_id": made.id}, {"decided_at": ctx.store.now() - 91 * DAY})
    assert schedule_fires.purge(ctx) == 1
    assert schedules.fires(ctx, made.id) == []


def test_the_scheduler_has_the_rights_it_needs_and_a_reader_has_not(
    ctx: Context, make: Callable[..., Schedule]
) -> None:
    made = make()
    with pytest.raises(Denied):
        tick(ctx.for_request("", Actor("reader", frozenset({"schedule:read"}))), now=due(made))
    assert tick(ctx.for_request("", ACTOR), now=due(made)).delivered == 1
    assert executions.get(ctx, str(schedules.get(ctx, made.id).last_execution_id)).actor == "scheduler"
