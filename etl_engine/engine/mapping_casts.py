"""Values of one house type as another, a batch at a time: exact, or marked with the reason why not."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from etl_engine.connectors.carriers import carrier
from etl_engine.engine.mapping_sql import json_valid
from etl_engine.engine.mapping_texts import in_text
from etl_engine.engine.reading_at_once import read_at_once
from etl_engine.model.table import Family, Type

_DATE = r"(?:000[1-9]|00[1-9][0-9]|0[1-9][0-9]{2}|[1-9][0-9]{3})-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
_CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,6}0*)?)?"
_OFFSET = r"(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?)"
_NUMBER = r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)"
_MIDNIGHT = r"[ T]00:00(?::00(?:\.0+)?)?"
_TRUE, _FALSE = pa.array(["true", "t", "yes", "y", "on", "1"]), pa.array(["false", "f", "no", "n", "off", "0"])
_FLOAT_END = 2.0**63
TOO_LARGE = "is larger than 64 bits hold"
NO_ZONE = "has no time zone, and the mapping does not say where the clock hung"
NO_CLOCK = "is an instant, and the mapping does not say in which time zone to read it"

Mark = tuple[pa.BooleanArray, str]  # which rows, and why


@dataclass
class Cells:
    """A column on its way. Rows that are marked hold NULL."""

    array: pa.Array
    marks: list[Mark] = field(default_factory=list)

    def marked(self, bad: pa.Array, reason: str) -> "Cells":
        """The same with these rows marked and empty."""
        bad = pc.fill_null(bad, fill_value=False)
        if not pc.any(bad).as_py():
            return self
        self.array = pc.if_else(bad, pa.scalar(None, self.array.type), self.array)
        self.marks.append((bad, reason))
        return self


def converted(array: pa.Array, source: Type, target: Type, zone: str | None = None) -> Cells:
    """Values that travel as `carrier(source)` as `carrier(target)`."""
    if array.type == carrier(target) and (target.family is not Family.JSON or source.family is Family.JSON):
        return Cells(array)
    if pa.types.is_string(array.type):
        return from_text(array, target, zone)
    direct = _DIRECT.get((source.family, target.family))
    if direct:
        return direct(array, source, target, zone)
    if source.family is Family.BYTES:
        text = _cast(Cells(array), pa.string(), "is not UTF-8 text")
        return _after(text, lambda given: from_text(given, target, zone))
    return from_text(in_text(array, source), target, zone)


def from_text(text: pa.Array, target: Type, zone: str | None = None) -> Cells:
    """Text as a typed value; white space around anything but text does not count."""
    if target.family is Family.TEXT:
        return Cells(text)
    if target.family is Family.BYTES:
        return Cells(text.cast(pa.binary()))
    if (whole := read_at_once(text, target)) is not None:
        return Cells(whole)
    return _READ[target.family](pc.utf8_trim_whitespace(text), target, zone)


def in_zone(array: pa.Array, target: Type, zone: str | None) -> Cells:
    """A clock's reading as an instant, or an instant as what the clock of a zone shows."""
    if target.zoned:
        if zone is None:
            return Cells(pa.nulls(len(array), carrier(target))).marked(pc.is_valid(array), NO_ZONE)
        return _tried(
            Cells(array),
            lambda part: pc.assume_timezone(part, zone).cast(carrier(target)),
            carrier(target),
            f"happens twice or never in {zone}, where the clock changed",
        )
    if zone is None:
        return Cells(pa.nulls(len(array), carrier(target))).marked(pc.is_valid(array), NO_CLOCK)
    return Cells(pc.local_timestamp(array.cast(pa.timestamp("us", zone))))


def _after(cells: Cells, then: Callable[[pa.Array], Cells]) -> Cells:
    following = then(cells.array)
    return Cells(following.array, cells.marks + following.marks)


def _cast(cells: Cells, target: pa.DataType, reason: str) -> Cells:
    return _tried(cells, lambda part: pc.cast(part, target), target, reason)


def _tried(cells: Cells, make: Callable[[pa.Array], pa.Array], target: pa.DataType, reason: str) -> Cells:
    """Arrow refuses a batch for one value: halves are tried until the values are found that it means."""
    try:
        return Cells(make(cells.array), cells.marks)
    except pa.ArrowInvalid:
        parts, bad = _halved(cells.array, make, target)
        return Cells(pa.concat_arrays(parts), cells.marks).marked(pa.concat_arrays(bad), reason)


def _halved(
    array: pa.Array, make: Callable[[pa.Array], pa.Array], target: pa.DataType
) -> tuple[list[pa.Array], list[pa.Array]]:
    try:
        return [make(array)], [pa.repeat(pa.scalar(False), len(array))]
    except pa.ArrowInvalid:
        if len(array) == 1:
            return [pa.nulls(1, target)], [pa.array([True])]
    half = len(array) // 2
    left, right = (_halved(part, make, target) for part in (array[:half], array[half:]))
    return left[0] + right[0], left[1] + right[1]


def _unlike(text: pa.Array, pattern: str) -> pa.Array:
    return pc.invert(pc.match_substring_regex(text, f"^(?:{pattern})$"))


def _integer_of_text(text: pa.Array, target: Type, _zone: str | None) -> Cells:
    cells = Cells(text).marked(_unlike(text, r"[+-]?[0-9]+(?:\.0*)?"), "is not a whole number")
    plain = pc.replace_substring_regex(cells.array, r"^([+-]?)0*([0-9]+?)(?:\.0*)?$", r"\1\2")
    plain = pc.replace_substring_regex(plain, r"^\+", "")
    cells = Cells(plain, cells.marks).marked(_unlike(plain, "-?[0-9]{1,19}"), TOO_LARGE)
    negative = pc.starts_with(plain, "-")
    digits = pc.utf8_ltrim(plain, "-")
    limit = pc.if_else(negative, "9223372036854775808", "9223372036854775807")
    beyond = pc.and_(pc.equal(pc.utf8_length(digits), 19), pc.greater(digits, limit))
    cells = cells.marked(beyond, TOO_LARGE)
    return _cast(cells, carrier(target), TOO_LARGE)


def _float_of_text(text: pa.Array, target: Type, _zone: str | None) -> Cells:
    special = pc.match_substring_regex(text, r"^[+-]?(?:inf|infinity|nan)$", ignore_case=True)
    number = pc.match_substring_regex(text, f"^[+-]?{_NUMBER}(?:[eE][+-]?[0-9]+)?$")
    cells = Cells(text).marked(pc.invert(pc.or_(special, number)), "is not a number")
    plain = pc.replace_substring_regex(cells.array, r"^\+", "")
    cells = _cast(Cells(plain, cells.marks), carrier(target), "is not a number")
    return cells.marked(pc.and_(pc.is_inf(cells.array), number), "is larger than a float holds")


def _boolean_of_text(text: pa.Array, _target: Type, _zone: str | None) -> Cells:
    small = pc.utf8_lower(text)
    true, false = pc.is_in(small, _TRUE), pc.is_in(small, _FALSE)
    bad = pc.and_(pc.is_valid(text), pc.invert(pc.or_(true, false)))
    return Cells(pc.if_else(pc.is_valid(text), true, pa.scalar(None, pa.bool_()))).marked(
        bad, "is neither true nor false"
    )


def _decimal_of_text(text: pa.Array, target: Type, _zone: str | None) -> Cells:
    digits, places = target.precision or 0, target.scale or 0
    plain = pc.match_substring_regex(text, f"^[+-]?{_NUMBER}$")
    short = pc.match_substring_regex(text, f"^[+-]?{_NUMBER}[eE][+-]?[0-9]{{1,3}}$")
    cells = Cells(text).marked(pc.invert(pc.or_(plain, short)), "is not a number")
    bare = pc.replace_substring_regex(cells.array, r"^\+", "")
    bare = pc.replace_substring_regex(bare, r"^([^eE.]*\.[0-9]*?)0+$", r"\1")
    bare = pc.replace_substring_regex(bare, r"^(-?)0+([0-9])", r"\1\2")
    cells = Cells(bare, cells.marks)
    too_many = _unlike(bare, rf"-?[0-9]*\.?[0-9]{{0,{places}}}")
    cells = cells.marked(pc.and_(plain, too_many), f"has more than {places} decimal places")
    room = f"0|[0-9]{{0,{digits - places}}}"
    too_large = _unlike(bare, rf"-?(?:{room})(?:\.[0-9]*)?")
    reason = f"has more than {digits - places} digits before the point"
    cells = cells.marked(pc.and_(plain, too_large), reason)
    return _cast(cells, carrier(target), f"does not fit decimal({digits},{places})")


def _date_of_text(text: pa.Array, target: Type, _zone: str | None) -> Cells:
    cells = Cells(text).marked(_unlike(text, f"{_DATE}(?:{_MIDNIGHT})?"), "is not a date such as 2024-02-29")
    day = pc.utf8_slice_codeunits(cells.array, 0, 10)
    return _cast(Cells(day, cells.marks), carrier(target), "is not a day of the calendar")


def _moment_of_text(text: pa.Array, target: Type, zone: str | None) -> Cells:
    """Readings and instants may stand in one column; each is read for what it is."""
    cells = Cells(text).marked(
        _unlike(text, f"{_DATE}(?:[ T]{_CLOCK}{_OFFSET}?)?"), "is not a time such as 2024-02-29 23:59:59"
    )
    exact = pc.replace_substring_regex(cells.array, rf"(\.[0-9]{{6}})0+({_OFFSET}?)$", r"\1\2")
    zoned = pc.fill_null(pc.match_substring_regex(exact, f":.*{_OFFSET}$"), fill_value=False)
    nothing = pa.scalar(None, pa.string())
    reason = "is not a day of the calendar"
    instants = _cast(Cells(pc.if_else(zoned, exact, nothing)), pa.timestamp("us", "UTC"), reason)
    readings = _cast(Cells(pc.if_else(zoned, nothing, exact)), pa.timestamp("us"), reason)
    if target.zoned:
        readings = _after(readings, lambda given: in_zone(given, target, zone))
    else:
        instants = _after(instants, lambda given: in_zone(given, target, zone))
    return Cells(pc.if_else(zoned, instants.array, readings.array), cells.marks + instants.marks + readings.marks)


def _json_of_text(text: pa.Array, _target: Type, _zone: str | None) -> Cells:
    return Cells(text).marked(pc.invert(json_valid(text)), "is not JSON")


def _integers(array: pa.Array, _source: Type, target: Type, _zone: str | None) -> Cells:
    cells = Cells(array)
    if array.type == pa.uint64():
        cells = cells.marked(pc.greater(array, pa.scalar(2**63 - 1, pa.uint64())), TOO_LARGE)
    return Cells(cells.array.cast(carrier(target)), cells.marks)


def _integer_to_float(array: pa.Array, _source: Type, target: Type, _zone: str | None) -> Cells:
    rounded = pc.cast(array, carrier(target), safe=False)
    exact = pc.and_(pc.less(rounded, _FLOAT_END), pc.equal(pc.cast(rounded, array.type, safe=False), array))
    return Cells(rounded).marked(pc.invert(exact), "would be rounded as a float")


def _floats(array: pa.Array, _source: Type, target: Type, _zone: str | None) -> Cells:
    return Cells(array.cast(carrier(target)))


def _float_to_integer(array: pa.Array, _source: Type, target: Type, _zone: str | None) -> Cells:
    whole = pc.and_(pc.is_finite(array), pc.equal(pc.floor(array), array))
    cells = Cells(array).marked(pc.invert(whole), "is not a whole number")
    inside = pc.and_(pc.greater_equal(cells.array, -_FLOAT_END), pc.less(cells.array, _FLOAT_END))
    cells = cells.marked(pc.invert(inside), TOO_LARGE)
    return Cells(cells.array.cast(carrier(target)), cells.marks)


def _integer_to_boolean(array: pa.Array, _source: Type, target: Type, _zone: str | None) -> Cells:
    bit = pc.is_in(array, pa.array([0, 1], array.type))
    bad = pc.and_(pc.is_valid(array), pc.invert(bit))
    return Cells(array.cast(carrier(target))).marked(bad, "is neither 0 nor 1")


def _boolean_to_integer(array: pa.Array, _source: Type, target: Type, _zone: str | None) -> Cells:
    return Cells(array.cast(carrier(target)))


def _moments(array: pa.Array, source: Type, target: Type, zone: str | None) -> Cells:
    tz = "UTC" if source.zoned else None
    coarse = pc.cast(array, pa.timestamp("us", tz), safe=False)
    same = pc.equal(pc.cast(coarse, array.type, safe=False), array)
    cells = Cells(coarse).marked(pc.invert(same), "is finer than a microsecond")
    if source.zoned == target.zoned:
        return cells
    return _after(cells, lambda given: in_zone(given, target, zone))


def _moment_to_date(array: pa.Array, source: Type, target: Type, zone: str | None) -> Cells:
    cells = _moments(array, source, Type(Family.TIMESTAMP, precision=6, special=False), zone)
    late = pc.not_equal(pc.floor_temporal(cells.array, unit="day"), cells.array)
    cells = cells.marked(late, "has a time of day, which a date does not")
    return Cells(cells.array.cast(carrier(target)), cells.marks)


def _date_to_moment(array: pa.Array, _source: Type, target: Type, zone: str | None) -> Cells:
    midnight = array.cast(pa.timestamp("us"))
    return in_zone(midnight, target, zone) if target.zoned else Cells(midnight)


_READ: dict[Family, Callable[[pa.Array, Type, str | None], Cells]] = {
    Family.INTEGER: _integer_of_text,
    Family.FLOAT: _float_of_text,
    Family.BOOLEAN: _boolean_of_text,
    Family.DECIMAL: _decimal_of_text,
    Family.DATE: _date_of_text,
    Family.TIMESTAMP: _moment_of_text,
    Family.JSON: _json_of_text,
}
_DIRECT: dict[tuple[Family, Family], Callable[[pa.Array, Type, Type, str | None], Cells]] = {
    (Family.INTEGER, Family.INTEGER): _integers,
    (Family.INTEGER, Family.FLOAT): _integer_to_float,
    (Family.FLOAT, Family.FLOAT): _floats,
    (Family.FLOAT, Family.INTEGER): _float_to_integer,
    (Family.INTEGER, Family.BOOLEAN): _integer_to_boolean,
    (Family.BOOLEAN, Family.INTEGER): _boolean_to_integer,
    (Family.TIMESTAMP, Family.TIMESTAMP): _moments,
    (Family.TIMESTAMP, Family.DATE): _moment_to_date,
    (Family.DATE, Family.TIMESTAMP): _date_to_moment,
}
