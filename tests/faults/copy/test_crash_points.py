"""A copy that fails or dies at any named point is finished by running it again: nothing lost, nothing twice."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from amount import some
from copying import Pair, eventually
from dying import DIED, FAILED, in_child, no_sessions_left, rows_as_they_should_be

import etl_engine

POINTS = (
    "copy.claimed",
    "copy.snapshot",
    "copy.loading",
    "copy.loaded",
    "copy.applied",
    "copy.recorded",
    "copy.committing",
    "copy.committed",
    "copy.finishing",
)
PARTS_ONLY = (
    "copy.planned",
    "copy.loading@3",
    "copy.loaded@3",
    "copy.recorded@3",
    "copy.committing@3",
    "copy.committed@3",
)
# Where a table takes its name after the commit, and not in it: tried in test_mysql_crash_points.
AFTER_THE_COMMIT = ("copy.swapping", "copy.swapped")
# Where columns are added outside the transaction of the rows: tried in test_mysql_new_columns.
BEFORE_THE_ROWS = ("copy.widening", "copy.widened")
RUNS: dict[str, dict[str, Any]] = {
    "append": {"mode": "append"},
    "append-parts": {"mode": "append", "slice_rows": 300},
    "append-cursor": {"mode": "append", "cursor": "at"},
    "replace": {"mode": "replace"},
    "merge": {"mode": "merge"},
    "merge-parts": {"mode": "merge", "slice_rows": 300},
    "merge-cursor": {"mode": "merge", "cursor": "at"},
    "append-typed": {"mode": "append", "lane": "typed", "readers": 2},
    "replace-kept-apart": {"mode": "replace", "on_reject": "quarantine"},
    "append-typed-cursor": {"mode": "append", "lane": "typed", "cursor": "at"},
}


def test_every_point_in_the_code_is_tried() -> None:
    code = Path(etl_engine.__file__).parent
    found = {
        name
        for room in ("engine", "connectors")
        for module in (code / room).rglob("*.py")
        for name in re.findall(r'faultpoint\("(copy\.[^"]+)"\)', module.read_text())
    }
    assert found == {point.partition("@")[0] for point in (*POINTS, *PARTS_ONLY, *AFTER_THE_COMMIT, *BEFORE_THE_ROWS)}


def tried(run: str, how: str) -> Sequence[str]:
    turn = int(how == "kill")
    parted = [one for one in RUNS if one.endswith("-parts")]
    return (
        *some(POINTS, run, RUNS, turn=turn),
        *(some(PARTS_ONLY, run, parted, turn=turn, share=2) if run in parted else ()),
    )


@pytest.mark.parametrize("how", ["raise", "kill"])
def test_every_point_is_tried_in_some_run(how: str) -> None:
    assert {point for run in RUNS for point in tried(run, how)} == {*POINTS, *PARTS_ONLY}


def prepare(pair: Pair, mode: str) -> None:
    pair.t("DROP TABLE IF EXISTS orders, _etl_ledger, _etl_streams, _etl_seen, _etl_rejects")
    pair.s(
        "DROP TABLE IF EXISTS orders",
        "CREATE TABLE orders (id bigint PRIMARY KEY, v text, at timestamptz NOT NULL)",
        "INSERT INTO orders SELECT g, repeat('x', g % 90), now() - g * interval '1 s' FROM generate_series(1, 1500) g",
        "ANALYZE orders",
    )
    if mode != "append":
        pair.t(
            "CREATE TABLE orders (id bigint PRIMARY KEY, v text, at timestamptz NOT NULL)",
            "INSERT INTO orders SELECT g, 'old', now() FROM generate_series(1, 700) g",
        )


@pytest.mark.parametrize("how", ["raise", "kill"])
@pytest.mark.parametrize("run", RUNS)
def test_a_copy_survives_every_point(pair: Pair, run: str, how: str) -> None:
    for point in tried(run, how):
        survive(pair, RUNS[run], point, how)


def survive(pair: Pair, options: dict[str, Any], point: str, how: str) -> None:
    mode = options["mode"]
    prepare(pair, mode)
    old = "" if mode == "append" else pair.t("SELECT * FROM orders ORDER BY 1")
    name, _, passage = point.partition("@")
    ended = in_child(lambda: pair.copy("orders", **options), points=f"{name}={how}{f'@{passage}' if passage else ''}")
    assert ended == (DIED if how == "kill" else FAILED), point
    eventually(no_sessions_left(pair), "the end of the dead run's sessions")
    committed = int(pair.t("SELECT coalesce(sum(rows), 0) FROM _etl_ledger"))
    missing, doubled = rows_as_they_should_be(pair, "orders")
    if mode == "append":
        assert (missing, doubled) == (1500 - committed, 0), f"{point}: the ledger and the rows do not agree"
    elif not committed:
        assert pair.t("SELECT * FROM orders ORDER BY 1") == old, f"{point}: the target is neither old nor new"
    pair.tidy()
    assert in_child(lambda: pair.copy("orders", **options)) == 0, point
    pair.same("orders")
    if mode == "append":
        assert pair.t("SELECT sum(rows) FROM _etl_ledger") == "1500", point
    once = "SELECT count(*) = count(DISTINCT batch_id), (SELECT bool_or(running) FROM _etl_streams) FROM _etl_ledger"
    assert pair.t(once) == "t|f", point
