"""The rules of the typed lane, where the engine itself converts each value and looks whether it came through whole."""

from collections.abc import Callable
from dataclasses import replace

from etl_engine.engine.types import EXACT_IN_FLOAT, STOPS, Fit, as_text, by_name, digits_of, second_digits, value_range
from etl_engine.model.copies import Rule
from etl_engine.model.table import Family, Type

_MICROSECONDS = 6
_LIMITED = {Family.DECIMAL, Family.FLOAT, Family.DATE, Family.TIME, Family.TIMESTAMP}


def typed_fit(source: Type, target: Type) -> Fit | None:
    """What becomes of values of `source` in a column of `target`; None where no value of one can be one of the other.

    A Fit with `loosely` is exact, since a value that would change stops the copy; that much happens to it instead
    where losses are allowed.
    """
    if source == target:
        return Fit(Rule.EXACT)
    if source.family is target.family:
        found = _WITHIN.get(source.family, _alike)(source, target)
    elif target.family is Family.TEXT:
        found = as_text(source, target)
    elif source.family in (Family.TEXT, Family.ENUM):
        return _from_text(target)
    else:
        between = _BETWEEN.get((source.family, target.family))
        if between is None:
            return None
        found = between(source, target)
    return _within_limits(source, target, found)


def allowed(found: Fit) -> Fit:
    """The rule of a column whose losses are allowed."""
    return Fit(Rule.LOSSY, found.loosely) if found.loosely else found


def _within_limits(source: Type, target: Type, found: Fit) -> Fit:
    if found.rule is Rule.LOSSY:
        return found
    limits = []
    if source.special and not target.special and source.family in _LIMITED and target.family in _LIMITED:
        limits.append(
            "NaN and infinity stop the copy"
            if source.family in (Family.DECIMAL, Family.FLOAT)
            else "infinity, and what the calendar or the clock does not have, stops the copy"
        )
    if source.zero and not target.zero and target.family is not Family.TEXT:
        limits.append("a date with a zero in it stops the copy")
    if not limits:
        return found
    kept = found.why if found.rule is Rule.EXACT else ""
    return replace(found, rule=Rule.EXACT, why="; ".join(filter(None, (kept, *limits))))


def _checked(loosely: str = "") -> Fit:
    return Fit(Rule.EXACT, STOPS, loosely)


def _widened(why: str) -> Fit:
    return Fit(Rule.WIDENED, why)


def _alike(_source: Type, _target: Type) -> Fit:
    return Fit(Rule.EXACT)


def _integers(source: Type, target: Type) -> Fit:
    low, high = value_range(source)
    least, most = value_range(target)
    if (low, high) == (least, most):
        return Fit(Rule.EXACT)
    return _widened("more digits") if least <= low and high <= most else _checked()


def _decimals(source: Type, target: Type) -> Fit:
    if target.precision is None:
        return Fit(Rule.EXACT) if source.precision is None else _widened("no limit of digits")
    scale = target.scale or 0
    if source.precision is None or (source.scale or 0) > scale:
        return _checked(f"rounded to {scale} decimal places")
    if (source.precision, source.scale or 0) == (target.precision, scale):
        return Fit(Rule.EXACT)
    return _widened("more digits") if target.precision - scale >= source.precision - (source.scale or 0) else _checked()


def _floats(source: Type, target: Type) -> Fit:
    sizes = (source.size or 64, target.size or 64)
    if sizes[0] == sizes[1]:
        return Fit(Rule.EXACT)
    return _widened("more digits") if sizes[1] > sizes[0] else Fit(Rule.LOSSY, "rounded to fewer digits")


def _texts(source: Type, target: Type) -> Fit:
    if target.fixed and (not source.fixed or source.size != target.size):
        return Fit(Rule.LOSSY, f"padded with spaces to {target.size} characters")
    if target.size is not None and (source.size is None or source.size > target.size):
        return _checked(f"cut to {target.size} characters")
    if source.fixed and not target.fixed:
        return _widened("keeps the padding as spaces")
    if source.nuls and not target.nuls:
        return Fit(Rule.EXACT, "a NUL character stops the copy")
    if source.folded != target.folded:
        return _widened("compared in another way")
    return Fit(Rule.EXACT) if source.size == target.size else _widened("room for longer text")


def _bytes(source: Type, target: Type) -> Fit:
    if target.fixed and (not source.fixed or source.size != target.size):
        return Fit(Rule.LOSSY, f"padded with zero bytes to {target.size}")
    if target.size is not None and (source.size is None or source.size > target.size):
        return _checked()
    return Fit(Rule.EXACT)


def _moments(source: Type, target: Type) -> Fit:
    if source.zoned != target.zoned:
        if source.family is Family.TIME:
            return Fit(Rule.LOSSY, "the zone is dropped" if source.zoned else "the zone is taken to be UTC")
        return Fit(Rule.LOSSY, "read as UTC: an instant and a clock reading are not the same")
    digits = second_digits(target)
    if second_digits(source) > digits:
        return _checked(f"rounded to {digits} digits of a second")
    if source.family is Family.TIMESTAMP and digits > _MICROSECONDS >= second_digits(source) and not target.special:
        return Fit(Rule.EXACT, "a year before 1678 or after 2261 stops the copy")
    return Fit(Rule.EXACT) if second_digits(source) == digits else _widened("more digits of a second")


def _jsons(source: Type, target: Type) -> Fit:
    if target.canonical and not source.canonical:
        return Fit(Rule.LOSSY, "white space, the order of keys and all but the last of equal keys are dropped")
    return Fit(Rule.EXACT) if source.canonical == target.canonical else _widened("as text")


def _bits(source: Type, target: Type) -> Fit:
    if target.fixed or (target.size is not None and (source.size is None or source.size > target.size)):
        return _checked()
    return _widened("room for more bits")


def _enums(source: Type, target: Type) -> Fit:
    return Fit(Rule.EXACT) if set(source.labels) <= set(target.labels) else _checked()


def _arrays(source: Type, target: Type) -> Fit:
    if source.of is None or target.of is None:
        return by_name(source, target)
    return typed_fit(source.of, target.of) or Fit(Rule.LOSSY, "the target reads the elements in its own way")


def _intervals(source: Type, target: Type) -> Fit:
    return by_name(source, target) if source.name == target.name else _checked()


def _integer_to_decimal(source: Type, target: Type) -> Fit:
    if target.precision is None:
        return _widened("no limit of digits")
    room = target.precision - (target.scale or 0)
    return _widened("as a decimal number") if room >= digits_of(source) else _checked()


def _integer_to_float(source: Type, target: Type) -> Fit:
    bits = (source.size or 64) - (1 if source.signed else 0)
    if bits <= EXACT_IN_FLOAT[target.size or 64]:
        return _widened("every whole number of that size has its float")
    return _checked("large whole numbers are rounded to a float")


def _to_integer(_source: Type, _target: Type) -> Fit:
    return _checked("decimal places are rounded away")


def _float_to_decimal(_source: Type, target: Type) -> Fit:
    if target.precision is None:
        return _widened("its shortest decimal text")
    return Fit(Rule.LOSSY, f"rounded to {target.scale or 0} decimal places")


def _date_to_timestamp(_source: Type, target: Type) -> Fit:
    return Fit(Rule.LOSSY, "midnight in UTC") if target.zoned else _widened("midnight of that day")


def _from_text(target: Type) -> Fit | None:
    if target.family is Family.BYTES:
        return _widened("its bytes in UTF-8")
    if target.family in (Family.OTHER, Family.INTERVAL):
        return Fit(Rule.LOSSY, "the target reads it in its own way")
    return Fit(Rule.EXACT, f"read as {target.family.value}; a text that is none stops the copy")


_WITHIN: dict[Family, Callable[[Type, Type], Fit]] = {
    Family.INTEGER: _integers,
    Family.DECIMAL: _decimals,
    Family.FLOAT: _floats,
    Family.TEXT: _texts,
    Family.BYTES: _bytes,
    Family.TIME: _moments,
    Family.TIMESTAMP: _moments,
    Family.INTERVAL: _intervals,
    Family.JSON: _jsons,
    Family.BITS: _bits,
    Family.ENUM: _enums,
    Family.ARRAY: _arrays,
    Family.OTHER: by_name,
}
_BETWEEN: dict[tuple[Family, Family], Callable[[Type, Type], Fit]] = {
    (Family.BOOLEAN, Family.INTEGER): lambda _s, _t: _widened("as 0 and 1"),
    (Family.INTEGER, Family.BOOLEAN): lambda _s, _t: Fit(Rule.EXACT, "what is neither 0 nor 1 stops the copy"),
    (Family.BITS, Family.BOOLEAN): lambda _s, _t: Fit(Rule.EXACT, "what is neither 0 nor 1 stops the copy"),
    (Family.INTEGER, Family.DECIMAL): _integer_to_decimal,
    (Family.INTEGER, Family.FLOAT): _integer_to_float,
    (Family.DECIMAL, Family.INTEGER): _to_integer,
    (Family.DECIMAL, Family.FLOAT): lambda _s, _t: Fit(Rule.LOSSY, "rounded to the nearest float"),
    (Family.FLOAT, Family.INTEGER): _to_integer,
    (Family.FLOAT, Family.DECIMAL): _float_to_decimal,
    (Family.DATE, Family.TIMESTAMP): _date_to_timestamp,
    (Family.TIMESTAMP, Family.DATE): lambda _s, _t: Fit(Rule.LOSSY, "the time of day is dropped"),
    (Family.TIME, Family.INTERVAL): lambda _s, _t: _widened("as a span of time"),
    (Family.INTERVAL, Family.TIME): lambda _s, _t: Fit(Rule.EXACT, "a span that is no time of day stops the copy"),
    (Family.ARRAY, Family.JSON): lambda _s, _t: _widened("as a JSON array"),
    (Family.OTHER, Family.JSON): lambda _s, _t: Fit(Rule.LOSSY, "the target reads it in its own way"),
}
