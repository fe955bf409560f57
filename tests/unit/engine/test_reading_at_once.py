"""Columns of texts are read in one go only where that reads them as people do."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from etl_engine.engine.reading_at_once import read_at_once
from etl_engine.model.table import Family, Type

WHOLE = Type(Family.INTEGER, size=64)
AMOUNT = Type(Family.DECIMAL, precision=5, scale=2, special=False)
DAY = Type(Family.DATE, special=False)
CLOCK = Type(Family.TIMESTAMP, precision=6, special=False)
INSTANT = Type(Family.TIMESTAMP, precision=6, zoned=True, special=False)


@pytest.mark.parametrize(
    ("target", "texts", "values"),
    [
        (WHOLE, ["1", "-20", None], [1, -20, None]),
        (AMOUNT, ["1.5", None, "-0.25"], [Decimal("1.50"), None, Decimal("-0.25")]),
        (DAY, [None, "2024-02-29", "0001-01-01"], [None, dt.date(2024, 2, 29), dt.date(1, 1, 1)]),
        (CLOCK, ["2024-02-29 01:02", "2024-02-29T01:02:03.5", None, None],
         [dt.datetime(2024, 2, 29, 1, 2), dt.datetime(2024, 2, 29, 1, 2, 3, 500000), None, None]),
        (INSTANT, [None, "2024-02-29 01:02:03+00"], [None, dt.datetime(2024, 2, 29, 1, 2, 3, tzinfo=dt.UTC)]),
        (CLOCK, [None, None], [None, None]),
        (DAY, [], []),
        (CLOCK, [], []),
    ],
)  # fmt: skip
def test_a_clean_column_is_read_in_one_go(target: Type, texts: list[str | None], values: list[Any]) -> None:
    for given in (pa.array(texts, pa.string()), pa.array(["x", *texts], pa.string()).slice(1)):
        found = read_at_once(given, target)
        assert found is not None
        assert found.to_pylist() == values


@pytest.mark.parametrize(
    ("target", "text"),
    [
        (WHOLE, "0x1F"), (WHOLE, "1.0"), (WHOLE, " 1"), (WHOLE, "+1"), (WHOLE, "one"), (WHOLE, "9223372036854775808"),
        (AMOUNT, "1e2"), (AMOUNT, "1.234"), (AMOUNT, "NaN"), (AMOUNT, "1000"),
        (DAY, "0000-01-01"), (DAY, "2023-02-29"), (DAY, "2024-01-01 00:00"), (DAY, "infinity"),
        (CLOCK, "2024-02-29 01"), (CLOCK, "2024-02-29"), (CLOCK, "0000-01-01 00:00:00"),
        (CLOCK, "2024-02-29 01:02:03+00"),
        (INSTANT, "2024-02-29 01+00:00"), (INSTANT, "2024-02-29 01:02:03"), (INSTANT, "2024-02-29 01+00"),
    ],
)  # fmt: skip
def test_a_column_with_one_odd_text_is_left_to_a_closer_look(target: Type, text: str) -> None:
    good = {
        WHOLE: "1",
        AMOUNT: "1.5",
        DAY: "2024-02-29",
        CLOCK: "2024-02-29 01:02:03",
        INSTANT: "2024-02-29 01:02:03+00",
    }
    for texts in ([text], [good[target], text], [text, good[target]], [good[target], text, None]):
        assert read_at_once(pa.array(texts), target) is None
