"""Preview of a query in a SQLite file: the first rows of whatever it is, nothing written, and an end in time."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from scripted_kind import opened_context

from etl_engine.errors import Cancelled, EtlError
from etl_engine.services import connections, preview
from etl_engine.services.connection_documents import as_config
from etl_engine.services.context import Context

ENDLESS = "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n) SELECT {} FROM n"


@pytest.fixture
def ctx(tmp_path: Path) -> Iterator[Context]:
    with opened_context(tmp_path) as context:
        yield context


@pytest.fixture
def source(ctx: Context, tmp_path: Path) -> str:
    (tmp_path / "files").mkdir(exist_ok=True)
    shop = sqlite3.connect(tmp_path / "files" / "shop.db")
    shop.execute("CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT, raw BLOB)")
    shop.execute("INSERT INTO customers VALUES (1, 'Ada', x'00ff'), (2, 'Größe', NULL)")
    shop.commit()
    shop.close()
    return connections.create(ctx, as_config({"name": "Shop", "db_type": "sqlite", "database": "shop.db"})).id


def look(ctx: Context, source: str, query: str, limit: int = 50) -> preview.Preview:
    return preview.show(ctx, {"source_connection_id": source, "source_query": query, "limit": limit})


def test_rows_are_shown_exactly_and_in_their_order(ctx: Context, source: str) -> None:
    shown = look(ctx, source, "SELECT * FROM customers ORDER BY id DESC")
    assert (shown.rows, shown.more) == ([["2", "Größe", None], ["1", "Ada", "\\x00ff"]], False)


def test_no_more_rows_are_taken_than_are_shown(ctx: Context, source: str) -> None:
    shown = look(ctx, source, "SELECT a.id, b.id AS other FROM customers a, customers b ORDER BY 1, 2", limit=3)
    assert (shown.rows, shown.more) == ([["1", "1"], ["1", "2"], ["2", "1"]], True)


@pytest.mark.parametrize("column", ["count(*) AS n", "n"])  # what type `n` has, only all of its values would tell
def test_a_query_without_an_end_is_stopped_in_time(
    ctx: Context, source: str, monkeypatch: pytest.MonkeyPatch, column: str
) -> None:
    monkeypatch.setattr(preview, "SECONDS", 0.5)
    begun = time.monotonic()
    with pytest.raises(EtlError, match="gave no rows within"):
        look(ctx, source, ENDLESS.format(column))
    assert time.monotonic() - begun < 20


def test_a_preview_that_nobody_waits_for_is_stopped(ctx: Context, source: str) -> None:
    gone = threading.Event()
    threading.Timer(0.3, gone.set).start()
    with pytest.raises(Cancelled):
        preview.show(ctx, {"source_connection_id": source, "source_query": ENDLESS.format("count(*) AS n")}, gone=gone)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("DELETE FROM customers", "changes data: it has DELETE"),
        ("SELECT 1 AS a; DROP TABLE customers", "more than one statement"),
        ("PRAGMA writable_schema = 1", "PRAGMA is not a query"),
        ("ATTACH 'other.db' AS o", "ATTACH is not a query"),
        ("SELECT * FROM customer", "customer"),
        ("SELECT id AS a, name AS a FROM customers", "'a'"),
    ],
)
def test_a_query_that_cannot_be_shown_says_why(ctx: Context, source: str, query: str, said: str) -> None:
    with pytest.raises(EtlError) as refused:
        look(ctx, source, query)
    assert said in refused.value.message
    assert len(look(ctx, source, "SELECT * FROM customers").rows) == 2
