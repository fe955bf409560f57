"""A thousand rows that Hypothesis thought of, as a table in every kind of source."""

import datetime as dt
import math
from collections.abc import Sequence
from decimal import Decimal
from functools import cache
from typing import Any

import hypothesis.strategies as st
import pyarrow as pa
from hypothesis import HealthCheck, given, settings

COUNT = 1000
MEANINGS = {
    "whole": "integer",
    "note": "text",
    "raw": "bytes",
    "real8": "float64",
    "money4": "decimal",
    "moment": "moment",
    "day": "moment",
    "yes": "boolean",
}
NATIVES: dict[str, Sequence[Any]] = {
    "postgresql": ("bigint", "text", "bytea", "float8", "numeric(14,4)", "timestamp", "date", "boolean"),
    "mysql": ("bigint", "longtext", "longblob", "double", "decimal(14,4)", "datetime(6)", "date", "tinyint(1)"),
    "sqlite": ("INTEGER", "TEXT", "BLOB", "REAL", "DECIMAL(14,4)", "DATETIME", "DATE", "BOOLEAN"),
    "duckdb": ("BIGINT", "VARCHAR", "BLOB", "DOUBLE", "DECIMAL(14,4)", "TIMESTAMP", "DATE", "BOOLEAN"),
    "parquet": (
        pa.int64(), pa.string(), pa.binary(), pa.float64(), pa.decimal128(14, 4), pa.timestamp("us"), pa.date32(),
        pa.bool_(),
    ),
}  # fmt: skip

_MOST = Decimal("9999999999.9999")
_ROW = st.tuples(
    st.none() | st.integers(-(2**63), 2**63 - 1),
    st.none() | st.text(st.characters(exclude_categories=("Cs",)), max_size=30),
    st.none() | st.binary(max_size=30),
    st.none() | st.floats(allow_nan=True).map(lambda value: value + 0.0),  # one zero: not all kinds have two
    st.none() | st.decimals(-_MOST, _MOST, places=4),
    st.none() | st.datetimes(),
    st.none() | st.dates(),
    st.none() | st.booleans(),
)


@cache
def thought_of() -> tuple[tuple[Any, ...], ...]:
    """The same at every call and in every process."""
    rows: list[tuple[Any, ...]] = [(None,) * len(MEANINGS)]

    @settings(
        max_examples=COUNT, database=None, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck)
    )
    @given(_ROW)
    def collect(row: tuple[Any, ...]) -> None:
        rows.append(row)

    collect()
    return tuple(rows)


def fits(kind: str, row: tuple[Any, ...]) -> bool:
    """Whether the kind has a place for every value: files and DuckDB have one for all of these."""
    note, real8 = row[1], row[3]
    if kind == "postgresql":
        return note is None or "\0" not in note
    if kind == "mysql":
        return real8 is None or math.isfinite(real8)
    return kind != "sqlite" or real8 is None or not math.isnan(real8)


def literal(kind: str, value: Any) -> str:
    """As SQL of a server, which nothing on the way can read otherwise."""
    if value is None:
        return "NULL"
    if isinstance(value, str):
        digits = value.encode().hex()
        if kind == "postgresql":
            return f"convert_from('\\x{digits}', 'UTF8')"
        return f"CONVERT(x'{digits}' USING utf8mb4)"
    if isinstance(value, bytes):
        return f"'\\x{value.hex()}'::bytea" if kind == "postgresql" else f"x'{value.hex()}'"
    if isinstance(value, float):
        return f"'{value!r}'" if kind == "postgresql" else f"{value!r}"
    if isinstance(value, dt.date):
        return f"'{value.isoformat()}'"
    return str(value)
