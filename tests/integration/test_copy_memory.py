"""What the process of a copy takes at most. Bounds are those of the product, and hold for any number of rows."""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from copying import Pair

from etl_engine.connectors.duck.showing import shown

MB = 1_000_000
ROWS = 300_000
CELL = 30 * MB  # just below a power of two in both its texts: the driver doubles its buffer
PROGRAM = Path(__file__).parents[1] / "peak_memory.py"
RELAY, TEXT, TYPED = ("--lane", "relay"), ("--lane", "text"), ("--lane", "typed")


@dataclass(frozen=True)
class Took:
    peak: int
    modules: frozenset[str]


@dataclass
class Installed:
    """A data folder with connections to two databases."""

    folder: Path
    pair: Pair

    def __post_init__(self) -> None:
        server = self.pair.server
        for name, database in (("from", self.pair.source), ("into", self.pair.target)):
            words = ["--type", "postgresql", "--host", server.host, "--port", str(server.port), "--database", database]
            self.command("connections", "add", name, *words, "--username", server.user, "--password-stdin")

    def command(self, *words: str) -> Took:
        report = self.folder / "report.json"
        done = subprocess.run(
            [sys.executable, str(PROGRAM), str(report), *words],
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "DATA_DIR": str(self.folder / "data"), "FILE_ROOTS": str(self.folder)},
            input=self.pair.server.password,
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        found = json.loads(report.read_text())
        return Took(found["peak"], frozenset(found["modules"]))

    def add_end(self, kind: str) -> None:
        (self.folder / kind).mkdir()
        where = ("--database", "x.db") if kind == "sqlite" else ("--option", f"folder={kind}")
        if kind == "sqlite":
            sqlite3.connect(self.folder / "x.db").close()
        self.command("connections", "add", kind, "--type", kind, *where, "--untested")

    def copy(self, *words: str) -> Took:
        return self.command("copy", *words, "--mode", "replace", "--json")


@pytest.fixture
def installed(tmp_path: Path, pair: Pair) -> Iterator[Installed]:
    yield Installed(tmp_path, pair)


@pytest.fixture
def orders(installed: Installed) -> Installed:
    installed.pair.s(
        "CREATE TABLE orders (id bigint PRIMARY KEY, code text, amount numeric(12,2), price float8, active boolean, "
        "created date, updated timestamptz, note text)",
        f"INSERT INTO orders SELECT g, 'C' || g, g / 7.0, g / 3.0, g % 2 = 0, date '2020-01-01' + g % 2000, "
        f"timestamptz '2024-01-01' + g * interval '1 s', repeat(md5(g::text), 4) FROM generate_series(1, {ROWS}) g",
        "ANALYZE orders",
    )
    return installed


@pytest.mark.parametrize("lane", [RELAY, TEXT], ids=["relay", "text"])
def test_bytes_that_nobody_looks_into_need_no_more_than_150_mb_and_no_arrow(
    orders: Installed, lane: tuple[str, str]
) -> None:
    took = orders.copy("from", "orders", "into", *lane)
    assert took.peak < 130 * MB  # of 150 that it may have: it takes 97 and 106
    assert "pyarrow" not in took.modules
    orders.pair.same("orders")


def test_typed_rows_need_no_more_than_250_mb(orders: Installed) -> None:
    assert orders.copy("from", "orders", "into", *TYPED).peak < 220 * MB  # it takes 175
    orders.pair.same("orders")


@pytest.mark.parametrize(
    ("kind", "table", "most"), [("files", "o.parquet", 250), ("lake", "o", 275), ("sqlite", "o", 250)]
)
def test_other_ends_need_about_as_much_there_and_back(orders: Installed, kind: str, table: str, most: int) -> None:
    """The library of the lake alone is forty megabytes. Whole row groups at a time would be 450."""
    orders.add_end(kind)
    assert orders.copy("from", "orders", kind, table).peak < most * MB
    back = orders.copy(kind, table, "into", "public.orders")
    assert back.peak < most * MB
    query = "SELECT count(*), sum(id), sum(amount), md5(string_agg(note, '' ORDER BY id)) FROM orders"
    assert orders.pair.t(query) == orders.pair.s(query)


def test_a_table_that_grows_does_not_make_duckdb_hold_what_it_was_shown() -> None:
    with duckdb.connect() as session:
        session.execute("CREATE TABLE t (v VARCHAR)")
        session.execute("BEGIN")
        before = pa.total_allocated_bytes()
        for _ in range(20):
            with shown(session, "coming", pa.table({"v": ["x" * 1000] * 1000})):
                assert session.execute("INSERT INTO t SELECT v FROM coming").fetchall() == [(1000,)]
        assert pa.total_allocated_bytes() - before < 2 * MB  # of the twenty that went through
        session.execute("COMMIT")
        assert session.execute("SELECT count(*) FROM t").fetchall() == [(20_000,)]


@pytest.mark.parametrize(
    ("native", "lane", "cells"),
    [("bytea", RELAY, 4), ("bytea", TEXT, 7), ("bytea", TYPED, 7), ("text", TYPED, 7)],
    ids=["binary", "text", "typed-bytes", "typed-text"],
)
def test_a_large_cell_is_held_a_few_times_and_no_more(
    installed: Installed, native: str, lane: tuple[str, str], cells: int
) -> None:
    made = "decode(repeat(md5(g::text), {}), 'hex')" if native == "bytea" else "repeat(md5(g::text) || '\"x\\', {})"
    width = 16 if native == "bytea" else 35
    table = f"(id int PRIMARY KEY, v {native})"
    pair = installed.pair
    pair.s(
        f"CREATE TABLE small {table}",
        f"INSERT INTO small SELECT g, {made.format(1)} FROM generate_series(1, 3) g",
        f"CREATE TABLE large {table}",
        f"INSERT INTO large SELECT g, {made.format(CELL // width)} FROM generate_series(1, 3) g",
    )
    without = installed.copy("from", "small", "into", *lane)
    peak = installed.copy("from", "large", "into", *lane).peak
    assert (peak - without.peak) / CELL <= cells
    query = "SELECT id, md5({}) FROM large ORDER BY id".format("v" if native == "text" else "encode(v, 'hex')")
    assert pair.t(query) == pair.s(query)
