"""A mapping from PostgreSQL into MariaDB and back, judged by their own clients, and targets that it does not fit."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from copying import Pair
from mysql_copying import Road
from scripted_kind import opened_context

from etl_engine.model.execution import Execution, Status
from etl_engine.services import column_mappings, connections, execution_attempts, executions, mappings, schemas
from etl_engine.services.connection_documents import as_config
from etl_engine.services.context import Context

pytestmark = pytest.mark.real

COLUMNS = [
    {"name": "id", "data_type": "integer", "key": True},
    {"name": "first", "data_type": "string"},
    {"name": "last", "data_type": "string"},
    {"name": "place", "data_type": "string"},
    {"name": "credit", "data_type": "decimal(8,2)"},
    {"name": "since", "data_type": "timestamp"},
]
RULES: list[dict[str, Any]] = [
    {"type": "direct", "source_columns": ["id"], "target_fields": ["id"]},
    {"type": "split", "source_columns": ["name"], "target_fields": ["first", "last"], "config": {"delimiter": " "}},
    {"type": "join", "source_columns": ["city", "zip"], "target_fields": ["place"], "config": {"separator": " · "}},
    {"type": "direct", "source_columns": ["credit"], "target_fields": ["credit"]},
    {"type": "direct", "source_columns": ["joined"], "target_fields": ["since"]},
]
TABLE = "CREATE TABLE customers (id int, name varchar(80), city varchar(80), zip varchar(9), credit varchar(20), {} )"
ROWS = (
    "INSERT INTO customers VALUES (1, 'Ada Lovelace', 'Łódź', '90-001', '12.50', '2024-07-01 10:00:00.123456'), "
    "(2, 'Grace', NULL, 'SW1', NULL, NULL), (3, 'Edsger W. Dijkstra', NULL, NULL, 'a lot', NULL)"
)
READ = "SELECT id, first, last, place, credit, since FROM clients ORDER BY id"


@pytest.fixture
def ctx(tmp_path: Path) -> Iterator[Context]:
    with opened_context(tmp_path) as context:
        yield replace(context, surroundings=replace(context.surroundings, lake=tmp_path / "lake"))


@pytest.fixture
def postgres(ctx: Context, pair: Pair) -> str:
    server = pair.server
    values = {"name": "PostgreSQL", "db_type": "postgresql", "host": server.host, "port": server.port}
    login = {"database": pair.source, "username": server.user, "password": server.password, "tls_mode": "disable"}
    pair.s(TABLE.format("joined timestamp"), ROWS)
    return connections.create(ctx, as_config(values | login)).id


@pytest.fixture
def mariadb(ctx: Context, road: Road) -> str:
    server = road.source.server
    values = {"name": "MariaDB", "db_type": "mysql", "host": server.host, "port": server.port}
    login = {"database": road.source.name, "username": server.user, "password": server.password, "tls_mode": "disable"}
    road.source.sql(TABLE.format("joined datetime(6)"), ROWS)
    return connections.create(ctx, as_config(values | login)).id


@pytest.fixture
def run(ctx: Context) -> Callable[..., Execution]:
    schema = schemas.create(ctx, {"name": "Clients", "columns": COLUMNS}).id

    def done(source: str, destination: str | None, **changes: Any) -> Execution:
        values = {"name": "Clients", "source_connection_id": source, "source_query": "SELECT * FROM customers"}
        ends = {"target_schema_id": schema, "destination_connection_id": destination, "destination_table": "clients"}
        made = mappings.create(ctx, values | ends | changes)
        column_mappings.append(ctx, made.id, RULES, alone=False)
        ordered = mappings.run(ctx, made.id)
        assert execution_attempts.claim_and_run(ctx, "worker", ending=threading.Event(), stall_seconds=60)
        return executions.get(ctx, ordered.id)

    return done


def kept(done: Execution) -> list[tuple[Any, ...]]:
    return [(one["row"], one["column"], one["value"], one["reason"]) for one in (done.result or {})["rejects"]]


def test_from_mariadb_into_postgresql(pair: Pair, postgres: str, mariadb: str, run: Callable[..., Execution]) -> None:
    done = run(mariadb, postgres)
    assert (done.error, done.status, done.counters.loaded) == (None, Status.PARTIAL, 2)
    assert kept(done) == [(3, "credit", "a lot", "is not a number")]
    assert pair.s(READ) == (
        "1|Ada|Lovelace|Łódź · 90-001|12.50|2024-07-01 10:00:00.123456\n2|Grace||SW1||"  # NULL, and no empty place
    )


def test_from_postgresql_into_mariadb(road: Road, postgres: str, mariadb: str, run: Callable[..., Execution]) -> None:
    done = run(postgres, mariadb)
    assert (done.error, done.status, done.counters.loaded) == (None, Status.PARTIAL, 2)
    assert kept(done) == [(3, "credit", "a lot", "is not a number")]
    assert road.source.sql(READ) == (
        "1\tAda\tLovelace\tŁódź · 90-001\t12.50\t2024-07-01 10:00:00.123456\n2\tGrace\tNULL\tSW1\tNULL\tNULL"
    )


@pytest.mark.parametrize(
    ("table", "said", "hint"),
    [
        ("id bigint, first text", "does not have the columns last", "Add these columns to the table"),
        (
            "id bigint, first text, last text, place text, credit decimal(8,2), since datetime(6), more int NOT NULL",
            "column more must have a value",
            "Add the column to the schema and map it",
        ),
    ],
    ids=["too few columns", "one too many"],
)
def test_a_table_of_mariadb_that_it_does_not_fit_is_said_and_stays_empty(
    road: Road, postgres: str, mariadb: str, run: Callable[..., Execution], table: str, said: str, hint: str
) -> None:
    road.source.sql(f"CREATE TABLE clients ({table})")
    done = run(postgres, mariadb)
    assert done.error is not None
    assert said in done.error.message
    assert hint in done.error.hint
    assert road.source.sql("SELECT count(*) FROM clients") == "0"


def test_a_table_of_the_lake_that_it_does_not_fit_is_said(
    ctx: Context, postgres: str, run: Callable[..., Execution]
) -> None:
    assert run(postgres, None).status is Status.PARTIAL
    more = [*COLUMNS, {"name": "note", "data_type": "string"}]
    wider = schemas.create(ctx, {"name": "Wider", "columns": more}).id
    done = run(postgres, None, name="Wider", target_schema_id=wider)
    assert done.error is not None
    assert "does not have the column note" in done.error.message
    assert done.error.hint == "Add these columns to the table, or choose another table."
