"""How a value of a house type travels in the form `arrow`: one Arrow type for each, the same from every source.

A source of that form gives every column as `carrier(column.type)` of its own column, a destination is given
`carrier(column.type)` of the target's: what lies between is `engine/conversion.py`, which no connector has to know.
A destination that `takes_plain` is given what is not special in the carrier of its type without `special`: a number or
a day as such, where the column could hold NaN or infinity too. Which of the two it is holds for a whole read.

What Arrow cannot hold exactly travels as text, written the same way whoever writes it:

    decimal     -12.3400 (all its digits) · NaN · Infinity · -Infinity
    date        2024-02-29 · 12024-01-01 · 0044-03-15 BC · infinity · -infinity · 0000-00-00 (of a `zero` type)
    time        23:59:59.999999 · 24:00:00 · 12:00:00+02 (zoned)
    timestamp   2024-02-29 23:59:59.999999 · 2024-02-29 22:59:59.999999+00 (zoned: the instant, in UTC)
    interval    as its own system writes it, PostgreSQL in the style "postgres", MySQL's TIME as -838:59:59.000000
    uuid        6f9619ff-8b86-d011-b42d-00cf4fc964ff
    json        its text · array: the text of a JSON array · enum: its label · bits: 0101
    other       as its own system writes it
"""

from collections.abc import Callable

import pyarrow as pa

from etl_engine.model.table import Column, Family, Type

_MOST_DIGITS = 76
_DIGITS_OF_128 = 38
_MICROSECONDS, _NANOSECONDS = 6, 9
_TEXT = frozenset(
    {Family.TEXT, Family.UUID, Family.JSON, Family.BITS, Family.ENUM, Family.ARRAY, Family.INTERVAL, Family.OTHER}
)


def carrier(type_: Type) -> pa.DataType:
    """The Arrow type in which values of this type travel. `special` or `zero` ones travel as text."""
    family = type_.family
    if family in _TEXT:
        return pa.string()
    if family is Family.BOOLEAN:
        return pa.bool_()
    if family is Family.BYTES:
        return pa.binary()
    if family is Family.INTEGER:
        return _integer(type_)
    if family is Family.FLOAT:
        return pa.float32() if type_.size == 32 else pa.float64()
    if type_.special or type_.zero:
        return pa.string()
    return _decimal(type_) if family is Family.DECIMAL else _moment(type_)


def carried(columns: tuple[Column, ...]) -> pa.Schema:
    """The schema of rows of these columns in the form `arrow`."""
    return pa.schema([pa.field(column.name, carrier(column.type), column.nullable) for column in columns])


def _integer(type_: Type) -> pa.DataType:
    size = type_.size or 64
    bits = next(bits for bits in (8, 16, 32, 64) if size <= bits)
    return getattr(pa, f"{'' if type_.signed else 'u'}int{bits}")()


def _decimal(type_: Type) -> pa.DataType:
    if type_.precision is None or type_.precision > _MOST_DIGITS:
        return pa.string()
    make = pa.decimal128 if type_.precision <= _DIGITS_OF_128 else pa.decimal256
    return make(type_.precision, type_.scale or 0)


def _moment(type_: Type) -> pa.DataType:
    if type_.family is Family.DATE:
        return pa.date32()
    digits = _MICROSECONDS if type_.precision is None else type_.precision
    if digits > _NANOSECONDS:
        return pa.string()
    unit = "us" if digits <= _MICROSECONDS else "ns"
    if type_.family is Family.TIME:
        return pa.string() if type_.zoned else pa.time64(unit)
    return pa.timestamp(unit, "UTC" if type_.zoned else None)


def arrow_type(given: pa.DataType) -> Type:
    """The house type of a column of an Arrow file, dataset or result, whose values are of this Arrow type."""
    return next((made(given) for is_one, made in _HOUSE if is_one(given)), Type(Family.OTHER, name=str(given)))


def _moment_type(family: Family) -> Callable[[pa.DataType], Type]:
    digits = {"s": 0, "ms": 3, "us": _MICROSECONDS, "ns": _NANOSECONDS}
    return lambda given: Type(
        family, precision=digits[given.unit], zoned=bool(getattr(given, "tz", None)), special=False
    )


def _any_of(*names: str) -> Callable[[pa.DataType], bool]:
    tests = [getattr(pa.types, f"is_{name}") for name in names]
    return lambda given: any(test(given) for test in tests)


_HOUSE: list[tuple[Callable[[pa.DataType], bool], Callable[[pa.DataType], Type]]] = [
    (_any_of("boolean"), lambda _: Type(Family.BOOLEAN)),
    (
        _any_of("integer"),
        lambda given: Type(Family.INTEGER, size=given.bit_width, signed=pa.types.is_signed_integer(given)),
    ),
    (_any_of("floating"), lambda given: Type(Family.FLOAT, size=max(given.bit_width, 32))),
    (
        _any_of("decimal"),
        lambda given: Type(Family.DECIMAL, precision=given.precision, scale=given.scale, special=False),
    ),
    (_any_of("date"), lambda _: Type(Family.DATE, special=False)),
    (_any_of("time"), _moment_type(Family.TIME)),
    (_any_of("timestamp"), _moment_type(Family.TIMESTAMP)),
    (_any_of("binary", "large_binary", "fixed_size_binary"), lambda _: Type(Family.BYTES)),
    (_any_of("dictionary"), lambda given: arrow_type(given.value_type)),
    (
        _any_of("list", "large_list", "fixed_size_list"),
        lambda given: Type(Family.ARRAY, of=arrow_type(given.value_type), name=str(given)),
    ),
    (_any_of("struct", "map"), lambda _: Type(Family.JSON)),
    (_any_of("string", "large_string", "string_view", "null"), lambda _: Type(Family.TEXT)),
]
