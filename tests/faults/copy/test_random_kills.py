"""SIGKILL at random moments, again and again; TEST_KILLS for more of them. Two broken orders must be caught."""

import os
import random
import time
from typing import Any

import pytest
from copying import Pair, eventually
from dying import DIED, in_child, kill_until_done, no_sessions_left, rows_as_they_should_be

from etl_engine.connectors.rows import Totals
from etl_engine.engine import run
from etl_engine.engine.tally import Pending, entry_of

KILLS = int(os.environ.get("TEST_KILLS", "50"))
SEED = int(os.environ.get("TEST_SEED", "4"))
LONGEST_SECONDS = 0.6
ROWS = 6000


def fill(pair: Pair) -> None:
    pair.s(
        "CREATE TABLE orders (id bigint PRIMARY KEY, v text, at timestamptz NOT NULL)",
        "INSERT INTO orders SELECT g, repeat('x', g % 300), now() - g * interval '1 s' "
        f"FROM generate_series(1, {ROWS}) g",
        "ANALYZE orders",
    )


def is_finished(pair: Pair) -> bool:
    """Whether a run came to its end before its process did. Ordered once more, an append would be a new run."""
    if pair.t("SELECT to_regclass('_etl_seen') IS NULL") == "t":
        return False
    if pair.t("SELECT coalesce(sum(rows), 0) FROM _etl_ledger") != str(ROWS):
        return False
    eventually(no_sessions_left(pair), "the end of the dead run's sessions")  # its last statement may be on its way
    return pair.t("SELECT bool_or(running) FROM _etl_streams") == "f"


@pytest.mark.timeout(0)
def test_nothing_is_lost_or_doubled_however_often_a_copy_is_killed(pair: Pair) -> None:
    chance = random.Random(SEED)
    fill(pair)
    orders: list[dict[str, Any]] = [
        {"mode": "append", "slice_rows": 700},
        {"mode": "append", "cursor": "at"},
        {"mode": "replace"},
        {"mode": "merge", "slice_rows": 700},
        {"mode": "merge", "cursor": "at"},
    ]
    died = loads = 0
    while died < KILLS:
        options = orders[loads % len(orders)]
        pair.t("DROP TABLE IF EXISTS orders, _etl_ledger, _etl_streams, _etl_seen")
        work = lambda options=options: pair.copy("orders", **options)  # noqa: E731
        append = options["mode"] == "append"
        died += kill_until_done(work, chance, LONGEST_SECONDS, lambda append=append: append and is_finished(pair))
        loads += 1
        assert rows_as_they_should_be(pair, "orders") == (0, 0), f"{options}, seed {SEED}, load {loads}"
        pair.tidy()
        if append:
            assert pair.t("SELECT sum(rows) FROM _etl_ledger") == str(ROWS)
    eventually(no_sessions_left(pair), "the end of all sessions")
    print(f"{died} kills in {loads} loads, seed {SEED}")


def data_then_state(self: Any, piece: Any, seq: int, batch_id: str, *, last: bool) -> None:
    totals = _load(self, piece, seq)
    time.sleep(0.05)
    _record(self, seq, batch_id, totals)


def state_then_data(self: Any, piece: Any, seq: int, batch_id: str, *, last: bool) -> None:
    _record(self, seq, batch_id, Totals(0, 0, ""))
    time.sleep(0.05)
    _load(self, piece, seq)


def _load(self: Any, piece: Any, seq: int) -> Totals:
    unit = self._destination.unit(self._claim, self._planned.target)
    exists = self._destination.resolve("orders")[1] is not None
    batch = run.Batch(self._planned, lambda: self._read(piece, None), self._window, exists, True)
    totals = self._strategy.load(unit, batch)
    self._strategy.apply(unit, batch, totals)
    unit.commit()
    return totals


def _record(self: Any, seq: int, batch_id: str, totals: Totals) -> None:
    unit = self._destination.unit(self._claim, self._planned.target)
    unit.record(entry_of(self._claim, seq, Pending(batch_id, totals, 0, []), None, None))
    unit.commit()


@pytest.mark.timeout(0)
@pytest.mark.parametrize(("broken", "what"), [(data_then_state, "doubled"), (state_then_data, "missing")])
def test_the_judge_catches_an_order_that_is_broken(
    pair: Pair, broken: Any, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: rows and ledger committed one after the other."""
    monkeypatch.setattr(run.Run, "_batch", broken)
    chance = random.Random(SEED)
    fill(pair)
    pair.s("ALTER TABLE orders DROP CONSTRAINT orders_pkey", "ALTER TABLE orders ADD PRIMARY KEY (id, at)")
    for died in range(150):
        # No primary key at the target, which would refuse what comes twice by itself.
        pair.t(
            "DROP TABLE IF EXISTS orders, _etl_ledger, _etl_streams, _etl_seen",
            "CREATE TABLE orders (id bigint, v text, at timestamptz)",
        )
        work = lambda: pair.copy("orders", mode="append", slice_rows=700)  # noqa: E731
        if in_child(work, kill_after=chance.uniform(0.1, 0.5)) == DIED:
            assert in_child(work) == 0
        missing, doubled = rows_as_they_should_be(pair, "orders")
        if (missing if what == "missing" else doubled) > 0:
            print(f"caught after {died + 1} kills: {missing} missing, {doubled} doubled")
            return
    pytest.fail("150 kills, and the broken order was not caught")
