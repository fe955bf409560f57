"""The same small shop in every kind of database, for the contract of reading and writing."""

from abc import ABC, abstractmethod
from typing import Any

from copying import Pair
from mysql_copying import Road

from etl_engine.model.table import Family

ROWS = 1000


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
    sample: tuple[list[str], list[str]]

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
