"""Moments that Arrow does not know, out of the texts of the house: infinity, years BC and over 9999, 24:00:00.

Counted from the year 2000, as PostgreSQL counts them; None where the text is none.
"""

import re

_DAY_MICROS = 86_400_000_000
_DAYS_TO_2000 = 730_425  # from the first of March of the year zero
_DATE = r"(\d{4,7})-(\d\d)-(\d\d)"
_CLOCK = r"(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6})0*)?)?"
_MOMENT = re.compile(rf"{_DATE}(?:[ T]{_CLOCK})?(?P<zone>Z|[+-]\d\d(?::?\d\d)?)?(?P<era> BC)?")
_TIME = re.compile(_CLOCK)
_LENGTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_ENDS_OF_DAYS = {"infinity": 2**31 - 1, "-infinity": -(2**31)}
_ENDS_OF_MICROS = {"infinity": 2**63 - 1, "-infinity": -(2**63)}


def days_of(text: str) -> int | None:
    if text in _ENDS_OF_DAYS:
        return _ENDS_OF_DAYS[text]
    found = _MOMENT.fullmatch(text)
    return None if not found or found[4] or found["zone"] else _days(found)


def micros_of(text: str, *, zoned: bool) -> int | None:
    if text in _ENDS_OF_MICROS:
        return _ENDS_OF_MICROS[text]
    found = _MOMENT.fullmatch(text)
    if not found or not found[4] or bool(found["zone"]) is not zoned:
        return None
    days, micros = _days(found), _micros(found[4], found[5], found[6], found[7])
    if days is None or micros is None:
        return None
    return days * _DAY_MICROS + micros - _ahead(found["zone"])


def _ahead(zone: str | None) -> int:
    if zone is None or zone == "Z":
        return 0
    minutes = int(zone[1:3]) * 60 + int(zone[3:].lstrip(":") or 0)
    return (-minutes if zone[0] == "-" else minutes) * 60_000_000


def time_of(text: str) -> int | None:
    found = _TIME.fullmatch(text)
    return _micros(*found.groups()) if found else None


def _micros(hours: str, minutes: str, seconds: str | None, fraction: str | None) -> int | None:
    whole = (int(hours) * 60 + int(minutes)) * 60 + int(seconds or 0)
    micros = whole * 1_000_000 + int((fraction or "").ljust(6, "0"))
    return micros if micros <= _DAY_MICROS and int(minutes) < 60 and int(seconds or 0) < 60 else None


def _days(found: re.Match[str]) -> int | None:
    year, month, day = int(found[1]), int(found[2]), int(found[3])
    if not year or not 1 <= month <= 12 or not 1 <= day <= _LENGTHS[month - 1]:
        return None
    if found["era"]:
        year = 1 - year
    if month == 2 and day == 29 and (year % 4 or (year % 100 == 0 and year % 400)):
        return None
    # Years that begin in March have their odd day at the end.
    year -= month <= 2
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return year * 365 + year // 4 - year // 100 + year // 400 + of_year - _DAYS_TO_2000
