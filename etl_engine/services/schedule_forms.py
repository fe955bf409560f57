"""What the form of a schedule starts with, and how it reads an expression that is being typed."""

from dataclasses import dataclass, field

from etl_engine.errors import BadInput
from etl_engine.model.schedule import Preset, Schedule, Timetable
from etl_engine.services import access, mappings, schedules
from etl_engine.services.context import Context
from etl_engine.services.documents import Query

USUAL = "30 7 * * 1-5"
_MOST_MAPPINGS = 500


@dataclass(frozen=True)
class Reading:
    """What an expression means in a zone, or why it cannot be read there."""

    cron_expression: str
    timezone: str
    timetable: Timetable | None = None
    refusal: BadInput | None = None


@dataclass(frozen=True)
class Form:
    """A form as it opens."""

    reading: Reading
    mappings: dict[str, str] = field(default_factory=dict)  # what can be run: names by id, in their order
    presets: list[Preset] = field(default_factory=list)
    schedule: Schedule | None = None  # the stored one


def blank(ctx: Context, viewer: str = "UTC") -> Form:
    """The form of a new schedule, in the zone of who opens it."""
    access.require(ctx, "schedule:read")
    return _form(ctx, USUAL, viewer, viewer)


def filled(ctx: Context, schedule_id: str, viewer: str = "UTC") -> Form:
    """The form of a stored schedule."""
    access.require(ctx, "schedule:read")
    found = schedules.get(ctx, schedule_id)
    return _form(ctx, found.cron_expression, found.timezone, viewer, found)


def read(ctx: Context, cron_expression: str, timezone: str, viewer: str = "UTC") -> Reading:
    """The next fires of what is typed, or why there are none."""
    access.require(ctx, "schedule:read")
    try:
        timetable = _timetable(ctx, cron_expression, timezone, viewer)
    except BadInput as error:
        return Reading(cron_expression, timezone, refusal=error)
    return Reading(cron_expression, timezone, timetable)


def _form(ctx: Context, cron_expression: str, timezone: str, viewer: str, schedule: Schedule | None = None) -> Form:
    query = Query(sort="name", descending=False, limit=_MOST_MAPPINGS)
    names = {one.id: one.name for one in mappings.list_(ctx, query).items}
    return Form(read(ctx, cron_expression, timezone, viewer), names, schedules.presets(ctx), schedule)


def _timetable(ctx: Context, cron_expression: str, timezone: str, viewer: str) -> Timetable:
    try:
        return schedules.timetable_of(ctx, cron_expression, timezone, viewer=viewer)
    except BadInput as error:
        if not any(one.pointer == "/viewer" for one in error.problems):
            raise
        return schedules.timetable_of(ctx, cron_expression, timezone)  # a browser may know zones that are unknown here
