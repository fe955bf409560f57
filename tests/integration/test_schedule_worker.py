"""A schedule that is due, and `etl-engine worker` twice: a file is read, mapped and stands in the lake, once."""

import datetime as dt
import os
import signal
import sqlite3
from pathlib import Path

import pytest
from copying import eventually
from deltalake import DeltaTable
from worker_processes import installation, worker_service

from etl_engine.model.collections import SCHEDULES
from etl_engine.model.execution import Status
from etl_engine.services import column_mappings, connections, executions, mappings, schedules, schemas
from etl_engine.services.connection_documents import as_config
from etl_engine.services.context import Context

COLUMNS = [
    {"name": "id", "data_type": "integer", "key": True},
    {"name": "first", "data_type": "string"},
    {"name": "last", "data_type": "string"},
]
RULES = [
    {"type": "direct", "source_columns": ["id"], "target_fields": ["id"]},
    {"type": "split", "source_columns": ["name"], "target_fields": ["first", "last"], "config": {"delimiter": " "}},
]


def scheduled(ctx: Context, folder: Path) -> str:
    """A schedule whose last full hour was missed: due now, and then not for a while."""
    files = folder / "data" / "files"
    files.mkdir(parents=True, exist_ok=True)
    shop = sqlite3.connect(files / "shop.db")
    shop.execute("CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT)")
    shop.execute("INSERT INTO customers VALUES (1, 'Ada Lovelace'), (2, 'Grace Hopper')")
    shop.commit()
    shop.close()
    source = connections.create(ctx, as_config({"name": "Shop", "db_type": "sqlite", "database": "shop.db"})).id
    schema = schemas.create(ctx, {"name": "Clients", "columns": COLUMNS}).id
    named = {"name": "Clients", "source_connection_id": source, "target_schema_id": schema}
    mapping = mappings.create(ctx, named | {"source_query": "SELECT id, name FROM customers"}).id
    column_mappings.append(ctx, mapping, RULES, alone=False)
    # Twelve hours away, so that no second fire comes due while the test runs.
    hour = (ctx.store.now() + dt.timedelta(hours=12)).hour
    made = schedules.create(ctx, {"name": "Daily", "mapping_id": mapping, "cron_expression": f"0 {hour} * * *"})
    assert made.next_run_at is not None
    ctx.store.update(SCHEDULES.name, {"_id": made.id}, {"next_run_at": made.next_run_at - dt.timedelta(days=1)})
    return made.id


@pytest.mark.parametrize("killed", [False, True], ids=["two at work", "one of them killed"])
def test_a_fire_that_was_missed_is_run_once_by_whoever_is_there(tmp_path: Path, killed: bool) -> None:
    with installation(tmp_path) as engine:
        ctx = engine.context()
        schedule = scheduled(ctx, tmp_path)
        with worker_service(tmp_path, "one") as one, worker_service(tmp_path, "other"):
            if killed:
                os.kill(one.pid, signal.SIGKILL)
            eventually(lambda: schedules.get(ctx, schedule).last_execution_id is not None, "the fire", 60)
            execution_id = str(schedules.get(ctx, schedule).last_execution_id)
            eventually(lambda: executions.get(ctx, execution_id).final, "the end of the execution", 60)
        done = executions.get(ctx, execution_id)
        assert (done.status, done.error) == (Status.SUCCESS, None)
        assert (done.counters.read, done.counters.loaded, done.actor) == (2, 2, "scheduler")
        assert len(executions.list_(ctx, executions.Query()).items) == 1
        [fire] = schedules.fires(ctx, schedule)
        assert (fire.state, fire.execution_id) == ("started", execution_id)
    rows = DeltaTable(tmp_path / "data" / "lake" / "clients").to_pyarrow_table().sort_by("id").to_pylist()
    assert [(row["id"], row["first"], row["last"]) for row in rows] == [(1, "Ada", "Lovelace"), (2, "Grace", "Hopper")]
