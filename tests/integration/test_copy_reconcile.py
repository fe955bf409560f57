"""Reconciling: what differs between two sides is found by its key, told, and repaired; judged by their own clients."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from copying import Pair
from file_copies import Files
from file_tables import DIED, Child, End
from mysql_copying import PostgresEnd, Road
from pydantic import ValidationError

from etl_engine.connectors.pg.source import PostgresqlSource
from etl_engine.engine import transfer
from etl_engine.engine.transfer import Ends
from etl_engine.engine.watching import Progress, Stop
from etl_engine.errors import BadInput, Rejected
from etl_engine.model.copies import CopyReceipt, Reconciliation

MANY, FEW = 100_000, 25_000


def fill(rows: int) -> tuple[str, ...]:
    return (
        "CREATE TABLE items (id bigint PRIMARY KEY, name varchar(40), amount decimal(12,2), seen timestamp NULL)",
        "INSERT INTO items SELECT g, 'n' || g, g / 3.0, timestamp '2026-01-01' + g * interval '1 s' "
        f"FROM generate_series(1, {rows}) g",
        "ANALYZE items",
    )


def spoil(rows: int) -> tuple[str, ...]:
    """Of the target: three are missing, two are different, two are there that nobody knows."""
    return (
        f"DELETE FROM items WHERE id IN (1, {rows // 2 + 1}, {rows})",
        "UPDATE items SET name = 'late' WHERE id = 20000",
        "UPDATE items SET amount = NULL WHERE id = 20001",
        f"INSERT INTO items VALUES (-5, 'surplus', 1, NULL), ({rows + 1}, 'surplus', 1, NULL)",
    )


EVERYTHING = "SELECT id, name, amount, seen FROM items ORDER BY id"
REPAIR = {"mode": "merge", "reconcile": "repair"}


class Sides:
    """From PostgreSQL into one of several."""

    def __init__(self, pair: Pair, target: Any, end: End) -> None:
        self.pair = pair
        self.target = target
        self.end = end

    def run(self, **options: Any) -> CopyReceipt:
        there = self.target.connector()
        ends = Ends(self.pair.connector(self.pair.source).open_source, there.open_destination, there.open_source)
        return transfer.run(self.pair.order("items", **options), ends, Progress(), Stop())

    def look(self, **options: Any) -> Reconciliation:
        found = self.run(mode="merge", **{"reconcile": "report", **options}).reconciliation
        assert found
        return found

    def both(self) -> tuple[list[str], list[str]]:
        mine = self.pair.s(EVERYTHING).replace("|", "\t").splitlines()
        theirs = self.target.sql(EVERYTHING).replace("|", "\t").replace("NULL", "").splitlines()
        return mine, [line.replace(".000000", "") for line in theirs]

    def counts(self, found: Reconciliation) -> tuple[int, ...]:
        return found.missing, found.changed, found.surplus, found.inserted, found.updated, found.deleted


def login(there: Any) -> dict[str, Any]:
    return {"host": there.host, "port": there.port, "username": there.user, "password": there.password}


@pytest.fixture
def rows() -> int:
    return FEW


@pytest.fixture(params=["postgresql", "mysql"])
def sides(request: pytest.FixtureRequest, pair: Pair, rows: int) -> Iterator[Sides]:
    if request.param == "postgresql":
        end = End({"db_type": "postgresql", "database": pair.target, **login(pair.server)})
        made = Sides(pair, PostgresEnd(pair, pair.target), end)
    else:
        road: Road = request.getfixturevalue("road")
        end = End({"db_type": "mysql", "database": road.target.name, **login(road.target.server)})
        made = Sides(pair, road.target, end)
    pair.s(*fill(rows))
    made.run(mode="merge")
    yield made


@pytest.mark.parametrize("rows", [MANY])
def test_few_differences_in_many_rows_are_told_and_then_repaired(sides: Sides) -> None:
    assert sides.look().equal
    sides.target.sql(*spoil(MANY))
    before = sides.target.sql(EVERYTHING)
    found = sides.look()
    assert sides.counts(found) == (3, 2, 2, 0, 0, 0)
    assert (found.ranges, found.different) == (10, 5)
    assert {(one.what, one.key) for one in found.examples} == {
        ("missing", "1"),
        ("missing", "50001"),
        ("missing", "100000"),
        ("changed", "20000"),
        ("changed", "20001"),
        ("surplus", "-5"),
        ("surplus", "100001"),
    }
    assert sides.target.sql(EVERYTHING) == before
    receipt = sides.run(**REPAIR)
    assert receipt.reconciliation and sides.counts(receipt.reconciliation) == (3, 2, 2, 3, 2, 0)
    mine, theirs = sides.both()
    assert set(theirs) - set(mine) == {"-5\tsurplus\t1.00\t", "100001\tsurplus\t1.00\t"}
    assert set(mine) <= set(theirs)
    receipt = sides.run(**REPAIR, surplus="delete")
    assert receipt.reconciliation and sides.counts(receipt.reconciliation) == (0, 0, 2, 0, 0, 2)
    mine, theirs = sides.both()
    assert mine == theirs
    assert sides.look().equal


@pytest.mark.parametrize(
    "point", ["copy.claimed", "copy.loaded@2", "copy.recorded@3", "copy.committing@2", "copy.committed@3"]
)
def test_a_repair_that_dies_is_finished_by_the_next_one(sides: Sides, point: str) -> None:
    sides.target.sql(*spoil(FEW))
    order = {"table": "items", "target": "items", "source_id": sides.pair.source, "target_id": sides.pair.target}
    source = End({"db_type": "postgresql", "database": sides.pair.source, **login(sides.pair.server)})
    child = Child(source, sides.end, {**order, **REPAIR, "surplus": "delete"})
    name, _, passage = point.partition("@")
    assert child.run(points=f"{name}=kill{f'@{passage}' if passage else ''}") == DIED
    mine, theirs = sides.both()
    assert len(set(theirs) & set(mine)) >= FEW - 5
    found = sides.run(**REPAIR, surplus="delete").reconciliation
    assert found and found.inserted + found.updated + found.deleted <= 7
    mine, theirs = sides.both()
    assert mine == theirs
    rows, once = (
        sides.target.sql("SELECT count(*), count(DISTINCT batch_id) FROM _etl_ledger").replace("|", "\t").split("\t")
    )
    assert rows == once


def test_a_cursor_goes_on_where_it_was(sides: Sides) -> None:
    """A row that came late, from before the window of the cursor, is found by reconciling and by nothing else."""
    follow = {"mode": "merge", "cursor": "seen", "look_back": 0}
    sides.target.sql("DROP TABLE items")
    sides.run(**follow)
    reached = sides.run(**follow).cursor_to
    sides.pair.s("INSERT INTO items VALUES (500000, 'late', 1, '2020-01-01')")
    sides.pair.s("UPDATE items SET name = 'clock of a client' WHERE id = 7")
    assert "500000\tlate\t1.00\t2020-01-01 00:00:00" not in sides.both()[1]
    found = sides.run(**follow, reconcile="repair").reconciliation
    assert found and found.inserted + found.updated <= 2
    assert sides.both()[0] == sides.both()[1]
    receipt = sides.run(**follow)
    assert (receipt.cursor_from, receipt.cursor_to) == (reached, reached)


def test_only_ranges_that_differ_are_read_where_one_engine_has_both(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    sides = Sides(pair, PostgresEnd(pair, pair.target), End({}))
    pair.s(*fill(FEW))
    sides.run(mode="merge")
    pair.t("UPDATE items SET name = 'other' WHERE id = 13333")
    read: list[Any] = []
    plain = PostgresqlSource.read

    def noted(self: PostgresqlSource, selection: Any, table: Any, form: str) -> Any:
        read.append((selection.piece.low, selection.piece.high))
        return plain(self, selection, table, form)

    monkeypatch.setattr(PostgresqlSource, "read", noted)
    assert sides.look().changed == 1
    assert read == [(("10001",), ("20001",))] * 2


def test_keys_that_two_sides_may_sort_otherwise_are_compared_at_once(pair: Pair, road: Road) -> None:
    pair.s(
        "CREATE TABLE items (id varchar(20), part date, name text, PRIMARY KEY (id, part))",
        "INSERT INTO items SELECT chr(65 + g % 50) || g, date '2026-01-01' + g % 3, 'x' "
        "FROM generate_series(1, 5000) g",
        "ANALYZE items",
    )
    end = road.target
    sides = Sides(pair, end, End({}))
    sides.run(mode="merge")
    assert sides.look().equal
    end.sql("DELETE FROM items WHERE id = 'B1'", "UPDATE items SET name = 'y' WHERE id = 'C2'")
    found = sides.run(**REPAIR).reconciliation
    assert found and sides.counts(found) == (1, 1, 0, 1, 1, 0)
    assert found.ranges == 1
    assert sides.look().equal


@pytest.mark.parametrize("ending", ["db", "duckdb"])
def test_targets_that_are_files(pair: Pair, tmp_path: Path, ending: str) -> None:
    pair.s(*fill(FEW))
    files = Files(tmp_path, f"from.{ending}", f"into.{ending}")

    class Target:
        def connector(self) -> Any:
            return files.connector(files.target)

    sides = Sides(pair, Target(), End({}))
    sides.run(mode="merge")
    files.t(*spoil(FEW))
    found = sides.run(**REPAIR, surplus="delete").reconciliation
    assert found and sides.counts(found) == (3, 2, 2, 3, 2, 2)
    assert sides.look().equal
    assert files.t("SELECT count(*), min(id), max(id) FROM items") == [(FEW, 1, FEW)]


def test_a_row_that_does_not_fit_is_not_taken_for_one_that_is_gone(sides: Sides) -> None:
    sides.pair.s("ALTER TABLE items ALTER name TYPE text", "UPDATE items SET name = repeat('x', 99) WHERE id = 10")
    with pytest.raises(Rejected, match="does not fit"):
        sides.run(**REPAIR, surplus="delete")
    receipt = sides.run(**REPAIR, surplus="delete", on_reject="quarantine")
    assert receipt.reconciliation and receipt.reconciliation.deleted == 0
    assert any("1 rows of the source do not fit" in note for note in receipt.notes)
    assert sides.target.sql("SELECT name FROM items WHERE id = 10") == "n10"


def test_what_cannot_be_reconciled_is_told(pair: Pair) -> None:
    pair.s("CREATE TABLE items (id int, name text)", "INSERT INTO items VALUES (1, 'a'), (1, 'b')")
    sides = Sides(pair, PostgresEnd(pair, pair.target), End({}))
    with pytest.raises(BadInput, match="is not there yet"):
        sides.look(key=("id",))
    pair.t("CREATE TABLE items (id int PRIMARY KEY)")
    with pytest.raises(BadInput, match="does not have name"):
        sides.look(key=("id",), new_columns="evolve")
    pair.t("ALTER TABLE items ADD name text")
    with pytest.raises(BadInput, match="may have the same"):
        sides.look(key=("id",))
    for wrong in (
        {"mode": "append", "reconcile": "report"},
        {"mode": "merge", "reconcile": "report", "surplus": "delete"},
        {"mode": "merge", "surplus": "delete"},
        {"mode": "merge", "reconcile": "repair", "cursor": "id", "null_cursor": "exclude"},
    ):
        with pytest.raises(ValidationError):
            pair.order("items", **wrong)
