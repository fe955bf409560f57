"""Copies between PostgreSQL and the lake: judged by psql, and by DuckDB over what the table's log leads to."""

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import file_tables
import pytest
from copying import Pair
from file_tables import End, delta
from test_copy_files import REWRITTEN, TYPES, VALUES

from etl_engine.connectors.lake.data import BuiltInLake
from etl_engine.engine import transfer
from etl_engine.engine.transfer import Ends
from etl_engine.engine.watching import Progress, Stop
from etl_engine.errors import BadInput, EtlError, Missing, Refused, Rejected, Throttled
from etl_engine.model.copies import CopyReceipt


@pytest.fixture
def place(tmp_path: Path) -> End:
    return file_tables.lake(tmp_path / "lake")


def run(order: Any, source: Callable[[], Any], target: Any) -> CopyReceipt:
    return transfer.run(order, Ends(source, target.open_destination, target.open_source), Progress(), Stop())


def out(pair: Pair, table: str, place: End, name: str, **options: Any) -> CopyReceipt:
    return run(pair.order(table, name, **options), pair.connector(pair.source).open_source, place.connector)


def back(place: End, name: str, pair: Pair, table: str, **options: Any) -> CopyReceipt:
    return run(pair.order(name, table, **options), place.connector.open_source, pair.connector(pair.target))


def test_every_type_goes_through_the_lake_and_back(pair: Pair, place: End) -> None:
    pair.s(f"CREATE TABLE corpus ({TYPES})", f"INSERT INTO corpus VALUES {', '.join(VALUES)}", "ANALYZE corpus")
    receipt = out(pair, "corpus", place, "shop/corpus", verify=True)
    assert receipt.rows == receipt.written == 4
    assert receipt.verification and receipt.verification.equal, receipt.verification
    pair.t(f"CREATE TABLE corpus ({TYPES})")
    lossy = (*REWRITTEN, "wide", "clock")  # wider than 38 digits, and times of day: text in the lake
    back(place, "shop/corpus", pair, "corpus", allow_lossy=lossy)
    pair.same("corpus")


def test_the_lake_has_the_types_that_delta_has(pair: Pair, place: End) -> None:
    pair.s(
        "CREATE TABLE t (id int PRIMARY KEY, d38 numeric(38,10), d39 numeric(39,0), clock time, zoned timestamptz, "
        "plain timestamp, mark uuid)"
    )
    out(pair, "t", place, "t")
    explorer = place.connector.explore()
    assert {one.name: one.native for one in explorer.describe("t").columns} == {
        "id": "int32",
        "d38": "decimal128(38, 10)",
        "d39": "string",
        "clock": "string",
        "zoned": "timestamp[us, tz=UTC]",
        "plain": "timestamp[us]",
        "mark": "string (uuid)",
    }
    assert explorer.describe("t").key == ("id",)
    explorer.close()


def test_append_replace_merge(pair: Pair, place: End, tmp_path: Path) -> None:
    there = tmp_path / "lake" / "t"
    pair.s("CREATE TABLE t (id int PRIMARY KEY, v text)", "INSERT INTO t VALUES (1, 'a'), (2, 'b')")
    out(pair, "t", place, "t")
    out(pair, "t", place, "t")
    assert delta(there) == [(1, "a"), (1, "a"), (2, "b"), (2, "b")]
    out(pair, "t", place, "t", mode="replace")
    assert delta(there) == [(1, "a"), (2, "b")]
    pair.s("UPDATE t SET v = 'B' WHERE id = 2", "INSERT INTO t VALUES (3, NULL)", "DELETE FROM t WHERE id = 1")
    receipt = out(pair, "t", place, "t", mode="merge")
    assert (receipt.rows, receipt.written) == (2, 2)
    assert delta(there) == [(1, "a"), (2, "B"), (3, None)]
    pair.s("DELETE FROM t")
    assert out(pair, "t", place, "t", mode="merge").written == 0
    assert out(pair, "t", place, "t", mode="replace").rows == 0
    assert delta(there) == []


def test_the_newest_of_a_key_wins_whatever_the_order(pair: Pair, place: End, tmp_path: Path) -> None:
    pair.s(
        "CREATE TABLE t (id int NOT NULL, v text, at timestamptz NOT NULL)",
        "INSERT INTO t SELECT g % 10, 'v' || g, '2024-01-01'::timestamptz + (g * 7 % 100) * interval '1 min' "
        "FROM generate_series(1, 100) g",
    )
    receipt = out(pair, "t", place, "t", mode="merge", key=("id",), cursor="at")
    assert (receipt.rows, receipt.written) == (100, 10)
    wanted = pair.s("SELECT DISTINCT ON (id) v FROM t ORDER BY id, at DESC, v DESC").splitlines()
    assert [row[1] for row in delta(tmp_path / "lake" / "t")] == wanted


def test_null_keys_are_refused_and_nothing_is_written(pair: Pair, place: End, tmp_path: Path) -> None:
    pair.s("CREATE TABLE t (id int, v text)", "INSERT INTO t VALUES (1, 'a'), (NULL, 'b')")
    with pytest.raises(EtlError, match="NULL"):
        out(pair, "t", place, "t", mode="merge", key=("id",))
    assert not (tmp_path / "lake" / "t" / "_delta_log").exists()
    assert not list((tmp_path / "lake").rglob("*.part*"))


def test_odd_names_of_columns_are_merged_by_name(pair: Pair, place: End, tmp_path: Path) -> None:
    pair.s(
        'CREATE TABLE t ("Key ""1""" int PRIMARY KEY, "a.b" text, "select" text, "ÄÖ" text)',
        "INSERT INTO t VALUES (1, 'x', 'y', 'z')",
    )
    out(pair, "t", place, "t", mode="merge")
    pair.s("UPDATE t SET \"a.b\" = 'X'", "INSERT INTO t VALUES (2, 'p', 'q', 'r')")
    out(pair, "t", place, "t", mode="merge")
    assert delta(tmp_path / "lake" / "t") == [(1, "X", "y", "z"), (2, "p", "q", "r")]


def test_a_version_is_read_as_it_was(pair: Pair, place: End) -> None:
    pair.s("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    out(pair, "t", place, "t")
    pair.s("UPDATE t SET id = 2")
    out(pair, "t", place, "t", mode="replace")
    for name, there in (("t@1", "1"), ("t@v2", "2"), ("t", "2")):
        pair.t("DROP TABLE IF EXISTS t", "CREATE TABLE t (id int)")
        back(place, name, pair, "t", restart=True)
        assert pair.t("SELECT * FROM t") == there
    with pytest.raises(Missing, match="no version 9"):
        back(place, "t@9", pair, "t")
    with pytest.raises(BadInput, match="versions are not written"):
        out(pair, "t", place, "t@1")


def test_new_columns_and_a_cursor(pair: Pair, place: End, tmp_path: Path) -> None:
    pair.s(
        "CREATE TABLE t (id int PRIMARY KEY, at timestamptz NOT NULL DEFAULT now())", "INSERT INTO t VALUES (1), (2)"
    )
    options = {"cursor": "at", "key": ("id",)}
    assert out(pair, "t", place, "t", **options).written == 2
    pair.s("ALTER TABLE t ADD COLUMN more text", "INSERT INTO t VALUES (3, now(), 'x')")
    with pytest.raises(BadInput, match="more"):
        out(pair, "t", place, "t", **options)
    assert out(pair, "t", place, "t", new_columns="evolve", **options).written == 1
    assert out(pair, "t", place, "t", new_columns="evolve", **options).written == 0
    assert delta(tmp_path / "lake" / "t", "SELECT id, more FROM t ORDER BY 1") == [(1, None), (2, None), (3, "x")]


def test_the_lake_is_read_by_a_cursor(pair: Pair, place: End) -> None:
    pair.s("CREATE TABLE t (id int PRIMARY KEY, at timestamptz NOT NULL)")
    for day in (1, 2, 3):
        pair.s(f"INSERT INTO t VALUES ({day}, '2024-01-0{day}')")
        out(pair, "t", place, "t", mode="merge")
        receipt = back(place, "t", pair, "t", mode="merge", cursor="at", key=("id",))
        assert receipt.rows == (1 if day == 1 else 2)  # the row at the border is read again, and changes nothing
    pair.same("t")


def test_a_log_that_leads_out_of_its_folder_is_not_followed(pair: Pair, place: End, tmp_path: Path) -> None:
    pair.s("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    out(pair, "t", place, "t")
    out(pair, "t", place, "secret")
    log = max((tmp_path / "lake" / "t" / "_delta_log").glob("*.json"))
    (hidden,) = (tmp_path / "lake" / "secret").glob("*.parquet")
    for path in (f"../secret/{hidden.name}", str(hidden), f"file://{hidden}"):
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        for line in lines:
            if "add" in line:
                line["add"]["path"] = path
        log.write_text("\n".join(map(json.dumps, lines)))
        with pytest.raises((Refused, Rejected, Missing)):
            back(place, "t", pair, "stolen")


def test_a_file_that_is_gone_is_named(pair: Pair, place: End, tmp_path: Path) -> None:
    pair.s("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    out(pair, "t", place, "t")
    (part,) = (tmp_path / "lake" / "t").glob("part-*")
    part.unlink()
    with pytest.raises(Missing, match=part.name):
        back(place, "t", pair, "t")


def test_a_linked_table_is_not_opened(pair: Pair, tmp_path: Path) -> None:
    pair.s("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    out(pair, "t", file_tables.lake(tmp_path / "elsewhere"), "t")
    place = file_tables.lake(tmp_path / "lake")
    (tmp_path / "lake" / "t").symlink_to(tmp_path / "elsewhere" / "t")
    with pytest.raises(Refused, match="link"):
        back(place, "t", pair, "t")


def test_somebody_else_who_writes_is_passed_or_told(pair: Pair, place: End, tmp_path: Path) -> None:
    """What another program appended is merged with, and stays."""
    import pyarrow as pa
    from deltalake import write_deltalake

    pair.s("CREATE TABLE t (id int PRIMARY KEY, v text)", "INSERT INTO t VALUES (1, 'a')")
    out(pair, "t", place, "t")
    destination = place.connector.open_destination()
    name, _ = destination.resolve("t")
    destination.close()
    stranger = pa.table({"id": pa.array([100], pa.int32()), "v": ["stranger"]})
    write_deltalake(str(tmp_path / "lake" / "t"), stranger, mode="append")
    try:
        out(pair, "t", place, "t", mode="merge")
    except Throttled:
        out(pair, "t", place, "t", mode="merge")
    assert delta(tmp_path / "lake" / "t") == [(1, "a"), (100, "stranger")]
    assert name.name == "t"


def test_the_built_in_lake_needs_no_connection(pair: Pair, tmp_path: Path) -> None:
    lake = BuiltInLake(tmp_path / "data" / "lake")
    pair.s("CREATE TABLE t (id int PRIMARY KEY, at date)", "INSERT INTO t VALUES (1, '2024-02-29')")
    receipt = run(pair.order("t", "t", verify=True), pair.connector(pair.source).open_source, lake)
    assert receipt.verification and receipt.verification.equal
    assert delta(tmp_path / "data" / "lake" / "t") == [(1, dt.date(2024, 2, 29))]
    explorer = lake.explore()
    assert explorer.sample("t", 5) == [["1", "2024-02-29"]]
    explorer.close()
