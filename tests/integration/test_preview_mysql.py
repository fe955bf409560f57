"""Preview of a query in MariaDB: the first rows, read-only by the server's own means, and an end in time."""

import threading
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from scripted_kind import opened_context
from servers import MariadbServer

from etl_engine.errors import Cancelled, EtlError
from etl_engine.services import connections, preview
from etl_engine.services.connection_documents import as_config
from etl_engine.services.context import Context

pytestmark = pytest.mark.real


@pytest.fixture
def ctx(tmp_path: Path) -> Iterator[Context]:
    with opened_context(tmp_path) as context:
        yield context


@pytest.fixture
def database(mariadb_server: MariadbServer) -> Iterator[str]:
    name = f"look_{uuid4().hex[:12]}"
    mariadb_server.sql(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    mariadb_server.sql(
        "CREATE TABLE customers (id int PRIMARY KEY, name varchar(80), joined datetime, big bigint unsigned)",
        "INSERT INTO customers VALUES (1, 'Ada', '2024-02-29 10:00:00', 18446744073709551615), (2, 'Größe', NULL, 0)",
        "CREATE FUNCTION sneak() RETURNS int MODIFIES SQL DATA BEGIN DELETE FROM customers; RETURN 1; END",
        database=name,
    )
    yield name
    mariadb_server.sql(f"DROP DATABASE {name}")


@pytest.fixture
def source(ctx: Context, mariadb_server: MariadbServer, database: str) -> str:
    server = mariadb_server
    values = {"name": "Shop", "db_type": "mysql", "host": server.host, "port": server.port, "database": database}
    login = {"username": server.user, "password": server.password, "tls_mode": "disable"}
    return connections.create(ctx, as_config(values | login)).id


def look(ctx: Context, source: str, query: str, limit: int = 50) -> preview.Preview:
    return preview.show(ctx, {"source_connection_id": source, "source_query": query, "limit": limit})


def refusal(ctx: Context, source: str, query: str) -> str:
    with pytest.raises(EtlError) as refused:
        look(ctx, source, query)
    return refused.value.message


def test_rows_are_shown_exactly_and_a_query_that_picks_some_keeps_its_order(ctx: Context, source: str) -> None:
    shown = look(ctx, source, "SELECT * FROM customers ORDER BY id DESC LIMIT 2")
    assert shown.columns[0].native == "int"
    assert shown.rows == [["2", "Größe", None, "0"], ["1", "Ada", "2024-02-29 10:00:00", "18446744073709551615"]]
    assert look(ctx, source, "SELECT id FROM customers ORDER BY id", limit=1).more


def test_nothing_is_written_whatever_the_query_calls(
    ctx: Context, source: str, mariadb_server: MariadbServer, database: str
) -> None:
    assert "READ ONLY transaction" in refusal(ctx, source, "SELECT sneak() AS a")
    assert mariadb_server.sql("SELECT count(*) FROM customers", database=database) == [(2,)]


def test_a_query_that_takes_too_long_is_stopped(
    ctx: Context, source: str, mariadb_server: MariadbServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preview, "SECONDS", 1.0)
    said = refusal(ctx, source, "SELECT SLEEP(5) AS s FROM customers a, customers b")
    assert "gave no rows within 1 seconds" in said
    running = mariadb_server.sql("SELECT count(*) FROM information_schema.processlist WHERE info LIKE '%SLEEP(5)%'")
    assert running == [(1,)], "only this one's own look"


def test_a_preview_that_nobody_waits_for_is_stopped(ctx: Context, source: str) -> None:
    gone = threading.Event()
    threading.Timer(0.5, gone.set).start()
    with pytest.raises(Cancelled):
        preview.show(ctx, {"source_connection_id": source, "source_query": "SELECT SLEEP(60) AS a"}, gone=gone)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT 1 AS a, 2 AS a", "Duplicate column name 'a'"),
        ("SELECT 1; SELECT 2", "more than one statement"),
        ("REPLACE INTO customers VALUES (3, NULL, NULL, 1)", "REPLACE is not a query"),
        ("SELECT * FROM customer", "customer"),
        ("SELECT 'x' AS a INTO OUTFILE '/tmp/etl-engine-preview'", ""),
    ],
)
def test_a_query_that_cannot_be_shown_says_why(ctx: Context, source: str, query: str, said: str) -> None:
    assert said in refusal(ctx, source, query)
    assert not Path("/tmp/etl-engine-preview").exists()
