"""Where a target takes them, values that are not special travel as such, whatever its column could hold beside them."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from etl_engine.connectors.rows import Reject
from etl_engine.engine.conversion import Conversion
from etl_engine.model.table import Column, Family, Type

NUMERIC = Type(Family.DECIMAL)
MONEY = Type(Family.DECIMAL, precision=12, scale=2)
DAY = Type(Family.DATE)
INSTANT = Type(Family.TIMESTAMP, precision=6, zoned=True)
SECONDS = Type(Family.TIMESTAMP, precision=0)


def converted(
    values: pa.Array, source: Type, target: Type, *, plain: bool = True
) -> tuple[pa.DataType, list[Any], list[Reject]]:
    conversion = Conversion([Column("v", "s", source)], [Column("v", "t", target)], plain=plain)
    rejects: list[Reject] = []
    made, _ = conversion.batch(pa.RecordBatch.from_arrays([values], names=["v"]), 0, rejects.append)
    return made.column(0).type, made.column(0).to_pylist(), rejects


@pytest.mark.parametrize(
    ("source", "values", "target", "carried"),
    [
        (Type(Family.DATE, special=False), pa.array([dt.date(1, 1, 1), None]), DAY, pa.date32()),
        (Type(Family.DECIMAL, precision=9, scale=3, special=False), pa.array([Decimal("1.500")], pa.decimal128(9, 3)),
         NUMERIC, pa.decimal128(9, 3)),
        (Type(Family.DECIMAL, precision=9, scale=1, special=False), pa.array([Decimal("1.5")], pa.decimal128(9, 1)),
         MONEY, pa.decimal128(12, 2)),
        (Type(Family.INTEGER, size=64, signed=False), pa.array([2**64 - 1, None], pa.uint64()), NUMERIC,
         pa.decimal128(20, 0)),
        (Type(Family.TIMESTAMP, precision=6, zoned=True, special=False),
         pa.array([dt.datetime(2024, 2, 29, tzinfo=dt.UTC)], pa.timestamp("us", "UTC")), INSTANT,
         pa.timestamp("us", "UTC")),
    ],
    ids=["date", "decimal", "wider", "unsigned", "instant"],
)  # fmt: skip
def test_what_is_not_special_stays_a_value(source: Type, values: pa.Array, target: Type, carried: pa.DataType) -> None:
    assert converted(values, source, target) == (carried, values.to_pylist(), [])
    assert converted(values, source, target, plain=False)[0] == pa.string()


def test_dates_that_may_have_zeros_become_days_and_those_with_zeros_are_told() -> None:
    zero = Type(Family.DATE, special=False, zero=True)
    clean = pa.array(["2024-02-29", None, "0001-01-01"])
    assert converted(clean, zero, DAY) == (pa.date32(), [dt.date(2024, 2, 29), None, dt.date(1, 1, 1)], [])
    carried, kept, rejects = converted(pa.array(["2024-02-29", "0000-00-00", "2024-00-10", "0000-01-01"]), zero, DAY)
    assert (carried, kept) == (pa.date32(), [dt.date(2024, 2, 29)])
    assert [(one.row, one.value) for one in rejects] == [(2, "0000-00-00"), (3, "2024-00-10"), (4, "0000-01-01")]


def test_what_may_be_special_stays_its_text() -> None:
    assert converted(pa.array(["infinity", None]), DAY, DAY) == (pa.string(), ["infinity", None], [])
    values = pa.array(["NaN", "1.50"])
    assert converted(values, Type(Family.DECIMAL, precision=9, scale=2), MONEY) == (pa.string(), ["NaN", "1.50"], [])


def test_a_fraction_of_a_second_that_the_target_has_no_room_for_is_told() -> None:
    source = Type(Family.TIMESTAMP, precision=6, special=False, zero=True)
    values = pa.array(["2024-02-29 01:02:03.000000", "2024-02-29 01:02:03.5"])
    carried, kept, rejects = converted(values, source, SECONDS)
    assert (carried, kept) == (pa.timestamp("us"), [dt.datetime(2024, 2, 29, 1, 2, 3)])
    assert [one.row for one in rejects] == [2]


@pytest.mark.parametrize("text", ["a\0b", "\0"])
def test_a_nul_is_found_wherever_it_stands(text: str) -> None:
    target = Type(Family.TEXT, nuls=False)
    for values in ([text], ["x", text, None], [None, text, "x"]):
        sliced = pa.array(["y", *values, "z"]).slice(1, len(values))
        _, kept, rejects = converted(sliced, Type(Family.TEXT), target)
        assert kept == [value for value in values if value != text]
        assert [one.row for one in rejects] == [values.index(text) + 1]
    beside = pa.array([text, "clean", text]).slice(1, 1)
    assert converted(beside, Type(Family.TEXT), target)[1:] == (["clean"], [])
