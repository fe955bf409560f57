"""Values as the store keeps them, on their way into SQL text and into BSON and back."""

import datetime as dt
import math
from typing import Any

import bson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl_engine.errors import StoreError
from etl_engine.model.collections import ALL
from etl_engine.store.documents import apply_changes, cleaned
from etl_engine.store.mongo import _from_bson, _to_bson
from etl_engine.store.sql_tables import read, written

texts = st.text(st.characters(exclude_categories=["Cs"]))
keys = texts.filter(lambda key: key and key[0] != "$" and not set(key) & {".", "\0"})
times = st.datetimes(
    timezones=st.timezones() | st.just(dt.UTC), min_value=dt.datetime(2, 1, 1), max_value=dt.datetime(9998, 1, 1)
)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
    | times
    | st.from_regex(r"[0-9a-f]{24}", fullmatch=True),
    lambda inner: st.lists(inner) | st.dictionaries(keys | st.sampled_from(["_id", "owner_id"]), inner),
    max_leaves=20,
)


def typed(value: Any) -> Any:
    """Equal values of different types made unequal, and zeros with different signs."""
    if isinstance(value, dict):
        return {key: typed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [typed(item) for item in value]
    return (type(value), value, math.copysign(1, value) if isinstance(value, float) else None)


@settings(max_examples=40)
@given(st.dictionaries(keys, values))
def test_every_backend_gives_back_exactly_what_is_cleaned(document: dict[str, Any]) -> None:
    clean = cleaned(document, "document")
    assert typed(cleaned(clean, "document")) == typed(clean)
    assert typed(read(written(clean))) == typed(clean)
    options = bson.CodecOptions[dict[str, Any]](tz_aware=True)
    assert typed(_from_bson(bson.decode(bson.encode(_to_bson(clean)), options))) == typed(clean)


@given(times)
def test_times_lose_no_more_than_what_is_below_a_millisecond(time: dt.datetime) -> None:
    clean = cleaned(time, "time")
    assert clean.tzinfo is dt.UTC
    assert dt.timedelta(0) <= time - clean < dt.timedelta(milliseconds=1)


def test_a_message_names_the_place_and_not_the_value() -> None:
    with pytest.raises(StoreError) as caught:
        cleaned({"steps": [{"password": b"s3cret"}]}, "connections")
    assert caught.value.message == "connections.steps.0.password is a bytes, which no store can keep"


@pytest.mark.parametrize("year", [1, 9999])
def test_a_time_that_utc_cannot_show_is_refused(year: int) -> None:
    edge = dt.datetime(year, 1 if year == 1 else 12, 1 if year == 1 else 31, 12)
    zone = dt.timezone(dt.timedelta(hours=14 if year == 1 else -14))
    with pytest.raises(StoreError, match="outside the years"):
        cleaned(edge.replace(tzinfo=zone), "x")


def test_changes_reach_into_objects() -> None:
    document = {"a": {"b": 1}}
    apply_changes(document, {"a.c.d": 2, "e": 3}, {"a.b": 4, "n.m": 5})
    assert document == {"a": {"b": 5, "c": {"d": 2}}, "e": 3, "n": {"m": 5}}


def test_declared_fields_leave_the_store_s_own_columns_alone() -> None:
    for collection in ALL:
        assert not [field for field in collection.fields if field.startswith("_")]
        indexed = {field.lstrip("-") for index in collection.indexes for field in index.fields}
        assert indexed <= collection.fields.keys()
