"""A schedule as the list shows it, and its next fires as the form does."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from etl_engine.model.schedule import NextFire, Schedule
from etl_engine.model.zones import zone
from etl_engine.ui.runs.address import PATH, run_address

OVERLAP = {
    "queue": "One fire waits for its end",
    "skip": "The fire is left out",
    "allow": "Both run at once",
}
MISSED = {
    "once": "One run makes up for them",
    "skip": "They are left out",
    "all": "Each of them is run",
}
LATE = dt.timedelta(seconds=90)  # a fire that nobody has decided by then


@dataclass
class Row:
    """One schedule."""

    id: str
    name: str
    description: str
    mapping: str
    reading: str
    cron: str
    zone: str
    enabled: bool
    paused_for: str
    next: str = ""  # ISO 8601
    next_local: str = ""  # in the schedule's own zone
    late: bool = False
    last: str = ""
    last_run: str = ""  # the address of it
    problem: str = ""
    waiting: int = 0
    overlap: str = ""
    missed: str = ""
    runs: str = ""


@dataclass
class Fire:
    """One of the next fires, on both clocks."""

    at: str
    local: str
    viewer: str
    mark: str = ""


def row_of(schedule: Schedule, mappings: Mapping[str, str], now: dt.datetime) -> Row:
    following = schedule.next_run_at
    return Row(
        id=schedule.id,
        name=schedule.name,
        description=schedule.description or "",
        mapping=mappings.get(schedule.mapping_id, "a mapping that is gone"),
        reading=schedule.reading,
        cron=schedule.cron_expression,
        zone=schedule.timezone,
        enabled=schedule.enabled,
        paused_for=schedule.pause_reason or "",
        next=following.isoformat() if following else "",
        next_local=_in_zone(following, schedule.timezone),
        late=bool(following and now - following > LATE),
        last=schedule.last_run_at.isoformat() if schedule.last_run_at else "",
        last_run=run_address(schedule.last_execution_id) if schedule.last_execution_id else "",
        problem=schedule.last_problem or "",
        waiting=schedule.waiting,
        overlap=OVERLAP[schedule.overlap_policy],
        missed=MISSED[schedule.missed_policy],
        runs=f"{PATH}?schedule={schedule.id}",
    )


def fire_of(fire: NextFire) -> Fire:
    mark = ""
    if fire.moved:
        mark = "The clock jumps over this time: it fires right after"
    elif fire.clock_changed:
        mark = "The clock has changed since the fire before"
    return Fire(fire.at.isoformat(), _said(fire.local), _said(fire.viewer), mark)


def _said(moment: str) -> str:
    at = dt.datetime.fromisoformat(moment)
    return f"{at:%a %d %b %Y, %H:%M} {_offset(at)}"


def _offset(at: dt.datetime) -> str:
    minutes = round((at.utcoffset() or dt.timedelta()).total_seconds() / 60)
    return f"UTC{'+' if minutes >= 0 else '−'}{abs(minutes) // 60}:{abs(minutes) % 60:02}" if minutes else "UTC"


def _in_zone(at: dt.datetime | None, name: str) -> str:
    if at is None:
        return ""
    try:
        local = at.astimezone(zone(name))
    except ValueError:  # the machine's data does not have this zone any more
        return ""
    return f"{local:%a %d %b, %H:%M}"
