"""Values as the sqlite3 module gives them, as the carriers of their column's type; what is of another class is told."""

import datetime as dt
import decimal
import json
import re
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from etl_engine.connectors.carriers import carrier
from etl_engine.model.table import Column, Family, Type

_CLASSES = {int: "an INTEGER", float: "a REAL", str: "a TEXT", bytes: "a BLOB"}
_EXACT_IN_FLOAT = 2**53
_MICROSECONDS = 6
_SHOWN = 200


class Unfit(ValueError):
    """The value is not one of its column's type."""


@dataclass
class Carried:
    """The values of one column of some rows; `unfit` says which rows have one that is not of its type, and why."""

    array: pa.Array
    unfit: dict[int, str] = field(default_factory=dict)


class Carrier:
    """Makes arrays of one column. All values at once where all are of the right class, one by one otherwise."""

    def __init__(self, column: Column) -> None:
        self._type = column.type
        self._arrow = carrier(column.type)
        self._quick = _QUICK[column.type.family]
        self._one = _ONE[column.type.family]

    def __call__(self, values: Sequence[Any]) -> Carried:
        try:
            made = self._quick(values, set(map(type, values)), self._type, self._arrow)
        except (pa.ArrowException, OverflowError, ValueError, RecursionError):
            made = None
        return Carried(made) if made is not None else self._slowly(values)

    def _slowly(self, values: Sequence[Any]) -> Carried:
        kept: list[Any] = []
        unfit: dict[int, str] = {}
        for row, value in enumerate(values):
            try:
                kept.append(None if value is None else self._one(value, self._type))
            except Unfit as reason:
                kept.append(None)
                unfit[row] = str(reason)
        if pa.types.is_boolean(self._arrow):
            kept = [None if one is None else bool(one) for one in kept]
        return Carried(pa.array(kept, self._arrow), unfit)


def shown(value: Any) -> str:
    """The exact text of a value, cut where it is long; a BLOB in hexadecimal."""
    text = value.hex() if isinstance(value, bytes) else str(value)
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _only(classes: set[type], *wanted: type) -> bool:
    return classes <= {*wanted, type(None)}


def _booleans(values: Sequence[Any], classes: set[type], _type: Type, arrow: pa.DataType) -> pa.Array | None:
    fit = _only(classes, int) and set(values) <= {0, 1, None}
    return pa.array(values, pa.int8()).cast(arrow) if fit else None


def _plain(*wanted: type) -> Callable[[Sequence[Any], set[type], Type, pa.DataType], pa.Array | None]:
    def make(values: Sequence[Any], classes: set[type], _type: Type, arrow: pa.DataType) -> pa.Array | None:
        return pa.array(values, arrow) if _only(classes, *wanted) else None

    return make


def _moments(values: Sequence[Any], classes: set[type], type_: Type, arrow: pa.DataType) -> pa.Array | None:
    """Texts that are written as the house writes them, and are on the calendar."""
    if not _only(classes, str):
        return None
    made = pa.array(values, arrow)
    pattern = _CANONICAL[type_.family, type_.zoned]
    if made.null_count == len(made):
        return made
    if not pc.all(pc.match_substring_regex(made, pattern)).as_py() or pc.any(pc.starts_with(made, "0000")).as_py():
        return None
    unit = "ns" if (type_.precision or 0) > _MICROSECONDS else "us"
    if type_.family is Family.TIMESTAMP:  # what is not on the calendar raises here
        made.cast(pa.timestamp(unit, "UTC" if type_.zoned else None))
        return pc.utf8_slice_codeunits(made, 0, -len(":00")) if type_.zoned else made
    made.cast(pa.date32() if type_.family is Family.DATE else pa.time64(unit))
    return made


def _uuids(values: Sequence[Any], classes: set[type], _type: Type, arrow: pa.DataType) -> pa.Array | None:
    if not _only(classes, str):
        return None
    made = pa.array(values, arrow)
    found = pc.match_substring_regex(made, _UUID)
    return made if pc.all(found).as_py() or made.null_count == len(made) else None


def _decimals(values: Sequence[Any], classes: set[type], type_: Type, arrow: pa.DataType) -> pa.Array | None:
    """By the texts of the numbers; Arrow refuses what is not finite, and what loses a digit."""
    if not _only(classes, int, float):
        return None
    texts = pa.array([None if value is None else repr(value) for value in values], pa.string())
    if pa.types.is_decimal(arrow):
        return texts.cast(arrow)
    if type_.precision is not None or pc.any(pc.match_substring_regex(texts, "[en]")).as_py():
        return None
    return pc.replace_substring_regex(texts, r"\.0$", "")


def _jsons(values: Sequence[Any], classes: set[type], _type: Type, arrow: pa.DataType) -> pa.Array | None:
    if not _only(classes, str):
        return None
    for value in values:
        if value is not None:
            _decode(value)  # a ValueError where it is none
    return pa.array(values, arrow)


def _of(value: Any, *wanted: type) -> Any:
    if type(value) not in wanted:
        raise Unfit(f"is {_CLASSES[type(value)]}")
    return value


def _boolean(value: Any, _type: Type) -> Any:
    if _of(value, int) not in (0, 1):
        raise Unfit("is neither 0 nor 1")
    return value


def _float(value: Any, _type: Type) -> Any:
    if type(value) is int:  # of a column without a type, where both are
        if abs(value) > _EXACT_IN_FLOAT:
            raise Unfit("is larger than the whole numbers that a float holds")
        return float(value)
    return _of(value, float)


def _text(value: Any, _type: Type) -> str:
    if type(value) is not str:  # of a column without a type, where several are
        return repr(_of(value, int, float))
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Unfit("is not UTF-8") from None
    return value


def _decimal(value: Any, type_: Type) -> Any:
    """The shortest decimal text of a float is the number that was put in, up to 15 digits."""
    exact = decimal.Decimal(repr(_of(value, int, float)))
    if not exact.is_finite():
        raise Unfit("is not a finite number")
    if type_.precision is None:
        return f"{exact:f}".removesuffix(".0")
    scale = type_.scale or 0
    with decimal.localcontext(decimal.Context(prec=100)):
        rounded = exact.quantize(decimal.Decimal(1).scaleb(-scale))
    if rounded != exact:
        raise Unfit(f"has more than {scale} decimal places")
    if rounded.adjusted() >= type_.precision - scale and rounded:
        raise Unfit(f"has more than {type_.precision - scale} digits before the point")
    return rounded if pa.types.is_decimal(carrier(type_)) else f"{rounded:f}"


def _moment(value: Any, type_: Type) -> str:
    text = _text(_of(value, str), type_)
    if type_.family is not Family.TIME and _SPECIAL.fullmatch(text):
        return text
    found = _WRITTEN[type_.family].fullmatch(text)
    if not found:
        raise Unfit(f"is no {type_.family.value} in ISO form")
    parts = found.groupdict()
    if bool(parts.get("zone")) != type_.zoned:
        raise Unfit("has a time zone" if parts.get("zone") else "has no time zone")
    fraction = (parts.get("fraction") or "").rstrip("0")
    if len(fraction) > (9 if type_.precision is None else type_.precision):
        raise Unfit(f"has more than {type_.precision} digits of a second")
    try:
        return _written(parts, fraction, type_)
    except (ValueError, OverflowError):
        raise Unfit("is not on the calendar") from None


def _written(parts: dict[str, str], fraction: str, type_: Type) -> str:
    date, clock = parts.get("date") or "", parts.get("clock") or ""
    tail = f".{fraction}" if fraction else ""
    if type_.family is Family.DATE:
        return dt.date.fromisoformat(date).isoformat()
    if len(clock) == len("00:00"):
        clock += ":00"
    if type_.family is Family.TIME:
        if clock != "24:00:00" or fraction:
            dt.time.fromisoformat(clock)
        return clock + tail + (_zone(parts["zone"]) if type_.zoned else "")
    moment = dt.datetime.fromisoformat(f"{date} {clock}")
    if not type_.zoned:
        return f"{moment.isoformat(sep=' ')}{tail}"
    away = dt.datetime.fromisoformat(f"{date} {clock}{_offset(parts['zone'])}")
    return f"{away.astimezone(dt.UTC).replace(tzinfo=None).isoformat(sep=' ')}{tail}+00"


def _offset(zone: str) -> str:
    zone = zone.strip()
    if zone in "Zz":
        return "+00:00"
    return zone if ":" in zone else f"{zone[:3]}:{zone[3:] or '00'}"


def _zone(zone: str) -> str:
    return _offset(zone).removesuffix(":00")


def _uuid(value: Any, _type: Type) -> str:
    try:
        return str(uuid.UUID(_of(value, str)))
    except ValueError as error:
        raise error if isinstance(error, Unfit) else Unfit("is no UUID") from None


def _json(value: Any, type_: Type) -> str:
    """Numbers alone come as numbers: columns of this type have made them so."""
    text = _text(value, type_) if type(value) is str else repr(_of(value, int, float))
    try:
        _decode(text)
    except (ValueError, RecursionError):
        raise Unfit("is no JSON") from None
    return text


def _no_constant(name: str) -> None:
    raise ValueError(name)


_decode = json.JSONDecoder(parse_constant=_no_constant).decode


_CLOCK = r"(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{0,8}[1-9])?"
_UUID = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
_DAY = r"\d{4}-[01]\d-[0-3]\d"
# Instants are written with +00:00, which SQLite's own functions understand, and not with the +00 of the house.
_CANONICAL = {
    (Family.DATE, False): rf"^{_DAY}$",
    (Family.TIME, False): rf"^{_CLOCK}$",
    (Family.TIME, True): r"^$^",
    (Family.TIMESTAMP, False): rf"^{_DAY} {_CLOCK}$",
    (Family.TIMESTAMP, True): rf"^{_DAY} {_CLOCK}\+00:00$",
}
_ZONE = r"(?P<zone> ?(?:[Zz]|[+-]\d\d(?::?\d\d(?::\d\d)?)?))?"
_HOUR = r"(?P<clock>\d\d:\d\d(?::\d\d)?)(?:\.(?P<fraction>\d+))?"
_WRITTEN = {
    Family.DATE: re.compile(r"(?P<date>\d{4}-\d\d-\d\d)"),
    Family.TIME: re.compile(_HOUR + _ZONE),
    Family.TIMESTAMP: re.compile(rf"(?P<date>\d{{4}}-\d\d-\d\d)[ T]{_HOUR}{_ZONE}"),
}
# What only other systems have, and what was written here for them.
_SPECIAL = re.compile(r"-?infinity|\d{5,6}-\d\d-\d\d(?: [\d:.]+(?:\+00)?)?|\d{4,6}-\d\d-\d\d(?: [\d:.]+(?:\+00)?)? BC")
_QUICK: dict[Family, Callable[[Sequence[Any], set[type], Type, pa.DataType], pa.Array | None]] = {
    Family.BOOLEAN: _booleans,
    Family.INTEGER: _plain(int),
    Family.FLOAT: _plain(float),
    Family.TEXT: _plain(str),
    Family.BYTES: _plain(bytes),
    Family.DECIMAL: _decimals,
    Family.DATE: _moments,
    Family.TIME: _moments,
    Family.TIMESTAMP: _moments,
    Family.UUID: _uuids,
    Family.JSON: _jsons,
}
_ONE: dict[Family, Callable[[Any, Type], Any]] = {
    Family.BOOLEAN: _boolean,
    Family.INTEGER: lambda value, _type: _of(value, int),
    Family.FLOAT: _float,
    Family.TEXT: _text,
    Family.BYTES: lambda value, _type: _of(value, bytes),
    Family.DECIMAL: _decimal,
    Family.DATE: _moment,
    Family.TIME: _moment,
    Family.TIMESTAMP: _moment,
    Family.UUID: _uuid,
    Family.JSON: _json,
}
