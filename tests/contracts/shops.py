"""The same small shop in every kind of database, for the contract of reading and writing."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import duckdb
from copying import Pair
from file_copies import Files
from mysql_copying import Road

from etl_engine.connectors.duck import instances
from etl_engine.errors import BadInput, EtlError, Missing
from etl_engine.model.table import Family

ROWS = 1000
# What a kind cannot do, by test; each is expected to fail.
_A_LIBRARY = "never: a library, whose sessions nobody else can end"
GAPS = {
    "sqlite": {"test_a_session_that_is_gone_is_unreachable_and_not_the_end_of_the_table": _A_LIBRARY},
    "duckdb": {"test_a_session_that_is_gone_is_unreachable_and_not_the_end_of_the_table": _A_LIBRARY},
}


_OF_OPEN_FILES = ("-wal", "-shm", ".wal", ".etl-lock")  # until the session closes
BOOKS = ("_etl_ledger", "_etl_streams", "_etl_seen", "_etl_rejects")
_NUMBERS = "WITH RECURSIVE n (g) AS (VALUES (1) UNION ALL SELECT g + 1 FROM n)"


class Shop(ABC):
    """A table `orders` of 1,000 rows, a view of four of them in another schema, and an empty target."""

    columns: tuple[tuple[str, str, bool, Family], ...]
    view: str
    unique: tuple[tuple[str, ...], ...] = ()
    endless: str  # a query that does not end in a minute
    slow: str  # one that gives its first rows soon, and its last ones late
    sleeping: str  # one that gives nothing for a minute
    orders: str  # as a sentence names it
    schemas: tuple[str, ...]
    in_schema: tuple[str, list[str]]  # one of them, and all that is in it
    sample: tuple[list[str], list[str]]
    of_a_long_name: type[EtlError] = BadInput  # Missing where names have no limit

    @abstractmethod
    def source(self) -> Any:
        """The connector of the shop."""

    @abstractmethod
    def target(self) -> Any: ...

    @abstractmethod
    def sell_out(self) -> None:
        """Only ten orders stay."""

    @abstractmethod
    def end_sessions(self) -> None:
        """What an administrator does to all who read."""

    @abstractmethod
    def tidy(self) -> None:
        """Nothing of a unit stands at the target any more."""

    def close(self) -> None:  # noqa: B027 - most leave nothing behind
        """Whatever its fixtures do not take away."""


class PostgresShop(Shop):
    """In PostgreSQL."""

    columns = (
        ("id", "bigint", False, Family.INTEGER),
        ("amount", "numeric(9,2)", True, Family.DECIMAL),
        ("note", "text", True, Family.TEXT),
    )
    view = "more.seen"
    endless = "SELECT g, repeat('x', 1000) AS t FROM generate_series(1, 100000000) g"
    # A megabyte is collected before any of it goes on: rows of some size come soon.
    slow = "SELECT pg_sleep(0.001)::text || repeat('x', 9000) AS s FROM generate_series(1, 100000) g"
    sleeping = "SELECT pg_sleep(60)::text AS a"
    orders = "public.orders"
    schemas = ("more", "public")
    in_schema = ("more", ["more.seen"])
    sample = (["1", "0.14", "n1"], ["2", "0.29", "n2"])

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        pair.s(
            "CREATE SCHEMA more",
            "CREATE TABLE orders (id bigint PRIMARY KEY, amount numeric(9,2), note text, UNIQUE (note))",
            f"INSERT INTO orders SELECT g, g / 7.0, 'n' || g FROM generate_series(1, {ROWS}) g",
            "CREATE VIEW more.seen AS SELECT * FROM orders WHERE id < 5",
            "ANALYZE orders",
        )

    def source(self) -> Any:
        return self.pair.connector(self.pair.source)

    def target(self) -> Any:
        return self.pair.connector(self.pair.target)

    def sell_out(self) -> None:
        self.pair.s("DELETE FROM orders WHERE id > 10")

    def end_sessions(self) -> None:
        self.pair.sql(
            "postgres",
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{self.pair.source}'",
        )

    def tidy(self) -> None:
        self.pair.tidy()


class MysqlShop(Shop):
    """In MariaDB, where a schema is a database."""

    columns = (
        ("id", "bigint(20)", False, Family.INTEGER),
        ("amount", "decimal(9,2)", True, Family.DECIMAL),
        ("note", "varchar(40) collate utf8mb4_bin", True, Family.TEXT),
    )
    endless = "SELECT a.seq, REPEAT('x', 1000) AS t FROM seq_1_to_100000 a, seq_1_to_100000 b"
    slow = "SELECT CONCAT(SLEEP(0.001), REPEAT('x', 9000)) AS s FROM seq_1_to_100000"
    sleeping = "SELECT SLEEP(60) AS a"
    sample = (["1", "0.14", "n1"], ["2", "0.29", "n2"])

    def __init__(self, road: Road) -> None:
        self.road = road
        self.more = f"more_{road.source.name}"
        self.view = f"{self.more}.seen"
        self.orders = f"{road.source.name}.orders"
        self.schemas = (self.more, road.source.name, road.target.name)
        self.in_schema = (self.more, [self.view])
        road.source.sql(
            f"CREATE DATABASE {self.more}",
            "CREATE TABLE orders (id bigint PRIMARY KEY, amount decimal(9,2), note varchar(40), UNIQUE (note)) "
            "COLLATE utf8mb4_bin",
            f"INSERT INTO orders SELECT seq, seq / 7.0, CONCAT('n', seq) FROM seq_1_to_{ROWS}",
            f"CREATE VIEW {self.view} AS SELECT * FROM orders WHERE id < 5",
            "ANALYZE TABLE orders",
        )

    def source(self) -> Any:
        return self.road.source.connector()

    def target(self) -> Any:
        return self.road.target.connector()

    def sell_out(self) -> None:
        self.road.source.sql("DELETE FROM orders WHERE id > 10")

    def end_sessions(self) -> None:
        server = self.road.source.server
        busy = f"SELECT id FROM information_schema.processlist WHERE db = '{self.road.source.name}'"
        for (number,) in server.sql(busy):
            server.sql(f"KILL {number}")

    def tidy(self) -> None:
        self.road.tidy()

    def close(self) -> None:
        self.road.source.sql(f"DROP DATABASE {self.more}")


class SqliteShop(Shop):
    """In a file of SQLite, which has one schema."""

    columns = (
        ("id", "BIGINT", False, Family.INTEGER),
        ("amount", "DECIMAL(9,2)", True, Family.DECIMAL),
        ("note", "TEXT", True, Family.TEXT),
    )
    view, orders, schemas, in_schema = "seen", "orders", ("main",), ("main", ["orders", "seen"])
    # Of columns that have a type: others are looked through to the end to find one.
    endless = "SELECT a.id, b.note FROM orders a, orders b, orders c, orders d"
    slow = endless
    sleeping = "SELECT a.id FROM orders a, orders b, orders c, orders d WHERE a.id + b.id + c.id + d.id < 0"
    sample = (["1", "0.14", "n1"], ["2", "0.29", "n2"])
    target_name = "into.db"
    of_a_long_name = Missing

    def __init__(self, folder: Path) -> None:
        self.files = Files(folder, self.target_name.replace("into", "from"), self.target_name)
        self.files.s(*self.made())

    def made(self) -> tuple[str, ...]:
        return (
            "PRAGMA journal_mode = WAL",  # else nobody writes while somebody reads
            "CREATE TABLE orders (id BIGINT NOT NULL PRIMARY KEY, amount DECIMAL(9,2), note TEXT, UNIQUE (note))",
            f"{_NUMBERS} INSERT INTO orders SELECT g, round(g / 7.0, 2), 'n' || g FROM (SELECT g FROM n LIMIT {ROWS})",
            f"CREATE VIEW {self.view} AS SELECT * FROM orders WHERE id < 5",
            "ANALYZE",
        )

    def source(self) -> Any:
        return self.files.connector(self.files.source)

    def target(self) -> Any:
        return self.files.connector(self.files.target)

    def ask(self, name: str, statement: str) -> list[tuple[Any, ...]]:
        """Of the library, while our sessions have the file open."""
        return self.files.sql(name, statement)

    def sell_out(self) -> None:
        self.ask(self.files.source, "DELETE FROM orders WHERE id > 10")

    def end_sessions(self) -> None:
        raise NotImplementedError(_A_LIBRARY)

    def tidy(self) -> None:
        found = self.ask(self.files.target, "SELECT name FROM sqlite_master WHERE type = 'table'")
        assert {name for (name,) in found} <= set(BOOKS)
        beside = {path.name for path in self.files.folder.iterdir()} - {self.files.source, self.files.target}
        assert [name for name in beside if not name.endswith(_OF_OPEN_FILES)] == []


class DuckdbShop(SqliteShop):
    """In a file of DuckDB."""

    columns = (
        ("id", "BIGINT", False, Family.INTEGER),
        ("amount", "DECIMAL(9,2)", True, Family.DECIMAL),
        ("note", "VARCHAR", True, Family.TEXT),
    )
    view, orders, schemas, in_schema = "more.seen", "main.orders", ("main", "more"), ("more", ["more.seen"])
    target_name = "into.duckdb"

    def made(self) -> tuple[str, ...]:
        _, first, _, view, _ = super().made()
        filled = f"INSERT INTO orders SELECT g, round(g / 7.0, 2), 'n' || g FROM range(1, {ROWS + 1}) n (g)"
        return first, filled, "CREATE SCHEMA more", view

    def ask(self, name: str, statement: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(self.files.folder / name, config=instances._CONFIG) as database:
            return list(database.execute(statement).fetchall())
