"""The worker of a mapping dies at any point: its run is taken up, every row is there once, no reject is lost."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from copying import Pair, eventually
from executing import DIED, in_dying_child, quick, saved_pair, worked
from scripted_kind import opened_context

from etl_engine.model.execution import Counters, Status
from etl_engine.services import column_mappings, execution_claims, executions, mappings, schemas
from etl_engine.services.context import Context

POINTS = (
    "execution.began",
    "execution.began@3",
    "copy.claimed",
    "copy.loaded",
    "copy.recorded",
    "copy.committed",
    "copy.finishing",
    "execution.done@3",
    "execution.ending",
)
ROWS, REJECTED = 400, 4  # every hundredth amount is no number
QUERY = "SELECT id, name, amount FROM orders"
RULES: list[dict[str, Any]] = [
    {"type": "direct", "source_columns": ["id"], "target_fields": ["id"]},
    {"type": "split", "source_columns": ["name"], "target_fields": ["first", "last"], "config": {"delimiter": " "}},
    {"type": "direct", "source_columns": ["amount"], "target_fields": ["amount"]},
]
COLUMNS = [
    {"name": "id", "data_type": "integer", "key": True},
    {"name": "first", "data_type": "string"},
    {"name": "last", "data_type": "string"},
    {"name": "amount", "data_type": "integer"},
]


@pytest.fixture
def ctx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Context]:
    quick(monkeypatch, lease=1.5)
    with opened_context(tmp_path) as context:
        yield context


@pytest.fixture
def ends(ctx: Context, pair: Pair) -> tuple[str, str]:
    pair.s(
        "CREATE TABLE orders (id bigint PRIMARY KEY, name text, amount text)",
        f"INSERT INTO orders SELECT g, 'Ada L' || g, CASE WHEN g % 100 = 0 THEN 'x' ELSE g::text END "
        f"FROM generate_series(1, {ROWS}) g",
    )
    return saved_pair(ctx, pair)


def made(ctx: Context, source: str, target: str | None, mode: str) -> str:
    schema = schemas.create(ctx, {"name": "Orders", "columns": COLUMNS}).id
    values = {
        "name": "Orders",
        "source_connection_id": source,
        "source_query": QUERY,
        "target_schema_id": schema,
        "destination_connection_id": target,
        "destination_table": "loaded",
        "write_mode": mode,
    }
    mapping = mappings.create(ctx, {name: value for name, value in values.items() if value is not None})
    column_mappings.append(ctx, mapping.id, RULES, alone=False)
    return mapping.id


def finished_after(ctx: Context, mapping: str, point: str) -> Counters:
    """The counters of a run whose first worker died there."""
    ordered = mappings.run(ctx, mapping)
    name, _, passage = point.partition("@")
    code = in_dying_child(lambda: worked(ctx, "dies"), f"{name}=kill{f'@{passage}' if passage else ''}")
    assert code == DIED, f"{point} was not passed"
    eventually(lambda: bool(execution_claims.reap(ctx)), "the loss")
    assert worked(ctx, "goes on")
    now = executions.get(ctx, ordered.id)
    assert now.status is Status.PARTIAL, (point, now.error)
    return now.counters


@pytest.mark.parametrize("mode", ["append", "replace", "merge"])
def test_a_mapping_into_postgresql(ctx: Context, pair: Pair, ends: tuple[str, str], mode: str) -> None:
    mapping = made(ctx, *ends, mode)
    for point in POINTS if mode == "append" else POINTS[3:8]:
        pair.t("DROP TABLE IF EXISTS loaded, _etl_ledger, _etl_streams, _etl_seen, _etl_rejects")
        counters = finished_after(ctx, mapping, point)
        there = pair.t("SELECT count(*), count(DISTINCT id), min(first), count(DISTINCT last), sum(amount) FROM loaded")
        wanted = ROWS - REJECTED
        total = sum(number for number in range(1, ROWS + 1) if number % 100)
        assert there == f"{wanted}|{wanted}|Ada|{wanted}|{total}", point
        assert (counters.loaded, counters.rejected) == (wanted, REJECTED), (point, counters)
