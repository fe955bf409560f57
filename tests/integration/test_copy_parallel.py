"""One table read by several sessions: one snapshot, every row once, and nothing left running."""

import threading
from typing import Any

import pytest
from copying import Pair, eventually

from etl_engine.connectors.pg.source import PostgresqlSource
from etl_engine.engine import transfer
from etl_engine.engine.watching import Progress, Stop
from etl_engine.errors import Cancelled, Rejected

SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname = '{}' AND application_name = 'etl-engine'"


@pytest.fixture
def orders(pair: Pair) -> Pair:
    pair.s(
        "CREATE TABLE orders (id bigint, part text, amount numeric(12,2), PRIMARY KEY (part, id))",
        "INSERT INTO orders SELECT g, CASE WHEN g % 10 < 9 THEN 'a' ELSE 'b' END, g / 7.0 "
        "FROM generate_series(1, 60000) g",
        "ANALYZE orders",
    )
    return pair


@pytest.fixture
def nothing_runs_on(orders: Pair) -> Any:
    yield
    assert not [thread for thread in threading.enumerate() if thread.name in ("read ahead", "copy out")]
    for database in (orders.source, orders.target):
        eventually(
            lambda name=database: orders.sql("postgres", SESSIONS.format(name)) == "0", "the end of the sessions"
        )


@pytest.mark.parametrize("lane", ["text", "typed"])
@pytest.mark.parametrize("mode", ["append", "replace", "merge"])
def test_every_row_comes_once_from_one_snapshot(
    orders: Pair, nothing_runs_on: None, mode: str, lane: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_it_was = orders.s("SELECT count(*), sum(amount), min(part) FROM orders")
    real = PostgresqlSource.join

    def join_late(self: PostgresqlSource, shared: str, selection: Any) -> None:
        orders.s("DELETE FROM orders WHERE id % 3 = 0", "UPDATE orders SET amount = 0, part = 'c' WHERE id % 5 = 0")
        real(self, shared, selection)

    monkeypatch.setattr(PostgresqlSource, "join", join_late)
    receipt = orders.copy("orders", mode=mode, lane=lane, readers=3, verify=True)
    assert receipt.rows == 60000
    assert "The source is read by 3 sessions at once, in one snapshot." in receipt.notes
    assert orders.t("SELECT count(*), sum(amount), min(part) FROM orders") == as_it_was
    assert receipt.verification and receipt.verification.equal
    orders.tidy()


def test_a_value_that_does_not_fit_ends_all_of_them(orders: Pair, nothing_runs_on: None) -> None:
    orders.t("CREATE TABLE orders (id smallint, part text, amount numeric(12,2), PRIMARY KEY (part, id))")
    with pytest.raises(Rejected, match=r"A row: the value '[0-9]+' in the column id does not fit smallint"):
        orders.copy("orders", lane="typed", readers=3)
    assert orders.t("SELECT count(*) FROM orders") == "0"


def test_stopping_it_ends_all_of_them(orders: Pair, nothing_runs_on: None, monkeypatch: pytest.MonkeyPatch) -> None:
    stop = Stop()
    real = PostgresqlSource.read

    def read_and_be_stopped(self: PostgresqlSource, *given: Any) -> Any:
        threading.Timer(0.3, stop.wish).start()
        return real(self, *given)

    monkeypatch.setattr(PostgresqlSource, "read", read_and_be_stopped)
    orders.s("ALTER TABLE orders ADD filler text", "UPDATE orders SET filler = repeat('x', 5000)")
    orders.t(
        "CREATE TABLE orders (id bigint, part text, amount numeric(12,2), filler text, PRIMARY KEY (part, id))",
        "CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.001); RETURN NEW; END'",
        "CREATE TRIGGER t BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION slowly()",
    )
    order = orders.order("orders", lane="typed", readers=3)
    with pytest.raises(Cancelled):
        transfer.run(order, orders.ends, Progress(), stop)
    assert orders.t("SELECT count(*) FROM orders") == "0"


def test_a_plan_says_how_many_read(orders: Pair) -> None:
    assert (
        "The source is read by 4 sessions at once, in one snapshot."
        in orders.plan("orders", lane="typed", readers=4).notes
    )
    assert not [note for note in orders.plan("orders", lane="typed").notes if "sessions" in note]
