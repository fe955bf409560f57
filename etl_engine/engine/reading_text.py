"""Exact texts as Arrow values: what is not exactly a value of the type is told, and never bent to one."""

from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from etl_engine.model.table import Family, Type

Outcome = tuple[pa.Array, pa.Array | None]  # the values, and which of them did not fit (those are NULL, or anything)

_ZONE = r"(Z|[+-]\d\d(:?\d\d)?)"
_CLOCK = r"\d\d:\d\d(:\d\d(\.\d{1,9})?)?"
# What a text of a text column must look like to be a value of the family. A leading zero would be lost.
STRICT = {
    Family.INTEGER: r"^-?(0|[1-9]\d*)$",
    Family.DECIMAL: r"^-?(0|[1-9]\d*)(\.\d+)?$|^NaN$|^-?Infinity$",
    Family.FLOAT: r"^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$|^NaN$|^-?Infinity$",
    Family.BOOLEAN: r"^(?i:true|false|t|f|1|0)$",
    Family.DATE: r"^\d{4,}-\d\d-\d\d( BC)?$|^-?infinity$",
    Family.UUID: r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
    Family.BITS: r"^[01]*$",
}


def strict_pattern(target: Type) -> str:
    zone = _ZONE if target.zoned else ""
    if target.family is Family.TIMESTAMP:
        return rf"^\d{{4,}}-\d\d-\d\d[ T]{_CLOCK}{zone}( BC)?$|^-?infinity$"
    if target.family is Family.TIME:
        return rf"^{_CLOCK}{zone}$"
    return STRICT.get(target.family, "")


def unmatched(text: pa.Array, pattern: str) -> pa.Array | None:
    """Which texts do not look like that; None where all do."""
    wrong = pc.invert(pc.match_substring_regex(text, pattern))
    return wrong if pc.any(wrong).as_py() else None


def either(one: pa.Array | None, other: pa.Array | None) -> pa.Array | None:
    if one is None or other is None:
        return one if other is None else other
    return pc.or_(pc.fill_null(one, False), pc.fill_null(other, False))


def without(values: pa.Array, wrong: pa.Array | None) -> pa.Array:
    """The values, with NULL for the wrong ones."""
    return values if wrong is None else pc.if_else(pc.fill_null(wrong, False), pa.scalar(None, values.type), values)


def tried(cast: Callable[[pa.Array], pa.Array], values: pa.Array) -> Outcome:
    """Cast all at once; where that fails, find the values that it fails for by halving."""
    try:
        return cast(values), None
    except pa.ArrowInvalid:
        if len(values) == 1:
            return pa.nulls(1, cast(values.slice(0, 0)).type), pa.array([True])
    middle = len(values) // 2
    parts = [tried(cast, values.slice(0, middle)), tried(cast, values.slice(middle))]
    wrong = [pa.array([False] * len(part)) if bad is None else bad for part, bad in parts]
    return pa.concat_arrays([part for part, _ in parts]), pa.concat_arrays(wrong)


def from_text(text: pa.Array, target: Type, carrier: pa.DataType) -> Outcome:
    """House texts as values of a carrier that is no text."""
    read = _READERS.get(target.family)
    if read is None:
        return tried(lambda part: part.cast(carrier), text)
    return read(text, carrier)


def _booleans(text: pa.Array, _carrier: pa.DataType) -> Outcome:
    lowered = pc.utf8_lower(text)
    true = pc.is_in(lowered, pa.array(["true", "t", "1"]))
    known = pc.or_(true, pc.is_in(lowered, pa.array(["false", "f", "0"])))
    wrong = pc.and_(text.is_valid(), pc.invert(known))
    made = pc.if_else(text.is_valid(), true, pa.scalar(None, pa.bool_()))
    return made, wrong if pc.any(wrong).as_py() else None


def _floats(text: pa.Array, carrier: pa.DataType) -> Outcome:
    made, wrong = tried(lambda part: part.cast(carrier), text)
    endless = pc.is_inf(made)
    if pc.any(endless).as_py():  # a number beyond the range becomes infinity without a word
        meant = pc.match_substring_regex(text, "(?i)^[+-]?inf")
        wrong = either(wrong, pc.and_(endless, pc.invert(meant)))
    return made, wrong


def _dates(text: pa.Array, carrier: pa.DataType) -> Outcome:
    wrong = unmatched(text, r"^\d{4}-\d\d-\d\d$")
    made, failed = tried(lambda part: part.cast(carrier), without(text, wrong))
    return made, either(wrong, failed)


def _times(text: pa.Array, carrier: pa.DataType) -> Outcome:
    wrong = unmatched(text, rf"^{_CLOCK}$")
    moment = pa.timestamp(carrier.unit)

    def cast(part: pa.Array) -> pa.Array:
        return pc.binary_join_element_wise("1970-01-01 ", part, "").cast(moment).cast(carrier)

    made, failed = tried(cast, without(text, wrong))
    return made, either(wrong, failed)


def _timestamps(text: pa.Array, carrier: pa.DataType) -> Outcome:
    zone = _ZONE if carrier.tz else ""
    wrong = unmatched(text, rf"^\d{{4}}-\d\d-\d\d[ T]{_CLOCK}{zone}$")
    made, failed = tried(lambda part: part.cast(carrier), without(text, wrong))
    return made, either(wrong, failed)


_READERS: dict[Family, Callable[[pa.Array, pa.DataType], Outcome]] = {
    Family.BOOLEAN: _booleans,
    Family.FLOAT: _floats,
    Family.DATE: _dates,
    Family.TIME: _times,
    Family.TIMESTAMP: _timestamps,
}
