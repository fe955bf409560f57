"""Two runs of one copy: the second waits or displaces the first, and the displaced one can never commit."""

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from copying import Pair, eventually

from etl_engine.connectors.pg import ledger
from etl_engine.connectors.rows import Totals
from etl_engine.engine import batches, run, transfer
from etl_engine.engine.tally import Pending, entry_of
from etl_engine.engine.transfer import Ends
from etl_engine.engine.watching import Progress, Stop
from etl_engine.errors import Conflict, Stale
from etl_engine.model.copies import CopyReceipt


@pytest.fixture
def orders(pair: Pair) -> Pair:
    pair.s(
        "CREATE TABLE orders (id bigint PRIMARY KEY, v text)",
        "INSERT INTO orders SELECT g, 'v' || g FROM generate_series(1, 1000) g",
        "ANALYZE orders",
    )
    return pair


@contextmanager
def paused(pair: Pair, point: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[threading.Event, list[Any]]]:
    """A run that stands still at a point until it is let go; what became of it."""
    reached, go, outcome = threading.Event(), threading.Event(), []
    real = run.faultpoint

    def stand_still(name: str) -> None:
        real(name)
        if name == point and threading.current_thread().name == "zombie":
            reached.set()
            assert go.wait(60)

    monkeypatch.setattr(run, "faultpoint", stand_still)

    def work() -> None:
        try:
            outcome.append(pair.copy("orders"))
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=work, name="zombie")
    thread.start()
    assert reached.wait(20)
    try:
        yield go, outcome
    finally:
        go.set()
        thread.join(60)


def test_a_second_run_is_told_of_the_first(orders: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "_PATIENCE_SECONDS", 0.3)
    with paused(orders, "copy.applied", monkeypatch) as (_, outcome):
        with pytest.raises(Conflict, match="is at work since"):
            orders.copy("orders")
    assert outcome[0].rows == 1000
    orders.same("orders")


@pytest.mark.parametrize("point", ["copy.claimed", "copy.snapshot"])
def test_a_run_that_wakes_up_after_it_was_displaced_commits_nothing(
    orders: Pair, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where not even its session can be ended, its epoch is too old."""
    monkeypatch.setattr(ledger.Ledger, "_displace", lambda self, pid: None)
    monkeypatch.setattr(ledger, "_PATIENCE_SECONDS", 0.3)
    orders.t("CREATE TABLE orders (id bigint, v text)")
    with paused(orders, point, monkeypatch) as (go, outcome):
        receipt = orders.copy("orders", take_over=True)
        assert receipt.rows == 1000
        go.set()
        eventually(lambda: bool(outcome), "the end of the displaced run")
    # Before its snapshot it still learns from the ledger that all is done; after it, it is refused.
    assert (
        isinstance(outcome[0], Stale) if point == "copy.snapshot" else (outcome[0].rows, outcome[0].batches) == (0, 0)
    )
    assert orders.t("SELECT count(*), max(epoch) FROM _etl_ledger") == "1|2"
    orders.same("orders")


def test_an_old_epoch_is_refused_at_the_ledger_itself(orders: Pair) -> None:
    first, second = (orders.connector(orders.target).open_destination() for _ in range(2))
    name, _ = first.resolve("orders")
    old = first.claim(name, "s", "t", fresh=False, take_over=False)
    first._session.run("SELECT pg_advisory_unlock_all()")  # as a pooler that changes sessions would
    new = second.claim(name, "s", "t", fresh=False, take_over=False)
    assert (old.epoch, new.epoch, new.resumed, new.run_id) == (1, 2, True, old.run_id)
    unit = first.unit(old, name)
    with pytest.raises(Stale, match="taken this copy over"):
        unit.record(entry_of(old, 0, Pending("b", Totals(1, 1, ""), 0, []), None, None))
    unit.rollback()
    first.close()
    second.close()


@pytest.mark.parametrize("mode", ["append", "merge", "replace"])
def test_a_commit_of_a_dead_run_that_ends_only_now_is_seen(orders: Pair, mode: str) -> None:
    """Its process is gone, its session still commits: what the next one found before that is out of date."""
    dead = orders.connector(orders.target).open_destination()
    name, _ = dead.resolve("orders")
    order = orders.order("orders", mode=mode)
    stream = batches.stream_of(order, name)
    left = dead.claim(name, stream, "as it was ordered then", fresh=False, take_over=False)
    dead._session.run("BEGIN", "CREATE TABLE orders (id bigint PRIMARY KEY, v text, since date)")
    outcome: list[Any] = []

    def work() -> None:
        try:
            outcome.append(orders.copy("orders", mode=mode))
        except Exception as error:
            outcome.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    waiting = (
        f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{orders.target}' "
        "AND (query LIKE '%pg_try_advisory_lock%' OR query LIKE '%FROM pg_locks%')"
    )
    eventually(lambda: orders.sql("postgres", waiting) != "0", "waiting for the dead run")
    dead._session.run("COMMIT")
    dead.close()
    thread.join(60)
    assert isinstance(outcome[0], CopyReceipt), outcome[0]
    assert (outcome[0].rows, outcome[0].epoch) == (1000, left.epoch + 1)
    assert orders.t("SELECT count(*), count(since) FROM orders") == "1000|0"
    orders.tidy()


def test_a_displaced_process_that_was_frozen_ends_when_it_wakes(orders: Pair) -> None:
    """The real thing: SIGSTOP in the middle of the load, another run in its place, SIGCONT."""
    slow = {"query": "SELECT id, v, pg_sleep(0.002) IS NULL AS slow FROM orders", "target": "orders", "key": ("id",)}
    child = os.fork()
    if not child:
        code = 9
        try:
            orders.copy(**slow)
            code = 0
        finally:
            os._exit(code)
    copying = (
        f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{orders.target}' AND query LIKE 'COPY%FROM STDIN%' "
        "AND state = 'active'"
    )
    eventually(lambda: orders.sql("postgres", copying) == "1", "the load")
    os.kill(child, signal.SIGSTOP)
    receipt = orders.copy(**slow, take_over=True)
    assert (receipt.epoch, receipt.rows) == (2, 1000)
    os.kill(child, signal.SIGCONT)
    # It finds its session gone and tries again; as that is the same run, the ledger tells it that all is done.
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) in (0, 9)
    assert orders.t("SELECT count(*), count(DISTINCT id) FROM orders") == "1000|1000"


class Cutting:
    """A proxy before the target that cuts the line when it sees the n-th COMMIT: before it arrives, or after."""

    def __init__(self, to: int, passage: int, *, deliver: bool) -> None:
        self._to, self._left, self._deliver = to, passage, deliver
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.cut = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._to))
            threading.Thread(target=self._pump, args=(near, far, b"COMMIT\0"), daemon=True).start()
            threading.Thread(target=self._pump, args=(far, near, None), daemon=True).start()

    def _pump(self, near: socket.socket, far: socket.socket, at: bytes | None) -> None:
        try:
            while block := near.recv(65536):
                self._left -= bool(at and at in block)
                if self._left == 0 and at and at in block:
                    self.cut += 1
                    near.shutdown(socket.SHUT_RDWR)  # the answer never comes back
                    if self._deliver:
                        far.sendall(block)
                        time.sleep(0.5)
                    far.shutdown(socket.SHUT_RDWR)
                    return
                far.sendall(block)
        except OSError:
            pass
        finally:
            for end in (near, far):
                end.close()

    def close(self) -> None:
        self._listener.close()


@pytest.mark.parametrize("deliver", [True, False])
@pytest.mark.parametrize("passage", [1, 2, 3])
@pytest.mark.parametrize("mode", ["append", "merge", "replace"])
def test_a_commit_whose_end_nobody_saw_is_resolved_by_the_ledger(
    orders: Pair, mode: str, passage: int, deliver: bool
) -> None:
    """The first COMMIT makes the ledger, the second claims the stream, the third is that of the rows."""
    proxy = Cutting(orders.server.port, passage, deliver=deliver)
    ends = Ends(orders.connector(orders.source).open_source, lambda: through(orders, proxy.port).open_destination())
    receipt = transfer.run(orders.order("orders", mode=mode), ends, Progress(), Stop())
    proxy.close()
    assert proxy.cut == 1
    assert (receipt.rows, receipt.batches) == (1000, 1)
    orders.same("orders")
    if passage == 3:
        assert receipt.epoch == 2
    assert orders.t("SELECT sum(rows) FROM _etl_ledger") == "1000"


def through(pair: Pair, port: int) -> Any:
    from etl_engine.connectors import registry
    from etl_engine.connectors.contract import Surroundings

    kind = registry.kind("postgresql")
    values = {
        "name": "proxied",
        "db_type": "postgresql",
        "host": "127.0.0.1",
        "port": port,
        "database": pair.target,
        "username": pair.server.user,
        "password": pair.server.password,
        "tls_mode": "disable",
    }
    return kind.make(kind.config.model_validate(values), Surroundings())
