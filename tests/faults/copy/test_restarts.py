"""Whole servers that are started again in the middle of a copy, gently and not, and a deadlock that one ends."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import psycopg2
import pymysql
import pytest
from copying import Pair, eventually
from mysql_copying import Database, Road
from servers import MariadbServer, MissingBinary, PostgresServer, Server, start_mariadb, start_postgres, temporary

from etl_engine.connectors.mysql import feed as mysql_feed
from etl_engine.connectors.mysql import unit as mysql_unit
from etl_engine.connectors.pg import feed as pg_feed
from etl_engine.connectors.pg import unit as pg_unit

ROWS = 20_000


def again(server: Server, start: Callable[..., Any], how: signal.Signals) -> None:
    """Stop the server as an administrator or a crash does, and start it on its port."""
    os.kill(server.pid, how)
    eventually(lambda: not server.alive, "the end of the server", 30)
    if server.process:
        server.process.wait(10)
    started = start(server.folder, port=server.port)
    server.process, server.pid = started.process, started.pid


def once(name: str, act: Callable[[], None], done: list[str]) -> Callable[..., None]:
    def faultpoint(point: str, **_: object) -> None:
        if point == name and not done:
            done.append(point)
            act()

    return faultpoint


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    try:
        with temporary(start_postgres, settings={"fsync": "on", "synchronous_commit": "on"}) as server:
            yield server
    except MissingBinary as missing:
        pytest.skip(str(missing))


@pytest.fixture
def own_mariadb() -> Iterator[MariadbServer]:
    try:
        with temporary(start_mariadb) as server:
            yield server
    except MissingBinary as missing:
        pytest.skip(str(missing))


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["fast", "immediate"])
@pytest.mark.parametrize("point", ["copy.loading", "copy.committing"])
def test_a_server_that_is_started_again_in_the_middle(
    own_postgres: PostgresServer, point: str, how: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Source and target at once: a new snapshot, what was committed is known, and nothing doubles."""
    server = own_postgres
    server.sql("CREATE DATABASE one", "CREATE DATABASE other")
    pair = Pair(server, "one", "other")
    pair.s(
        "CREATE TABLE orders (id bigint PRIMARY KEY, v text)",
        f"INSERT INTO orders SELECT g, repeat('x', 200) FROM generate_series(1, {ROWS}) g",
        "ANALYZE orders",
    )
    done: list[str] = []
    act = once(point, lambda: again(server, start_postgres, how), done)
    for module in (pg_feed, pg_unit):
        monkeypatch.setattr(module, "faultpoint", act)
    receipt = pair.copy("orders", slice_rows=7000, lane="typed")
    assert done and receipt.epoch > 1
    pair.same("orders")
    assert pair.t("SELECT sum(rows), count(*), count(DISTINCT batch_id) FROM _etl_ledger") == f"{ROWS}|3|3"


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["term", "kill"])
@pytest.mark.parametrize("point", ["copy.loading", "copy.committing"])
def test_a_mariadb_that_is_started_again_in_the_middle(
    own_mariadb: MariadbServer, point: str, how: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = own_mariadb
    road = Road(Database(server, "one"), Database(server, "other"))
    server.sql("CREATE DATABASE one", "CREATE DATABASE other")
    road.source.sql(
        "CREATE TABLE orders (id bigint PRIMARY KEY, v text)",
        f"INSERT INTO orders SELECT seq, REPEAT('x', 200) FROM seq_1_to_{ROWS}",
    )
    done: list[str] = []
    act = once(point, lambda: again(server, start_mariadb, how), done)
    for module in (mysql_feed, mysql_unit):
        monkeypatch.setattr(module, "faultpoint", act)
    receipt = road.copy("orders", slice_rows=7000)
    assert done and receipt.epoch > 1
    road.same("orders")
    assert road.target.sql("SELECT SUM(`rows`), COUNT(*) FROM _etl_ledger") == f"{ROWS}\t3"


@pytest.mark.parametrize("mode", ["append", "merge"])
def test_a_deadlock_that_the_server_ends_at_our_cost(pair: Pair, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole batch is tried again, and is there once."""
    pair.s("CREATE TABLE t (id int PRIMARY KEY, v text)", "INSERT INTO t SELECT g, 'v' FROM generate_series(1, 500) g")
    pair.t("CREATE TABLE t (id int PRIMARY KEY, v text)", "CREATE TABLE other (id int PRIMARY KEY)")
    pair.t("INSERT INTO other VALUES (1)")
    server, mark = pair.server, uuid4().hex[:8]
    victim: list[int] = []

    def cross() -> None:
        """Somebody has `other` and wants rows of ours; we want `other`. Theirs is the session that may wait longer."""
        somebody = psycopg2.connect(
            host=server.host, port=server.port, user=server.user, password=server.password, dbname=pair.target
        )
        cursor = somebody.cursor()
        cursor.execute(f"SET application_name = '{mark}'; SET deadlock_timeout = '60s'; SELECT * FROM other FOR UPDATE")

        def wait() -> None:
            cursor.execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
            somebody.rollback()
            somebody.close()

        thread = threading.Thread(target=wait)
        thread.start()
        threads.append(thread)
        waiting = (
            f"SELECT count(*) FROM pg_stat_activity WHERE application_name = '{mark}' AND wait_event_type = 'Lock'"
        )
        eventually(lambda: pair.t(waiting) == "1", "the other side waits")

    threads: list[threading.Thread] = []
    real = pg_unit.PostgresqlUnit.record

    def record(self: Any, entry: Any) -> None:
        if not victim:
            victim.append(1)
            cross()
            self._session.run("SELECT * FROM other FOR UPDATE")
        real(self, entry)

    monkeypatch.setattr(pg_unit.PostgresqlUnit, "record", record)
    receipt = pair.copy("t", mode=mode)
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    assert victim and receipt.epoch == 2
    pair.same("t")
    assert pair.t("SELECT count(*) FROM _etl_ledger") == "1"


@pytest.mark.parametrize("mode", ["append", "merge"])
def test_a_deadlock_that_mariadb_ends_at_our_cost(road: Road, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gives way who has changed fewer rows, and its whole transaction is gone."""
    shape = "CREATE TABLE t (id int PRIMARY KEY, v varchar(20))"
    road.source.sql(shape, "INSERT INTO t SELECT seq, 'v' FROM seq_1_to_500")
    road.target.sql(shape, "CREATE TABLE other (id int PRIMARY KEY)", "INSERT INTO other SELECT seq FROM seq_1_to_5000")
    server, threads, crossed = road.target.server, [], []

    def cross() -> None:
        somebody = pymysql.connect(
            host=server.host, port=server.port, user=server.user, password=server.password.encode(),
            database=road.target.name, ssl_disabled=True,
        )  # fmt: skip
        cursor = somebody.cursor()
        cursor.execute("UPDATE other SET id = -id")

        def wait() -> None:
            cursor.execute("SELECT * FROM t WHERE id = 1 FOR UPDATE")
            somebody.rollback()
            somebody.close()

        threads.append(threading.Thread(target=wait))
        threads[0].start()
        waiting = "SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'"
        eventually(lambda: server.sql(waiting)[0][0] > 0, "the other side waits")

    real = mysql_unit.MysqlUnit.record

    def record(self: Any, entry: Any) -> None:
        if not crossed:
            crossed.append(True)
            cross()
            self._session.rows("SELECT * FROM other WHERE id = 1 FOR UPDATE")
        real(self, entry)

    monkeypatch.setattr(mysql_unit.MysqlUnit, "record", record)
    receipt = road.copy("t", mode=mode)
    threads[0].join(30)
    assert not threads[0].is_alive()
    assert crossed and receipt.epoch == 2
    road.same("t")
    assert road.target.sql("SELECT COUNT(*) FROM _etl_ledger") == "1"
