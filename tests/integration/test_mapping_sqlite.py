"""A mapping of a SQLite file: a query that never ends is cancelled, and what a run needs is checked before it loads."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from copying import eventually
from scripted_kind import opened_context

from etl_engine.errors import EtlError
from etl_engine.model.execution import Execution, Status
from etl_engine.services import column_mappings, connections, execution_attempts, executions, mappings, schemas
from etl_engine.services.connection_documents import as_config
from etl_engine.services.context import Context

ENDLESS = "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n) SELECT max(n) AS id FROM n"


@pytest.fixture
def ctx(tmp_path: Path) -> Iterator[Context]:
    with opened_context(tmp_path) as context:
        yield context


@pytest.fixture
def values(ctx: Context, tmp_path: Path) -> dict[str, Any]:
    """What a mapping of one file into another one is made of."""
    (tmp_path / "files").mkdir()
    for name in ("shop", "warehouse"):
        with sqlite3.connect(tmp_path / "files" / f"{name}.db") as database:
            database.execute("CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT)")
            database.execute("INSERT INTO customers VALUES (1, 'Ada')")
        database.close()
    source, target = (
        connections.create(ctx, as_config({"name": name, "db_type": "sqlite", "database": f"{name}.db"})).id
        for name in ("shop", "warehouse")
    )
    schema = schemas.create(ctx, {"name": "Ids", "columns": [{"name": "id", "data_type": "integer"}]}).id
    ends = {"source_connection_id": source, "destination_connection_id": target, "target_schema_id": schema}
    return ends | {"name": "Ids", "destination_table": "ids"}


def ordered(ctx: Context, values: dict[str, Any], query: str) -> Execution:
    mapping = mappings.create(ctx, values | {"source_query": query})
    rule = {"type": "direct", "source_columns": ["id"], "target_fields": ["id"]}
    column_mappings.append(ctx, mapping.id, [rule], alone=False)
    return mappings.run(ctx, mapping.id)


def worked(ctx: Context) -> None:
    assert execution_attempts.claim_and_run(ctx, "worker", ending=threading.Event(), stall_seconds=60)


def test_a_query_without_an_end_is_cancelled_where_it_stands(
    ctx: Context, values: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    deaf: list[str] = []
    monkeypatch.setattr(execution_attempts.os, "_exit", lambda code: deaf.append(str(code)))
    made = ordered(ctx, values, ENDLESS)
    worker = threading.Thread(target=worked, args=(ctx,))
    worker.start()
    eventually(lambda: executions.tasks(ctx, made.id)[0].status is Status.RUNNING, "its first block", 20)
    begun = time.monotonic()
    executions.cancel(ctx, made.id)
    worker.join(40)
    assert not worker.is_alive()
    assert executions.get(ctx, made.id).status is Status.CANCELLED
    assert not deaf, "its process had to go"
    assert time.monotonic() - begun < 9


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT id, id FROM customers", "several columns named 'id'"),
        ("SELECT id FROM nobody", "nobody"),
        ("SELECT name AS nr FROM customers", "names 'id', which the query does not answer"),
    ],
)
def test_a_query_that_does_not_fit_any_more_fails_with_its_reason_and_loads_nothing(
    ctx: Context, values: dict[str, Any], tmp_path: Path, query: str, said: str
) -> None:
    made = ordered(ctx, values, query)
    worked(ctx)
    done = executions.get(ctx, made.id)
    assert done.error is not None
    assert (done.status, said in done.error.message) == (Status.FAILED, True), done.error.message
    assert done.error.hint
    with sqlite3.connect(tmp_path / "files" / "warehouse.db") as warehouse:
        assert warehouse.execute("SELECT count(*) FROM sqlite_master WHERE name = 'ids'").fetchone() == (0,)
    warehouse.close()


def test_a_connection_that_is_gone_when_it_runs_is_said(ctx: Context, values: dict[str, Any]) -> None:
    made = ordered(ctx, values, "SELECT id FROM customers")
    mapping = str(made.subject.id)
    with pytest.raises(EtlError, match="in use by the mapping 'Ids'"):
        connections.delete(ctx, values["destination_connection_id"])
    mappings.update(ctx, mapping, {"destination_connection_id": values["source_connection_id"]})
    connections.delete(ctx, values["destination_connection_id"])
    worked(ctx)
    done = executions.get(ctx, made.id)
    assert (done.status, done.error and done.error.code) == (Status.FAILED, "not-found")
