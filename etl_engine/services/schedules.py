"""Schedules: create, list, get, update, delete, run now, and when one fires next."""

import datetime as dt
import itertools
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from etl_engine.errors import BadInput, Problem
from etl_engine.model import cron
from etl_engine.model.collections import FIRES, MAPPINGS, SCHEDULES
from etl_engine.model.execution import Execution, Trigger
from etl_engine.model.problems import rejected
from etl_engine.model.saved import Draft
from etl_engine.model.schedule import Cron, FireRecord, NextFire, Preset, Schedule, ScheduleDraft, Timetable
from etl_engine.model.zones import Zone, zone
from etl_engine.services import access, documents, mappings
from etl_engine.services.context import Context
from etl_engine.services.documents import Listing, Query, Shelf
from etl_engine.store.contract import Document

SHELF = Shelf(SCHEDULES, "schedule")
FIRES_SHOWN = 10
MOST_FIRES = 100
_WHEN = ("cron_expression", "timezone", "enabled")
_FRESH: dict[str, Any] = {
    "last_run_at": None,
    "last_execution_id": None,
    "last_problem": None,
    "decided_at": None,
    "queue": [],
    "waiting": 0,
    "turn": 0,
}


class _Asked(Draft):
    """An expression that is not saved yet."""

    cron_expression: Cron
    timezone: Zone = "UTC"
    viewer: Zone = "UTC"


def create(ctx: Context, draft: Mapping[str, Any]) -> Schedule:
    """Store a schedule. It fires from now on."""
    access.require(ctx, "schedule:create")
    values = _values(ctx, documents.read_as(ScheduleDraft, draft, "schedule"))
    return _saved(SHELF.insert(ctx, {**_FRESH, **values, "next_run_at": _next(values, ctx.store.now())}))


def list_(ctx: Context, query: Query = Query()) -> Listing:  # noqa: B008 - frozen
    """A page of schedules that match."""
    access.require(ctx, "schedule:read")
    found, total = SHELF.find(ctx, query)
    return Listing([_saved(one) for one in found], total)


def get(ctx: Context, schedule_id: str) -> Schedule:
    access.require(ctx, "schedule:read")
    return _saved(SHELF.stored(ctx, schedule_id))


def update(ctx: Context, schedule_id: str, patch: Mapping[str, Any], *, revision: int | None = None) -> Schedule:
    """Change the fields of the patch. Another time, or being active again, counts from now: nothing is made up for.

    What is paused gives up the fire that waits; what becomes active loses its reason to be paused.
    """
    access.require(ctx, "schedule:update")

    def prepare(document: Document) -> dict[str, Any]:
        before = document | {"mapping_id": document["subject"]["id"]}
        if patch.get("enabled") is True and "pause_reason" not in patch:
            before = before | {"pause_reason": None}
        values = _values(ctx, documents.patched(ScheduleDraft, before, patch, "schedule"))
        if any(values[field] != document[field] for field in _WHEN):
            values["next_run_at"] = _next(values, ctx.store.now())
        if not values["enabled"]:
            values |= {"queue": [], "waiting": 0}
        return values

    return _saved(SHELF.change(ctx, schedule_id, revision, prepare))


def delete(ctx: Context, schedule_id: str, *, revision: int | None = None) -> None:
    """Remove a schedule and the record of its fires. What it has started goes on."""
    access.require(ctx, "schedule:delete")
    SHELF.delete(ctx, schedule_id, revision)
    ctx.store.delete(FIRES.name, {"schedule_id": schedule_id})


def run_now(ctx: Context, schedule_id: str) -> Execution:
    """Run what it is for, at once, whether it is active or not; its next fire stays where it is."""
    access.require(ctx, "schedule:run")
    document = SHELF.stored(ctx, schedule_id)
    trigger = Trigger(kind="manual", id=schedule_id, name=document["name"])
    return mappings.run(ctx, document["subject"]["id"], trigger=trigger)


def timetable(ctx: Context, schedule_id: str, *, viewer: str = "UTC", count: int = FIRES_SHOWN) -> Timetable:
    """When a stored schedule would fire next, active or not."""
    access.require(ctx, "schedule:read")
    document = SHELF.stored(ctx, schedule_id)
    asked = {name: document[name] for name in ("cron_expression", "timezone")} | {"viewer": viewer}
    return _timetable(_checked(asked), ctx.store.now(), count)


def timetable_of(
    ctx: Context, cron_expression: str, timezone: str = "UTC", *, viewer: str = "UTC", count: int = FIRES_SHOWN
) -> Timetable:
    """The same for an expression that is not saved; BadInput for one that never fires, and for an unknown zone."""
    access.require(ctx, "schedule:read")
    asked = {"cron_expression": cron_expression, "timezone": timezone, "viewer": viewer}
    return _timetable(_checked(asked), ctx.store.now(), count)


def presets(ctx: Context) -> list[Preset]:
    """Expressions that many people want."""
    access.require(ctx, "schedule:read")
    return [Preset(id=name, title=title, cron_expression=text) for name, title, text in cron.PRESETS]


def fires(ctx: Context, schedule_id: str, *, limit: int = 50) -> list[FireRecord]:
    """What became of its fires, the latest first."""
    access.require(ctx, "schedule:read")
    SHELF.stored(ctx, schedule_id)
    found = ctx.store.find(FIRES.name, {"schedule_id": schedule_id}, sort=[("at", -1)], limit=limit)
    return [FireRecord.model_validate(one) for one in found]


def _checked(asked: Mapping[str, Any]) -> _Asked:
    checked: BaseModel = documents.read_as(_Asked, asked, "time")
    assert isinstance(checked, _Asked)  # noqa: S101 - what was asked for
    return checked


def _timetable(asked: _Asked, now: dt.datetime, count: int) -> Timetable:
    if not 1 <= count <= MOST_FIRES:
        raise BadInput(f"count is {count}, and must be from 1 to {MOST_FIRES}", hint="Ask for fewer.")
    there, viewer = zone(asked.timezone), zone(asked.viewer)
    following = itertools.islice(cron.fires(asked.cron_expression, asked.timezone, now), count)
    return Timetable(
        cron_expression=asked.cron_expression,
        timezone=asked.timezone,
        viewer_timezone=asked.viewer,
        reading=cron.reading(asked.cron_expression),
        next=[
            NextFire(
                at=fire.at,
                local=fire.at.astimezone(there).isoformat(),
                viewer=fire.at.astimezone(viewer).isoformat(),
                clock_changed=fire.clock_changed,
                moved=fire.moved,
            )
            for fire in following
        ],
    )


def _values(ctx: Context, draft: ScheduleDraft) -> dict[str, Any]:
    values = draft.model_dump()
    mapping_id = values.pop("mapping_id")
    if ctx.store.get(MAPPINGS.name, mapping_id) is None:
        fix = "List the mappings to see which there are."
        problem = Problem("/mapping_id", "no-such", "names a mapping that is not there", fix)
        raise rejected("This schedule cannot be used", (problem,))
    return {**values, "subject": {"kind": "mapping", "id": mapping_id}}


def _next(values: Mapping[str, Any], now: dt.datetime) -> dt.datetime | None:
    return cron.next_fire(values["cron_expression"], values["timezone"], now) if values["enabled"] else None


def _saved(document: Document) -> Schedule:
    saved = Schedule.model_validate(document)
    return saved.model_copy(update={"reading": cron.reading(saved.cron_expression)})
