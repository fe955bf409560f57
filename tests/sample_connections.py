"""Connections as a company might have them, for pictures, benchmarks and full lists. Nobody's real ones."""

import datetime as dt
import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from etl_engine.model.collections import CONNECTIONS
from etl_engine.services.connection_documents import UNTESTED, as_config, sealed_fields
from etl_engine.services.context import Context
from etl_engine.store.contract import Document
from etl_engine.store.ids import new_id

PASSWORD = "a-password-of-no-server"


@dataclass(frozen=True)
class Sample:
    """One connection, and how its last tests went."""

    name: str
    db_type: str
    host: str
    database: str
    username: str
    ms: float = 0.0  # about how long its test takes; 0 is never tested
    minutes: float = 4  # since the last test
    fails: Sequence[int] = ()  # which of the last 20 tests failed, 0 is the newest
    cause: str = ""
    version: str = ""


PG, MARIA, MYSQL = "PostgreSQL 16.4", "MariaDB 10.11.6", "MySQL 8.4.2"
TWELVE = (
    Sample("Orders", "mysql", "orders-db.internal", "shop", "etl_reader", 38, 4, (), "", MYSQL),
    Sample("Warehouse", "postgresql", "warehouse.internal", "analytics", "loader", 12, 4, (13,), "", PG),
    Sample(
        "Billing archive", "postgresql", "10.2.0.14", "billing", "readonly", 21, 130, (0, 1, 2),
        "Login: The server refused the password of the user readonly", PG,
    ),
    Sample("Customer service", "mysql", "crm-replica.internal", "crm", "sync"),
    Sample("Stock levels", "mysql", "stock-01.internal", "inventory", "etl_reader", 9, 4, (), "", MARIA),
    Sample("Finance ledger", "postgresql", "ledger.finance.internal", "ledger", "etl", 16, 61, (), "", PG),
    Sample("Web events", "postgresql", "events-2.internal", "clickstream", "etl", 54, 4, (6, 7), "", PG),
    Sample("Payroll", "postgresql", "payroll.internal", "people", "payroll_ro", 18, 1500, (), "", PG),
    Sample(
        "Supplier portal", "mysql", "portal.suppliers.internal", "portal", "reader", 71, 26, (0,),
        "Connect: Nothing listens on port 3306 of portal.suppliers.internal", MYSQL,
    ),
    Sample("Returns", "mysql", "returns-db.internal", "returns", "etl_reader", 33, 9, (), "", MARIA),
    Sample("Pricing", "postgresql", "pricing.internal", "pricing", "loader", 8, 9, (), "", PG),
    Sample("Data science sandbox", "postgresql", "sandbox.analytics.internal", "lab", "lab"),
)  # fmt: skip
_WORDS = ("orders", "stock", "ledger", "billing", "events", "returns", "pricing", "shipping", "audit", "catalog")
_PLACES = ("berlin", "oslo", "madrid", "lyon", "turin", "ghent", "porto", "graz", "leeds", "malmo")


def many(count: int) -> list[Sample]:
    """As many different ones as are asked for, the same each time."""
    dice = random.Random(7)
    made = []
    for number, (word, place) in enumerate(
        itertools.islice(itertools.cycle(itertools.product(_WORDS, _PLACES)), count)
    ):
        kind = ("mysql", "postgresql")[dice.random() < 0.55]
        state = dice.random()
        name = f"{word.capitalize()} {place.capitalize()} {number // 100 + 1}"
        ms = 0 if state < 0.1 else dice.uniform(5, 80)
        fails, cause = ((0,), "Connect: The server did not answer") if state > 0.93 else ((), "")
        version = PG if kind == "postgresql" else MYSQL
        host = f"{word}-{number}.{place}.internal"
        made.append(Sample(name, kind, host, word, "etl_reader", ms, dice.uniform(1, 3000), fails, cause, version))
    return made


def fill(ctx: Context, samples: Sequence[Sample]) -> list[str]:
    """Store them with a history of tests, all at once; the first one is the newest. Answers their ids in this order."""
    now = ctx.store.now()
    return [one["_id"] for one in ctx.store.insert(CONNECTIONS.name, *_documents(ctx, samples, now))]


def _documents(ctx: Context, samples: Sequence[Sample], now: dt.datetime) -> Iterator[Document]:
    vault = ctx.keyring.vault()
    for number, sample in enumerate(samples):
        values = {name: getattr(sample, name) for name in ("name", "db_type", "host", "database", "username")}
        document_id, changed = new_id(), now - dt.timedelta(minutes=number)
        yield {
            "_id": document_id,
            **sealed_fields(vault, as_config({**values, "password": PASSWORD}), document_id),
            "created_at": changed,
            "updated_at": changed,
            "revision": 1,
            "tests": [],
            **UNTESTED,
            **(_tests(sample, now) if sample.ms else {}),
        }


def _tests(sample: Sample, now: dt.datetime) -> dict[str, object]:
    dice = random.Random(sample.name)
    tests = []
    for age in range(19, -1, -1):
        at = now - dt.timedelta(minutes=sample.minutes + age * 60)
        ms = sample.ms * dice.uniform(0.8, 1.25) * (1.7 if dice.random() < 0.08 else 1)
        tests.append({"at": at, "status": "failed" if age in sample.fails else "success", "ms": round(ms, 1)})
    failed = 0 in sample.fails
    return {
        "tests": tests,
        "last_tested_at": tests[-1]["at"],
        "last_test_status": tests[-1]["status"],
        "last_test_ms": tests[-1]["ms"],
        "last_test_version": None if failed else sample.version,
        "last_test_message": sample.cause if failed else "Connection successful",
    }
