"""What becomes of a value when its column's type is another one at the target: exact, widened or lossy, and why."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from etl_engine.model.copies import Rule
from etl_engine.model.table import Family, Type

_DIGITS = {8: 3, 16: 5, 24: 8, 32: 10, 64: 20}
EXACT_IN_FLOAT = {32: 24, 64: 53}
_TEXT_OF = {Family.UUID: 36, Family.BOOLEAN: 5, Family.DATE: 13}
_MICROSECONDS = 6
_MOMENTS = (Family.DATE, Family.TIME, Family.TIMESTAMP)
STOPS = "a value that does not fit stops the copy"


@dataclass(frozen=True)
class Fit:
    """The rule of one column."""

    rule: Rule
    why: str = ""
    loosely: str = ""  # what happens to a value that does not fit, where losses are allowed


_EXACT = Fit(Rule.EXACT)


def fit(source: Type, target: Type) -> Fit:
    """What becomes of values of `source` in a column of `target`."""
    if source == target:
        return _EXACT
    if target.family is Family.TEXT and source.family is not Family.TEXT:
        return as_text(source, target)
    if source.family is target.family:
        return _WITHIN.get(source.family, by_name)(source, target)
    between = _BETWEEN.get((source.family, target.family))
    return between(source, target) if between else _lossy("the target converts it in its own way")


def _widened(why: str) -> Fit:
    return Fit(Rule.WIDENED, why)


def _lossy(why: str) -> Fit:
    return Fit(Rule.LOSSY, why)


def _checked() -> Fit:
    return Fit(Rule.EXACT, STOPS)


def _integers(source: Type, target: Type) -> Fit:
    low, high = value_range(source)
    least, most = value_range(target)
    return _widened("more digits") if least <= low and high <= most else _checked()


def value_range(type_: Type) -> tuple[int, int]:
    bits = type_.size or 64
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if type_.signed else (0, 2**bits - 1)


def digits_of(integer: Type) -> int:
    """The most decimal digits that such a number has."""
    return next(digits for bits, digits in _DIGITS.items() if (integer.size or 64) <= bits)


def _decimals(source: Type, target: Type) -> Fit:
    if target.precision is None:
        return _widened("no limit of digits")
    if source.precision is None or (source.scale or 0) > (target.scale or 0):
        return _lossy(f"rounded to {target.scale or 0} decimal places")
    room = target.precision - (target.scale or 0)
    return _widened("more digits") if room >= source.precision - (source.scale or 0) else _checked()


def _integer_to_decimal(source: Type, target: Type) -> Fit:
    if target.precision is None:
        return _widened("no limit of digits")
    room = target.precision - (target.scale or 0)
    return _widened("as a decimal number") if room >= digits_of(source) else _checked()


def _integer_to_float(source: Type, target: Type) -> Fit:
    bits = (source.size or 64) - (1 if source.signed else 0)
    if bits <= EXACT_IN_FLOAT[target.size or 64]:
        return _widened("every whole number of that size has its float")
    return _lossy("large whole numbers are rounded to a float")


def _decimal_to_integer(source: Type, _target: Type) -> Fit:
    return _checked() if source.precision is not None and not source.scale else _lossy("decimal places are lost")


def _floats(source: Type, target: Type) -> Fit:
    return _widened("more digits") if (target.size or 64) > (source.size or 64) else _lossy("rounded to fewer digits")


def _texts(source: Type, target: Type) -> Fit:
    if target.fixed and (not source.fixed or source.size != target.size):
        return _lossy(f"padded with spaces to {target.size} characters")
    if target.size is not None and (source.size is None or source.size > target.size):
        return _lossy(f"longer than {target.size} stops the copy, and trailing spaces beyond are cut")
    if source.fixed and not target.fixed:
        return _widened("keeps the padding as spaces")
    return _widened("room for longer text" if source.folded == target.folded else "compared in another way")


def as_text(source: Type, target: Type) -> Fit:
    if source.family is Family.BYTES:
        return _lossy("bytes are written as hexadecimal digits")
    if target.fixed:
        return _lossy("padded with spaces")
    longest = digits_of(source) + 1 if source.family is Family.INTEGER else _TEXT_OF.get(source.family)
    if target.size is not None and (longest is None or longest > target.size):
        return Fit(Rule.WIDENED, f"its exact text; {STOPS}")
    return _widened("its exact text")


def _moments(source: Type, target: Type) -> Fit:
    if source.zoned != target.zoned:
        return _lossy("an instant and a clock reading are not the same: the zone would be guessed")
    if second_digits(source) > second_digits(target):
        return _lossy(f"rounded to {target.precision} digits of a second")
    return _widened("more digits of a second")


def second_digits(type_: Type) -> int:
    return _MICROSECONDS if type_.precision is None else type_.precision


def plainly(source: Type, target: Type) -> Type:
    """What of the target's type values of `source` need: no room for infinity where none of them is infinite."""
    if not target.special or (source.special and source.family is not Family.INTEGER):
        return target
    if target.family in _MOMENTS and source.family in _MOMENTS:
        return replace(target, special=False)
    if target.family is Family.DECIMAL and source.family in (Family.DECIMAL, Family.INTEGER):
        if target.precision is not None:
            return replace(target, special=False)
        digits = digits_of(source) if source.family is Family.INTEGER else source.precision
        return replace(target, precision=digits, scale=source.scale or 0, special=digits is None)
    return target


def _date_to_moment(_source: Type, target: Type) -> Fit:
    return _lossy("the zone of midnight would be guessed") if target.zoned else _widened("midnight of that day")


def _jsons(source: Type, target: Type) -> Fit:
    if target.canonical and not source.canonical:
        return _lossy("jsonb drops white space, the order of keys and all but the last of equal keys")
    return _widened("as text")


def _bits(source: Type, target: Type) -> Fit:
    if target.fixed or (target.size is not None and (source.size is None or source.size > target.size)):
        return _checked()
    return _widened("room for more bits")


def _enums(source: Type, target: Type) -> Fit:
    return _widened("the labels by name") if set(source.labels) <= set(target.labels) else _checked()


def _arrays(source: Type, target: Type) -> Fit:
    if source.of is None or target.of is None:
        return by_name(source, target)
    return fit(source.of, target.of)


def by_name(source: Type, target: Type) -> Fit:
    return _EXACT if source.name == target.name else _lossy("the target converts it in its own way")


_WITHIN: dict[Family, Callable[[Type, Type], Fit]] = {
    Family.INTEGER: _integers,
    Family.DECIMAL: _decimals,
    Family.FLOAT: _floats,
    Family.TEXT: _texts,
    Family.TIME: _moments,
    Family.TIMESTAMP: _moments,
    Family.INTERVAL: _moments,
    Family.JSON: _jsons,
    Family.BITS: _bits,
    Family.ENUM: _enums,
    Family.ARRAY: _arrays,
}
_BETWEEN: dict[tuple[Family, Family], Callable[[Type, Type], Fit]] = {
    (Family.INTEGER, Family.DECIMAL): _integer_to_decimal,
    (Family.INTEGER, Family.FLOAT): _integer_to_float,
    (Family.DECIMAL, Family.INTEGER): _decimal_to_integer,
    (Family.DATE, Family.TIMESTAMP): _date_to_moment,
}
