"""Copies between databases of a server that are killed, and two orders of committing that lose or double rows."""

import random
import time
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

from copying import LEFT_BEHIND, Pair, eventually
from dying import DIED, in_child, no_sessions_left, rows_as_they_should_be
from killing import Killable
from mysql_copying import BOOKS, Road

# Loaded here, so that not every child that is to die has to load them first.
from etl_engine.connectors.mysql import destination, source
from etl_engine.connectors.rows import Totals
from etl_engine.engine import run
from etl_engine.engine.tally import Pending, entry_of

LOADED = (destination, source)
ROWS = 6000
ORDERS: tuple[dict[str, Any], ...] = (
    {"mode": "append", "slice_rows": 700},
    {"mode": "append", "cursor": "at"},
    {"mode": "replace"},
    {"mode": "merge", "slice_rows": 700},
    {"mode": "merge", "cursor": "at"},
)


class OfPostgresql(Killable):
    name, orders = "postgresql", ORDERS

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        fill(pair)

    def prepare(self, options: dict[str, Any], load: int) -> None:
        self.pair.t("DROP TABLE IF EXISTS orders, _etl_ledger, _etl_streams, _etl_seen")

    def run(self, options: dict[str, Any], kill_after: float) -> int:
        return in_child(lambda: self.pair.copy("orders", **options), kill_after=kill_after)

    def finished(self) -> bool:
        if self.pair.t("SELECT to_regclass('_etl_seen') IS NULL") == "t":
            return False
        if self.pair.t("SELECT coalesce(sum(rows), 0) FROM _etl_ledger") != str(ROWS):
            return False
        # Its last statement may be on its way.
        eventually(no_sessions_left(self.pair), "the end of the dead run's sessions")
        return self.pair.t("SELECT bool_or(running) FROM _etl_streams") == "f"

    def difference(self) -> tuple[int, int]:
        return rows_as_they_should_be(self.pair, "orders")

    def complaint(self, options: dict[str, Any]) -> str:
        if self.pair.t(LEFT_BEHIND) != "0":
            return "tables are left behind"
        counted = self.pair.t("SELECT sum(rows) FROM _etl_ledger")
        return f"the ledger says {counted} rows" if options["mode"] == "append" and counted != str(ROWS) else ""


def fill(pair: Pair) -> None:
    pair.s(
        "CREATE TABLE orders (id bigint PRIMARY KEY, v text, at timestamptz NOT NULL)",
        "INSERT INTO orders SELECT g, repeat('x', g % 300), now() - g * interval '1 s' "
        f"FROM generate_series(1, {ROWS}) g",
        "ANALYZE orders",
    )


TABLE = "CREATE TABLE orders (id bigint PRIMARY KEY, v varchar(400), at datetime(6) NOT NULL)"
EVERYTHING = "SELECT id, MD5(v), at FROM orders ORDER BY 1, 2, 3"


class OfMariadb(Killable):
    name, orders, longest = "mariadb", ORDERS, 0.7

    def __init__(self, road: Road) -> None:
        self.road = road
        fill_mariadb(road, ROWS)

    def prepare(self, options: dict[str, Any], load: int) -> None:
        """A new target and an existing one by turns."""
        if load % 10 < 5:
            self.road.target.sql(f"DROP TABLE IF EXISTS orders, {BOOKS}")
        else:
            self.road.target.sql(f"DROP TABLE IF EXISTS {BOOKS}", "DELETE FROM orders")

    def run(self, options: dict[str, Any], kill_after: float) -> int:
        return in_child(lambda: self.road.copy("orders", **options), kill_after=kill_after)

    def finished(self) -> bool:
        books = self.road.target.sql
        # A stream is noted, with the epoch 0, before it is claimed.
        return (
            books("SHOW TABLES LIKE '_etl_streams'") != ""
            and books("SELECT running = 0 AND epoch > 0 FROM _etl_streams") == "1"
        )

    def difference(self) -> tuple[int, int]:
        return mariadb_difference(self.road)

    def complaint(self, options: dict[str, Any]) -> str:
        eventually(nobody_is_left(self.road), "the end of all sessions")
        if self.road.target.sql("SHOW TABLES LIKE '\\_etl\\_new%'", "SHOW TABLES LIKE '\\_etl\\_old%'"):
            return "tables are left behind"
        if options["mode"] != "append" or "cursor" in options:  # a run by a cursor counts what it reads again
            return ""
        counted = self.road.target.sql("SELECT SUM(`rows`) FROM _etl_ledger")
        return "" if counted == str(ROWS) else f"the ledger says {counted} rows"


def fill_mariadb(road: Road, rows: int) -> None:
    road.source.sql(
        "DROP TABLE IF EXISTS orders",
        TABLE,
        f"INSERT INTO orders SELECT seq, REPEAT('x', seq % 300), NOW(6) - INTERVAL seq SECOND FROM seq_1_to_{rows}",
        "ANALYZE TABLE orders",
    )


def nobody_is_left(road: Road) -> Callable[[], bool]:
    busy = (
        "SELECT COUNT(*) FROM information_schema.processlist "
        f"WHERE db IN ('{road.source.name}', '{road.target.name}') AND id <> CONNECTION_ID()"
    )
    return lambda: bool(road.source.server.sql(busy)[0][0] == 0)


def mariadb_rows(road: Road) -> list[str]:
    if not road.target.sql("SHOW TABLES LIKE 'orders'"):
        return []
    return road.target.sql(EVERYTHING).splitlines()


def mariadb_difference(road: Road) -> tuple[int, int]:
    """How many rows of the source are missing at the target, and how many are there too often."""
    counts: dict[str, int] = {}
    for row in road.source.sql(EVERYTHING).splitlines():
        counts[row] = counts.get(row, 0) + 1
    for row in mariadb_rows(road):
        counts[row] = counts.get(row, 0) - 1
    return sum(one for one in counts.values() if one > 0), -sum(one for one in counts.values() if one < 0)


def data_then_state(self: Any, piece: Any, seq: int, batch_id: str, *, last: bool) -> None:
    totals = _load(self, piece, seq)
    time.sleep(0.05)
    _record(self, seq, batch_id, totals)


def state_then_data(self: Any, piece: Any, seq: int, batch_id: str, *, last: bool) -> None:
    _record(self, seq, batch_id, Totals(0, 0, ""))
    time.sleep(0.05)
    _load(self, piece, seq)


BROKEN = {"doubled": data_then_state, "lost": state_then_data}


def _load(self: Any, piece: Any, seq: int) -> Totals:
    unit = self._destination.unit(self._claim, self._planned.target)
    exists = self._destination.resolve("orders")[1] is not None
    batch = run.Batch(self._planned, lambda: self._read(piece, None), self._window, exists, True)
    totals = self._strategy.load(unit, batch)
    self._strategy.apply(unit, batch, totals)
    unit.commit()
    return totals


def _record(self: Any, seq: int, batch_id: str, totals: Totals) -> None:
    unit = self._destination.unit(self._claim, self._planned.target)
    unit.record(entry_of(self._claim, seq, Pending(batch_id, totals, 0, []), None, None))
    unit.commit()


def caught(pair: Pair, what: str, seed: int, most: int = 600) -> tuple[int, int, int]:
    """Negative control: rows and ledger committed one after the other. After how many kills the judge sees rows that
    are lost or doubled, as `what` says, and how many of each; no kills where it never does."""
    chance = random.Random(seed)
    fill(pair)
    pair.s("ALTER TABLE orders DROP CONSTRAINT orders_pkey", "ALTER TABLE orders ADD PRIMARY KEY (id, at)")
    with patch.object(run.Run, "_batch", BROKEN[what]):
        for died in range(1, most + 1):
            # No primary key at the target, which would refuse what comes twice by itself.
            pair.t(
                "DROP TABLE IF EXISTS orders, _etl_ledger, _etl_streams, _etl_seen",
                "CREATE TABLE orders (id bigint, v text, at timestamptz)",
            )
            work = lambda: pair.copy("orders", mode="append", slice_rows=700)  # noqa: E731
            if in_child(work, kill_after=chance.uniform(0.1, 0.5)) == DIED:
                assert in_child(work) == 0
            lost, doubled = rows_as_they_should_be(pair, "orders")
            if (lost if what == "lost" else doubled) > 0:
                return died, lost, doubled
    return 0, 0, 0
