"""How long the metadata store takes: `python benchmarks/store.py [URL ...]`, by default SQLite in a temporary folder.

A URL may also be that of an empty PostgreSQL database or of a MongoDB server. The store is durable while measured.
"""

import datetime as dt
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.table import Table

from etl_engine.model.collections import CONNECTIONS
from etl_engine.store.mongo import MongoStore
from etl_engine.store.sql import SqlStore

DOCUMENTS = 1000


def connection(number: int) -> dict[str, Any]:
    now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC) + dt.timedelta(minutes=number)
    return {
        "name": f"Warehouse {number}",
        "name_key": f"warehouse {number}",
        "search": f"warehouse {number} db.example.com sales reader",
        "db_type": ("postgresql", "mysql", "sqlite")[number % 3],
        "host": "db.example.com",
        "port": 5432,
        "database": "sales",
        "username": "reader",
        "password": "gAAAAAB" + "x" * 113,
        "created_at": now,
        "updated_at": now,
        "last_test_status": "success",
        "last_tested_at": now,
        "last_test_ms": 12.5,
        "tests": [{"at": now, "status": "success", "ms": 12.5}] * 10,
        "revision": 1,
    }


def milliseconds(call: Callable[[int], object], times: int) -> list[float]:
    taken = []
    for number in range(times):
        started = time.perf_counter()
        call(number)
        taken.append((time.perf_counter() - started) * 1000)
    return taken


def measured(store: Any) -> dict[str, list[float]]:
    store.delete("connections", {})
    ids: list[str] = []
    newest = [("updated_at", -1)]
    return {
        "insert": milliseconds(lambda n: ids.append(store.insert("connections", connection(n))[0]["_id"]), DOCUMENTS),
        "get": milliseconds(lambda n: store.get("connections", ids[n]), DOCUMENTS),
        "find by unique key": milliseconds(lambda n: store.find("connections", {"name_key": f"warehouse {n}"}), 300),
        "update": milliseconds(
            lambda n: store.update("connections", {"_id": ids[n]}, {"host": f"h{n}"}, increment={"revision": 1}), 500
        ),
        "page of 50": milliseconds(lambda n: store.find("connections", sort=newest, limit=50, skip=50 * (n % 20)), 100),
        "search of 1000": milliseconds(lambda n: store.find("connections", {"search": {"$has": f"e {n} "}}), 100),
        "count by type": milliseconds(lambda _: store.count_by("connections", "db_type"), 100),
        "list 1000": milliseconds(lambda _: store.find("connections", sort=newest), 20),
    }


def main(urls: list[str]) -> None:
    console = Console()
    with tempfile.TemporaryDirectory() as folder:
        for url in urls or [f"sqlite:///{folder}/store.db"]:
            store: Any = MongoStore(url, "etl_benchmark") if url.startswith("mongodb") else SqlStore(url)
            store.open([CONNECTIONS])
            table = Table("milliseconds", "median", "p95", "worst", title=store.ping())
            for name, taken in measured(store).items():
                figures = statistics.median(taken), statistics.quantiles(taken, n=20)[-1], max(taken)
                table.add_row(name, *(f"{figure:.2f}" for figure in figures))
            console.print(table)
            store.close()


if __name__ == "__main__":
    main(sys.argv[1:])
