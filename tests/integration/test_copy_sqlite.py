"""Copies from and to SQLite files, judged by the sqlite3 module."""

import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from file_copies import Files, rows

from etl_engine.connectors.rows import Reject, Selection
from etl_engine.connectors.sqlite import session as sessions
from etl_engine.errors import BadInput, Conflict, Missing, Refused, Rejected, Throttled

ORDERS = "CREATE TABLE orders (id INTEGER PRIMARY KEY, amount DECIMAL(9,2), note TEXT, at TIMESTAMP NOT NULL)"
FILL = (
    "WITH RECURSIVE n (g) AS (VALUES (1) UNION ALL SELECT g + 1 FROM n LIMIT 1000) "
    "INSERT INTO orders SELECT g, round(g / 7.0, 2), 'n' || g, datetime('2024-01-01', g || ' minutes') FROM n"
)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path, "from.db", "into.db")


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
    receipt = shop.copy("orders", mode=mode, slice_rows=slice_rows)
    assert (receipt.rows, receipt.written) == (1000, 1000)
    same(shop)
    assert shop.t("SELECT sum(rows), count(*) FROM _etl_ledger")[0] == (1000, receipt.batches)
    (made,) = shop.t("SELECT sql FROM sqlite_master WHERE name = 'orders'")[0]
    assert "DECIMAL(9,2)" in made and 'PRIMARY KEY ("id")' in made and '"at" TIMESTAMP NOT NULL' in made


def test_a_copy_that_is_verified_finds_both_sides_alike(shop: Files) -> None:
    receipt = shop.copy("orders", verify=True)
    assert receipt.verification and receipt.verification.equal
    assert receipt.verification.source_rows == receipt.verification.target_rows == 1000


# What a column is declared to be, what is in it, and how it comes out of a read.
FITTING = [
    ("INTEGER", "9223372036854775807", 9223372036854775807),
    ("INTEGER", "-9223372036854775808", -9223372036854775808),
    ("TINYINT", "70000", 70000),
    ("BIGINT UNSIGNED", "'12'", 12),
    ("BOOLEAN", "1", True),
    ("BOOL", "0", False),
    ("REAL", "1", 1.0),
    ("DOUBLE PRECISION", "0.1", 0.1),
    ("REAL", "5e-324", 5e-324),
    ("REAL", "1.7976931348623157e308", 1.7976931348623157e308),
    ("REAL", "9e999", float("inf")),
    ("REAL", "-9e999", float("-inf")),
    ("TEXT", "''", ""),
    ("TEXT", "'NULL'", "NULL"),
    ("VARCHAR(3)", "'longer than that'", "longer than that"),
    ("TEXT", "12", "12"),
    ("TEXT", "cast(x'610062' as text)", "a\0b"),
    ("TEXT", "'ü 🦆 \u202e'", "ü 🦆 \u202e"),
    ("TEXT", "char(65279) || 'bom'", "\ufeffbom"),
    ("CLOB", "char(13, 10, 9)", "\r\n\t"),
    ("BLOB", "x''", b""),
    ("BLOB", "x'00ff'", b"\0\xff"),
    ("DECIMAL(10,2)", "12.3", "12.30"),
    ("DECIMAL(10,2)", "-99999999.99", "-99999999.99"),
    ("DECIMAL(18,0)", "999999999999999999", "999999999999999999"),
    ("NUMERIC", "12.50", "12.5"),
    ("NUMERIC", "1e16", "10000000000000000"),
    ("NUMERIC", "7", "7"),
    ("DATE", "'2024-02-29'", "2024-02-29"),
    ("DATE", "'infinity'", "infinity"),
    ("DATE", "'0044-03-15 BC'", "0044-03-15 BC"),
    ("DATETIME", "'2024-02-29 23:59:59'", "2024-02-29 23:59:59"),
    ("DATETIME", "'2024-02-29T23:59'", "2024-02-29 23:59:00"),
    ("TIMESTAMP", "'2024-02-29 23:59:59.120000'", "2024-02-29 23:59:59.12"),
    ("TIMESTAMP(9)", "'2024-02-29 23:59:59.123456789'", "2024-02-29 23:59:59.123456789"),
    ("TIMESTAMPTZ", "'2024-02-29 23:59:59Z'", "2024-02-29 23:59:59+00"),
    ("TIMESTAMP WITH TIME ZONE", "'2024-03-01 01:29:59.5+01:30'", "2024-02-29 23:59:59.5+00"),
    ("TIME", "'23:59:59.999999'", "23:59:59.999999"),
    ("TIME", "'24:00:00'", "24:00:00"),
    ("UUID", "'6F9619FF-8B86-D011-B42D-00CF4FC964FF'", "6f9619ff-8b86-d011-b42d-00cf4fc964ff"),
    ("JSON", '\'{"a": 9007199254740993, "a": 1.50}\'', '{"a": 9007199254740993, "a": 1.50}'),
    ("JSON", "'7'", "7"),
    ("JSON TEXT", "'1.50'", "1.50"),
    ("", "7", 7),
    ("", "'text'", "text"),
    ("", "x'01'", b"\1"),
    ("ANY", "2.5", 2.5),
    ("STRING", "'abc'", "abc"),
]
UNFIT = [
    ("INTEGER", "'seven'", "TEXT"),
    ("INTEGER", "1.5", "REAL"),
    ("INTEGER", "x'01'", "BLOB"),
    ("BOOLEAN", "2", "neither 0 nor 1"),
    ("BOOLEAN", "'true'", "TEXT"),
    ("REAL", "'x'", "TEXT"),
    ("TEXT", "x'01'", "BLOB"),
    ("TEXT", "cast(x'ff41' as text)", "not UTF-8"),
    ("BLOB", "'text'", "TEXT"),
    ("DECIMAL(10,2)", "0.1 + 0.2", "more than 2 decimal places"),
    ("DECIMAL(10,2)", "12.345", "more than 2 decimal places"),
    ("DECIMAL(10,2)", "123456789", "more than 8 digits"),
    ("DECIMAL(10,2)", "9e999", "finite"),
    ("DECIMAL(10,2)", "'twelve'", "TEXT"),
    ("NUMERIC", "-9e999", "finite"),
    ("DATE", "1709164800", "INTEGER"),
    ("DATE", "'29.02.2024'", "ISO"),
    ("DATE", "'2023-02-29'", "calendar"),
    ("DATE", "'0000-01-01'", "calendar"),
    ("DATETIME", "'2024-02-29 23:59:60'", "calendar"),
    ("DATETIME", "'2024-02-29 23:59:59Z'", "has a time zone"),
    ("DATETIME", "'2024-02-29 23:59:59.1234567'", "digits of a second"),
    ("TIMESTAMPTZ", "'2024-02-29 23:59:59'", "no time zone"),
    ("TIME", "'25:00:00'", "calendar"),
    ("UUID", "'none'", "UUID"),
    ("JSON", "'{a: 1}'", "JSON"),
    ("JSON", "'NaN'", "JSON"),
]


@pytest.mark.parametrize(("declared", "value", "expected"), FITTING, ids=lambda value: ascii(value)[:40])
def test_a_value_is_read_exactly_and_written_back_the_same(
    files: Files, declared: str, value: str, expected: Any
) -> None:
    files.s(f"CREATE TABLE t (id INTEGER PRIMARY KEY, c {declared})", f"INSERT INTO t VALUES (1, {value}), (2, NULL)")
    found = [str(one) if type(one).__name__ == "Decimal" else one for one in read(files, "t", "c")]
    assert rows([tuple(found)]) == rows([(expected, None)])
    files.copy("t")
    source = files.s("SELECT typeof(c), hex(c) FROM t ORDER BY id")
    if isinstance(expected, str) and source[0][0] == "text" and value != "'7'":
        # Texts of times come out as the house writes them; what they mean is the same.
        assert rows(files.t("SELECT c FROM t ORDER BY id")) == rows([(stored(declared, expected),), (None,)])
    else:
        assert files.t("SELECT typeof(c), hex(c) FROM t ORDER BY id") == source


def stored(declared: str, expected: str) -> str:
    return expected + ":00" if "Z" in declared or "ZONE" in declared else expected


@pytest.mark.parametrize(("declared", "value", "reason"), UNFIT, ids=lambda value: ascii(value)[:40])
def test_a_value_that_is_not_of_its_column_s_type_is_told(files: Files, declared: str, value: str, reason: str) -> None:
    files.s(f"CREATE TABLE t (id INTEGER PRIMARY KEY, c {declared})", f"INSERT INTO t VALUES (1, NULL), (2, {value})")
    with pytest.raises(Rejected, match=reason) as raised:
        files.copy("t")
    assert "Row 2 of t" in raised.value.message and "the column c" in raised.value.message and raised.value.hint
    assert files.t("SELECT count(*) FROM sqlite_master WHERE name = 't'") == [(0,)]
    kept: list[Reject] = []
    assert read(files, "t", "c", kept) == [None]
    assert [(one.row, one.column, one.reason) for one in kept] == [(2, "c", kept[0].reason)]
    assert '"id": "2"' in kept[0].content


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


def test_a_column_without_a_type_is_what_its_values_are(files: Files) -> None:
    files.s(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a, b, c, d)",
        "INSERT INTO t VALUES (1, 1, 1, 'x', NULL), (2, 2, 2.5, 3, NULL)",
    )
    plan = files.plan(query="SELECT id, a, b, c, d, a * 2 AS twice, count(*) OVER () AS n FROM t", target="q")
    assert {one.name: one.target_type for one in plan.columns} == {
        "id": "INTEGER",
        "a": "INTEGER",
        "b": "REAL",
        "c": "TEXT",
        "d": "TEXT",
        "twice": "INTEGER",
        "n": "INTEGER",
    }
    files.copy(query="SELECT * FROM t", target="q")
    assert rows(files.t("SELECT * FROM q")) == rows([(1, 1, 1.0, "x", None), (2, 2, 2.5, "3", None)])


def test_broken_text_and_large_cells_in_the_middle_change_nothing_for_the_rest(files: Files) -> None:
    files.s(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, c TEXT)",
        "WITH RECURSIVE n (g) AS (VALUES (1) UNION ALL SELECT g + 1 FROM n LIMIT 9000) "
        "INSERT INTO t SELECT g, g FROM n",
        "UPDATE t SET c = cast(x'41ff' AS text) WHERE id = 4321",
        "UPDATE t SET c = hex(zeroblob(300000)) WHERE id IN (6000, 6001)",
    )
    kept: list[Reject] = []
    found = read(files, "t", "c", kept)
    assert len(found) == 8999 and len(found[5998]) == 600_000
    assert [(one.row, one.value) for one in kept] == [(4321, "A\\udcff")]
    assert found[:4320] == [str(number) for number in range(1, 4321)] and found[-1] == "9000"


def test_many_large_cells_take_no_more_memory_than_a_few(files: Files) -> None:
    code = f"""
import resource, sys
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from pathlib import Path
from file_copies import Files
files = Files(Path({str(files.folder)!r}), "from.db", "into.db")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
files.copy("t")
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""
    files.s("CREATE TABLE t (id INTEGER PRIMARY KEY, c BLOB)", "INSERT INTO t VALUES (1, x'00')")
    files.s(*(f"INSERT INTO t VALUES ({number}, randomblob(10000000))" for number in range(2, 32)))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    assert float(done.stdout) < 200, "30 cells of 10 MB"
    assert files.t("SELECT count(*), sum(length(c)) FROM t") == [(31, 300_000_001)]


def test_replacing_keeps_what_hangs_on_a_table(shop: Files) -> None:
    shop.t(
        ORDERS,
        "INSERT INTO orders VALUES (5000, 1, 'old', '2020-01-01')",
        "CREATE INDEX by_note ON orders (note)",
        "CREATE UNIQUE INDEX by_pair ON orders (id, note) WHERE id > 3",
        "CREATE VIEW seen AS SELECT * FROM orders",
        "CREATE TABLE log (id)",
        "CREATE TRIGGER noted AFTER INSERT ON orders BEGIN INSERT INTO log VALUES (new.id); END",
    )
    before = shop.t("SELECT type, name, sql FROM sqlite_master ORDER BY 2")
    shop.copy("orders", mode="replace")
    same(shop)
    after = shop.t("SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE '%\\_etl\\_%' ESCAPE '\\' ORDER BY 2")
    assert after == before
    assert shop.t("SELECT count(*) FROM seen") == shop.t("SELECT count(*) FROM log") == [(1000,)]
    assert shop.t("PRAGMA integrity_check") == [("ok",)]


def test_a_table_that_another_refers_to_is_not_emptied(shop: Files) -> None:
    shop.t(
        ORDERS,
        "INSERT INTO orders VALUES (1, 1, 'old', '2020-01-01')",
        "CREATE TABLE items (id INTEGER PRIMARY KEY, o INTEGER REFERENCES orders (id) ON DELETE CASCADE)",
        "INSERT INTO items VALUES (1, 1)",
    )
    with pytest.raises(Rejected, match="items refers to orders by a foreign key"):
        shop.copy("orders", mode="replace")
    shop.copy("orders", mode="merge")
    assert shop.t("SELECT count(*) FROM items") == [(1,)]
    same(shop)


def test_a_row_that_breaks_a_rule_of_the_target_is_named_and_nothing_stays(shop: Files) -> None:
    shop.t(f"{ORDERS[:-1]}, CHECK (id <> 777))", "INSERT INTO orders VALUES (5000, 1, 'old', '2020-01-01')")
    for mode in ("append", "merge", "replace"):
        with pytest.raises(Rejected, match="CHECK constraint failed") as raised:
            shop.copy("orders", mode=mode)
        assert mode == "merge" or "writing row 777" in raised.value.message
        assert shop.t("SELECT count(*), (SELECT count(*) FROM _etl_ledger) FROM orders") == [(1, 0)]


def test_a_trigger_that_drops_rows_is_noticed(shop: Files) -> None:
    shop.t(ORDERS, "CREATE TRIGGER no BEFORE INSERT ON orders WHEN new.id = 5 BEGIN SELECT raise(ignore); END")
    with pytest.raises(Rejected, match="gave 1000 rows, and the target took 999"):
        shop.copy("orders")
    assert shop.t("SELECT count(*) FROM orders") == [(0,)]


def test_merging_takes_the_newest_of_rows_with_one_key(files: Files) -> None:
    files.s(
        "CREATE TABLE t (k TEXT, v TEXT, at TIMESTAMP)",
        "INSERT INTO t VALUES ('a', 'old', '2024-01-01 00:00:00'), ('a', 'new', '2024-01-02 00:00:00'), "
        "('b', 'z', '2024-01-01 00:00:00'), ('b', 'y', '2024-01-01 00:00:00'), ('c', 'only', '2024-01-01 00:00:00')",
    )
    for _ in range(2):
        files.copy("t", mode="merge", key=["k"], cursor="at", look_back=9_999_999)
        assert files.t("SELECT k, v FROM t ORDER BY k") == [("a", "new"), ("b", "z"), ("c", "only")]


def test_keys_that_cannot_be_told_apart_are_told(files: Files) -> None:
    files.s("CREATE TABLE t (k TEXT, v TEXT)", "INSERT INTO t VALUES ('a', '1'), ('A', '2'), ('b', '3')")
    files.t("CREATE TABLE t (k TEXT COLLATE NOCASE PRIMARY KEY NOT NULL, v TEXT)")
    with pytest.raises(Rejected, match="two in the source and one in t"):
        files.copy("t", mode="merge", key=["k"])
    files.s("INSERT INTO t VALUES (NULL, '4')")
    with pytest.raises(Rejected, match="1 row has NULL in the key"):
        files.copy("t", mode="merge", key=["k"])
    assert files.t("SELECT count(*) FROM t") == [(0,)]


@pytest.mark.parametrize("mode", ["append", "merge"])
def test_a_cursor_run_finds_late_rows_and_doubles_none(shop: Files, mode: str) -> None:
    options: dict[str, Any] = {"mode": mode, "cursor": "at", "key": ["id"]}
    assert shop.copy("orders", **options).rows == 1000
    again = shop.copy("orders", **options)
    assert (again.rows, again.written) == (6, 0 if mode == "append" else 6)  # five minutes, and the border
    shop.s(
        "INSERT INTO orders VALUES (2001, 1, 'late', datetime('2024-01-01', '997 minutes'))",
        "INSERT INTO orders VALUES (2002, 1, 'tied', datetime('2024-01-01', '1000 minutes'))",
        "INSERT INTO orders VALUES (2003, 1, 'new', datetime('2024-01-01', '1001 minutes'))",
        "UPDATE orders SET note = 'changed', at = datetime('2024-01-01', '1002 minutes') WHERE id = 999",
    )
    shop.copy("orders", **options)
    shop.copy("orders", **options)
    if mode == "merge":
        same(shop)
    else:
        assert shop.t("SELECT count(*), count(DISTINCT id) FROM orders") == [(1004, 1003)]
        assert shop.t("SELECT note FROM orders WHERE id = 999 ORDER BY at") == [("n999",), ("changed",)]


def test_a_number_that_grows_is_read_from_its_border_on(shop: Files) -> None:
    first = shop.copy("orders", cursor="id")
    shop.s("INSERT INTO orders VALUES (1001, 1, 'new', '2024-01-01 00:00:00')")
    second = shop.copy("orders", cursor="id")
    assert (first.cursor_to, second.cursor_from, second.rows, second.written) == ("1000", "1000", 2, 1)
    same(shop)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (("'2024-01-01 00:00:00'", "'2024-01-01T00:00:01'"), "written in several ways"),
        (("'2024-01-01 00:00:00'", "'2024-01-01 00:00:01Z'"), "written in several ways"),
        (("'2024-01-01 00:00:00'", "'yesterday'"), "written in several ways"),
        (("'2024-01-01 00:00:00'", "1704067200"), "no timestamp"),
        (("'2024-01-01 00:00:00'", "NULL"), "is NULL in some rows"),
    ],
)
def test_a_cursor_without_one_order_is_refused(files: Files, values: tuple[str, ...], message: str) -> None:
    files.s(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, at DATETIME)",
        *(f"INSERT INTO t VALUES (NULL, {value})" for value in values),
    )
    with pytest.raises(BadInput, match=message):
        files.copy("t", cursor="at")


def test_a_reader_of_a_snapshot_sees_nothing_of_what_is_written_meanwhile(shop: Files) -> None:
    shop.s("PRAGMA journal_mode = WAL")
    source = shop.connector(shop.source).open_source()
    selection = Selection("orders")
    table = source.describe(selection)
    source.begin(selection)
    shop.s("DELETE FROM orders WHERE id > 10")
    total = 0
    for piece in source.pieces(table, 300):
        coming = source.read(Selection("orders", piece=piece), table, "arrow")
        total += sum(batch.num_rows for batch in coming.batches())
    assert total == 1000
    source.close()


@pytest.mark.parametrize("journal", ["delete", "wal"])
@pytest.mark.parametrize("mode", ["append", "replace", "merge"])
def test_source_and_target_may_be_one_file(shop: Files, journal: str, mode: str) -> None:
    shop.s(f"PRAGMA journal_mode = {journal}")
    shop.target = shop.source
    assert shop.copy("orders", "copied", mode=mode, slice_rows=100).rows == 1000
    assert shop.s("SELECT * FROM copied ORDER BY id") == shop.s("SELECT * FROM orders ORDER BY id")
    with pytest.raises(BadInput, match="the same table"):
        shop.copy("Orders", "ORDERS")


def test_a_file_that_another_program_writes_to_is_waited_for(shop: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = sqlite3.connect(shop.folder / shop.target, isolation_level=None, check_same_thread=False)
    writer.execute("BEGIN IMMEDIATE")
    timer = threading.Timer(0.4, writer.execute, ("ROLLBACK",))
    timer.start()
    assert shop.copy("orders").rows == 1000
    timer.join()
    monkeypatch.setattr(sessions, "LOCK_SECONDS", 0.2)
    writer.execute("BEGIN IMMEDIATE")
    opened = shop.connector(shop.target).open_destination()
    name, _ = opened.resolve("orders")
    with pytest.raises(Throttled, match=r"into\.db is locked by another program"):
        opened.claim(name, "s", "t", fresh=False, take_over=False)
    opened.close()
    writer.close()


def test_a_full_disk_leaves_the_target_as_it_was(shop: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.t(ORDERS, "INSERT INTO orders VALUES (5000, 1, 'old', '2020-01-01')")
    opening = sessions._connect

    def small(path: Path, *, writes: bool) -> sqlite3.Connection:
        made = opening(path, writes=writes)
        made.execute("PRAGMA max_page_count = 12")
        return made

    monkeypatch.setattr(sessions, "_connect", small)
    with pytest.raises(Rejected, match=r"disk of into\.db is full") as raised:
        shop.copy("orders", mode="replace")
    assert raised.value.hint.startswith("Free space")
    assert shop.t("SELECT count(*) FROM orders") == [(1,)]


def test_a_file_that_may_not_be_written_is_said_before_the_first_row(shop: Files) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody who may not write the file")
    for path in (shop.folder, *shop.folder.parents):
        if path.is_relative_to("/tmp") and path != Path("/tmp"):
            path.chmod(0o755)
    os.seteuid(65534)
    try:
        with pytest.raises(Refused, match="may not be written") as raised:
            shop.copy("orders")
    finally:
        os.seteuid(0)
    assert "chmod" in raised.value.hint


def test_what_a_killed_program_left_is_rolled_back_by_whoever_reads_next(shop: Files) -> None:
    code = (
        "import os, signal, sqlite3, sys\n"
        "db = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "db.execute('PRAGMA cache_size = 1'); db.execute('BEGIN')\n"
        "db.execute('UPDATE orders SET note = hex(randomblob(2000))')\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, str(shop.folder / shop.source)], check=False)
    assert (shop.folder / "from.db-journal").exists()
    assert shop.copy("orders").rows == 1000
    assert shop.t("SELECT count(*) FROM orders WHERE note = 'n' || id") == [(1000,)]


@pytest.mark.parametrize(
    ("target", "error", "message"),
    [
        ("seen", Rejected, "is a view"),
        ("words", Rejected, "is a virtual table"),
        ("sqlite_new", BadInput, "SQLite's own"),
        ("_etl_x", BadInput, "engine's own"),
        ("other.orders", BadInput, "no schemas"),
        ("main.new", None, ""),
        ('"a.b ""c"" \'"', None, ""),
    ],
)
def test_where_rows_may_go(shop: Files, target: str, error: type[Exception] | None, message: str) -> None:
    shop.t("CREATE VIEW seen AS SELECT 1 AS id", "CREATE VIRTUAL TABLE words USING fts5 (note)")
    if error is None:
        assert shop.copy("orders", target).rows == 1000
        return
    with pytest.raises(error, match=message):
        shop.copy("orders", target)


def test_names_are_found_in_any_case(shop: Files) -> None:
    shop.t(ORDERS.replace("orders", "OrDeRs"))
    assert shop.copy("ORDERS", "oRdErS").target == "OrDeRs"
    with pytest.raises(Missing, match="did you mean orders"):
        shop.copy("ordres")


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("SELECT 1; SELECT 2", BadInput),
        ("DELETE FROM orders", BadInput),
        ("INSERT INTO orders (id) VALUES (9999) RETURNING id", BadInput),
        ("SELECT 1 AS a, 2 AS a", BadInput),
        ("SELECT ? AS a", BadInput),
        ("PRAGMA user_version", BadInput),
        ("SELECT * FROM nowhere", Missing),
        ("SELECT load_extension('x') AS a", Rejected),
        ("ATTACH '/etc/passwd' AS p", BadInput),
        ("", BadInput),
    ],
)
def test_a_query_that_is_none_is_refused(shop: Files, query: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        shop.copy(query=query or " ", target="q")
    assert shop.s("SELECT count(*) FROM orders") == [(1000,)]


def test_a_key_may_be_of_any_class_and_null(files: Files) -> None:
    files.s(
        "CREATE TABLE t (k BLOB, n TEXT, v INTEGER, PRIMARY KEY (k, n))",
        "WITH RECURSIVE n (g) AS (VALUES (0) UNION ALL SELECT g + 1 FROM n LIMIT 999) "
        "INSERT INTO t SELECT randomblob(3), g % 7, g FROM n",
    )
    assert files.copy("t", slice_rows=70).batches == 15
    same(files, "t")
    files.s("INSERT INTO t VALUES (NULL, 'x', 1)")
    assert files.plan("t").key == []


def test_a_second_run_is_told_of_the_first(shop: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    from etl_engine.connectors.sqlite import ledger

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
    shop.tidy()


def test_rows_that_do_not_fit_are_kept_apart_in_the_file(shop: Files) -> None:
    shop.s("UPDATE orders SET amount = 'broken' WHERE id = 10", "UPDATE orders SET note = 'taken' WHERE id IN (20, 21)")
    shop.t(f"{ORDERS[:-1]}, UNIQUE (note))")
    receipt = shop.copy("orders", on_reject="quarantine")
    assert (receipt.rows, receipt.rejected) == (1000, 2) or (receipt.rows, receipt.rejected) == (998, 2)
    assert shop.t("SELECT count(*) FROM orders") == [(998,)]
    found = shop.t('SELECT row, "column", value FROM _etl_rejects ORDER BY row')
    assert found[0] == (10, "amount", "broken") and len(found) == 2
    assert shop.t("SELECT rejected FROM _etl_ledger") == [(2,)]


def test_looking_around(shop: Files) -> None:
    shop.s("CREATE VIEW seen AS SELECT * FROM orders", "CREATE VIRTUAL TABLE words USING fts5 (note)", "ANALYZE")
    explorer = shop.connector(shop.source).explore()
    assert explorer.schemas() == ["main"]
    found = {str(table.name): (table.kind, table.rows) for table in explorer.tables()}
    assert found == {"orders": ("table", 1000), "seen": ("view", None), "words": ("virtual table", None)}
    described = explorer.describe("orders")
    assert described.key == ("id",) and [column.native for column in described.columns][1] == "DECIMAL(9,2)"
    assert explorer.sample("orders", 1) == [["1", "0.14", "n1", "2024-01-01 00:01:00"]]
    explorer.close()
