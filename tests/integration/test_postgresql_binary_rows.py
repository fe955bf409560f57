"""Rows in PostgreSQL's binary form, as the server reads them: each value as the server itself writes it."""

import contextlib
import datetime as dt
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import psycopg2
import pyarrow as pa
import pytest
from copying import Pair
from servers import PostgresServer

from etl_engine.connectors.pg import unit
from etl_engine.connectors.pg.feed import Catalogued, Feed
from etl_engine.connectors.rows import ARROW, Rows, Totals
from etl_engine.errors import Rejected

UTC = dt.UTC
TEXTS = ["", "a", 'q"u,o\nte\\', "ünï ☃ 🎈", None, "x" * 5000, "\\N"]
# Arrow type, type of the server, values; each value is sent as it is and read by the server as its text.
TYPED: list[tuple[pa.DataType, str, list[Any]]] = [
    (pa.int8(), "smallint", [0, -128, 127, None]),
    (pa.uint16(), "integer", [0, 65535, None]),
    (pa.int32(), "integer", [-(2**31), 2**31 - 1, 0, None]),
    (pa.int64(), "bigint", [-(2**63), 2**63 - 1, None, 1]),
    (pa.float32(), "real", [0.0, -1.5, 3.4028234663852886e38, 1e-45, None, float("inf"), float("nan")]),
    (pa.float64(), "double precision", [0.1, -0.0, 1.7976931348623157e308, 5e-324, None, float("-inf"), float("nan")]),
    (pa.bool_(), "boolean", [True, False, None]),
    (pa.decimal128(1, 0), "numeric(1,0)", [Decimal(0), Decimal(-9), None]),
    (pa.decimal128(12, 2), "numeric(12,2)", [Decimal("0.00"), Decimal("-0.01"), Decimal("9999999999.99"), None]),
    (pa.decimal128(18, 0), "numeric(18,0)", [Decimal("-999999999999999999"), Decimal(10000), None]),
    (pa.decimal128(18, 16), "numeric(18,16)", [Decimal("-99.9999999999999999"), Decimal("0.0000000000000001")]),
    (pa.decimal128(18, 18), "numeric(18,18)", [Decimal("0.999999999999999999"), Decimal("-0.000000000000000001")]),
    (pa.decimal128(20, 0), "numeric(20,0)", [Decimal(2**64 - 1), Decimal(0), None]),
    (pa.decimal128(38, 10), "numeric(38,10)", [Decimal("-1234567890123456789012345678.0123456789"), None]),
    (pa.decimal128(38, 38), "numeric(38,38)", [Decimal("0." + "1" * 38), Decimal(0)]),
    (pa.decimal128(9, 3), "numeric", [Decimal("1.500"), Decimal("10000.000"), None]),
    (pa.date32(), "date", [dt.date(1, 1, 1), dt.date(9999, 12, 31), dt.date(2000, 2, 29), None]),
    (pa.time64("us"), "time", [dt.time(0), dt.time(23, 59, 59, 999999), None]),
    (pa.timestamp("us"), "timestamp", [dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31, 23, 59, 59, 999999), None]),
    (pa.timestamp("ms"), "timestamp(3)", [dt.datetime(2024, 2, 29, 1, 2, 3, 4000), None]),
    (pa.timestamp("us", "UTC"), "timestamptz", [dt.datetime(1969, 12, 31, 23, 59, 59, 1, UTC), None]),
    (pa.binary(), "bytea", [b"", bytes(range(256)), None, b"\\x00"]),
    (pa.string(), "text", TEXTS),
    (pa.string(), "varchar(5000)", TEXTS),
    (pa.string(), "character(3)", ["abc", "a  ", None]),
    (pa.string(), "json", ['{"a": 1.0, "a" : [null]}', None, "3"]),
    (pa.string(), "jsonb", ['{"b": 1.00, "a": "\\u2603"}', None, "null"]),
    (pa.string(), "uuid", ["6f9619ff-8b86-d011-b42d-00cf4fc964ff", None, "0" * 8 + "-0000-0000-0000-" + "0" * 12]),
    (pa.string(), "mood", ["sad", "so, so", None]),
    (pa.string(), "short", ["abc", None]),
]
# What Arrow has no value for comes as text; the server says what it means.
TOLD: list[tuple[str, list[str | None]]] = [
    ("date", ["2024-02-29", "infinity", "-infinity", "0044-03-15 BC", "12024-01-01", None, "0001-02-29 BC"]),
    ("date", ["2024-02-29", None, "0001-01-01"]),
    ("timestamp", ["2024-02-29 23:59:59.999999", "infinity", "-infinity", "294276-12-31 00:00:00", None]),
    ("timestamp", ["4713-01-01 00:00:00 BC", None]),
    ("timestamp", ["2024-02-29 23:59:59.5", "1999-12-31 00:00:00", None]),
    ("timestamptz", ["2024-02-29 22:59:59.000001+00", "infinity", "0044-03-15 01:00:00+00 BC"]),
    ("timestamptz", ["2024-02-29 22:59:59+05:30", "10000-01-01 00:00:00-03", None]),
    ("time", ["24:00:00", "00:00:00", "23:59:59.000001", None]),
    ("time", ["12:34:56.7", None]),
]  # fmt: skip


class Given(Rows):
    """Batches out of a list."""

    form = ARROW

    def __init__(self, *batches: pa.RecordBatch) -> None:
        self._batches = batches

    def batches(self) -> Iterator[pa.RecordBatch]:
        return iter(self._batches)

    def check(self) -> None: ...

    def finish(self) -> Totals:
        return Totals(0, 0, "")

    def close(self) -> None: ...


@pytest.fixture(scope="module")
def database(postgres_server: PostgresServer) -> Iterator[Any]:
    postgres_server.sql("CREATE DATABASE binary_rows")
    with contextlib.closing(
        psycopg2.connect(
            host=postgres_server.host,
            port=postgres_server.port,
            user=postgres_server.user,
            password=postgres_server.password,
            dbname="binary_rows",
            sslmode="disable",
            options="-c timezone=UTC",
        )
    ) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("CREATE TYPE mood AS ENUM ('sad', 'so, so'); CREATE DOMAIN short AS varchar(3)")
            yield cursor


def loaded(cursor: Any, natives: Sequence[str], *batches: pa.RecordBatch) -> tuple[str, list[tuple[Any, ...]]]:
    """Which format it was, and the rows as the server writes them."""
    columns = [f"c{number}" for number in range(len(natives))]
    cursor.execute("DROP TABLE IF EXISTS t")
    cursor.execute(f"CREATE TABLE t ({', '.join(f'{name} {one}' for name, one in zip(columns, natives, strict=True))})")
    cursor.execute(
        "SELECT b.typname, b.typtype, t.typcategory FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid JOIN "
        "pg_type b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END "
        "WHERE a.attrelid = 't'::regclass AND a.attnum > 0 ORDER BY a.attnum"
    )
    feed = Feed(Given(*batches), [Catalogued(*row) for row in cursor.fetchall()])
    try:
        cursor.copy_expert(f"COPY t FROM STDIN (FORMAT {feed.format})", feed)
    except psycopg2.Error:
        if feed.error:
            raise feed.error from None
        raise
    cursor.execute(f"SELECT {', '.join(f'{name}::text' for name in columns)} FROM t")
    return feed.format, cursor.fetchall()


def said(cursor: Any, native: str, value: Any) -> str | None:
    """What the server makes of the value out of its text."""
    if value is None:
        return None
    given = value.hex() if isinstance(value, bytes) else str(value)
    cursor.execute(
        f"SELECT ({'decode(%s, ' + repr('hex') + ')' if isinstance(value, bytes) else '%s'})::{native}::text", (given,)
    )
    return str(cursor.fetchone()[0])


@pytest.mark.parametrize(("given", "native", "values"), TYPED, ids=[f"{given}-{native}" for given, native, _ in TYPED])
def test_every_type_travels_as_it_is(database: Any, given: pa.DataType, native: str, values: list[Any]) -> None:
    array = pa.array(values, given)
    batch = pa.RecordBatch.from_arrays([array], names=["v"])
    form, rows = loaded(database, [native], batch, batch.slice(1))
    assert form == "binary"
    wanted = [said(database, native, value) for value in values]
    assert [value for (value,) in rows] == wanted + wanted[1:]


@pytest.mark.parametrize(
    ("native", "values"), TOLD, ids=[f"{native}-{number}" for number, (native, _) in enumerate(TOLD)]
)
def test_what_arrow_does_not_know_travels_too(database: Any, native: str, values: list[str | None]) -> None:
    batch = pa.RecordBatch.from_arrays([pa.array(values, pa.string())], names=["v"])
    form, rows = loaded(database, [native], batch)
    assert form == "binary"
    assert [value for (value,) in rows] == [said(database, native, value) for value in values]


def test_all_types_in_one_row_with_and_without_null(database: Any) -> None:
    for turn in range(4):
        arrays = [
            pa.array([values[(turn + row) % len(values)] for row in range(7)], given) for given, _, values in TYPED
        ]
        batch = pa.RecordBatch.from_arrays(arrays, names=[str(number) for number in range(len(arrays))])
        natives = [native for _, native, _ in TYPED]
        form, rows = loaded(database, natives, batch)
        wanted = [
            tuple(said(database, native, values[(turn + row) % len(values)]) for _, native, values in TYPED)
            for row in range(7)
        ]
        assert (form, rows) == ("binary", wanted)


def test_one_large_row_is_sent_without_being_joined(database: Any) -> None:
    text, data = "é" * (5 << 20), bytes(5 << 20)
    arrays = [pa.array([7], pa.int32()), pa.array([text]), pa.array([None], pa.string()), pa.array([data]),
              pa.array([Decimal("1.5")], pa.decimal128(3, 1))]  # fmt: skip
    batch = pa.RecordBatch.from_arrays(arrays, names=list("abcde"))
    form, _ = loaded(database, ["int", "text", "text", "bytea", "numeric"], batch)
    database.execute("SELECT c0, md5(c1) = md5(%s), c2, octet_length(c3), c4::text FROM t", (text,))
    assert (form, database.fetchall()) == ("binary", [(7, True, None, len(data), "1.5")])


@pytest.mark.parametrize(
    ("native", "text"),
    [("date", "2023-02-29"), ("date", "0000-01-01"), ("timestamp", "2024-01-01 25:00:00"), ("uuid", "no uuid"),
     ("timestamp", "0000-01-01 00:00:00"), ("time", "24:00:01"), ("date", "soon"), ("uuid", "g" * 32)],
)  # fmt: skip
def test_a_text_that_is_no_value_is_told(database: Any, native: str, text: str) -> None:
    batch = pa.RecordBatch.from_arrays([pa.array([None, text], pa.string())], names=["v"])
    with pytest.raises(Rejected, match=text):
        loaded(database, [native], batch)


@pytest.mark.parametrize("given", [pa.date32(), pa.timestamp("us")])
def test_a_number_beyond_every_calendar_does_not_wrap_around(database: Any, given: pa.DataType) -> None:
    least = pa.array([-(2 ** (given.bit_width - 1)) + 5], f"int{given.bit_width}").cast(given)
    with pytest.raises(Rejected, match="before any calendar"):
        loaded(
            database, [str(given).partition("[")[0].replace("32", "")], pa.RecordBatch.from_arrays([least], names=["v"])
        )


@pytest.mark.parametrize("native", ["interval", "inet", "int[]", "numeric", "timetz"])
def test_a_type_with_no_binary_form_of_ours_goes_as_text(database: Any, native: str) -> None:
    value = {"interval": "1 day", "inet": "10.0.0.1/32", "int[]": "{1,2}", "numeric": "1.50", "timetz": "12:00:00+02"}[
        native
    ]
    given = "[1, 2]" if native == "int[]" else value
    arrays = [pa.array([given, None]), pa.array([dt.datetime(2024, 1, 1, tzinfo=UTC)] * 2, pa.timestamp("us", "UTC")),
              pa.array([dt.date(2024, 1, 1), None])]  # fmt: skip
    batch = pa.RecordBatch.from_arrays(arrays, names=["v", "w", "x"])
    form, rows = loaded(database, [native, "timestamptz", "date"], batch)
    assert form == "csv"
    assert rows == [(value, "2024-01-01 00:00:00+00", "2024-01-01"), (None, "2024-01-01 00:00:00+00", None)]


def test_no_rows_at_all_are_loaded(database: Any) -> None:
    assert loaded(database, ["int"]) == ("csv", [])


def test_a_first_row_may_come_later_than_a_session_may_be_idle(
    postgres_server: PostgresServer, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unit, "_IDLE", "2s")
    pair = Pair(postgres_server, "binary_rows", "binary_rows")
    receipt = pair.copy(table="", query="SELECT 7 AS v FROM pg_sleep(2.5)", target="late", lane="typed")
    assert receipt.rows == 1
    assert pair.t("SELECT v FROM late") == "7"
