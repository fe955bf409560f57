"""Copies between PostgreSQL and files: what arrives is judged by psql and by DuckDB."""

import datetime as dt
import decimal
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import file_tables
import pytest
from copying import Pair
from file_tables import End, manifest, parquet

from etl_engine.engine import transfer
from etl_engine.engine.transfer import Ends
from etl_engine.engine.watching import Progress, Stop
from etl_engine.errors import BadInput, EtlError, NotCapable, Rejected
from etl_engine.model.copies import CopyReceipt

TYPES = """
    id bigint PRIMARY KEY, small smallint, whole integer, yes boolean, real4 real, real8 double precision,
    money numeric(12,2), wide numeric(60,10), free numeric, code char(4), short varchar(10), note text, raw bytea,
    day date, at timestamp, at3 timestamp(3), zoned timestamptz, clock time, span interval, mark uuid, doc json,
    docb jsonb, bits bit varying, tags text[], address inet
"""
VALUES = (
    "(1, -32768, -2147483648, true, 1.5, 0.1, 12345678.90, 1.0000000001, 1e40, 'ab', 'x', 'ä🎉', '\\x00ff', "
    "'2024-02-29', '2024-02-29 23:59:59.999999', '2024-02-29 10:00:00.123', '2024-02-29 10:00:00.5+02', "
    "'23:59:59.999999', '1 mon 2 days 03:04:05.6', '6f9619ff-8b86-d011-b42d-00cf4fc964ff', '{\"a\" : 1.10}', "
    "'{\"b\": 2}', B'0101', '{a,NULL,\"c,d\"}', '10.0.0.1/8')",
    "(2, 32767, 2147483647, false, 'NaN', '-Infinity', -0.01, -12345678901234567890123456789012345678901234567890.5, "
    "0.00000001, '', '', '', '\\x', '0001-01-01', '0001-01-01 00:00:00', '9999-12-31 23:59:59.999', "
    "'9999-12-31 23:59:59.999999+00', '00:00:00', '-1 year', '00000000-0000-0000-0000-000000000000', 'null', '[]', "
    "B'', '{}', '::1')",
    f"(3{', NULL' * 24})",
    "(4, 0, 0, true, -0.0, 5e-324, 0, 0, 0, 'a,\"b', E'a\\nb', E'\\\\N', '\\x0a', '1582-10-15', "
    "'1582-10-15 00:00:00.000001', '1969-12-31 23:59:59.999', '1969-12-31 23:59:59.999999+00', '12:00', '0', "
    "'ffffffff-ffff-ffff-ffff-ffffffffffff', '\"x\"', '{\"x\": null}', B'1', '{{1,2},{3,4}}', '192.168.0.0/16')",
)
# Files know no char(4) and no jsonb: what is in them is the target's to pad, cut or rewrite.
REWRITTEN = ("code", "short", "docb")


@pytest.fixture
def place(tmp_path: Path) -> End:
    return file_tables.folder(tmp_path / "files")


@pytest.fixture
def corpus(pair: Pair) -> Pair:
    pair.s(f"CREATE TABLE corpus ({TYPES})", f"INSERT INTO corpus VALUES {', '.join(VALUES)}", "ANALYZE corpus")
    return pair


def run(order: Any, source: Callable[[], Any], target: Any) -> CopyReceipt:
    return transfer.run(order, Ends(source, target.open_destination, target.open_source), Progress(), Stop())


def out(pair: Pair, table: str, place: End, name: str, **options: Any) -> CopyReceipt:
    return run(pair.order(table, name, **options), pair.connector(pair.source).open_source, place.connector)


def back(place: End, name: str, pair: Pair, table: str, **options: Any) -> CopyReceipt:
    return run(pair.order(name, table, **options), place.connector.open_source, pair.connector(pair.target))


@pytest.mark.parametrize(
    "name", ["corpus", "corpus.csv", "corpus.csv.gz", "corpus.jsonl", "corpus.jsonl.zst", "corpus.tsv"]
)
def test_every_type_goes_through_files_and_back(corpus: Pair, place: End, name: str) -> None:
    """Judged by psql: the text of every value is what it was, in a table of the same types."""
    receipt = out(corpus, "corpus", place, name, verify=True)
    assert receipt.rows == receipt.written == 4
    assert receipt.verification and receipt.verification.equal, receipt.verification
    corpus.t(f"CREATE TABLE corpus ({TYPES})")
    receipt = back(place, name, corpus, "corpus", allow_lossy=REWRITTEN)
    assert receipt.rows == 4
    corpus.same("corpus")


def test_a_new_table_gets_the_types_that_the_files_tell(corpus: Pair, place: End) -> None:
    out(corpus, "corpus", place, "corpus")
    back(place, "corpus", corpus, "made")
    types = corpus.t(
        "SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum) "
        "FROM pg_attribute WHERE attrelid = 'made'::regclass AND attnum > 0"
    )
    for one in (
        "id bigint", "small smallint", "yes boolean", "real4 real", "money numeric(12,2)", "wide numeric(60,10)",
        "raw bytea", "day date", "at timestamp without time zone", "zoned timestamp with time zone", "mark uuid",
    ):  # fmt: skip
        assert one in types


def test_other_readers_find_the_values_in_parquet(corpus: Pair, place: End, tmp_path: Path) -> None:
    out(corpus, "corpus", place, "corpus")
    columns = 'id, small, yes, money, wide, note, raw, day, "at", zoned, mark, doc'
    first, second = parquet(tmp_path / "files" / "corpus", f"SELECT {columns} FROM t ORDER BY id LIMIT 2")
    assert first[:3] == (1, -32768, True)
    assert first[3] == decimal.Decimal("12345678.90")
    assert first[5:9] == ("ä🎉", b"\x00\xff", dt.date(2024, 2, 29), dt.datetime(2024, 2, 29, 23, 59, 59, 999999))
    assert first[9] == dt.datetime(2024, 2, 29, 8, 0, 0, 500000, tzinfo=dt.UTC)
    assert first[10:] == ("6f9619ff-8b86-d011-b42d-00cf4fc964ff", '{"a" : 1.10}')
    assert second[5] == "" and second[6] == b""


@pytest.mark.parametrize("value", ["'infinity'", "'0044-03-15 BC'", "'12024-01-01'"])
def test_a_date_that_files_cannot_hold_stops_the_copy_and_leaves_nothing(pair: Pair, place: End, value: str) -> None:
    pair.s("CREATE TABLE t (id int PRIMARY KEY, d date)", f"INSERT INTO t VALUES (1, '2024-01-01'), (2, {value})")
    try:
        out(pair, "t", place, "t")
    except Rejected as error:
        assert "d" in str(error)
        found = place.connector.explore()
        assert found.tables() == []
        found.close()
    else:  # years beyond four digits have a place in Parquet: then they must be there
        pair.t("CREATE TABLE t (id int PRIMARY KEY, d date)")
        back(place, "t", pair, "t")
        pair.same("t")


def test_bad_rows_are_kept_apart_beside_the_manifest(pair: Pair, place: End, tmp_path: Path) -> None:
    pair.s(
        "CREATE TABLE t (id int PRIMARY KEY, d date)",
        "INSERT INTO t SELECT g, '2024-01-01' FROM generate_series(1, 100) g",
        "INSERT INTO t VALUES (101, 'infinity')",
    )
    receipt = out(pair, "t", place, "t", on_reject="quarantine")
    assert (receipt.written, receipt.rejected) == (100, 1)
    told = manifest(tmp_path / "files" / "t")
    (entry,) = told["entries"]
    assert (entry["rows"], entry["rejected"]) == (100, 1)
    (reject,) = map(json.loads, (tmp_path / "files" / "t" / "_etl" / entry["rejects"]).read_text().splitlines())
    assert (reject["column"], reject["value"]) == ("d", "infinity")
    assert len(parquet(tmp_path / "files" / "t")) == 100


def test_csv_into_postgresql_and_its_ragged_rows_kept_apart(pair: Pair, place: End, tmp_path: Path) -> None:
    (tmp_path / "files" / "people.csv").write_text('id,name\n1,ä\n2\n3,""\n4,\n')
    with pytest.raises(Rejected, match=r"people\.csv, row 2"):
        back(place, "people.csv", pair, "people")
    assert pair.t("SELECT to_regclass('people') IS NULL") == "t"
    receipt = back(place, "people.csv", pair, "people", on_reject="quarantine")
    assert (receipt.written, receipt.rejected) == (3, 1)
    assert pair.t("SELECT id, name, name IS NULL FROM people ORDER BY id") == "1|ä|f\n3||f\n4||t"
    assert pair.t("SELECT row, content FROM _etl_rejects") == "2|2"


def test_append_replace_and_the_prefix_trap(pair: Pair, place: End, tmp_path: Path) -> None:
    pair.s("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1), (2)")
    files = tmp_path / "files"
    out(pair, "t", place, "orders_archive")
    (files / "orders.txt").write_text("somebody's")
    out(pair, "t", place, "orders")
    out(pair, "t", place, "orders")
    assert parquet(files / "orders") == [(1,), (1,), (2,), (2,)]
    archive = sorted((files / "orders_archive").rglob("*"))
    pair.s("DELETE FROM t WHERE id = 1")
    out(pair, "t", place, "orders", mode="replace")
    assert parquet(files / "orders") == [(2,)]
    assert len(list((files / "orders").glob("*.parquet"))) == 1
    pair.s("DELETE FROM t")
    out(pair, "t", place, "orders", mode="replace")
    assert parquet(files / "orders") == []
    assert sorted((files / "orders_archive").rglob("*")) == archive and parquet(files / "orders_archive") == [
        (1,),
        (2,),
    ]
    assert (files / "orders.txt").read_text() == "somebody's"


def test_a_source_that_fails_leaves_the_old_rows(pair: Pair, place: End, tmp_path: Path) -> None:
    pair.s("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1), (2)")
    out(pair, "t", place, "t")
    with pytest.raises(EtlError):
        order = pair.order(target="t", query="SELECT 1 / (id - 1) AS id FROM t", mode="replace", key=("id",))
        run(order, pair.connector(pair.source).open_source, place.connector)
    assert parquet(tmp_path / "files" / "t") == [(1,), (2,)]
    assert len(list((tmp_path / "files" / "t").iterdir())) == 2


def test_new_columns_come_by_policy(pair: Pair, place: End, tmp_path: Path) -> None:
    pair.s("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    out(pair, "t", place, "t")
    pair.s("ALTER TABLE t ADD COLUMN more text", "INSERT INTO t VALUES (2, 'x')")
    with pytest.raises(BadInput, match="more"):
        out(pair, "t", place, "t")
    out(pair, "t", place, "t", new_columns="evolve")
    assert parquet(tmp_path / "files" / "t", "SELECT id, more FROM t ORDER BY ALL") == [(1, None), (1, None), (2, "x")]
    pair.t("CREATE TABLE t (id int, more text)")
    back(place, "t", pair, "t")
    assert pair.t("SELECT id, more FROM t ORDER BY 1, 2") == "1|\n1|\n2|x"


def test_files_are_not_merged_into_and_it_says_where_to(pair: Pair, place: End) -> None:
    pair.s("CREATE TABLE t (id int PRIMARY KEY)")
    with pytest.raises(NotCapable, match="cannot be merged") as raised:
        out(pair, "t", place, "t", mode="merge")
    assert "lake" in raised.value.hint


def test_what_others_put_into_a_folder_is_not_written_over(pair: Pair, place: End, tmp_path: Path) -> None:
    pair.s("CREATE TABLE t (id int PRIMARY KEY)")
    (tmp_path / "files" / "taken").mkdir()
    (tmp_path / "files" / "taken" / "theirs.parquet").write_text("x")
    (tmp_path / "files" / "plain.csv").write_text("id\n1\n")
    for name, error in (
        ("taken", Rejected),
        ("plain.csv", Rejected),
        ("*.csv", BadInput),
        ("_x", BadInput),
        ("../x", BadInput),
    ):
        with pytest.raises(error):
            out(pair, "t", place, name)
    assert (tmp_path / "files" / "plain.csv").read_text() == "id\n1\n"


def test_large_tables_are_cut_into_files(pair: Pair, tmp_path: Path) -> None:
    place = file_tables.folder(tmp_path / "files", write_megabytes=1)
    pair.s(
        "CREATE TABLE t (id int PRIMARY KEY, v text)",
        "INSERT INTO t SELECT g, md5(g::text) || md5((g + 1)::text) FROM generate_series(1, 60000) g",
    )
    receipt = out(pair, "t", place, "t.csv")
    files = list((tmp_path / "files" / "t.csv").glob("part-*.csv"))
    assert receipt.rows == 60_000 and len(files) > 1
    assert sum(one["rows"] for one in manifest(tmp_path / "files" / "t.csv")["files"]) == 60_000
    pair.t("CREATE TABLE t (id int PRIMARY KEY, v text)")
    back(place, "t.csv", pair, "t")
    pair.same("t")


def test_a_cursor_takes_only_what_is_new(pair: Pair, place: End, tmp_path: Path) -> None:
    pair.s(
        "CREATE TABLE t (id int PRIMARY KEY, at timestamptz NOT NULL)",
        "INSERT INTO t SELECT g, now() FROM generate_series(1, 5) g",
    )
    options = {"cursor": "at", "key": ("id",)}
    assert out(pair, "t", place, "t", **options).written == 5
    pair.s("INSERT INTO t SELECT g, now() FROM generate_series(6, 8) g")
    assert out(pair, "t", place, "t", **options).written == 3
    assert out(pair, "t", place, "t", **options).written == 0
    assert [row[0] for row in parquet(tmp_path / "files" / "t")] == list(range(1, 9))


def test_a_manifest_that_was_tampered_with_is_not_believed(pair: Pair, place: End, tmp_path: Path) -> None:
    pair.s("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    out(pair, "t", place, "t")
    files = tmp_path / "files" / "t"
    (part,) = files.glob("part-*")
    part.write_bytes(b"short")
    with pytest.raises(Rejected, match="has another size"):
        back(place, "t", pair, "t")
    part.unlink()
    with pytest.raises(Rejected, match="is gone"):
        back(place, "t", pair, "t")
    told = manifest(files)
    told["files"][0]["name"] = "../../secret.parquet"
    (files / "_etl" / "manifest.json").write_text(json.dumps(told))
    with pytest.raises(EtlError):
        back(place, "t", pair, "t")
    (files / "_etl" / "manifest.json").write_text("{")
    with pytest.raises(Rejected, match="damaged"):
        back(place, "t", pair, "t")


def test_a_full_disk_stops_the_copy_and_leaves_the_table_as_it_was(pair: Pair, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", small], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a small file system cannot be mounted here")
    try:
        place = file_tables.folder(small)
        pair.s("CREATE TABLE t (id int PRIMARY KEY, v text)", "INSERT INTO t VALUES (1, 'x')")
        out(pair, "t", place, "t")
        pair.s("INSERT INTO t SELECT g, md5(g::text) FROM generate_series(2, 60000) g")
        with pytest.raises(EtlError, match="no room left"):
            out(pair, "t", place, "t")
        assert parquet(small / "t") == [(1, "x")]
        assert sorted(one.name for one in (small / "t").iterdir() if not one.name.startswith("part-")) == ["_etl"]
        assert len(list((small / "t").glob("*part*"))) == 1
    finally:
        subprocess.run(["umount", small], check=True)
