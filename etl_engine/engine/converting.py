"""One column's values, from the carrier of the source's type to that of the target's: exact, or known not to fit."""

import decimal
from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from etl_engine.connectors.carriers import carrier
from etl_engine.connectors.exact_text import as_text
from etl_engine.engine.checking import any_of, fraction_check, outside, text_checks, to_digits, value_checks
from etl_engine.engine.reading_at_once import read_at_once
from etl_engine.engine.reading_text import Outcome, either, from_text, tried, without
from etl_engine.engine.types import second_digits, value_range
from etl_engine.model.table import Family, Type

Convert = Callable[[pa.Array], Outcome]
_HALF_UP = "half_towards_infinity"


def converter(source: Type, target: Type, *, loosely: bool = False) -> Convert:
    """How values become the target's. `loosely`: rounded, cut or padded where they would not fit."""
    given, wanted = carrier(source), carrier(target)
    checks = value_checks(source, target, loosely=loosely)
    convert = _way(source, target, given, wanted, loosely=loosely)
    fraction = fraction_check(target, loosely=loosely, source=source)
    clean = source.family is target.family and source.zoned == target.zoned and not loosely

    def converted(values: pa.Array) -> Outcome:
        if clean and values.type != wanted and pa.types.is_string(values.type):
            whole = read_at_once(values, target)
            if whole is not None and fraction(whole) is None:
                return whole, None
        wrong = None
        for check in checks:
            wrong = either(wrong, check(values))
        made, failed = convert(without(values, wrong))
        return made, either(wrong, failed)

    return converted


def _way(source: Type, target: Type, given: pa.DataType, wanted: pa.DataType, *, loosely: bool) -> Convert:
    special = _BETWEEN.get((source.family, target.family))
    if special is not None:
        return special(source, target, loosely)
    if pa.types.is_string(wanted):
        return _into_text(source, target, loosely=loosely)
    if pa.types.is_string(given):
        return _out_of_text(source, target, wanted, loosely=loosely)
    if source.family is target.family:
        within = _WITHIN.get(source.family)
        if within is not None:
            return within(source, target, loosely)
    return _cast(wanted)


def _cast(wanted: pa.DataType) -> Convert:
    return lambda values: (values, None) if values.type == wanted else tried(lambda part: part.cast(wanted), values)


def _into_text(source: Type, target: Type, *, loosely: bool) -> Convert:
    checks = text_checks(source, target, loosely=loosely)

    def convert(values: pa.Array) -> Outcome:
        text, wrong = as_text(values, source), None
        if target.family in (Family.TIMESTAMP, Family.TIME) and source.zoned != target.zoned:
            text = _rezoned(text, zoned=target.zoned)
        if target.family is Family.TEXT and target.size is not None and loosely:
            text = pc.utf8_slice_codeunits(text, 0, target.size)
        for check in checks:
            wrong = either(wrong, check(text))
        return text, wrong

    return convert


def _out_of_text(source: Type, target: Type, wanted: pa.DataType, *, loosely: bool) -> Convert:
    def convert(values: pa.Array) -> Outcome:
        if source.family is target.family and source.zoned != target.zoned:
            values = _rezoned(values, zoned=target.zoned)
        if loosely and target.family is Family.DECIMAL:
            return _rounded_texts(values, wanted)
        if loosely and target.family in (Family.TIMESTAMP, Family.TIME) and second_digits(target) < 9:
            values = pc.replace_substring_regex(values, rf"(\.\d{{{second_digits(target)}}})\d+", r"\1")
        made, wrong = from_text(values, target, wanted)
        return made, either(wrong, fraction_check(target, loosely=loosely, source=source)(made))

    return convert


def _rezoned(text: pa.Array, *, zoned: bool) -> pa.Array:
    if zoned:
        return pc.replace_substring_regex(text, r"^(.*\d)( BC)?$", r"\1+00\2")
    return pc.replace_substring_regex(text, r"([+-]\d\d(:?\d\d)*|Z)( BC)?$", r"\3")


def _decimals(_source: Type, target: Type, loosely: bool) -> Convert:
    wanted = carrier(target)
    if not loosely:
        return _cast(wanted)

    def convert(values: pa.Array) -> Outcome:
        if pa.types.is_string(values.type):
            return _rounded_texts(values, wanted)
        return tried(lambda part: pc.round(part, target.scale or 0, _HALF_UP).cast(wanted), values)

    return convert


def _rounded_texts(text: pa.Array, wanted: pa.DataType) -> Outcome:
    """Decimals as texts, rounded; one by one, since Arrow does not read what it would have to round."""
    step = decimal.Decimal(1).scaleb(-wanted.scale)
    made: list[decimal.Decimal | None] = []
    wrong: list[bool] = []
    context = decimal.Context(prec=2000)
    for one in text.to_pylist():
        number = None if one is None else decimal.Decimal(one)
        if number is None or not number.is_finite():
            made.append(None)
        else:
            rounded = number.quantize(step, decimal.ROUND_HALF_UP, context)
            made.append(rounded if len(rounded.as_tuple().digits) <= wanted.precision else None)
        wrong.append(one is not None and made[-1] is None)
    return pa.array(made, wanted), any_of(pa.array(wrong, pa.bool_()))


def _floats(source: Type, target: Type, _loosely: bool) -> Convert:
    wanted = carrier(target)

    def convert(values: pa.Array) -> Outcome:
        made = values.cast(wanted, safe=False)
        if (source.size or 64) <= (target.size or 64):
            return made, None
        return made, any_of(pc.and_(pc.is_inf(made), pc.invert(pc.is_inf(values))))

    return convert


def _moments(source: Type, target: Type, loosely: bool) -> Convert:
    wanted = carrier(target)
    finer = second_digits(source) > second_digits(target)

    def convert(values: pa.Array) -> Outcome:
        if pa.types.is_timestamp(values.type) and source.zoned != target.zoned:
            values = values.cast(pa.timestamp(values.type.unit, "UTC" if target.zoned else None))
        if finer and loosely:
            values = to_digits(values, second_digits(target))
        wrong = fraction_check(target, loosely=loosely, source=source)(values)
        made, failed = tried(lambda part: part.cast(wanted), values)
        return made, either(wrong, failed)

    return convert


def _integer_to_decimal(_source: Type, target: Type, _loosely: bool) -> Convert:
    wanted = carrier(target)
    if pa.types.is_string(wanted):
        return _into_text(_source, target, loosely=False)
    return lambda values: tried(lambda part: part.cast(pa.decimal128(20, 0)).cast(wanted), values)


def _integer_to_float(_source: Type, target: Type, loosely: bool) -> Convert:
    wanted = carrier(target)
    return lambda values: tried(lambda part: part.cast(wanted, safe=not loosely), values)


def _to_integer(source: Type, target: Type, loosely: bool) -> Convert:
    wanted = carrier(target)
    inside = outside(*value_range(target))

    def cast(part: pa.Array) -> pa.Array:
        if pa.types.is_string(part.type):  # decimals without a limit
            part = part.cast(pa.decimal256(76, 20))
        return (pc.round(part, 0, _HALF_UP) if loosely else part).cast(wanted)

    def convert(values: pa.Array) -> Outcome:
        made, wrong = tried(cast, values)
        return made, wrong if (target.size or 64) in (8, 16, 32, 64) else either(wrong, inside(made))

    return convert


def _float_to_decimal(source: Type, target: Type, _loosely: bool) -> Convert:
    wanted = carrier(target)
    if pa.types.is_string(wanted):
        return lambda values: (_plain_numbers(as_text(values, source)), None)
    return lambda values: _rounded_texts(as_text(values, source), wanted)


def _plain_numbers(text: pa.Array) -> pa.Array:
    if not pc.any(pc.match_substring(text, "e")).as_py():
        return text
    return pa.array(
        [None if one is None else f"{decimal.Decimal(one):f}" if "e" in one else one for one in text.to_pylist()],
        pa.string(),
    )


def _through_text(source: Type, target: Type, _loosely: bool) -> Convert:
    wanted = carrier(target)
    return lambda values: from_text(as_text(values, source), target, wanted)


def _to_boolean(source: Type, _target: Type, _loosely: bool) -> Convert:
    def convert(values: pa.Array) -> Outcome:
        text = values if pa.types.is_string(values.type) else values.cast(pa.string())
        return from_text(text, Type(Family.BOOLEAN), pa.bool_())

    return convert


def _boolean_to_integer(_source: Type, target: Type, _loosely: bool) -> Convert:
    wanted = carrier(target)
    return lambda values: (values.cast(wanted), None)


def _date_to_timestamp(source: Type, target: Type, _loosely: bool) -> Convert:
    wanted = carrier(target)
    if pa.types.is_string(wanted):
        tail = " 00:00:00+00" if target.zoned else " 00:00:00"

        def with_midnight(values: pa.Array) -> Outcome:
            text = as_text(values, source)
            dated = pc.replace_substring_regex(text, r"^(\d+-\d\d-\d\d)( BC)?$", rf"\1{tail}\2")
            return dated, None

        return with_midnight

    def convert(values: pa.Array) -> Outcome:
        days, wrong = (
            from_text(values, Type(Family.DATE), pa.date32()) if pa.types.is_string(values.type) else (values, None)
        )
        made, failed = tried(lambda part: part.cast(pa.timestamp(wanted.unit)).cast(wanted), days)
        return made, either(wrong, failed)

    return convert


def _timestamp_to_date(source: Type, target: Type, _loosely: bool) -> Convert:
    wanted = carrier(target)

    def convert(values: pa.Array) -> Outcome:
        text = pc.replace_substring_regex(as_text(values, source), r"^(\d+-\d\d-\d\d) [^ ]*( BC)?$", r"\1\2")
        return (text, None) if pa.types.is_string(wanted) else from_text(text, target, wanted)

    return convert


def _text_to_bytes(_source: Type, _target: Type, _loosely: bool) -> Convert:
    return lambda values: (values.cast(pa.binary()), None)


_WITHIN: dict[Family, Callable[[Type, Type, bool], Convert]] = {
    Family.DECIMAL: _decimals,
    Family.FLOAT: _floats,
    Family.TIME: _moments,
    Family.TIMESTAMP: _moments,
}
_BETWEEN: dict[tuple[Family, Family], Callable[[Type, Type, bool], Convert]] = {
    (Family.BOOLEAN, Family.INTEGER): _boolean_to_integer,
    (Family.INTEGER, Family.BOOLEAN): _to_boolean,
    (Family.BITS, Family.BOOLEAN): _to_boolean,
    (Family.INTEGER, Family.DECIMAL): _integer_to_decimal,
    (Family.INTEGER, Family.FLOAT): _integer_to_float,
    (Family.DECIMAL, Family.INTEGER): _to_integer,
    (Family.FLOAT, Family.INTEGER): _to_integer,
    (Family.DECIMAL, Family.FLOAT): _through_text,
    (Family.FLOAT, Family.DECIMAL): _float_to_decimal,
    (Family.DATE, Family.TIMESTAMP): _date_to_timestamp,
    (Family.TIMESTAMP, Family.DATE): _timestamp_to_date,
    (Family.TEXT, Family.BYTES): _text_to_bytes,
}
