"""Looks at a column's values that find those which a type would not take as they are."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl_engine.engine.reading_text import strict_pattern, unmatched
from etl_engine.engine.types import second_digits, value_range
from etl_engine.model.table import Family, Type

Check = Callable[[pa.Array], pa.Array | None]  # which values are wrong; None: none of them
WORDY = (Family.TEXT, Family.ENUM)  # what a text says is nobody's promise
_MOST_REPEATS = 1000  # of the pattern matcher
_NOT_BY_FOUR = r"([02468][1235679]|[13579][01345789])"  # two digits, of a number that four does not divide
# Days that no calendar has: with a zero in them, the 31st of a short month, the 29th of February in a common year.
_NO_DAY = rf"^0000|^\d+-00|^\d+-\d\d-00|^\d+-(02-3|(04|06|09|11)-31)|^\d*({_NOT_BY_FOUR}|{_NOT_BY_FOUR}00)-02-29"
_TIME_OF_DAY = r"^([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?$"


def value_checks(source: Type, target: Type, *, loosely: bool) -> list[Check]:
    """Looks at values in the source's carrier, and names those that must not go on."""
    checks: list[Check] = []
    if source.family in WORDY and target.family not in (*WORDY, Family.BYTES, Family.OTHER, Family.INTERVAL):
        pattern = strict_pattern(target)
        if pattern:
            checks.append(lambda values: unmatched(values, pattern))
    if source.zero and not target.zero and target.family in (Family.DATE, Family.TIMESTAMP):
        checks.append(lambda values: any_of(pc.match_substring_regex(values, _NO_DAY)))
    if source.family is Family.FLOAT and source.special and target.family is Family.FLOAT and not target.special:
        checks.append(lambda values: any_of(pc.invert(pc.is_finite(values))))
    if target.family is Family.INTEGER and source.family is Family.INTEGER:
        low, high = value_range(target)
        least, most = value_range(source)
        if low > least or high < most:
            checks.append(outside(max(low, least), min(high, most)))
    if target.family is Family.BYTES and target.size is not None and source.family is Family.BYTES:
        checks.append(lambda values: any_of(pc.greater(pc.binary_length(values), target.size)))
    return checks


def outside(low: int, high: int) -> Check:
    def check(values: pa.Array) -> pa.Array | None:
        found = pc.min_max(values).as_py()
        if found["min"] is None or (found["min"] >= low and found["max"] <= high):
            return None
        lowest, highest = pa.scalar(low, values.type), pa.scalar(high, values.type)
        return pc.or_(pc.less(values, lowest), pc.greater(values, highest))

    return check


def any_of(wrong: pa.Array) -> pa.Array | None:
    return wrong if pc.any(wrong).as_py() else None


def text_checks(source: Type, target: Type, *, loosely: bool) -> list[Check]:
    """Looks at texts on their way into a type whose carrier is text."""
    patterns = _patterns(source, target, loosely=loosely)
    checks: list[Check] = [_unmatched(pattern) for pattern in patterns]
    if target.family in WORDY or target.family is Family.JSON:
        if target.size is not None and not loosely and not _fits_anyway(source, target):
            checks.append(lambda text: any_of(pc.greater(pc.utf8_length(text), target.size)))
        if not target.nuls and source.nuls and source.family in (*WORDY, Family.JSON, Family.OTHER, Family.ARRAY):
            checks.append(_with_nul)
    if target.family is Family.ENUM and not (source.family is Family.ENUM and set(source.labels) <= set(target.labels)):
        labels = pa.array(target.labels, pa.string())
        checks.append(lambda text: any_of(pc.and_(text.is_valid(), pc.invert(pc.is_in(text, labels)))))
    if target.family in (Family.JSON, Family.ARRAY) and source.family in WORDY:
        checks.append(_no_json if target.family is Family.JSON else _no_json_array)
    return checks


def _with_nul(text: pa.Array) -> pa.Array | None:
    """Looked for in all bytes at once: hardly a text has one."""
    _, offsets, data = text.buffers()
    if data is None or not len(text):
        return None
    first, last = np.frombuffer(offsets, np.int32, text.offset + len(text) + 1)[[text.offset, -1]]
    used = np.frombuffer(data, np.uint8)[first:last]
    return None if not len(used) or used.min() else any_of(pc.match_substring(text, "\0"))


def _unmatched(pattern: str) -> Check:
    return lambda text: unmatched(text, pattern)


def _fits_anyway(source: Type, target: Type) -> bool:
    return source.family is Family.TEXT and source.size is not None and source.size <= (target.size or 0)


def _patterns(source: Type, target: Type, *, loosely: bool) -> list[str]:
    family, patterns = target.family, []
    if family is Family.DECIMAL and not loosely and not _decimal_fits(source, target):
        patterns += _decimal_pattern(target)
    if family in (Family.TIMESTAMP, Family.TIME) and not loosely and second_digits(source) > second_digits(target):
        digits = second_digits(target)
        # A dot, then as many digits as there is room for; zeros behind them are nothing.
        patterns.append(rf"^[^.]*(\.\d{{0,{digits}}}0*([^.\d][^.]*)?)?$")
    if family is Family.BITS and target.size is not None:
        patterns.append(rf"^[01]{{{target.size if target.fixed else 0},{target.size}}}$")
    if family is Family.TIME and source.family is Family.INTERVAL:
        patterns.append(_TIME_OF_DAY)
    if source.special and not target.special and family in (Family.DATE, Family.TIMESTAMP):
        patterns.append(r"^\d{4}-[^B]*$")  # no infinity, no year of five digits, none before Christ
    if not target.special and family in (Family.DECIMAL, Family.TIME):
        patterns.append(r"^-?\d" if family is Family.DECIMAL else r"^([01]\d|2[0-3])")
    return [one for one in patterns if one]


def _decimal_fits(source: Type, target: Type) -> bool:
    if target.precision is None:
        return True
    if source.family is not Family.DECIMAL or source.precision is None:
        return False
    room, needed = target.precision - (target.scale or 0), source.precision - (source.scale or 0)
    return (source.scale or 0) <= (target.scale or 0) and needed <= room


def _decimal_pattern(target: Type) -> list[str]:
    scale = target.scale or 0
    room = (target.precision or 0) - scale
    if scale < 0 or room < 0 or max(room, scale) > _MOST_REPEATS:
        return []  # PostgreSQL's numeric(3,-2) and numeric(3,5): the server looks itself
    whole = rf"(0|[1-9]\d{{0,{room - 1}}})" if room else "0"
    return [rf"^-?{whole}(\.\d{{0,{scale}}}0*)?$|^NaN$|^-?Infinity$"]


def _no_json(text: pa.Array) -> pa.Array | None:
    return any_of(pa.array([one is not None and not _is_json(one) for one in text.to_pylist()], pa.bool_()))


def _no_json_array(text: pa.Array) -> pa.Array | None:
    return any_of(pa.array([one is not None and not _is_json(one, list) for one in text.to_pylist()], pa.bool_()))


def _is_json(text: str, of: type = object) -> bool:
    try:
        return isinstance(json.loads(text, parse_constant=_no_constant, parse_int=str, parse_float=str), of)
    except (ValueError, RecursionError):
        return False


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def fraction_check(target: Type, *, loosely: bool, source: Type) -> Check:
    """Looks for moments with more digits of a second than the target has."""
    digits = second_digits(target)
    if loosely or target.family not in (Family.TIMESTAMP, Family.TIME) or digits in (6, 9):
        return lambda _values: None
    if source.family is target.family and second_digits(source) <= digits:
        return lambda _values: None
    return lambda values: any_of(pc.not_equal(to_digits(values, digits), values))


def to_digits(values: pa.Array, digits: int) -> pa.Array:
    unit, multiple = next(
        (unit, 10 ** (places - digits))
        for unit, places in (("second", 0), ("millisecond", 3), ("microsecond", 6), ("nanosecond", 9))
        if places >= digits
    )
    return pc.round_temporal(values, multiple, unit)
