"""Texts of values, whichever system wrote them, in one spelling. Knows nothing of how the product converts."""

import json
import math
import re
import struct
from decimal import Decimal
from typing import Any

_UNITS = {"year": 12, "mon": 1, "month": 1}
_SPECIAL = {"nan": "NaN", "infinity": "Infinity", "-infinity": "-Infinity", "inf": "Infinity", "-inf": "-Infinity"}


def spelled(meaning: str, text: str) -> str:
    """Equal for equal values, and for no others."""
    if meaning.startswith("bits"):
        width = int(meaning[4:] or 0)
        return text.zfill(width)
    try:
        return _SPELLED[meaning](text)
    except (ArithmeticError, ValueError, KeyError):
        return f"not a {meaning}: {text[:200]}"


def _boolean(text: str) -> str:
    return {"t": "true", "true": "true", "1": "true", "f": "false", "false": "false", "0": "false"}[text.lower()]


def _integer(text: str) -> str:
    return str(int({"true": "1", "false": "0"}.get(text, text)))


def _decimal(text: str) -> str:
    if text.lower() in _SPECIAL:
        return _SPECIAL[text.lower()]
    sign, digits, exponent = Decimal(text).as_tuple()
    shown = "".join(map(str, digits)).lstrip("0")
    stripped = shown.rstrip("0")
    if not stripped:
        return "0"
    return f"{'-' if sign else ''}{stripped}e{int(exponent) + len(shown) - len(stripped)}"


def _float(size: str) -> Any:
    def made(text: str) -> str:
        value = float(text)
        return "NaN" if math.isnan(value) else struct.pack(size, value).hex()

    return made


def _moment(text: str) -> str:
    """Without zeros at the end of the fraction; an instant in UTC; years before the first one as BC."""
    if text.lower() in ("infinity", "-infinity", "inf", "-inf"):
        return _SPECIAL[text.lower()]
    era = " BC" if "BC" in text else ""
    text = text.replace("T", " ").replace(" (BC)", "").removesuffix(" BC")
    text = re.sub(r"(Z|\+00(:?00)?)$", "+00", text)
    text = re.sub(r" (.*)\+02$", lambda found: _two_hours_less(found[1]), text)
    text = re.sub(r"(:\d\d)\.?0*(\+00)?$|(\.\d*?)0+(\+00)?$", r"\1\3\2\4", text)
    text = re.sub(r"\.(?=$|\+)", "", text)
    if re.match(r"0000-(?!00)", text):
        return f"0001{text[4:]} BC"
    if re.match(r"-\d{4}-\d\d-\d\d", text):
        return f"{int(text[1:5]) + 1:04d}{text[5:]} BC"
    return text.removeprefix("+") + era


def _two_hours_less(clock: str) -> str:
    """SQLite keeps the text of an instant as somebody wrote it."""
    return f" {int(clock[:2]) - 2:02d}{clock[2:]}+00"


def _interval(text: str) -> str:
    """Months, days and microseconds, as PostgreSQL and DuckDB both mean them."""
    months = days = 0
    for number, unit in re.findall(r"([+-]?\d+) (year|month|mon|day)s?", text):
        if unit == "day":
            days += int(number)
        else:
            months += int(number) * _UNITS[unit]
    clock = re.search(r"([+-]?)(\d+):(\d\d):(\d\d)(?:\.(\d+))?$", text)
    micros = 0
    if clock:
        micros = (int(clock[2]) * 3600 + int(clock[3]) * 60 + int(clock[4])) * 1_000_000 + int(
            (clock[5] or "").ljust(6, "0")
        )
        micros = -micros if clock[1] == "-" else micros
    elif not re.search(r"year|mon|day", text):
        raise ValueError("no interval")
    return f"{months}/{days}/{micros}"


def _json(text: str) -> str:
    """The pairs of an object sorted, equal keys kept; numbers by their value."""
    return _sorted(json.loads(text, parse_float=_Number, parse_int=_Number, object_pairs_hook=_Pairs))


class _Number(str):
    pass


class _Pairs(list[Any]):
    pass


def _sorted(value: Any) -> str:
    if isinstance(value, _Number):
        return _decimal(value)
    if isinstance(value, _Pairs):
        return "{" + ",".join(sorted(f"{json.dumps(key)}:{_sorted(each)}" for key, each in value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_sorted, value)) + "]"
    return json.dumps(value)


_SPELLED = {
    "boolean": _boolean,
    "integer": _integer,
    "decimal": _decimal,
    "float32": _float("f"),
    "float64": _float("d"),
    "text": lambda text: text,
    "bytes": lambda text: bytes.fromhex(text).hex(),
    "moment": _moment,
    "interval": _interval,
    "uuid": lambda text: text.lower(),
    "json": _json,
}
