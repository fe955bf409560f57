"""Cron expressions of five fields in a time zone: what they say, and when they fire, also when the clock changes."""

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass

from cronsim import CronSim, CronSimError

from etl_engine.model.zones import zone

_SHORT = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_FIELDS = ("minute", "hour", "day of the month", "month", "day of the week")
_RANGES = ("0 to 59", "0 to 23", "1 to 31, or L for the last", "1 to 12, or JAN to DEC", "0 to 7, or SUN to SAT")
_EVERY = {"second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "eighth": 8, "tenth": 10}
_ANY_TIME = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
# A rare date such as the 29th of February on a Monday comes within 40 years; a century without a leap day in between.
_FARTHEST = dt.timedelta(days=366 * 45)

PRESETS = (
    ("every-5-minutes", "Every 5 minutes", "*/5 * * * *"),
    ("every-15-minutes", "Every 15 minutes", "*/15 * * * *"),
    ("every-30-minutes", "Every 30 minutes", "*/30 * * * *"),
    ("hourly", "Every hour", "0 * * * *"),
    ("daily", "Every day at 07:30", "30 7 * * *"),
    ("weekdays", "Every weekday at 07:30", "30 7 * * 1-5"),
    ("weekly", "Every Monday at 07:30", "30 7 * * 1"),
    ("monthly-first", "On the first day of the month at 07:30", "30 7 1 * *"),
    ("monthly-last", "On the last day of the month at 18:00", "0 18 L * *"),
)


class BadCron(ValueError):
    """Says what is wrong with an expression, for people."""


@dataclass(frozen=True)
class Fire:
    """One moment at which a schedule fires."""

    at: dt.datetime  # UTC
    moved: bool  # the clock was put forward over the time that was meant: it fires right behind the gap
    clock_changed: bool  # the clock changed between the fire before and this one


def checked(expression: str) -> str:
    """The expression in its five fields; BadCron where it cannot be read, or never fires."""
    text = " ".join(expression.split())
    text = _SHORT.get(text.lower(), text)
    fields = text.split(" ")
    if len(fields) != 5:
        raise BadCron(f"must have five fields ({', '.join(_FIELDS)}), and has {len([f for f in fields if f])}")
    for place, field in enumerate(fields):
        alone = ["*"] * 5
        alone[place] = field
        try:
            CronSim(" ".join(alone), _ANY_TIME)
        except (CronSimError, ValueError, AssertionError):
            # The 30th of February is read with the months, and not for itself.
            raise BadCron(
                f"has a {_FIELDS[place]} that cannot be read: {field[:40]} (it takes {_RANGES[place]})"
            ) from None
    try:
        next(CronSim(text, _ANY_TIME))
    except (CronSimError, StopIteration):
        raise BadCron(f"never fires: there is no such day as {fields[2]} in the month {fields[3]}") from None
    return text


def fires(expression: str, zone_name: str, after: dt.datetime) -> Iterator[Fire]:
    """Every moment later than `after`, each once and in order. Ends where there is none for decades."""
    there = zone(zone_name)
    here = after.astimezone(there)
    simulated = CronSim(expression, here)
    last, offset = after, here.utcoffset()
    for local in simulated:
        at = local.astimezone(dt.UTC)
        if at <= last:  # cronsim goes by the clock: in the second round of an hour it names the first one again
            continue
        if at - after > _FARTHEST:
            return
        moved = local.minute not in simulated.minutes or local.hour not in simulated.hours
        yield Fire(at, moved, local.utcoffset() != offset)
        last, offset = at, local.utcoffset()


def next_fire(expression: str, zone_name: str, after: dt.datetime) -> dt.datetime | None:
    found = next(fires(expression, zone_name, after), None)
    return found.at if found else None


def reading(expression: str) -> str:
    """The expression in plain English."""
    text = checked(expression)
    said = CronSim(text, _ANY_TIME).explain()
    said = re.sub(r"\bMonday through Friday\b", "weekdays", said)
    said = re.sub(r"^Every (\w+) (minute|hour)", _every, said)
    said = said.replace(" of every hour", "") if said.startswith("Every ") and "from" not in said else said
    return said.replace("on weekdays", "on weekdays (Monday to Friday)")


def _every(found: re.Match[str]) -> str:
    number = _EVERY.get(found[1]) or int(re.sub(r"\D", "", found[1]) or 0)
    return f"Every {number} {found[2]}s" if number else found[0]
