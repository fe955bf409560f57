"""What networks do to a copy from and into MariaDB: a proxy before each side resets, drips, swallows and cuts."""

import os
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from copying import eventually
from fault_proxy import Fault, FaultProxy, proxied
from mysql_copying import BOOKS, Database, Road

from etl_engine.connectors.mysql import unit
from etl_engine.engine import transfer
from etl_engine.engine.watching import Progress, Stop
from etl_engine.errors import Cancelled

ROWS = 3000
# Within the greeting, the questions to the catalogue, the rows; TEST_SWEEP=1 for more of them.
BYTES: tuple[int, ...] = (1, 3_000, 90_000)
if os.environ.get("TEST_SWEEP"):
    BYTES = (0, 1, 7, 60, 300, 700, 1_500, 3_000, 6_000, 20_000, 50_000, 90_000, 200_000, 300_000)
MODES: list[dict[str, Any]] = [
    {"mode": "append", "slice_rows": 1000},
    {"mode": "replace"},
    {"mode": "merge"},
    {"mode": "append", "cursor": "at"},
]
IDS = ["append", "replace", "merge", "append by a cursor"]


class Between:
    """A road whose two ends are reached through a proxy each."""

    def __init__(self, road: Road, source: FaultProxy, target: FaultProxy) -> None:
        self.road, self.source, self.target = road, source, target
        plain = {"tls_mode": "disable"}
        self.proxied = Road(
            Database(road.source.server, road.source.name, port=source.port, config=plain),
            Database(road.target.server, road.target.name, port=target.port, config=plain),
        )

    def copy(self, **options: Any) -> Any:
        return self.proxied.copy("orders", **options)

    def clear(self) -> None:
        self.road.target.sql(f"DROP TABLE IF EXISTS orders, {BOOKS}")

    def judge(self) -> None:
        self.road.same("orders")
        assert self.road.target.sql("SELECT MAX(intent), MAX(running) FROM _etl_streams") == "\t0"


@pytest.fixture
def between(road: Road) -> Iterator[Between]:
    road.source.sql(
        "CREATE TABLE orders (id bigint PRIMARY KEY, v varchar(200), at datetime(6) NOT NULL)",
        f"INSERT INTO orders SELECT seq, REPEAT(MD5(seq), 4), NOW(6) - INTERVAL seq SECOND FROM seq_1_to_{ROWS}",
        "ANALYZE TABLE orders",
    )
    server = road.source.server
    with proxied(server.host, server.port) as source, proxied(server.host, server.port) as target:
        yield Between(road, source, target)


@pytest.mark.parametrize("options", MODES, ids=IDS)
def test_a_line_that_is_reset_after_any_bytes_is_tried_again(between: Between, options: dict[str, Any]) -> None:
    for side in (between.source, between.target):
        for to_server in (False, True):
            for size in BYTES:
                between.clear()
                side.fault = Fault(to_server=to_server, reset_after=size)
                between.copy(**options)
                side.fault = None
                between.judge()


@pytest.mark.parametrize("delivered", [True, False])
@pytest.mark.parametrize("options", MODES, ids=IDS)
def test_a_commit_whose_end_nobody_saw_is_resolved_by_the_ledger(
    between: Between, options: dict[str, Any], delivered: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    _cut(between, monkeypatch, "copy.committing", b"COMMIT", delivered)
    receipt = between.copy(**options)
    assert between.target.struck == 1
    assert (receipt.rows, receipt.epoch) == (ROWS, 2)
    between.judge()
    counted = "SELECT SUM(`rows`), COUNT(*) = COUNT(DISTINCT batch_id) FROM _etl_ledger"
    assert between.road.target.sql(counted) == f"{ROWS}\t1"


@pytest.mark.parametrize("delivered", [True, False])
def test_a_table_that_was_to_take_its_name_when_the_line_was_cut_takes_it(
    between: Between, delivered: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    between.road.target.sql("CREATE TABLE orders (id bigint PRIMARY KEY, v varchar(200), at datetime(6) NOT NULL)")
    _cut(between, monkeypatch, "copy.swapping", b"RENAME TABLE", delivered)
    receipt = between.copy(mode="replace")
    assert between.target.struck == 1
    assert receipt.rows == ROWS
    between.judge()


def _cut(between: Between, monkeypatch: pytest.MonkeyPatch, point: str, word: bytes, delivered: bool) -> None:
    """From the first passage of a point on, the line is cut where the word goes by: before it arrives, or after."""
    real, struck = unit.faultpoint, []

    def armed(name: str) -> None:
        real(name)
        if name == point and not struck:
            struck.append(name)
            between.target.fault = Fault(to_server=True, **{"cut_at" if delivered else "lose": word})

    monkeypatch.setattr(unit, "faultpoint", armed)


def test_a_line_that_drips_and_hesitates_only_takes_longer(between: Between) -> None:
    between.source.fault = Fault(slice=700, latency=0.0005, once=False)
    between.target.fault = Fault(to_server=True, slice=900, latency=0.0005, once=False)
    assert between.copy(mode="replace").rows == ROWS
    between.judge()


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_line_that_swallows_everything_can_be_given_up(between: Between, side: str) -> None:
    proxy = getattr(between, side)
    proxy.fault = Fault(to_server=side == "target", swallow_after=60_000)
    stop, outcome = Stop(), []

    def work() -> None:
        try:
            order = between.proxied.order("orders", mode="replace")
            outcome.append(transfer.run(order, between.proxied.ends, Progress(), stop))
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    eventually(lambda: proxy.struck > 0, "the silence")
    began = time.monotonic()
    stop.wish()
    thread.join(40)
    assert not thread.is_alive()
    assert isinstance(outcome[0], Cancelled), outcome
    assert time.monotonic() - began < 35
    assert between.road.target.sql("SHOW TABLES LIKE 'orders'") == ""
    proxy.fault = None
    assert between.copy(mode="replace").rows == ROWS
    between.judge()
