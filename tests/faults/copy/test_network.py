"""What networks do to a copy: a proxy between the engine and each side resets, drips, swallows and cuts."""

import os
import random
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from copying import Pair
from fault_proxy import Fault, FaultProxy, proxied

from etl_engine.connectors import registry
from etl_engine.connectors.contract import Surroundings
from etl_engine.engine import transfer
from etl_engine.engine.transfer import Ends
from etl_engine.engine.watching import Progress, Stop
from etl_engine.errors import Cancelled
from etl_engine.model.copies import CopyReceipt

ROWS = 3000
# Within the handshake, the catalogue queries, the first rows, the last rows; TEST_SWEEP=1 for more of them.
BYTES: tuple[int, ...] = (1, 500, 9_000, 64_000)
if os.environ.get("TEST_SWEEP"):
    BYTES = (0, 1, 7, 60, 200, 500, 1_000, 2_000, 5_000, 9_000, 16_000, 30_000, 64_000, 128_000, 300_000, 400_000)
MODES: list[dict[str, Any]] = [
    {"mode": "append", "slice_rows": 1000},
    {"mode": "replace"},
    {"mode": "merge"},
    {"mode": "merge", "cursor": "at"},
]
IDS = ["append", "replace", "merge", "merge by a cursor"]


class Between:
    """A pair whose two sides are reached through a proxy each."""

    def __init__(self, pair: Pair, source: FaultProxy, target: FaultProxy) -> None:
        self.pair, self.source, self.target = pair, source, target

    def _connector(self, database: str, proxy: FaultProxy) -> Any:
        kind = registry.kind("postgresql")
        server = self.pair.server
        values = {
            "name": database,
            "db_type": "postgresql",
            "host": "127.0.0.1",
            "port": proxy.port,
            "database": database,
            "username": server.user,
            "password": server.password,
            "tls_mode": "disable",
        }
        return kind.make(kind.config.model_validate(values), Surroundings())

    def copy(self, stop: Stop | None = None, progress: Progress | None = None, **options: Any) -> CopyReceipt:
        ends = Ends(
            self._connector(self.pair.source, self.source).open_source,
            self._connector(self.pair.target, self.target).open_destination,
        )
        order = self.pair.order("orders", **options)
        return transfer.run(order, ends, progress or Progress(), stop or Stop())

    def clear(self) -> None:
        self.pair.t("DROP TABLE IF EXISTS orders, _etl_ledger, _etl_streams, _etl_seen")


@pytest.fixture
def between(pair: Pair) -> Iterator[Between]:
    pair.s(
        "CREATE TABLE orders (id bigint PRIMARY KEY, v text, at timestamptz NOT NULL)",
        "INSERT INTO orders SELECT g, repeat(md5(g::text), 4), now() - g * interval '1 s' "
        f"FROM generate_series(1, {ROWS}) g",
        "ANALYZE orders",
    )
    server = pair.server
    with proxied(server.host, server.port) as source, proxied(server.host, server.port) as target:
        yield Between(pair, source, target)


@pytest.fixture(autouse=True)
def no_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A retry waits; the order of things is what is tried here."""
    import stamina

    real = stamina.retry_context
    monkeypatch.setattr(
        transfer.stamina, "retry_context", lambda **given: real(**{**given, "wait_initial": 0.01, "wait_max": 0.05})
    )


def right(between: Between, receipt: CopyReceipt) -> None:
    between.pair.same("orders")
    if receipt.mode == "append":
        between.pair.books("orders", receipt.stream)


@pytest.mark.parametrize("options", MODES, ids=IDS)
@pytest.mark.parametrize("side", ["source", "target"])
@pytest.mark.parametrize("to_server", [False, True], ids=["what it says", "what it is told"])
def test_a_line_that_is_reset_after_some_bytes_doubles_and_loses_nothing(
    between: Between, options: dict[str, Any], side: str, to_server: bool
) -> None:
    proxy: FaultProxy = getattr(between, side)
    chance = random.Random(f"{side} {to_server} {options}")
    for after in (*BYTES, chance.randrange(64_000)):
        between.clear()
        proxy.fault = Fault(to_server=to_server, reset_after=after)
        receipt = between.copy(**options)
        proxy.fault = None
        right(between, receipt)
    assert proxy.struck >= len(BYTES) // 2


@pytest.mark.parametrize("options", MODES, ids=IDS)
@pytest.mark.parametrize("delivered", [True, False], ids=["after it was done", "before it arrived"])
def test_a_line_that_breaks_at_the_commit_is_resolved_by_the_ledger(
    between: Between, options: dict[str, Any], delivered: bool
) -> None:
    word = b"Q\0\0\0\x0bCOMMIT\0"
    between.target.fault = Fault(to_server=True, cut_at=word) if delivered else Fault(to_server=True, lose=word)
    receipt = between.copy(**options)
    assert between.target.struck == 1
    right(between, receipt)


@pytest.mark.parametrize("side", ["source", "target"])
@pytest.mark.parametrize("options", MODES[:2], ids=IDS[:2])
def test_a_line_that_ends_in_good_order_in_the_middle_is_not_the_end_of_the_rows(
    between: Between, side: str, options: dict[str, Any]
) -> None:
    proxy: FaultProxy = getattr(between, side)
    proxy.fault = Fault(to_server=side == "target", close_after=100_000)
    receipt = between.copy(**options)
    assert proxy.struck == 1
    right(between, receipt)


@pytest.mark.parametrize(
    "fault",
    [Fault(latency=0.05, once=False), Fault(rate=400_000, slice=4096, once=False), Fault(slice=7, once=False)],
    ids=["latency", "a narrow line", "seven bytes at a time"],
)
@pytest.mark.parametrize("side", ["source", "target"])
def test_a_slow_line_takes_its_time_and_nothing_else(between: Between, fault: Fault, side: str) -> None:
    proxy: FaultProxy = getattr(between, side)
    proxy.fault = Fault(**{**vars(fault), "to_server": side == "target"})
    before = proxy.connections
    right(between, between.copy(mode="append"))
    assert proxy.connections - before <= 3, "it was tried again"


@pytest.mark.parametrize("side", ["source", "target"])
def test_who_stops_a_copy_over_a_dead_line_does_not_wait_for_it(between: Between, side: str) -> None:
    proxy: FaultProxy = getattr(between, side)
    proxy.fault = Fault(to_server=side == "target", swallow_after=60_000, once=False)
    stop, outcome = Stop(), []

    def work() -> None:
        try:
            outcome.append(between.copy(stop=stop, mode="append"))
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    until = time.monotonic() + 20
    while not proxy.struck:
        assert time.monotonic() < until
        time.sleep(0.01)
    began = time.monotonic()
    stop.wish()
    thread.join(20)
    took = time.monotonic() - began
    assert not thread.is_alive()
    assert isinstance(outcome[0], Cancelled), outcome
    assert took < 10
    proxy.fault = None
    right(between, between.copy(mode="append", take_over=True))
