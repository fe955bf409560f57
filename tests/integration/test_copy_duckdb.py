"""Copies from and to DuckDB files, judged by the duckdb module and by the sqlite3 module."""

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import duckdb
import pytest
from file_copies import Files, rows

from etl_engine.connectors.duck import session as sessions
from etl_engine.connectors.rows import Reject, Selection
from etl_engine.errors import BadInput, Cancelled, Conflict, EtlError, Missing, Refused, Rejected, Throttled

ORDERS = "CREATE TABLE orders (id BIGINT PRIMARY KEY, amount DECIMAL(9,2), note VARCHAR, seen TIMESTAMP NOT NULL)"
FILL = "INSERT INTO orders SELECT g, g / 7, 'n' || g, TIMESTAMP '2024-01-01' + to_minutes(g) FROM range(1, 1001) r(g)"


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path, "from.duckdb", "into.duckdb")


@pytest.fixture
def shop(files: Files) -> Files:
    files.s(ORDERS, FILL)
    return files


def same(files: Files, table: str = "orders") -> None:
    query = f"SELECT * FROM {table} ORDER BY 1"
    assert rows(files.t(query)) == rows(files.s(query))
    files.tidy()


@pytest.mark.parametrize("mode", ["append", "replace", "merge"])
@pytest.mark.parametrize("slice_rows", [100, 100_000])
def test_a_table_arrives_as_it_was(shop: Files, mode: str, slice_rows: int) -> None:
    receipt = shop.copy("orders", mode=mode, slice_rows=slice_rows, verify=True)
    assert (receipt.rows, receipt.written) == (1000, 1000)
    assert receipt.verification and receipt.verification.equal
    same(shop)
    assert shop.t("SELECT sum(rows), count(*) FROM _etl_ledger")[0] == (1000, receipt.batches)
    made, source = (files("SELECT sql FROM duckdb_tables() WHERE table_name = 'orders'") for files in (shop.t, shop.s))
    assert "DECIMAL(9,2)" in made[0][0] and "PRIMARY KEY(id)" in made[0][0] and "NOT NULL" in made[0][0]
    assert source


VALUES = [
    ("BOOLEAN", "true", True),
    ("TINYINT", "-128", -128),
    ("SMALLINT", "32767", 32767),
    ("INTEGER", "-2147483648", -2147483648),
    ("BIGINT", "9223372036854775807", 9223372036854775807),
    ("UTINYINT", "255", 255),
    ("USMALLINT", "65535", 65535),
    ("UINTEGER", "4294967295", 4294967295),
    ("UBIGINT", "18446744073709551615", 18446744073709551615),
    ("HUGEINT", "170141183460469231731687303715884105727", "170141183460469231731687303715884105727"),
    ("HUGEINT", "(-170141183460469231731687303715884105727)", "-170141183460469231731687303715884105727"),
    ("UHUGEINT", "340282366920938463463374607431768211455", "340282366920938463463374607431768211455"),
    (
        "BIGNUM",
        "'-12345678901234567890123456789012345678901234567890'",
        "-12345678901234567890123456789012345678901234567890",
    ),
    ("DECIMAL(4,1)", "-999.9", "-999.9"),
    ("DECIMAL(38,10)", "1234567890123456789012345678.0123456789", "1234567890123456789012345678.0123456789"),
    ("FLOAT", "0.1", 0.10000000149011612),
    ("DOUBLE", "0.1", 0.1),
    ("DOUBLE", "'-inf'", float("-inf")),
    ("VARCHAR", "''", ""),
    ("VARCHAR", "'a' || chr(0) || 'b'", "a\0b"),
    ("VARCHAR", "'ü 🦆 \u202e'", "ü 🦆 \u202e"),
    ("VARCHAR", "chr(65279) || 'bom'", "\ufeffbom"),
    ("BLOB", "''::BLOB", b""),
    ("BLOB", r"'\x00\xFF'::BLOB", b"\0\xff"),
    ("DATE", "'2024-02-29'", "2024-02-29"),
    ("DATE", "'0044-03-15 (BC)'", "0044-03-15 BC"),
    ("DATE", "'infinity'", "infinity"),
    ("DATE", "'-infinity'", "-infinity"),
    ("DATE", "'12024-01-01'", "12024-01-01"),
    ("TIME", "'23:59:59.999999'", "23:59:59.999999"),
    ("TIME", "'24:00:00'", "24:00:00"),
    ("TIME_NS", "'12:00:00.123456789'", "12:00:00.123456789"),
    ("TIMETZ", "'12:00:00.5+02:30'", "12:00:00.5+02:30"),
    ("TIMESTAMP", "'2024-02-29 23:59:59.5'", "2024-02-29 23:59:59.5"),
    ("TIMESTAMP", "'0044-03-15 (BC) 10:00:00'", "0044-03-15 10:00:00 BC"),
    ("TIMESTAMP", "'infinity'", "infinity"),
    ("TIMESTAMP", "'290000-01-01 00:00:00'", "290000-01-01 00:00:00"),
    ("TIMESTAMP_S", "'2024-02-29 23:59:59'", "2024-02-29 23:59:59"),
    ("TIMESTAMP_MS", "'2024-02-29 23:59:59.12'", "2024-02-29 23:59:59.12"),
    ("TIMESTAMP_NS", "'2024-02-29 23:59:59.123456789'", "2024-02-29 23:59:59.123456789"),
    ("TIMESTAMPTZ", "'2024-02-29 23:59:59.5+01:30'", "2024-02-29 22:29:59.5+00"),
    ("TIMESTAMPTZ", "'0044-03-15 (BC) 10:00:00+00'", "0044-03-15 10:00:00+00 BC"),
    ("INTERVAL", "'1 year 2 months -3 days 04:05:06.789'", "1 year 2 months -3 days 04:05:06.789"),
    ("INTERVAL", "INTERVAL '-5 microseconds'", "-00:00:00.000005"),
    ("UUID", "'6f9619ff-8b86-d011-b42d-00cf4fc964ff'", "6f9619ff-8b86-d011-b42d-00cf4fc964ff"),
    ("BIT", "'0101'", "0101"),
    ("ENUM('it''s', 'b, c')", "'it''s'", "it's"),
    ("JSON", '\'{"a": 1.50, "a": 9007199254740993}\'', '{"a": 1.50, "a": 9007199254740993}'),
    ("INTEGER[]", "[1, NULL, 3]", "[1,null,3]"),
    ("INTEGER[]", "[]", "[]"),
    ("VARCHAR[][]", "[['a', 'null'], []]", '[["a","null"],[]]'),
    ("INTEGER[2]", "[1, 2]", "[1,2]"),
    ("STRUCT(a INTEGER, b VARCHAR)", "{'a': 1, 'b': 'x\"y'}", '{"a":1,"b":"x\\"y"}'),
    ('STRUCT("d e" DATE, f DECIMAL(5,2))', "{'d e': DATE '2024-01-01', 'f': 1.50}", '{"d e":"2024-01-01","f":1.5}'),
    ("MAP(VARCHAR, INTEGER)", "MAP {'k': 1, 'NULL': NULL}", '{"k":1,"NULL":null}'),
]


@pytest.mark.parametrize(("native", "value", "expected"), VALUES, ids=lambda value: ascii(value)[:40])
def test_a_value_is_read_exactly_and_written_back_the_same(
    files: Files, native: str, value: str, expected: Any
) -> None:
    files.s(f"CREATE TABLE t (id INTEGER, c {native})", f"INSERT INTO t VALUES (1, {value}), (2, NULL)")
    found = [str(one) if type(one).__name__ == "Decimal" else one for one in read(files, "t", "c")]
    assert rows([tuple(found)]) == rows([(expected, None)])
    files.copy("t", verify=True)
    query = "SELECT id, typeof(c), CAST(c AS VARCHAR), hash(c) FROM t ORDER BY id"
    assert files.t(query) == files.s(query)


def read(files: Files, table: str, column: str, kept: list[Reject] | None = None) -> list[Any]:
    source = files.connector(files.source).open_source()
    selection = Selection(table)
    described = source.describe(selection)
    source.begin(selection)
    coming = source.read(selection, described, "arrow")
    coming.on_reject = None if kept is None else kept.append
    try:
        return [value for batch in coming.batches() for value in batch.column(column).to_pylist()]
    finally:
        source.close()


def test_a_nan_stays_one(files: Files) -> None:
    files.s(
        "CREATE TABLE t (c DOUBLE, f FLOAT)", "INSERT INTO t VALUES ('nan', 'nan'), ('-0.0'::DOUBLE, '-0.0'::FLOAT)"
    )
    files.copy("t")
    assert files.t("SELECT CAST(c AS VARCHAR), CAST(f AS VARCHAR) FROM t") == [("nan", "nan"), ("-0.0", "-0.0")]


def test_a_list_with_a_nan_in_it_is_told_and_not_made_up(files: Files) -> None:
    files.s("CREATE TABLE t (c DOUBLE[], s STRUCT(t VARCHAR, d DOUBLE))")
    files.s(
        "INSERT INTO t VALUES ([1.5], {'t': 'x:NaN', 'd': 1}), ([1, 'nan'::DOUBLE], NULL), "
        "(NULL, {'t': '', 'd': 'inf'::DOUBLE})"
    )
    with pytest.raises(Rejected, match=r"Row 2 of main\.t.*in the column c.*NaN"):
        files.copy("t")
    kept: list[Reject] = []
    assert read(files, "t", "s", kept) == ['{"t":"x:NaN","d":1.0}']
    assert [(one.row, one.column) for one in kept] == [(2, "c"), (3, "s")]


def test_what_a_struct_cannot_hold_is_not_dropped(files: Files) -> None:
    files.s("CREATE TABLE t (c JSON)", 'INSERT INTO t VALUES (\'{"a": 1, "more": 2}\')')
    files.t("CREATE TABLE t (c STRUCT(a INTEGER))")
    with pytest.raises(Rejected, match="has unknown key"):
        files.copy("t")
    assert files.t("SELECT count(*) FROM t") == [(0,)]


def test_replacing_keeps_what_hangs_on_a_table(shop: Files) -> None:
    shop.t(
        f"{ORDERS[:-1]}, CHECK (id > 0), UNIQUE (note))",
        "INSERT INTO orders VALUES (5, 1, 'old', '2020-01-01')",
        "CREATE INDEX by_seen ON orders (seen)",
        "CREATE VIEW seen AS SELECT * FROM orders",
    )
    for _ in range(2):
        shop.copy("orders", mode="replace")
        same(shop)
    assert shop.t("SELECT count(*) FROM seen") == [(1000,)]
    assert shop.t("SELECT index_name FROM duckdb_indexes()") == [("by_seen",)]
    with pytest.raises(duckdb.ConstraintException):
        shop.t("INSERT INTO orders VALUES (-1, 1, 'x', '2020-01-01')")


def test_a_row_that_breaks_a_rule_of_the_target_leaves_it_as_it_was(shop: Files) -> None:
    shop.t(f"{ORDERS[:-1]}, CHECK (id <> 777))", "INSERT INTO orders VALUES (5000, 1, 'old', '2020-01-01')")
    for mode in ("append", "merge", "replace"):
        with pytest.raises(Rejected, match="CHECK constraint failed"):
            shop.copy("orders", mode=mode)
        assert shop.t("SELECT count(*), (SELECT count(*) FROM _etl_ledger) FROM orders") == [(1, 0)]
    for mode, count in (("append", 1000), ("merge", 1000), ("replace", 999)):
        assert shop.copy("orders", mode=mode, on_reject="quarantine").rejected == 1
        assert shop.t("SELECT count(*) FROM orders") == [(count,)]
    kept = shop.t('SELECT DISTINCT "column", value, reason FROM _etl_rejects')
    assert kept == [("id", "777", "breaks CHECK((id != 777))")]


def test_rows_that_do_not_fit_are_kept_apart_in_the_file(files: Files) -> None:
    files.s("CREATE TABLE t (id INTEGER, c DOUBLE[])", "INSERT INTO t VALUES (1, [1.5]), (2, ['nan'::DOUBLE])")
    receipt = files.copy("t", on_reject="quarantine")
    assert receipt.rejected == 1
    assert files.t("SELECT id FROM t") == [(1,)]
    assert files.t('SELECT row, "column" FROM _etl_rejects') == [(2, "c")]


def test_a_table_that_another_refers_to_is_not_emptied(shop: Files) -> None:
    shop.t(
        ORDERS,
        "INSERT INTO orders VALUES (1, 1, 'old', '2020-01-01')",
        "CREATE TABLE items (id INTEGER, o BIGINT REFERENCES orders (id))",
    )
    with pytest.raises(Rejected, match=r"items refers to main\.orders by a foreign key"):
        shop.copy("orders", mode="replace")


def test_merging_takes_the_newest_of_rows_with_one_key(files: Files) -> None:
    files.s(
        "CREATE TABLE t (k VARCHAR, v VARCHAR, seen TIMESTAMP)",
        "INSERT INTO t VALUES ('a', 'old', '2024-01-01'), ('a', 'new', '2024-01-02'), "
        "('b', 'z', '2024-01-01'), ('b', 'y', '2024-01-01'), ('c', 'only', '2024-01-01')",
    )
    for _ in range(2):
        files.copy("t", mode="merge", key=["k"], cursor="seen", look_back=9_999_999)
        assert files.t("SELECT k, v FROM t ORDER BY k") == [("a", "new"), ("b", "z"), ("c", "only")]
    files.s("INSERT INTO t VALUES (NULL, '4', '2024-01-03')")
    with pytest.raises(Rejected, match="1 row has NULL in the key"):
        files.copy("t", mode="merge", key=["k"])


@pytest.mark.parametrize("mode", ["append", "merge"])
def test_a_cursor_run_finds_late_rows_and_doubles_none(shop: Files, mode: str) -> None:
    options: dict[str, Any] = {"mode": mode, "cursor": "seen", "key": ["id"]}
    assert shop.copy("orders", **options).rows == 1000
    again = shop.copy("orders", **options)
    assert (again.rows, again.written) == (6, 0 if mode == "append" else 6)  # five minutes, and the border
    shop.s(
        "INSERT INTO orders VALUES (2001, 1, 'late', TIMESTAMP '2024-01-01' + to_minutes(997)), "
        "(2002, 1, 'tied', TIMESTAMP '2024-01-01' + to_minutes(1000)), "
        "(2003, 1, 'new', TIMESTAMP '2024-01-01' + to_minutes(1001))",
        "UPDATE orders SET note = 'changed', seen = TIMESTAMP '2024-01-01' + to_minutes(1002) WHERE id = 999",
    )
    shop.copy("orders", **options)
    shop.copy("orders", **options)
    if mode == "merge":
        same(shop)
    else:
        assert shop.t("SELECT count(*), count(DISTINCT id) FROM orders") == [(1004, 1003)]
        assert shop.t("SELECT note FROM orders WHERE id = 999 ORDER BY seen") == [("n999",), ("changed",)]


def test_a_number_that_grows_is_read_from_its_border_on(shop: Files) -> None:
    first = shop.copy("orders", cursor="id")
    shop.s("INSERT INTO orders VALUES (1001, 1, 'new', '2024-01-01')")
    second = shop.copy("orders", cursor="id")
    assert (first.cursor_to, second.cursor_from, second.rows, second.written) == ("1000", "1000", 2, 1)
    same(shop)


@pytest.mark.parametrize("mode", ["append", "replace", "merge"])
def test_source_and_target_may_be_one_file(shop: Files, mode: str) -> None:
    shop.target = shop.source
    assert shop.copy("orders", "copied", mode=mode, slice_rows=100).rows == 1000
    assert shop.s("SELECT * FROM copied ORDER BY id") == shop.s("SELECT * FROM orders ORDER BY id")
    with pytest.raises(BadInput, match="the same table"):
        shop.copy("Orders", "main.ORDERS")


HOLDING = """
import duckdb, sys
with duckdb.connect(sys.argv[1], read_only=sys.argv[2] == "r"):
    print("open", flush=True)
    sys.stdin.readline()
"""


def holding(shop: Files, name: str, how: str) -> "subprocess.Popen[str]":
    """Another process that has the file open."""
    child = subprocess.Popen(
        [sys.executable, "-c", HOLDING, str(shop.folder / name), how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout and child.stdout.readline() == "open\n"
    return child


def let_go(child: "subprocess.Popen[str]") -> None:
    child.communicate("\n")
    assert not child.returncode


def test_a_file_that_is_open_elsewhere_is_waited_for_and_the_process_named(
    shop: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = holding(shop, shop.target, "w")
    monkeypatch.setattr(sessions, "LOCK_SECONDS", 0.3)
    with pytest.raises(Throttled, match=rf"into\.duckdb is open in another process \(PID {child.pid}\)"):
        shop.connector(shop.target).open_destination()
    monkeypatch.setattr(sessions, "LOCK_SECONDS", 20.0)
    timer = threading.Timer(0.5, let_go, (child,))
    timer.start()
    assert shop.copy("orders").rows == 1000
    timer.join()


def test_files_that_are_only_read_are_shared(shop: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "LOCK_SECONDS", 0.3)
    child = holding(shop, shop.source, "r")
    assert shop.copy("orders").rows == 1000
    let_go(child)
    only = shop.connector(shop.source, read_only=True)
    first = only.open_source()
    child = holding(shop, shop.source, "r")
    let_go(child)
    with pytest.raises(Throttled, match="open for reading only in this engine"):
        shop.connector(shop.source).open_destination()
    with pytest.raises(Refused, match="for reading only"):
        only.open_destination()
    first.close()


def test_sessions_share_one_instance_and_the_last_one_lets_the_file_go(shop: Files) -> None:
    opened = [shop.connector(shop.source).open_source() for _ in range(3)]
    writing = shop.connector(shop.source).open_destination()
    assert {one.identity for one in opened} == {writing.identity}
    for one in (*opened, writing):
        one.close()
        one.close()
    let_go(holding(shop, shop.source, "w"))
    shop.tidy()


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("SELECT 1; SELECT 2", BadInput),
        ("DELETE FROM orders", BadInput),
        ("INSERT INTO orders VALUES (9, 9, '', now()) RETURNING id", BadInput),
        ("SELECT 1 AS a, 2 AS a", BadInput),
        ("SELECT ? AS a", BadInput),
        ("PRAGMA database_size", BadInput),
        ("SELECT * FROM nowhere", Missing),
        ("SELECT * FROM read_csv('/etc/passwd')", Refused),
        ("SELECT content FROM read_text('/etc/passwd')", Refused),
        ("SELECT * FROM '/etc/passwd'", EtlError),
        ("ATTACH '/tmp/other.duckdb'", BadInput),
        ("COPY orders TO '/tmp/stolen.csv'", BadInput),
        ("SET enable_external_access = true", BadInput),
        ("INSTALL httpfs", BadInput),
        ("SELECT * FROM files", EtlError),
        (" ", BadInput),
    ],
)
def test_a_query_reads_the_file_and_nothing_else(shop: Files, query: str, error: type[Exception]) -> None:
    files = [1]  # what a query could otherwise see of this very process
    with pytest.raises(error):
        shop.copy(query=query, target="q")
    assert files and shop.s("SELECT count(*) FROM orders") == [(1000,)]


def test_a_query_is_copied_with_the_types_that_the_library_gives_it(shop: Files) -> None:
    shop.copy(query="SELECT id % 3 AS part, sum(amount) AS total, count(*) AS n FROM orders GROUP BY 1", target="q")
    assert shop.t("SELECT data_type FROM duckdb_columns() WHERE table_name = 'q'") == [
        ("BIGINT",),
        ("DECIMAL(38,2)",),
        ("BIGINT",),
    ]
    assert shop.t("SELECT sum(n), sum(total) FROM q") == shop.s("SELECT count(*), sum(amount) FROM orders")


@pytest.mark.parametrize(
    ("target", "error", "message"),
    [
        ("seen", Rejected, "is a view"),
        ("_etl_x", BadInput, "engine's own"),
        ("nowhere.orders", Missing, "no schema nowhere"),
        ("a.b.c", BadInput, "3 parts"),
        ("other.new", None, ""),
        ('"a.b ""c"" \'"', None, ""),
    ],
)
def test_where_rows_may_go(shop: Files, target: str, error: type[Exception] | None, message: str) -> None:
    shop.t("CREATE VIEW seen AS SELECT 1 AS id", "CREATE SCHEMA other")
    if error is None:
        assert shop.copy("orders", target).rows == 1000
        return
    with pytest.raises(error, match=message):
        shop.copy("orders", target)


def test_names_are_found_in_any_case(shop: Files) -> None:
    shop.t(ORDERS.replace("orders", "OrDeRs"))
    assert shop.copy("ORDERS", "oRdErS").target == "main.OrDeRs"
    with pytest.raises(Missing, match=r"did you mean main\.orders"):
        shop.copy("ordres")


def test_pieces_of_a_key_of_several_columns_tile_the_table(files: Files) -> None:
    files.s(
        "CREATE TABLE t (k BLOB, n VARCHAR, v INTEGER, PRIMARY KEY (k, n))",
        "INSERT INTO t SELECT unhex(lpad(hex(g % 50), 2, '0')), 'x' || g, g FROM range(1000) r(g)",
    )
    assert files.copy("t", slice_rows=70).batches == 15
    query = "SELECT * FROM t ORDER BY v"
    assert rows(files.t(query)) == rows(files.s(query))


def test_a_second_run_is_told_of_the_first_and_an_old_one_commits_nothing(
    shop: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    from etl_engine.connectors.duck import ledger

    monkeypatch.setattr(ledger, "PATIENCE_SECONDS", 0.2)
    first, second = (shop.connector(shop.target).open_destination() for _ in range(2))
    name, _ = first.resolve("orders")
    claim = first.claim(name, "s", "t", fresh=False, take_over=False)
    with pytest.raises(Conflict, match="is at work"):
        second.claim(name, "s", "t", fresh=False, take_over=False)
    taken = second.claim(name, "s", "t", fresh=False, take_over=True)
    assert (claim.epoch, taken.epoch, taken.resumed) == (1, 2, True)
    first.close()
    second.close()


def test_stopping_ends_what_runs(shop: Files) -> None:
    source = shop.connector(shop.source).open_source()
    endless = Selection(query="SELECT count(*) AS n FROM range(100000000000) a")
    table = source.describe(endless)
    source.begin(endless)
    threading.Timer(0.3, source.stop).start()
    with pytest.raises(Cancelled):
        list(source.read(endless, table, "arrow").batches())
    source.close()
