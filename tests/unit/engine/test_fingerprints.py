"""Rows of two engines compared by what they are, not by how they are written."""

import random
from decimal import Decimal
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from etl_engine.connectors.carriers import carried
from etl_engine.connectors.rows import Fingerprint
from etl_engine.engine.fingerprints import fingerprint
from etl_engine.model.table import Column, Family, Type

NUMBER, STAMP, JSON = Type(Family.DECIMAL), Type(Family.TIMESTAMP, zoned=True), Type(Family.JSON)
TEXT, INT, PADDED = Type(Family.TEXT), Type(Family.INTEGER, size=64), Type(Family.TEXT, size=5, fixed=True)


def of(type_: Type, *batches: list[Any]) -> Fingerprint:
    columns = (Column("c", "native", type_),)
    return fingerprint([pa.RecordBatch.from_pydict({"c": batch}, carried(columns)) for batch in batches], columns)


def test_the_same_value_written_in_another_way_is_the_same() -> None:
    assert of(NUMBER, ["1.5", "10", "100.0", "-0.10"]) == of(NUMBER, ["1.50", "10.00", "100", "-0.1"])
    assert of(STAMP, ["2024-01-01 00:00:00.500+00"]) == of(STAMP, ["2024-01-01 00:00:00.5+00"])
    assert of(STAMP, ["2024-01-01 10:20:30.000+00"]) == of(STAMP, ["2024-01-01 10:20:30+00"])
    assert of(JSON, ['{"b": 1.0, "a": [1,2]}']) == of(JSON, ['{ "a":[1, 2],"b":1.0 }'])
    assert of(PADDED, ["ab   "]) == of(PADDED, ["ab"])
    plain = Type(Family.DECIMAL, precision=10, scale=3, special=False)
    assert of(plain, [Decimal("1.500")]) == of(NUMBER, ["1.5"])


def test_another_value_is_another() -> None:
    for type_, one, other in [
        (NUMBER, "100", "10"),
        (NUMBER, "1.05", "1.5"),
        (NUMBER, "NaN", "Infinity"),
        (STAMP, "2024-01-01 10:20:30+00", "2024-01-01 10:20:3+00"),
        (STAMP, "2024-01-01 00:00:00.05+00", "2024-01-01 00:00:00.5+00"),
        (JSON, '{"a": 1}', '{"a": 1.0}'),
        (JSON, '{"a": 1}', '{"a": "1"}'),
        (TEXT, "", None),
        (TEXT, "a ", "a"),
        (INT, 0, None),
    ]:
        assert of(type_, [one]).sums != of(type_, [other]).sums, (one, other)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(-5, 5) | st.none(), max_size=30), st.integers(0, 30), st.randoms(use_true_random=False))
def test_neither_order_nor_batches_matter(values: list[int | None], cut: int, chance: random.Random) -> None:
    mixed = list(values)
    chance.shuffle(mixed)
    assert of(INT, values) == of(INT, mixed[:cut], mixed[cut:])
    assert of(INT, [*values, 1]) != of(INT, values)


def test_two_values_that_have_changed_places_are_noticed() -> None:
    """The sums of both columns are what they were."""
    columns = (Column("id", "native", INT), Column("note", "native", TEXT))

    def of_notes(*notes: str | None) -> Fingerprint:
        batch = pa.RecordBatch.from_pydict({"id": [1, 2], "note": list(notes)}, carried(columns))
        return fingerprint([batch], columns)

    one, other = of_notes("a", None), of_notes(None, "a")
    assert {name for name, total in one.sums.items() if other.sums[name] != total} == {""}
