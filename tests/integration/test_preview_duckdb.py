"""Preview of a query in a DuckDB file: the first rows, nothing written or read beside the file, and an end in time."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from scripted_kind import opened_context

from etl_engine.errors import Cancelled, EtlError
from etl_engine.services import connections, preview
from etl_engine.services.connection_documents import as_config
from etl_engine.services.context import Context

ENDLESS = "SELECT max(a.range * b.range) AS n FROM range(10000000) AS a, range(10000000) AS b"


@pytest.fixture
def ctx(tmp_path: Path) -> Iterator[Context]:
    with opened_context(tmp_path) as context:
        yield context


@pytest.fixture
def source(ctx: Context, tmp_path: Path) -> str:
    (tmp_path / "files").mkdir(exist_ok=True)
    with duckdb.connect(str(tmp_path / "files" / "shop.duckdb")) as shop:
        shop.execute("CREATE TABLE customers (id INTEGER PRIMARY KEY, name VARCHAR, paid DECIMAL(9, 2))")
        shop.execute("INSERT INTO customers VALUES (1, 'Ada', 12.50), (2, 'Größe', NULL)")
        shop.execute("CREATE SEQUENCE counted")
    return connections.create(ctx, as_config({"name": "Shop", "db_type": "duckdb", "database": "shop.duckdb"})).id


def look(ctx: Context, source: str, query: str, limit: int = 50) -> preview.Preview:
    return preview.show(ctx, {"source_connection_id": source, "source_query": query, "limit": limit})


def test_rows_are_shown_exactly_and_in_their_order(ctx: Context, source: str) -> None:
    shown = look(ctx, source, "SELECT * FROM customers ORDER BY id DESC")
    assert (shown.rows, shown.more) == ([["2", "Größe", None], ["1", "Ada", "12.50"]], False)
    assert [one.family for one in shown.columns] == ["integer", "text", "decimal"]
    few = look(ctx, source, "SELECT range AS n FROM range(1000000) ORDER BY 1", limit=2)
    assert (few.rows, few.more) == ([["0"], ["1"]], True)


def test_no_more_bytes_are_taken_than_it_may(ctx: Context, source: str) -> None:
    shown = look(ctx, source, "SELECT range AS n, repeat('x', 10000000) AS long FROM range(50)")
    assert 1 <= len(shown.rows) < 10
    assert (shown.more, shown.cut) == (True, len(shown.rows))


def test_a_query_without_an_end_is_stopped_in_time(ctx: Context, source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preview, "SECONDS", 0.5)
    begun = time.monotonic()
    with pytest.raises(EtlError, match="gave no rows within"):
        look(ctx, source, ENDLESS)
    assert time.monotonic() - begun < 20


def test_a_preview_that_nobody_waits_for_is_stopped(ctx: Context, source: str) -> None:
    gone = threading.Event()
    threading.Timer(0.3, gone.set).start()
    with pytest.raises(Cancelled):
        preview.show(ctx, {"source_connection_id": source, "source_query": ENDLESS}, gone=gone)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("DELETE FROM customers", "changes data: it has DELETE"),
        ("COPY customers TO 'out.csv'", "changes data: it has COPY"),
        ("SELECT nextval('counted') AS a", "read-only mode"),
        ("SELECT 1 AS a; DROP TABLE customers", "more than one statement"),
        ("INSTALL httpfs", "INSTALL is not a query"),
        ("ATTACH 'other.db' AS o", "ATTACH is not a query"),
        ("SELECT * FROM read_text('/etc/hostname')", "file system operations are disabled"),
        ("SELECT * FROM customer", "customer"),
        ("SELECT id AS a, name AS a FROM customers", "'a'"),
    ],
)
def test_a_query_that_cannot_be_shown_says_why(ctx: Context, source: str, query: str, said: str) -> None:
    with pytest.raises(EtlError) as refused:
        look(ctx, source, query)
    assert said in refused.value.message
    assert refused.value.hint
    assert len(look(ctx, source, "SELECT * FROM customers").rows) == 2
