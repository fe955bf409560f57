"""Locks that somebody else holds for too long, and transactions that a server could not put in a row: tried again."""

import threading
from collections.abc import Iterator
from typing import Any

import psycopg2
import pymysql
import pytest
from copying import Pair
from mysql_copying import Road

from etl_engine.connectors.mysql import session as mysql_session
from etl_engine.connectors.pg import unit as pg_unit

TABLE = "CREATE TABLE t (id int PRIMARY KEY, v varchar(20))"


@pytest.fixture
def later() -> Iterator[list[threading.Timer]]:
    timers: list[threading.Timer] = []
    yield timers
    for timer in timers:
        timer.join(30)


@pytest.mark.parametrize("mode", ["append", "merge", "replace"])
def test_a_lock_that_postgresql_does_not_give_in_time(pair: Pair, mode: str, later: list[threading.Timer]) -> None:
    pair.s(TABLE, "INSERT INTO t SELECT g, 'v' FROM generate_series(1, 500) g")
    pair.t(TABLE)
    pair.sql("postgres", f"ALTER DATABASE {pair.target} SET lock_timeout = '200ms'")
    server = pair.server
    somebody = psycopg2.connect(
        host=server.host, port=server.port, user=server.user, password=server.password, dbname=pair.target
    )
    somebody.cursor().execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
    later.append(threading.Timer(0.8, somebody.close))
    later[0].start()
    receipt = pair.copy("t", mode=mode)
    assert receipt.written == 500
    assert receipt.epoch > 1 or mode == "replace"  # which asks for its lock again and again by itself
    pair.same("t")
    assert pair.t("SELECT sum(rows) FROM _etl_ledger") == "500"


def test_rows_that_somebody_changed_meanwhile_where_transactions_are_repeatable(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair.s(TABLE, "INSERT INTO t SELECT g, 'v' FROM generate_series(1, 500) g")
    pair.t(TABLE, "INSERT INTO t VALUES (1, 'old')")
    pair.sql("postgres", f"ALTER DATABASE {pair.target} SET default_transaction_isolation = 'repeatable read'")
    changed: list[str] = []
    real = pg_unit.PostgresqlUnit.merge_staged

    def merge_staged(self: Any, *arguments: Any, **options: Any) -> Any:
        if not changed:
            changed.append(pair.t("UPDATE t SET v = 'theirs' WHERE id = 1 RETURNING v"))
        return real(self, *arguments, **options)

    monkeypatch.setattr(pg_unit.PostgresqlUnit, "merge_staged", merge_staged)
    assert pair.copy("t", mode="merge").epoch == 2
    assert changed == ["theirs"]
    pair.same("t")


@pytest.mark.parametrize("mode", ["append", "merge", "replace"])
def test_a_lock_that_mariadb_does_not_give_in_time(
    road: Road, mode: str, later: list[threading.Timer], monkeypatch: pytest.MonkeyPatch
) -> None:
    pins = [one for one in mysql_session._PINS if "lock_wait" not in one]
    short = "SET SESSION lock_wait_timeout = 1, innodb_lock_wait_timeout = 1"
    monkeypatch.setattr(mysql_session, "_PINS", (*pins, short))
    road.source.sql(TABLE, "INSERT INTO t SELECT seq, 'v' FROM seq_1_to_500")
    road.target.sql(TABLE)
    if mode == "merge":
        road.target.sql("INSERT INTO t VALUES (1, 'old')")
    server = road.target.server
    somebody = pymysql.connect(
        host=server.host, port=server.port, user=server.user, password=server.password.encode(),
        database=road.target.name, ssl_disabled=True,
    )  # fmt: skip
    somebody.cursor().execute("SELECT * FROM t WHERE id <= 10 FOR UPDATE")
    later.append(threading.Timer(1.6, somebody.close))
    later[0].start()
    receipt = road.copy("t", mode=mode)
    assert receipt.rows == 500
    assert receipt.epoch > 1 or mode == "replace"
    road.same("t")
    assert road.target.sql("SELECT SUM(`rows`) FROM _etl_ledger") == "500"
