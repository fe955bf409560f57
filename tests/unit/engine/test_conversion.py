"""A value on its way into another type: it comes through exactly, or it is told."""

import datetime
import json
from collections.abc import Generator
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl_engine.connectors.arrow_rows import ArrowRows
from etl_engine.connectors.carriers import carried, carrier
from etl_engine.connectors.exact_text import as_text
from etl_engine.connectors.hexadecimal import from_hexadecimal, to_hexadecimal
from etl_engine.connectors.rows import Reject
from etl_engine.engine.conversion import Conversion, Converted
from etl_engine.engine.converting import converter
from etl_engine.engine.typed_types import typed_fit
from etl_engine.errors import Rejected
from etl_engine.model.copies import Rule
from etl_engine.model.table import Column, Family, Type

INT8, INT16, INT32, INT64 = (Type(Family.INTEGER, size=bits) for bits in (8, 16, 32, 64))
INT24 = Type(Family.INTEGER, size=24)
UINT64 = Type(Family.INTEGER, size=64, signed=False)
BOOL, TEXT, BYTES, UUID = Type(Family.BOOLEAN), Type(Family.TEXT), Type(Family.BYTES), Type(Family.UUID)
REAL, DOUBLE = Type(Family.FLOAT, size=32), Type(Family.FLOAT, size=64)
FINITE = Type(Family.FLOAT, size=64, special=False)
NUMERIC = Type(Family.DECIMAL)
MONEY = Type(Family.DECIMAL, precision=8, scale=2)  # PostgreSQL's: holds NaN
DEC8_2, DEC8_1 = (Type(Family.DECIMAL, precision=8, scale=scale, special=False) for scale in (2, 1))
DEC60_10 = Type(Family.DECIMAL, precision=60, scale=10, special=False)
DATE, DATE_PLAIN = Type(Family.DATE), Type(Family.DATE, special=False)
DATE_ZERO = Type(Family.DATE, zero=True)
STAMP, STAMPZ = Type(Family.TIMESTAMP), Type(Family.TIMESTAMP, zoned=True)
STAMP_PLAIN, STAMPZ_PLAIN = Type(Family.TIMESTAMP, special=False), Type(Family.TIMESTAMP, zoned=True, special=False)
STAMP_NS, STAMP_S = (Type(Family.TIMESTAMP, precision=digits, special=False) for digits in (9, 0))
TIME, TIME_PLAIN = Type(Family.TIME), Type(Family.TIME, special=False)
SPAN, JSON, LIST = Type(Family.INTERVAL), Type(Family.JSON), Type(Family.ARRAY, of=INT32, name="integer[]")
MOOD = Type(Family.ENUM, name="mood", labels=("sad", "glad"))
SHORT, PADDED = Type(Family.TEXT, size=3), Type(Family.TEXT, size=3, fixed=True)
NO_NUL = Type(Family.TEXT, nuls=False)
BITS, BIT3 = Type(Family.BITS), Type(Family.BITS, size=3, fixed=True)


def texts(values: pa.Array, type_: Type) -> list[str | None]:
    return [None if one is None else str(one) for one in as_text(values, type_).to_pylist()]


def made(source: Type, target: Type, given: list[Any], **how: bool) -> tuple[list[str | None], list[bool]]:
    values, wrong = converter(source, target, **how)(pa.array(given, carrier(source)))
    assert values.type == carrier(target)
    bad = [False] * len(given) if wrong is None else [bool(one) for one in wrong.to_pylist()]
    return texts(values, target), bad


# source, target, values, what they are as texts; None where the value must not come through
EXACT = [
    (INT64, INT16, [1, -32768, 32768, 2**40], ["1", "-32768", None, None]),
    (INT32, INT24, [8388607, 8388608, -8388608], ["8388607", None, "-8388608"]),
    (INT64, UINT64, [0, -1, 2**63 - 1], ["0", None, str(2**63 - 1)]),
    (UINT64, INT64, [2**63 - 1, 2**64 - 1], [str(2**63 - 1), None]),
    (UINT64, NUMERIC, [2**64 - 1], [str(2**64 - 1)]),
    (UINT64, Type(Family.DECIMAL, precision=20, scale=0), [2**64 - 1], [str(2**64 - 1)]),
    (INT64, DEC8_2, [999999, 1000000, -5], ["999999.00", None, "-5.00"]),
    (INT64, DOUBLE, [2**53, 2**53 + 1], ["9.007199254740992e+15", None]),
    (INT32, REAL, [16777216, 16777217], ["16777216", None]),
    (INT16, BOOL, [0, 1, 2], ["false", "true", None]),
    (BOOL, INT8, [True, False], ["1", "0"]),
    (BIT3, BOOL, ["1", "0", "101"], ["true", "false", None]),
    (MONEY, DEC8_2, ["1.50", "NaN", "-999999.99"], ["1.50", None, "-999999.99"]),
    (NUMERIC, DEC8_2, ["1.5", "1.505", "1000000", "Infinity"], ["1.50", None, None, None]),
    (NUMERIC, MONEY, ["1.500", "1.505", "NaN", "1000000", "0.1"], ["1.500", None, "NaN", None, "0.1"]),
    (DEC8_2, DEC8_1, [Decimal("1.50"), Decimal("1.55")], ["1.5", None]),
    (DEC8_2, DEC60_10, [Decimal("-1.50")], ["-1.5000000000"]),
    (DEC60_10, NUMERIC, [Decimal("0.0000000001")], ["0.0000000001"]),
    (DEC8_2, INT32, [Decimal("7.00"), Decimal("7.10")], ["7", None]),
    (NUMERIC, INT64, ["12", "9223372036854775808", "1.5", "NaN"], ["12", None, None, None]),
    (DOUBLE, INT64, [3.0, 3.5, float("nan"), 1e30], ["3", None, None, None]),
    (DOUBLE, FINITE, [1.5, float("inf"), float("nan")], ["1.5", None, None]),
    (DOUBLE, NUMERIC, [0.1, 1e20, 1e-7], ["0.1", "100000000000000000000", "0.0000001"]),
    (DOUBLE, TEXT, [0.1, float("nan"), float("-inf"), -0.0], ["0.1", "NaN", "-Infinity", "-0"]),
    (DATE, DATE_PLAIN, ["2024-02-29", "infinity", "0044-03-15 BC", "12024-01-01"], ["2024-02-29", None, None, None]),
    (DATE_ZERO, DATE, ["0000-00-00", "2024-00-10", "2024-01-00", "2024-10-10"], [None, None, None, "2024-10-10"]),
    (DATE_ZERO, DATE_PLAIN, ["0000-00-00", "2024-10-10"], [None, "2024-10-10"]),
    (
        DATE_ZERO,
        DATE,
        ["2024-02-31", "2023-02-29", "1900-02-29", "2024-04-31", "2000-02-29", "2024-02-29", "2024-12-31"],
        [None, None, None, None, "2000-02-29", "2024-02-29", "2024-12-31"],
    ),
    (
        Type(Family.TIMESTAMP, zero=True),
        STAMP,
        ["2024-02-30 10:00:00", "2023-02-29 00:00:00", "2024-02-29 00:00:00"],
        [None, None, "2024-02-29 00:00:00"],
    ),
    (DATE_ZERO, TEXT, ["0000-00-00"], ["0000-00-00"]),
    (DATE_PLAIN, STAMP_PLAIN, [0], ["1970-01-01 00:00:00"]),
    (DATE, STAMP, ["0044-03-15 BC"], ["0044-03-15 00:00:00 BC"]),
    (DATE, STAMP_PLAIN, ["2024-02-29", "infinity"], ["2024-02-29 00:00:00", None]),
    (
        STAMP,
        STAMP_PLAIN,
        ["2024-02-29 23:59:59.999999", "infinity", "0001-01-01 00:00:00"],
        ["2024-02-29 23:59:59.999999", None, "0001-01-01 00:00:00"],
    ),
    (STAMPZ, STAMPZ_PLAIN, ["2024-02-29 22:59:59.5+00", "-infinity"], ["2024-02-29 22:59:59.5+00", None]),
    (STAMPZ_PLAIN, STAMPZ, [1_500_000], ["1970-01-01 00:00:01.5+00"]),
    (STAMP_PLAIN, STAMP, [-62135596800_000_000], ["0001-01-01 00:00:00"]),
    (STAMP_NS, STAMP_PLAIN, [1_000, 1_001], ["1970-01-01 00:00:00.000001", None]),
    (STAMP_NS, STAMP, [1_000, 1_001], ["1970-01-01 00:00:00.000001", None]),
    (STAMP_PLAIN, STAMP_NS, [0, 10**17], ["1970-01-01 00:00:00", None]),
    (STAMP_PLAIN, STAMP_S, [1_000_000, 1_500_000], ["1970-01-01 00:00:01", None]),
    (STAMP, STAMP_S, ["2024-01-01 00:00:00", "2024-01-01 00:00:00.5"], ["2024-01-01 00:00:00", None]),
    (STAMP, Type(Family.TIMESTAMP, precision=3), ["2024-01-01 00:00:00.123", "2024-01-01 00:00:00.1234"], [..., None]),
    (TIME, TIME_PLAIN, ["23:59:59.999999", "24:00:00", "00:00:00"], ["23:59:59.999999", None, "00:00:00"]),
    (TIME_PLAIN, SPAN, [3_600_000_000], ["01:00:00"]),
    (SPAN, TIME, ["01:02:03.5", "1 day", "-01:00:00", "25:00:00"], ["01:02:03.5", None, None, None]),
    (TEXT, SHORT, ["abc", "abcd", "éèê", "😀😀😀"], ["abc", None, "éèê", "😀😀😀"]),
    (TEXT, NO_NUL, ["a", "a\0b"], ["a", None]),
    (TEXT, INT32, ["7", "-7", "007", "7.0", " 7", "", "2147483648"], ["7", "-7", None, None, None, None, None]),
    (TEXT, DEC8_2, ["1.5", "1.505", "x", "NaN"], ["1.50", None, None, None]),
    (TEXT, MONEY, ["1.5", "1.505", "x", "NaN"], ["1.5", None, None, "NaN"]),
    (TEXT, DOUBLE, ["1.5", "1e400", "Infinity", "one"], ["1.5", None, "Infinity", None]),
    (TEXT, BOOL, ["true", "F", "1", "yes"], ["true", "false", "true", None]),
    (TEXT, DATE_PLAIN, ["2024-02-29", "2023-02-29", "29.2.2024"], ["2024-02-29", None, None]),
    (TEXT, STAMP_PLAIN, ["2024-02-29T10:00:00", "2024-02-29 10:00:00+01", "2024-02-29"], [..., None, None]),
    (TEXT, STAMPZ_PLAIN, ["2024-02-29T10:00:00+05:30", "2024-02-29 10:00:00"], ["2024-02-29 04:30:00+00", None]),
    (TEXT, UUID, ["6f9619ff-8b86-d011-b42d-00cf4fc964ff", "6F9619FF-8B86-D011-B42D-00CF4FC964FF"], [..., None]),
    (TEXT, JSON, ['{"a": 1}', "{", "NaN", "1"], ['{"a": 1}', None, None, "1"]),
    (TEXT, LIST, ["[1,2]", "{1,2}", "7"], ["[1,2]", None, None]),
    (TEXT, MOOD, ["sad", "mad"], ["sad", None]),
    (TEXT, BIT3, ["101", "10", "1010", "102"], ["101", None, None, None]),
    (BITS, BIT3, ["101", "1"], ["101", None]),
    (MOOD, Type(Family.ENUM, labels=("glad",)), ["glad", "sad"], ["glad", None]),
    (LIST, JSON, ["[1,null]"], ["[1,null]"]),
    (UUID, TEXT, ["6f9619ff-8b86-d011-b42d-00cf4fc964ff"], ["6f9619ff-8b86-d011-b42d-00cf4fc964ff"]),
    (INT64, TEXT, [-5], ["-5"]),
    (BOOL, TEXT, [True], ["true"]),
    (BYTES, Type(Family.BYTES, size=2), [b"ab", b"abc"], ["6162", None]),
    (TEXT, BYTES, ["é"], ["c3a9"]),
]


def named(case: Any) -> str:
    return "-".join(f"{one.family.value}{one.size or one.precision or ''}" for one in case[:2])


@pytest.mark.parametrize("number", range(len(EXACT)), ids=[f"{n}-{named(case)}" for n, case in enumerate(EXACT)])
def test_a_value_comes_through_exactly_or_is_told(number: int) -> None:
    source, target, values, expected = EXACT[number]
    found, bad = made(source, target, [None, *values])
    as_given = texts(pa.array(values, carrier(source)), source)
    for given_text, came, wrong, wanted in zip(as_given, found[1:], bad[1:], expected, strict=True):
        if wanted is None:
            assert wrong, f"{given_text} came through as {came}"
        else:
            assert not wrong, given_text
            assert wanted is ... or came == wanted
    assert found[0] is None
    assert not bad[0]
    fit = typed_fit(source, target)
    assert fit is not None
    assert fit.rule is not Rule.LOSSY
    if None in expected:
        assert "stop" in fit.why, "the plan must tell that values may not fit"


LOOSE = [
    (DEC8_2, DEC8_1, [Decimal("1.55"), Decimal("-1.55")], ["1.6", "-1.6"]),
    (NUMERIC, DEC8_2, ["1.505", "NaN", "1e9"], ["1.51", None, None]),
    (DOUBLE, REAL, [0.5, 1e300], ["0.5", None]),
    (DOUBLE, DEC8_2, [0.125, float("nan")], ["0.13", None]),
    (DOUBLE, INT32, [1.5, 1e10], ["2", None]),
    (INT64, DOUBLE, [2**53 + 1], ["9.007199254740992e+15"]),
    (DEC8_2, DOUBLE, [Decimal("0.10")], ["0.1"]),
    (TEXT, SHORT, ["abcd"], ["abc"]),
    (BYTES, TEXT, [b"\x00\xff", b""], ["00ff", ""]),
    (STAMP_NS, STAMP_PLAIN, [1_501], ["1970-01-01 00:00:00.000002"]),
    (STAMP_PLAIN, STAMPZ_PLAIN, [0], ["1970-01-01 00:00:00+00"]),
    (STAMPZ, STAMP, ["0044-03-15 10:00:00+00 BC"], ["0044-03-15 10:00:00 BC"]),
    (STAMP, STAMPZ_PLAIN, ["2024-01-01 10:00:00"], ["2024-01-01 10:00:00+00"]),
    (STAMP_PLAIN, DATE_PLAIN, [86_400_000_001], ["1970-01-02"]),
    (DATE_PLAIN, STAMPZ, [0], ["1970-01-01 00:00:00+00"]),
]


@pytest.mark.parametrize("number", range(len(LOOSE)), ids=[f"{n}-{named(case)}" for n, case in enumerate(LOOSE)])
def test_a_loss_that_is_allowed_is_the_one_that_was_announced(number: int) -> None:
    source, target, values, expected = LOOSE[number]
    found, bad = made(source, target, values, loosely=True)
    assert [None if wrong else came for came, wrong in zip(found, bad, strict=True)] == expected
    fit = typed_fit(source, target)
    assert fit is not None
    assert fit.rule is Rule.LOSSY or fit.loosely


@pytest.mark.parametrize(
    ("source", "target"), [(BOOL, DATE), (UUID, INT32), (JSON, INT64), (BYTES, UUID), (DATE, TIME)]
)
def test_what_can_never_become_the_other_is_known_beforehand(source: Type, target: Type) -> None:
    assert typed_fit(source, target) is None


def columns(*types: Type) -> list[Column]:
    return [Column(f"c{number}", f"native {number}", type_) for number, type_ in enumerate(types)]


class Given(ArrowRows):
    """Rows of a test."""

    def __init__(self, *batches: pa.RecordBatch) -> None:
        super().__init__("a test")
        self.given = batches

    def _make(self) -> Generator[pa.RecordBatch, None, None]:
        yield from self.given


def test_rows_that_do_not_fit_are_left_out_and_told_with_number_column_value_and_content() -> None:
    source, target = columns(INT64, TEXT, BYTES), columns(INT8, SHORT, BYTES)
    schema = carried(tuple(source)).append(pa.field("_etl_again", pa.string()))
    first = pa.RecordBatch.from_pydict(
        {"c0": [1, 2], "c1": ["a", "b"], "c2": [b"x", None], "_etl_again": ["t", "f"]}, schema
    )
    second = pa.RecordBatch.from_pydict(
        {"c0": [3, 400, 5], "c1": ["c", "long", "long"], "c2": [None, b"\xff", b""], "_etl_again": ["1", "2", "3"]},
        schema,
    )
    rejects: list[Reject] = []
    rows = Converted(Given(first, second), Conversion(source, target))
    rows.on_reject = rejects.append
    came = pa.Table.from_batches(rows.batches()).to_pydict()
    assert came == {"c0": [1, 2, 3], "c1": ["a", "b", "c"], "c2": [b"x", None, None], "_etl_again": ["t", "f", "1"]}
    assert [(one.row, one.column, one.value) for one in rejects] == [(4, "c0", "400"), (5, "c1", "long")]
    assert json.loads(rejects[0].content) == {"c0": "400", "c1": "long", "c2": "ff"}
    assert json.loads(rejects[1].content) == {"c0": "5", "c1": "long", "c2": ""}
    assert rows.finish().rows == 3
    stops = Converted(Given(first, second), Conversion(source, target))
    with pytest.raises(Rejected, match="Row 4: the value '400' in the column c0 does not fit native 0"):
        list(stops.batches())


def test_columns_of_one_type_go_through_untouched() -> None:
    same = columns(INT64, TEXT)
    batch = pa.RecordBatch.from_pydict({"c0": [1], "c1": ["a"]}, carried(tuple(same)))
    assert not Conversion(same, same).changes
    (came,) = Converted(Given(batch), Conversion(same, same)).batches()
    assert came.column(0).equals(batch.column(0))


@settings(deadline=None)
@given(st.lists(st.binary(max_size=9) | st.none(), max_size=20), st.integers(0, 3))
def test_hexadecimal_digits_of_any_slice(values: list[bytes | None], start: int) -> None:
    array = pa.array(values, pa.binary()).slice(min(start, len(values)))
    digits = to_hexadecimal(array)
    assert digits.to_pylist() == [None if one is None else one.hex() for one in array.to_pylist()]
    assert from_hexadecimal(digits).to_pylist() == array.to_pylist()


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.integers(-(2**63), 2**63 - 1) | st.none(), max_size=30),
    st.sampled_from([INT8, INT24, INT32, DEC8_2, REAL]),
)
def test_whole_numbers_that_come_through_are_the_same_numbers(values: list[int | None], target: Type) -> None:
    found, bad = made(INT64, target, values)
    for value, came, wrong in zip(values, found, bad, strict=True):
        if value is None:
            assert came is None and not wrong
        elif not wrong:
            assert came is not None and Decimal(came) == value


def test_every_day_of_the_calendar_comes_through_and_every_other_one_is_told() -> None:
    """Of four centuries, after which the calendar begins anew: whatever a server without checks can hold."""
    days = [f"{year}-{month:02}-{day:02}" for year in range(1801, 2201) for month in range(13) for day in range(32)]
    _, wrong = made(DATE_ZERO, DATE, days)
    for day, bad in zip(days, wrong, strict=True):
        try:
            datetime.date.fromisoformat(day)
        except ValueError:
            assert bad, day
        else:
            assert not bad, day
