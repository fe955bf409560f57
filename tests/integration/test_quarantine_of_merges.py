"""Rows that the target's own rules refuse are kept apart when they are merged or followed by a cursor, too."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import file_tables
import pytest
from copying import Pair
from file_copies import Files
from file_tables import DIED, Child, End, delta

from etl_engine.engine import transfer
from etl_engine.engine.transfer import Ends
from etl_engine.engine.watching import Progress, Stop
from etl_engine.errors import Rejected
from etl_engine.model.copies import CopyReceipt

ROUTES: dict[str, dict[str, Any]] = {
    "merge": {"mode": "merge"},
    "merge-cursor": {"mode": "merge", "cursor": "seen"},
    "append-cursor": {"mode": "append", "cursor": "seen"},
}
SOURCE = (
    "CREATE TABLE items (id int PRIMARY KEY, note varchar(40), amount int, parent int, code varchar(10), "
    "seen timestamp(6) NOT NULL)"
)
GOOD = (
    "INSERT INTO items SELECT g, 'n' || g, g, CASE WHEN g % 2 = 0 THEN 1 END, 'c' || g, "
    "timestamp '2026-01-01' + g * interval '1 s' FROM generate_series(1, 500) g"
)
BAD = {
    1001: "(1001, NULL, 1, 1, 'c1001', '2026-01-02 00:00:01')",
    1002: "(1002, 'negative', -1, 1, 'c1002', '2026-01-02 00:00:02')",
    1003: "(1003, 'orphan', 1, 99, 'c1003', '2026-01-02 00:00:03')",
    1004: "(1004, 'double', 1, 1, 'c1', '2026-01-02 00:00:04')",
}
MORE_GOOD = "(1005, 'fine', 1, NULL, 'c1005', '2026-01-02 00:00:05'), (2, 'changed', 1, 1, 'c2', '2026-01-02 00:00:06')"
TARGET = (
    "CREATE TABLE parents (id int PRIMARY KEY){0}",
    "INSERT INTO parents VALUES (1)",
    "CREATE TABLE items (id int {1}, note varchar(40) NOT NULL, amount int CHECK (amount >= 0), parent int, "
    "code varchar(10) {2}, seen {3} NOT NULL, {4}FOREIGN KEY (parent) REFERENCES parents (id)){0}",
)


@dataclass
class Target:
    """One that has rules, read by its own program. `refuses`: the rows of BAD, each with the column that is told."""

    kind: str
    connector: Any
    ask: Any
    refuses: dict[int, str]
    end: End = field(default_factory=lambda: End({}))  # for a process of its own
    shape: tuple[str, str] = ("", "timestamp")

    def make(self, mode: str) -> None:
        """Appending by a cursor keeps every version of a row: there is no key then but that of the version."""
        suffix, moment = self.shape
        key, unique, both = ("PRIMARY KEY", "UNIQUE", "") if mode == "merge" else ("", "", "UNIQUE (code, note), ")
        if self.kind != "lake":
            for one in TARGET:
                self.ask(one.format(suffix, key, unique, moment, both))

    def ids(self) -> list[int]:
        return sorted(int(row[0]) for row in self.ask("SELECT id FROM items"))

    def kept(self) -> list[tuple[int, str, str]]:
        """Number, column and the row as it is written down."""
        column = "`column`" if self.kind == "mysql" else '"column"'
        found = self.ask(f"SELECT {column}, content FROM _etl_rejects")
        return sorted((int(json.loads(content)["id"]), str(name), str(content)) for name, content in found)


@pytest.fixture(params=["postgresql", "mysql", "sqlite", "duckdb"])
def target(request: pytest.FixtureRequest, pair: Pair, tmp_path: Path) -> Iterator[Target]:
    named = {1001: "note", 1002: "", 1003: "", 1004: ""}
    if request.param == "postgresql":

        def by_psql(query: str) -> list[list[str]]:
            return [line.split("|", 1) for line in pair.t(query).splitlines()]

        end = End({"db_type": "postgresql", "database": pair.target, **server(pair.server)})
        yield Target("postgresql", lambda: pair.connector(pair.target), by_psql, named, end)
    elif request.param == "mysql":
        road = request.getfixturevalue("road")

        def by_client(query: str) -> list[list[str]]:
            return [line.split("\t", 1) for line in road.target.sql(query).splitlines()]

        end = End({"db_type": "mysql", "database": road.target.name, **server(road.target.server)})
        shape = (" ENGINE=InnoDB", "datetime(6)")
        yield Target("mysql", road.target.connector, by_client, named, end, shape)
    else:
        ending = "duckdb" if request.param == "duckdb" else "db"
        files = Files(tmp_path, f"from.{ending}", f"into.{ending}")
        told = dict.fromkeys(BAD, "") | {1001: "note"}
        if ending == "duckdb":  # it is asked for the rule, and knows the column of each
            told = {1001: "note", 1002: "amount", 1003: "parent", 1004: "code"}
        end = End({"db_type": request.param, "database": files.target}, (tmp_path,))
        yield Target(request.param, lambda: files.connector(files.target), files.t, told, end)


def server(there: Any) -> dict[str, Any]:
    return {"host": there.host, "port": there.port, "username": there.user, "password": there.password}


@pytest.fixture
def items(pair: Pair) -> Pair:
    pair.s(SOURCE, GOOD)
    return pair


def copy(pair: Pair, target: Target, **options: Any) -> CopyReceipt:
    there = target.connector()
    ends = Ends(pair.connector(pair.source).open_source, there.open_destination, there.open_source)
    return transfer.run(pair.order("items", key=("id",), **options), ends, Progress(), Stop())


def bring(pair: Pair, target: Target) -> list[int]:
    """Bad rows and good ones among them; answers the ids that are to be in the target then."""
    double = "(1004, 'n1', 1, 1, 'c1', '2026-01-02 00:00:04')"  # of both columns: where versions are appended
    bad = [double if one == 1004 else values for one, values in BAD.items()]
    pair.s(
        f"INSERT INTO items VALUES {', '.join(bad)}, {MORE_GOOD} ON CONFLICT (id) DO UPDATE SET "
        "note = EXCLUDED.note, seen = EXCLUDED.seen"
    )
    return sorted(set(map(int, pair.s("SELECT id FROM items").splitlines())) - set(target.refuses))


def versions(route: str, ids: list[int]) -> list[int]:
    """Row 2 has come in two versions, where each is kept."""
    return sorted([*ids, 2]) if route.startswith("append") else ids


@pytest.mark.parametrize("route", ROUTES)
def test_what_the_target_refuses_is_kept_apart_and_the_rest_is_there(items: Pair, target: Target, route: str) -> None:
    options = ROUTES[route]
    target.make(options["mode"])
    copy(items, target, **options)
    before, wanted = target.ids(), bring(items, target)
    with pytest.raises(Rejected):
        copy(items, target, **options)
    assert target.ids() == before
    receipt = copy(items, target, **options, on_reject="quarantine")
    assert receipt.rejected == len(target.refuses)
    assert target.ids() == versions(route, wanted)
    told = target.refuses | ({1004: ""} if "append" in route else {})  # two columns are double there, and not one
    assert [(number, column) for number, column, _ in target.kept()] == sorted(told.items())
    assert '"note": null' in target.kept()[0][2] and '"code": "c1001"' in target.kept()[0][2]
    rows, rejected = target.ask("SELECT sum(rows), sum(rejected) FROM _etl_ledger".replace("rows", _rows(target)))[0]
    assert int(rejected) == len(target.refuses)
    assert int(rows) + int(rejected) == 500 + receipt.rows
    assert copy(items, target, **options, on_reject="quarantine").rejected in (0, len(target.refuses))
    assert target.ids() == versions(route, wanted)


def _rows(target: Target) -> str:
    return "`rows`" if target.kind == "mysql" else "rows"


@pytest.mark.parametrize("route", ROUTES)
def test_one_more_than_the_limit_and_nothing_of_the_batch_stays(items: Pair, target: Target, route: str) -> None:
    options = {**ROUTES[route], "on_reject": "quarantine"}
    target.make(ROUTES[route]["mode"])
    copy(items, target, **options)
    before, wanted = target.ids(), bring(items, target)
    count = len(target.refuses)
    with pytest.raises(Rejected, match=f"More than {count - 1} rows"):
        copy(items, target, **options, reject_limit=count - 1)
    with pytest.raises(Rejected, match="rows cannot be loaded, which is"):
        copy(items, target, **options, reject_percent=0.1)
    assert target.ids() == before
    assert target.kept() == []
    assert copy(items, target, **options, reject_limit=count, reject_percent=99).rejected == count
    assert target.ids() == versions(route, wanted)


@pytest.mark.parametrize("point", ["copy.applied@2", "copy.recorded@1", "copy.committing@1", "copy.committed@1"])
@pytest.mark.parametrize("route", ["merge-cursor", "append-cursor"])
def test_a_run_that_dies_keeps_each_row_apart_once(items: Pair, target: Target, route: str, point: str) -> None:
    options = ROUTES[route]
    target.make(options["mode"])
    copy(items, target, **options)
    wanted = bring(items, target)
    options = {**options, "on_reject": "quarantine"}
    name, _, passage = point.partition("@")
    if name == "copy.applied":  # reached once: the first try ends before it
        passage = "1"
    source = End({"db_type": "postgresql", "database": items.source, **server(items.server)})
    order = {"table": "items", "target": "items", "key": ["id"], **options, "source_id": items.source}
    child = Child(source, target.end, {**order, "target_id": items.target})
    assert child.run(points=f"{name}=kill@{passage}") == DIED
    copy(items, target, **options)
    assert target.ids() == versions(route, wanted)
    batches = target.ask("SELECT DISTINCT batch_id, 1 FROM _etl_rejects")
    assert len(target.kept()) == len(target.refuses) * len(batches)
    assert len(batches) == 1 or route == "merge-cursor"  # merged once more, and told once more


def test_the_newest_of_several_rows_with_one_key_is_the_one_that_is_looked_at(items: Pair, target: Target) -> None:
    target.make("merge")
    items.s(
        "CREATE TABLE versions AS SELECT * FROM items WHERE id < 10",
        "INSERT INTO versions VALUES (3, 'newer', 3, 1, 'c3', '2026-02-01'), (4, NULL, 4, 1, 'c4', '2026-02-01'), "
        "(NULL, 'no key', 4, 1, 'c7', '2026-02-01')",
    )
    there = target.connector()
    order = items.order("versions", "items", mode="merge", key=("id",), cursor="seen", on_reject="quarantine")
    ends = Ends(items.connector(items.source).open_source, there.open_destination)
    receipt = transfer.run(order, ends, Progress(), Stop())
    assert target.ids() == [1, 2, 3, 5, 6, 7, 8, 9]
    assert [str(row[0]) for row in target.ask("SELECT note FROM items WHERE id = 3")] == ["newer"]
    assert sorted((one.column, one.value) for one in receipt.rejects) == [("id", ""), ("note", "")]


def test_rows_that_refer_to_each_other_are_not_taken_for_orphans(items: Pair) -> None:
    """The child stands in another part of the batch than its parent, and comes first."""
    items.s(
        "CREATE TABLE tree (id int PRIMARY KEY, up int, name text)",
        "INSERT INTO tree SELECT g, 301 - g, 'x' FROM generate_series(1, 150) g",
        "INSERT INTO tree SELECT g, NULL, 'x' FROM generate_series(151, 300) g",
        "INSERT INTO tree VALUES (1000, 5000, 'x')",
    )
    items.t("CREATE TABLE tree (id int PRIMARY KEY, up int REFERENCES tree, name text)")
    receipt = items.copy("tree", mode="merge", on_reject="quarantine", reject_limit=200)
    assert [one.row for one in receipt.rejects] == [301]
    assert items.t("SELECT count(*) FROM tree") == "300"


def test_what_is_checked_at_the_commit_and_what_excludes_each_other(items: Pair) -> None:
    items.t(
        "CREATE TABLE parents (id int PRIMARY KEY)",
        "INSERT INTO parents VALUES (1)",
        "CREATE TABLE items (id int PRIMARY KEY, note varchar(40), amount int, "
        "parent int REFERENCES parents DEFERRABLE INITIALLY DEFERRED, code varchar(10), seen timestamp(6), "
        "EXCLUDE (code WITH =))",
    )
    items.s("UPDATE items SET parent = 7 WHERE id = 9", "UPDATE items SET code = 'c400' WHERE id = 401")
    receipt = items.copy("items", mode="merge", on_reject="quarantine")
    assert receipt.rejected == 2
    why = dict(
        line.split("|", 1) for line in items.t("SELECT content::json ->> 'id', reason FROM _etl_rejects").splitlines()
    )
    assert "items_parent_fkey" in why["9"] and "conflicting key value" in why["401"]
    assert items.t("SELECT count(*) FROM items") == "498"
    items.tidy()


@pytest.mark.parametrize("route", ROUTES)
def test_a_lake_takes_no_null_where_it_wants_none(items: Pair, tmp_path: Path, route: str) -> None:
    place = file_tables.lake(tmp_path / "lake")
    options = ROUTES[route]
    items.s("ALTER TABLE items ALTER note SET NOT NULL")
    there = Target("lake", lambda: place.connector, None, {})
    copy(items, there, **options)
    items.s("ALTER TABLE items ALTER note DROP NOT NULL")
    bring(items, there)
    with pytest.raises(Rejected, match="NULL"):
        copy(items, there, **options)
    receipt = copy(items, there, **options, on_reject="quarantine")
    assert [(one.column, one.value) for one in receipt.rejects] == [("note", "")]
    found = delta(tmp_path / "lake" / "items", "SELECT id FROM t ORDER BY id")
    wanted = sorted(set(map(int, items.s("SELECT id FROM items").splitlines())) - {1001})
    assert [one for (one,) in found] == versions(route, wanted)
