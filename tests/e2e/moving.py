"""Rows to move behind the pages: two SQLite files, a mapping into the lake, and runs of every kind by real workers."""

import contextlib
import json
import sqlite3
import time
import urllib.request
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Page, expect
from running import Server, eventually

from etl_engine.model.collections import (
    COLUMN_MAPPINGS,
    CONNECTIONS,
    EXECUTIONS,
    FIRES,
    LOG_SEGMENTS,
    MAPPINGS,
    SCHEDULES,
    SCHEMAS,
    TASKS,
)
from etl_engine.model.execution import Level, Origin
from etl_engine.services.context import Context
from etl_engine.services.execution_logs import SEGMENT_LINES, _segment

ROWS = 500
WRONG = 3  # rows with an amount that is no number
# Reads for minutes, a few hundred thousand rows a second: long enough to be cancelled.
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000000000) SELECT i FROM n"
_OURS = (EXECUTIONS, TASKS, LOG_SEGMENTS, FIRES, SCHEDULES, COLUMN_MAPPINGS, MAPPINGS, SCHEMAS, CONNECTIONS)

Body = dict[str, Any]


def clear(ctx: Context) -> None:
    for collection in _OURS:
        ctx.store.delete(collection.name, {})


@dataclass
class Shop:
    """What there is to move, through the API as a person's script would."""

    server: Server
    source: str = ""
    target: str = ""
    schema: str = ""
    mapping: str = ""

    def call(self, method: str, path: str, body: Any = None) -> Any:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.server.port}/api/v1{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def fill(self) -> "Shop":
        files = self.server.folder / "data" / "files"
        files.mkdir(parents=True, exist_ok=True)
        for name in ("shop", "archive"):
            with contextlib.closing(sqlite3.connect(files / f"moving-{name}.db")) as database:
                if name == "shop":
                    database.execute(
                        "CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, who TEXT, amount TEXT)"
                    )
                    database.execute("DELETE FROM orders")
                    rows = [(n, f"Person {n}", "n/a" if n <= WRONG else str(n * 3)) for n in range(1, ROWS + 1)]
                    database.executemany("INSERT INTO orders VALUES (?, ?, ?)", rows)
                database.commit()
        self.source, self.target = (self._connection(name) for name in ("shop", "archive"))
        columns = [{"name": "id", "data_type": "integer"}, {"name": "amount", "data_type": "integer"}]
        self.schema = self.call("POST", "/schemas/", {"name": "Amounts", "columns": columns})["_id"]
        draft = {
            "name": "Orders to the lake",
            "source_connection_id": self.source,
            "source_query": "SELECT id, amount FROM orders",
            "target_schema_id": self.schema,
            "write_mode": "replace",
        }
        self.mapping = self.call("POST", "/mappings/", draft)["_id"]
        for field in ("id", "amount"):
            rule = {"type": "direct", "source_columns": [field], "target_fields": [field]}
            self.call("POST", f"/mappings/{self.mapping}/column-mappings", rule)
        return self

    def copy(self, **changes: Any) -> str:
        order = {"source_id": self.source, "target_id": self.target, "table": "orders", "target": "orders"}
        return str(self.call("POST", "/copies/", {**order, "mode": "replace", **changes})["_id"])

    def slow(self) -> str:
        return self.copy(table="", query=ENDLESS, target="numbers")

    def long(self, rows: int = 3_000_000) -> str:
        """A copy whose rows can be seen to flow for some seconds."""
        file = self.server.folder / "data" / "files" / "moving-shop.db"
        numbers = (
            f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) SELECT i, i * 7 FROM n"
        )
        with contextlib.closing(sqlite3.connect(file)) as database:
            database.execute("CREATE TABLE IF NOT EXISTS numbers (id INTEGER PRIMARY KEY, v INTEGER)")
            database.execute("DELETE FROM numbers")
            database.execute(f"INSERT INTO numbers {numbers}")
            database.commit()
        return self.copy(table="numbers", target="numbers")

    def failing(self) -> str:
        return self.copy(table="invoices")

    def mapped(self) -> str:
        return str(self.call("POST", f"/mappings/{self.mapping}/run")["_id"])

    def schedule(self, **changes: Any) -> str:
        draft = {"name": "Every morning", "mapping_id": self.mapping, "cron_expression": "30 7 * * 1-5"}
        return str(self.call("POST", "/schedules/", {**draft, **changes})["_id"])

    def run(self, execution_id: str) -> Body:
        found: Body = self.call("GET", f"/executions/{execution_id}")
        return found

    def wait(self, execution_id: str, *statuses: str) -> Body:
        """Until it is one of these; without any, until it has ended."""
        wanted = statuses or ("success", "partial", "failed", "cancelled")
        seen: list[Body] = []

        def there() -> bool:
            seen.append(self.run(execution_id))
            return seen[-1]["status"] in wanted

        eventually(there, lambda: f"{wanted}: {seen[-1]}", 60)
        return seen[-1]

    def _connection(self, name: str) -> str:
        draft = {"name": f"The {name}", "db_type": "sqlite", "database": f"moving-{name}.db"}
        return str(self.call("POST", "/connections/", draft)["_id"])


def open_at(page: Page, server: Server, address: str) -> None:
    page.goto(server.url + address)
    expect(page.locator(".sidebar .engine")).to_have_attribute("data-mood", "ready", timeout=15_000)


def with_a_long_log(ctx: Context, execution_id: str, lines: int) -> None:
    """So many lines behind those that there are, as a worker writes them."""
    first = int(ctx.store.get(EXECUTIONS.name, execution_id)["log_lines"]) + 1  # type: ignore[index] # it is there
    at = time.time_ns() // 1_000_000
    batch = []
    for begin in range(first, lines + 1, SEGMENT_LINES):
        numbers = range(begin, min(begin + SEGMENT_LINES, lines + 1))
        batch.append(
            _segment(
                execution_id,
                begin,
                [
                    (
                        at + number,
                        Level.WARNING if number % 100_000 == 0 else Level.INFO,
                        Origin.SOURCE if number % 2 else Origin.TARGET,
                        "",
                        f"batch {number}: 65,536 rows committed",
                    )
                    for number in numbers
                ],
            )
        )
        if len(batch) == 100:
            ctx.store.insert(LOG_SEGMENTS.name, *batch)
            batch = []
    if batch:
        ctx.store.insert(LOG_SEGMENTS.name, *batch)
    ctx.store.update(EXECUTIONS.name, {"_id": execution_id}, increment={"log_lines": lines - first + 1})
