"""A worker that dies at any point of an execution: the run is lost, taken up again, and every row is there once."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from copying import Pair, eventually
from executing import DIED, in_dying_child, ordered_copy, quick, saved_pair, states, worked
from scripted_kind import opened_context

import etl_engine
from etl_engine.model.execution import Status
from etl_engine.services import execution_claims, executions
from etl_engine.services.context import Context

OWN_POINTS = (
    "execution.running",
    "execution.running.written",
    "execution.claimed",
    "execution.task",
    "execution.began",
    "execution.beat",
    "execution.done",
    "execution.ending",
    "execution.success",
    "execution.success.written",
)
COPY_POINTS = ("copy.claimed", "copy.loaded", "copy.recorded", "copy.committing", "copy.committed", "copy.finishing")
RUNS: dict[str, dict[str, Any]] = {
    "append": {"mode": "append"},
    "append-parts": {"mode": "append", "slice_rows": 300},
    "append-restart": {"mode": "append", "restart": True},
    "replace": {"mode": "replace"},
    "merge": {"mode": "merge"},
}
# Each point once where it is hardest, an append; for the others those between two ends of the books.
BOOKS = ("execution.began", "copy.committed", "copy.finishing", "execution.done")
POINTS = dict.fromkeys(RUNS, BOOKS) | {
    "append": (*OWN_POINTS, *COPY_POINTS),
    "append-parts": tuple(f"{point}@2" for point in COPY_POINTS[1:5]),
}


@pytest.fixture
def ctx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Context]:
    quick(monkeypatch, lease=1.2)
    with opened_context(tmp_path) as context:
        yield context


@pytest.fixture
def orders(pair: Pair) -> Pair:
    pair.s(
        "CREATE TABLE orders (id bigint PRIMARY KEY, v text)",
        "INSERT INTO orders SELECT g, repeat('x', g % 90) FROM generate_series(1, 1000) g",
        "ANALYZE orders",
    )
    return pair


def test_every_point_of_executions_in_the_code_is_tried_somewhere() -> None:
    code = Path(etl_engine.__file__).parent
    found = {
        name
        for module in code.rglob("*.py")
        for name in re.findall(r'faultpoint\("(execution\.[^"]+)"\)', module.read_text())
    }
    moves = {"execution.running", "execution.success"}
    assert found == {point for point in OWN_POINTS if point.removesuffix(".written") not in moves}


def forget(orders: Pair) -> None:
    orders.t("DROP TABLE IF EXISTS orders, _etl_ledger, _etl_streams, _etl_seen")


def reaped(ctx: Context) -> None:
    """What a dead worker left is found within its lease."""
    running = Status.RUNNING
    eventually(lambda: bool(execution_claims.reap(ctx)) or running not in _counts(ctx), "the loss")


def _counts(ctx: Context) -> dict[Status, int]:
    return executions.counts(ctx, executions.Query())


@pytest.mark.parametrize("run", RUNS)
def test_a_killed_workers_copy_is_finished_by_another_and_no_row_comes_twice(
    ctx: Context, orders: Pair, run: str
) -> None:
    ends = saved_pair(ctx, orders)
    for point in POINTS[run]:
        forget(orders)
        made = ordered_copy(ctx, ends, **RUNS[run])
        name, _, passage = point.partition("@")
        code = in_dying_child(lambda: worked(ctx, "dies"), f"{name}=kill{f'@{passage}' if passage else ''}")
        if code == 0:
            assert point == "execution.beat", f"{point} was not passed"  # the run was quicker than its first beat
        else:
            assert code == DIED, point
        reaped(ctx)
        while worked(ctx, "goes on"):
            pass
        now = executions.get(ctx, made.id)
        assert now.status is Status.SUCCESS, (point, now.error)
        orders.same("orders")
        assert now.counters.loaded == 1000, (point, now.counters, states(now))
        assert orders.t("SELECT bool_or(running) FROM _etl_streams") == "f", point
        if RUNS[run]["mode"] == "append":
            assert orders.t("SELECT sum(rows) FROM _etl_ledger") == "1000", point


def test_the_end_of_a_second_append_is_not_taken_for_that_of_the_first(ctx: Context, orders: Pair) -> None:
    """Two orders are two appends, also where the worker of each dies after the ledger's end and before the store's."""
    ends = saved_pair(ctx, orders)
    for _ in range(2):
        made = ordered_copy(ctx, ends)
        orders.t("DO $$ BEGIN ALTER TABLE IF EXISTS orders DROP CONSTRAINT IF EXISTS orders_pkey; END $$")
        assert in_dying_child(lambda: worked(ctx, "dies"), "execution.done=kill") == DIED
        reaped(ctx)
        assert worked(ctx, "goes on")
        assert executions.get(ctx, made.id).status is Status.SUCCESS
    assert orders.t("SELECT count(*), count(DISTINCT id) FROM orders") == "2000|1000"
