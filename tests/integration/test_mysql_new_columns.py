"""New columns of the source, at a MariaDB that commits each of them by itself: used in the end, or taken back."""

from typing import Any

import pytest
from copying import Pair, eventually
from file_tables import DIED, Child, End
from mysql_copying import Road

from etl_engine.errors import BadInput, Rejected

POINTS = ("copy.widening", "copy.widened", "copy.widened@2", "copy.loading", "copy.applied", "copy.committing")
AFTER = ("copy.committed", "copy.finishing")
MODES: dict[str, dict[str, Any]] = {
    "append": {"mode": "append"},
    "merge": {"mode": "merge"},
    "merge-cursor": {"mode": "merge", "cursor": "seen"},
    "append-cursor": {"mode": "append", "cursor": "seen", "look_back": 0},
}
OLD = "CREATE TABLE items (id int PRIMARY KEY, v varchar(20), seen datetime(6) NOT NULL)"
EVOLVE = {"new_columns": "evolve"}


@pytest.fixture
def items(road: Road) -> Road:
    """The source has two columns more than at the first run, and new rows."""
    road.source.sql(OLD, "INSERT INTO items SELECT seq, 'x', '2026-01-01' FROM seq_1_to_200")
    return road


def grow(road: Road) -> None:
    road.source.sql(
        "ALTER TABLE items ADD COLUMN more int, ADD COLUMN `ä b` varchar(9)",
        "INSERT INTO items SELECT seq, 'y', '2026-01-02', seq, 'new' FROM seq_301_to_400",
    )


def columns(road: Road) -> str:
    return road.target.sql(
        "SELECT GROUP_CONCAT(column_name ORDER BY ordinal_position) FROM information_schema.columns "
        "WHERE table_schema = DATABASE() AND table_name = 'items'"
    )


def child(road: Road, options: dict[str, Any]) -> Child:
    ends = []
    for one in (road.source, road.target):
        there = one.server
        login = {"host": there.host, "port": there.port, "username": there.user, "password": there.password}
        ends.append(End({"db_type": "mysql", "database": one.name, **login}))
    order = {"table": "items", "target": "items", "source_id": "1", "target_id": "2"}
    return Child(*ends, {**order, **options})


def new_rows(options: dict[str, Any]) -> dict[str, Any]:
    """Appending without a cursor would bring the old rows again: only the new ones are read then."""
    if options == MODES["append"]:
        return {**options, "table": "", "query": "SELECT * FROM items WHERE id > 200", "target": "items"}
    return options


def judge(road: Road, options: dict[str, Any]) -> None:
    before = "SELECT id, v, more FROM items WHERE id > 200 ORDER BY id"
    assert road.target.sql(before) == road.source.sql(before)
    assert road.target.sql("SELECT COUNT(*) FROM items") == "300"
    assert columns(road) == "id,v,seen,more,ä b"
    assert road.target.sql("SELECT intent, running FROM _etl_streams WHERE running").strip() == ""
    road.tidy()


@pytest.mark.parametrize("mode", MODES)
def test_a_run_that_dies_leaves_columns_that_the_next_one_uses(items: Road, mode: str) -> None:
    options = MODES[mode]
    for point in POINTS + AFTER:
        items.target.sql("DROP TABLE IF EXISTS items, _etl_ledger, _etl_streams, _etl_seen, _etl_rejects")
        items.source.sql(
            "DROP TABLE IF EXISTS items", OLD, "INSERT INTO items SELECT seq, 'x', '2026-01-01' FROM seq_1_to_200"
        )
        items.copy("items", **options)
        grow(items)
        more = {**new_rows(options), **EVOLVE}
        name, _, passage = point.partition("@")
        assert child(items, more).run(points=f"{name}=kill{f'@{passage}' if passage else ''}") == DIED, point
        items.copy(**{"table": "items", "target": "items", **more})
        if options == MODES["append"] and point in AFTER:
            continue  # the dead run had committed all of it, and this one resumed it
        judge(items, options)


@pytest.mark.parametrize("point", ["copy.widened", "copy.widened@2", "copy.loading", "copy.committing"])
def test_a_claim_for_something_else_takes_the_columns_back(items: Road, point: str) -> None:
    items.copy("items", mode="merge")
    grow(items)
    name, _, passage = point.partition("@")
    order = {"mode": "merge", **EVOLVE}
    assert child(items, order).run(points=f"{name}=kill{f'@{passage}' if passage else ''}") == DIED
    assert columns(items).startswith("id,v,seen,more")
    items.copy("items", mode="merge", new_columns="ignore")
    assert columns(items) == "id,v,seen"
    assert items.target.sql("SELECT COUNT(*) FROM items") == "300"


def test_a_run_that_fails_leaves_the_target_as_it_was(items: Road) -> None:
    items.copy("items", mode="merge")
    grow(items)
    items.target.sql("ALTER TABLE items ADD CONSTRAINT only_x CHECK (v = 'x')")
    before = items.target.sql("SHOW CREATE TABLE items", "SELECT * FROM items ORDER BY id")
    with pytest.raises(Rejected, match="only_x"):
        items.copy("items", mode="merge", **EVOLVE)
    assert items.target.sql("SHOW CREATE TABLE items", "SELECT * FROM items ORDER BY id") == before
    assert items.target.sql("SELECT DISTINCT intent FROM _etl_streams") == ""
    receipt = items.copy("items", mode="merge", **EVOLVE, on_reject="quarantine")
    assert receipt.rejected == 100
    assert columns(items) == "id,v,seen,more,ä b"


def test_a_column_that_somebody_else_fills_meanwhile_stays(items: Road) -> None:
    items.copy("items", mode="merge")
    grow(items)
    assert child(items, {"mode": "merge", **EVOLVE}).run(points="copy.loading=kill") == DIED
    eventually(
        lambda: items.target.sql("SELECT COUNT(*) FROM information_schema.innodb_trx") == "0", "the end of its rows"
    )
    items.target.sql("UPDATE items SET more = 7 WHERE id = 1")
    items.copy("items", mode="merge", columns=("id", "v", "seen"))
    assert columns(items) == "id,v,seen,more"


@pytest.mark.parametrize("mode", ["append", "merge"])
def test_columns_are_added_once_where_a_table_is_copied_in_parts(items: Road, mode: str) -> None:
    items.target.sql(OLD)
    grow(items)
    assert items.copy("items", mode=mode, slice_rows=70, **EVOLVE).batches > 3
    items.same("items")


def test_the_same_in_parts_at_a_postgresql(pair: Pair) -> None:
    pair.s(
        "CREATE TABLE t (id int PRIMARY KEY, v int)",
        "INSERT INTO t SELECT g, g FROM generate_series(1, 500) g",
        "ANALYZE t",
    )
    pair.t("CREATE TABLE t (id int PRIMARY KEY)")
    assert pair.copy("t", slice_rows=100, **EVOLVE).batches > 3
    pair.same("t")


def test_a_run_that_was_broken_off_is_not_taken_for_another(items: Road) -> None:
    """Without --new-columns the order is another one, and the columns are gone when it is planned."""
    items.copy("items", mode="merge")
    grow(items)
    assert child(items, {"mode": "merge", **EVOLVE}).run(points="copy.widened=kill") == DIED
    with pytest.raises(BadInput, match="does not have the column"):
        items.copy("items", mode="merge")
