"""Each column's values as PostgreSQL sends and receives them. Types that are not here go as text."""

import binascii
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl_engine.connectors.pg.binary_texts import days_of, micros_of, time_of
from etl_engine.errors import Rejected

_DAYS_TO_2000 = 10957
_MICROS_TO_2000 = 946_684_800_000_000
# A year zero is one that only Arrow knows, in a text; as a number it is the year 1 BC for both.
_FIRST_DAY = -719_162
_FIRST_MICRO = _FIRST_DAY * 86_400_000_000
# Counted from 2000 instead of 1970 these would wrap around; the server takes nothing before 4713 BC.
_OLDEST_DAY, _OLDEST_MICRO = -(2**30), -(2**62)
_DIGITS_OF_64_BITS = 18
_MOST_SCALE = 16  # a fraction is filled up to groups of four digits
_DIGITS_OF_128_BITS = 38


_HEX_DIGITS = np.isin(np.arange(256), np.frombuffer(b"0123456789abcdefABCDEF", np.uint8))


@dataclass(frozen=True)
class Fixed:
    """Values of one width: numbers, and as what they are written."""

    kind: Any  # of numpy
    numbers: Any
    present: Any | None  # which are not NULL; None: all of them

    @property
    def width(self) -> int:
        return int(np.dtype(self.kind).itemsize)


@dataclass(frozen=True)
class Varying:
    values: pa.Array  # binary
    lengths: Any
    present: Any | None


Encode = Callable[[pa.Array], Fixed | Varying]
Moments = Callable[[pa.Array, str], Fixed]  # with the name of the column


def encoder(given: pa.DataType, name: str, kind: str, column: str) -> Encode | None:
    """How values of this Arrow type become those of a column of that type of the server; None: only as text.

    `kind` is what the catalogue calls a type's kind: "b" is one of its own, "e" an enumeration.
    """
    if pa.types.is_string(given):
        return _of_text(name, kind, column)
    if pa.types.is_binary(given):
        return _varying if name == "bytea" else None
    if name in _INTEGERS and pa.types.is_integer(given):
        return _numbers(*_INTEGERS[name])
    if name in _FLOATS and pa.types.is_floating(given):
        return _numbers(*_FLOATS[name])
    if name == "numeric" and pa.types.is_decimal128(given):
        return _decimals(given)
    make = _MOMENTS.get(name)
    if make is not None and make[0](given):
        return lambda values: make[1](values, column)
    return _booleans if name == "bool" and pa.types.is_boolean(given) else None


def _of_text(name: str, kind: str, column: str) -> Encode | None:
    if name in _TEXTS or kind == "e":
        return _varying
    if name == "jsonb":
        return _versioned
    if name == "uuid":
        return lambda values: _uuids(values, column)
    read = _READ.get(name)
    return None if read is None else lambda values: read(values, column)


def _varying(values: pa.Array) -> Varying:
    values = values.cast(pa.binary())
    return Varying(values, np.diff(_starts(values)), _present(values))


def _present(values: pa.Array) -> Any | None:
    return values.is_valid().to_numpy(zero_copy_only=False) if values.null_count else None


def _versioned(values: pa.Array) -> Varying:
    return _varying(pc.binary_join_element_wise("\1", values, ""))


def _numbers(width: pa.DataType, order: str) -> Encode:
    def encode(values: pa.Array) -> Fixed:
        return _fixed(values, order, _plain(values.cast(width)))

    return encode


def _fixed(values: pa.Array, kind: Any, numbers: Any) -> Fixed:
    return Fixed(kind, numbers, values.is_valid() if values.null_count else None)


def _plain(values: pa.Array) -> Any:
    """The numbers as they lie there; under a NULL there is any."""
    given = values.type
    kind = "f" if pa.types.is_floating(given) else "u" if pa.types.is_unsigned_integer(given) else "i"
    size = given.bit_width // 8
    return np.frombuffer(values.buffers()[1], f"{kind}{size}", len(values), values.offset * size)


def _booleans(values: pa.Array) -> Fixed:
    return _fixed(values, "u1", _plain(values.cast(pa.uint8())))


def _dates(values: pa.Array, column: str) -> Fixed:
    days = values.cast(pa.date32())
    if (pc.min(days.cast(pa.int32())).as_py() or 0) < _OLDEST_DAY:
        raise _refused("of a day before any calendar", column, "date")
    return _fixed(values, ">i4", _plain(days) - np.int32(_DAYS_TO_2000))


def _timestamps(values: pa.Array, column: str) -> Fixed:
    moments = values.cast(pa.timestamp("us", values.type.tz))
    if (pc.min(moments.cast(pa.int64())).as_py() or 0) < _OLDEST_MICRO:
        raise _refused("of a moment before any calendar", column, "timestamp")
    return _fixed(values, ">i8", _plain(moments) - _MICROS_TO_2000)


def _times(values: pa.Array, _column: str) -> Fixed:
    return _fixed(values, ">i8", _plain(values.cast(pa.time64("us"))))


def _decimals(given: pa.DataType) -> Encode | None:
    precision, scale = given.precision, given.scale
    if scale < 0 or scale > precision:
        return None
    small = precision <= _DIGITS_OF_64_BITS and scale <= _MOST_SCALE
    if not small and precision > _DIGITS_OF_128_BITS:
        return None
    whole, part = -(-(precision - scale) // 4), -(-scale // 4)
    groups_of = _groups_of_64_bits if small else _groups_of_digits

    def encode(values: pa.Array) -> Fixed:
        negative, groups = groups_of(values, scale, whole, part)
        made = np.empty((len(values), 4 + whole + part), np.uint16)
        made[:, 0] = whole + part
        made[:, 1] = np.uint16((whole - 1) & 0xFFFF)  # the weight of the first group
        made[:, 2] = np.where(negative, 0x4000, 0)
        made[:, 3] = scale
        for number, group in enumerate(groups, 4):
            made[:, number] = group
        return _fixed(values, (">u2", (4 + whole + part,)), made)

    return encode


def _groups_of_64_bits(values: pa.Array, scale: int, whole: int, part: int) -> tuple[Any, list[Any]]:
    """The sign, and the digits in groups of four from the left. All of the number lies in the lower half."""
    lower = np.frombuffer(values.buffers()[1], np.int64, 2 * len(values), values.offset * 16)[::2]
    negative = lower < 0
    left = np.abs(lower)
    right = left
    if scale:
        left, right = np.divmod(left, 10**scale)
    groups = []
    for _ in range(whole):
        left, group = np.divmod(left, 10_000)
        groups.append(group)
    groups.reverse()
    if part:
        fraction, behind = right * 10 ** (4 * part - scale) if 4 * part <= _DIGITS_OF_64_BITS else right, []
        for _ in range(part):
            fraction, group = np.divmod(fraction, 10_000)
            behind.append(group)
        groups += reversed(behind)
    return negative, groups


def _groups_of_digits(values: pa.Array, scale: int, whole: int, part: int) -> tuple[Any, list[Any]]:
    """The same for what 64 bits do not hold: from the digits as text, which all are filled up to one width."""
    validity, data = values.buffers()
    bare = pa.Array.from_buffers(
        pa.decimal128(values.type.precision, 0), len(values), [validity, data], offset=values.offset
    )
    text = pc.fill_null(bare.cast(pa.string()), "0")
    negative = pc.starts_with(text, "-").to_numpy(zero_copy_only=False)
    behind = "0" * (4 * part - scale)
    filled = pc.ascii_lpad(pc.binary_join_element_wise(pc.utf8_ltrim(text, "-"), behind, ""), 4 * (whole + part), "0")
    matrix = np.frombuffer(filled.buffers()[2], np.uint8, len(values) * 4 * (whole + part)).reshape(len(values), -1)
    digits = matrix.astype(np.uint16) - ord("0")
    groups = digits[:, 0::4] * 1000 + digits[:, 1::4] * 100 + digits[:, 2::4] * 10 + digits[:, 3::4]
    return negative, [groups[:, number] for number in range(whole + part)]


def _uuids(values: pa.Array, column: str) -> Fixed:
    filled = pc.fill_null(values, "00000000-0000-0000-0000-000000000000") if values.null_count else values
    bare = pc.replace_substring(filled, "-", "")
    starts = _starts(bare)
    text = memoryview(bare.buffers()[2])[int(starts[0]) : int(starts[-1])]
    if (np.diff(starts) != 32).any() or not _HEX_DIGITS[np.frombuffer(text, np.uint8)].all():
        raise _no_value(values, column, "uuid")
    digits = binascii.unhexlify(text)
    return _fixed(values, ("u1", (16,)), np.frombuffer(digits, np.uint8).reshape(len(values), 16))


def _no_value(values: pa.Array, column: str, native: str) -> Rejected:
    wrong = pc.fill_null(pc.invert(pc.match_substring_regex(values, r"^(-*[0-9a-fA-F]){32}$")), False)
    found = values[pc.index(wrong, True).as_py()].as_py()
    return _refused(found, column, native)


def _refused(text: str, column: str, native: str) -> Rejected:
    return Rejected(
        f"The value {text[:200]!r} for the column {column} is no {native}",
        kind="postgresql",
        native_code="22007",
        hint="Repair it in the source, or give the column of the target the type of the source.",
        context={"column": column},
    )


def _read_texts(
    cast: Callable[[pa.Array], pa.Array], first: int, known: Moments, one: Callable[[str], int | None], order: str,
    native: str,
) -> Moments:  # fmt: skip
    """House texts as moments: all at once, or, where one of them is nothing that Arrow knows, one by one."""

    def read(values: pa.Array, column: str) -> Fixed:
        try:
            made = cast(values)
        except pa.ArrowInvalid:
            made = None
        if made is not None:
            lowest = pc.min(made.cast(pa.int32() if pa.types.is_date(made.type) else pa.int64())).as_py()
            if lowest is None or lowest >= first:
                return known(made, column)
        numbers = []
        for text in values.to_pylist():
            number = 0 if text is None else one(text)
            if number is None:
                raise _refused(text, column, native)
            numbers.append(number)
        return _fixed(values, order, np.array(numbers))

    return read


def _starts(values: pa.Array) -> Any:
    return np.frombuffer(values.buffers()[1], np.int32, values.offset + len(values) + 1)[values.offset :]


def _as_timestamp(zone: str | None) -> Callable[[pa.Array], pa.Array]:
    return lambda values: values.cast(pa.timestamp("us", zone))


def _as_time(values: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise("1970-01-01 ", values, "").cast(pa.timestamp("us")).cast(pa.time64("us"))


_INTEGERS = {"int2": (pa.int16(), ">i2"), "int4": (pa.int32(), ">i4"), "int8": (pa.int64(), ">i8")}
_FLOATS = {"float4": (pa.float32(), ">f4"), "float8": (pa.float64(), ">f8")}
_TEXTS = frozenset({"text", "varchar", "bpchar", "json", "citext"})
_MOMENTS: dict[str, tuple[Callable[[pa.DataType], bool], Moments]] = {
    "date": (pa.types.is_date32, _dates),
    "timestamp": (lambda given: pa.types.is_timestamp(given) and not given.tz, _timestamps),
    "timestamptz": (lambda given: pa.types.is_timestamp(given) and bool(given.tz), _timestamps),
    "time": (pa.types.is_time, _times),
}
_READ: dict[str, Moments] = {
    "date": _read_texts(lambda values: values.cast(pa.date32()), _FIRST_DAY, _dates, days_of, ">i4", "date"),
    "timestamp": _read_texts(
        _as_timestamp(None), _FIRST_MICRO, _timestamps, lambda text: micros_of(text, zoned=False), ">i8", "timestamp"
    ),
    "timestamptz": _read_texts(
        _as_timestamp("UTC"), _FIRST_MICRO, _timestamps, lambda text: micros_of(text, zoned=True), ">i8", "timestamptz"
    ),
    "time": _read_texts(_as_time, 0, _times, time_of, ">i8", "time"),
}
