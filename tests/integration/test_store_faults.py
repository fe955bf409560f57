"""The store when its server is away, silent, frozen or back again, and when its disk is full, read-only or damaged."""

import logging
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import mongomock
import psycopg2
import pymongo
import pytest
import sqlalchemy as sa
from pymongo.errors import NotPrimaryError, OperationFailure, WriteConcernError, WTimeoutError
from servers import free_port, start_postgres, temporary
from store_servers import new_database, nx_27017

from etl_engine.errors import Audience, DuplicateKey, EtlError, StoreError, StoreUnavailable
from etl_engine.model.collections import CONNECTIONS, Collection, Index
from etl_engine.store.mongo import MongoStore
from etl_engine.store.sql import SqlStore

THINGS = Collection(
    "things", {"name": str, "n": int}, indexes=(Index(("name",), unique=True),), counters=frozenset({"n"})
)
LIMIT = 5.0
COUNT = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
print(*connection.execute("SELECT count(*) FROM things").fetchone())
connection.close()
"""
PLANTED = "planted-s3cret-Zq7"


def unavailable(call: Callable[[], object], limit: float = LIMIT) -> StoreUnavailable:
    """The error of a call that must end in time."""
    started = time.monotonic()
    with pytest.raises(StoreUnavailable) as caught:
        call()
    took = time.monotonic() - started
    assert took < limit, f"took {took:.1f} s"
    assert caught.value.hint
    assert caught.value.retryable
    return caught.value


def at_once(*calls: Callable[[], object]) -> list[StoreUnavailable]:
    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(unavailable, calls))


def shown(error: BaseException) -> str:
    """Everything of an error that could end up in a log."""
    fields = (error.message, error.hint, error.context) if isinstance(error, EtlError) else ()
    return "".join(traceback.format_exception(error)) + repr(error) + repr(fields)


@contextmanager
def silent_server() -> Iterator[int]:
    """Accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        kept: list[socket.socket] = []

        def accept() -> None:
            with suppress(OSError):
                while True:
                    kept.append(listener.accept()[0])

        thread = threading.Thread(target=accept)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        for line in kept:
            line.close()


def store_on(port: int, kind: str) -> Any:
    if kind == "mongodb":
        return MongoStore(f"mongodb://user:{PLANTED}@127.0.0.1:{port}/?authSource=admin", "etl")
    return SqlStore(f"postgresql://user:{PLANTED}@127.0.0.1:{port}/etl")


@pytest.mark.parametrize("kind", ["mongodb", "postgresql"])
def test_a_closed_port_is_said_in_time_and_without_the_password(kind: str) -> None:
    port = free_port()
    store = store_on(port, kind)
    for error in at_once(lambda: store.open([THINGS]), store.ping, lambda: store.open([THINGS])):
        assert f"127.0.0.1:{port}" in error.message
        assert PLANTED not in shown(error) + repr(store)
    store.close()


@pytest.mark.parametrize("kind", ["mongodb", "postgresql"])
def test_all_callers_of_a_silent_server_hear_in_time(kind: str) -> None:
    with silent_server() as port:
        store = store_on(port, kind)
        assert len(at_once(*[lambda: store.open([THINGS])] * 20)) == 20
        store.close()


def test_mongodb_that_comes_up_later_and_comes_back_is_used_without_a_new_start(tmp_path: Path) -> None:
    port = free_port()
    store = MongoStore(f"mongodb://127.0.0.1:{port}", "etl")
    unavailable(lambda: store.open([THINGS]))
    with nx_27017(tmp_path, port):
        store.insert("things", {"name": "first"})
        with pymongo.MongoClient("127.0.0.1", port) as client:
            indexes = client["etl"]["things"].index_information().values()
        assert [index["key"] for index in indexes if index.get("unique")] == [[("name", 1)]]
    unavailable(lambda: store.insert("things", {"name": "second"}))
    with nx_27017(tmp_path, port):
        assert [thing["name"] for thing in store.find("things")] == ["first"]
    store.close()


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[Any]:
    """A server that may be stopped and frozen."""
    with temporary(start_postgres) as server:
        yield server


@pytest.fixture
def postgres_store(own_postgres: Any) -> Iterator[SqlStore]:
    store = SqlStore(new_database(own_postgres))
    store.open([THINGS])
    yield store
    store.close()


def test_postgresql_that_comes_up_later_is_used_without_a_new_start(own_postgres: Any) -> None:
    url = new_database(own_postgres)
    own_postgres.stop()
    store = SqlStore(url)
    unavailable(lambda: store.open([THINGS]))
    server = start_postgres(own_postgres.folder, port=own_postgres.port)
    own_postgres.process, own_postgres.pid = server.process, server.pid
    store.insert("things", {"name": "a"})
    assert store.count("things") == 1
    store.close()


def test_a_restart_of_postgresql_is_not_noticed(own_postgres: Any, postgres_store: SqlStore) -> None:
    postgres_store.insert("things", {"name": "a"})
    own_postgres.stop()
    server = start_postgres(own_postgres.folder, port=own_postgres.port)
    own_postgres.process, own_postgres.pid = server.process, server.pid
    assert postgres_store.count("things") == 1


def test_a_frozen_postgresql_is_given_up_in_time(own_postgres: Any, postgres_store: SqlStore) -> None:
    postgres_store.insert("things", {"name": "a"})
    database = postgres_store.place.rpartition("/")[2]
    backends = own_postgres.sql(f"SELECT pid FROM pg_stat_activity WHERE datname = '{database}'")
    frozen = [own_postgres.pid, *(pid for (pid,) in backends)]
    try:
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)
        at_once(
            lambda: postgres_store.count("things"),
            lambda: postgres_store.update("things", {"name": "a"}, {"n": 1}),
            postgres_store.ping,
        )
    finally:
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
    assert postgres_store.count("things") == 1


def test_a_lock_that_is_held_in_postgresql_is_given_up_in_time(own_postgres: Any, postgres_store: SqlStore) -> None:
    postgres_store.insert("things", {"name": "a"}, {"name": "b"})
    database = postgres_store.place.rpartition("/")[2]
    holder = psycopg2.connect(
        host="127.0.0.1",
        port=own_postgres.port,
        user=own_postgres.user,
        password=own_postgres.password,
        dbname=database,
    )
    with holder.cursor() as cursor:
        cursor.execute("SELECT * FROM things WHERE name = 'a' FOR UPDATE")
        assert postgres_store.update("things", {}, {"n": 1}, sort=[("name", 1)])["name"] == "b"  # type: ignore[index]
        unavailable(lambda: postgres_store.update("things", {"name": "a"}, {"n": 1}))
    holder.close()
    assert postgres_store.update("things", {"name": "a"}, {"n": 1}) is not None


def test_a_connection_that_postgresql_ends_in_a_transaction_is_said(
    own_postgres: Any, postgres_store: SqlStore
) -> None:
    database = postgres_store.place.rpartition("/")[2]
    with pytest.raises(StoreUnavailable), postgres_store._transaction(writes=True) as connection:
        connection.execute(sa.text("SELECT 1"))
        # A client that freezes in a transaction does not keep its locks either.
        assert connection.scalar(sa.text("SHOW idle_in_transaction_session_timeout")) == "10s"
        pid = connection.scalar(sa.text("SELECT pg_backend_pid()"))
        own_postgres.sql(f"SELECT pg_terminate_backend({pid})", database=database)
        connection.execute(sa.text("SELECT 1"))
    assert postgres_store.count("things") == 0


def test_a_wrong_password_and_a_missing_database_are_said(own_postgres: Any) -> None:
    where = f"127.0.0.1:{own_postgres.port}"
    for url, reason in (
        (f"postgresql://postgres:{PLANTED}@{where}/postgres", "password authentication failed"),
        (f"postgresql://postgres:{own_postgres.password}@{where}/nowhere", 'database "nowhere" does not exist'),
    ):
        error = unavailable(lambda url=url: SqlStore(url).open([THINGS]))  # type: ignore[misc]
        assert reason in error.message
        assert PLANTED not in shown(error)
        assert own_postgres.password not in shown(error)


def test_a_postgresql_user_without_rights_is_told_what_to_grant(own_postgres: Any) -> None:
    database = new_database(own_postgres).rpartition("/")[2]
    own_postgres.sql("DROP ROLE IF EXISTS poor", "CREATE ROLE poor LOGIN PASSWORD 'poor'")
    with pytest.raises(StoreError) as caught:
        SqlStore(f"postgresql://poor:poor@127.0.0.1:{own_postgres.port}/{database}").open([THINGS])
    assert caught.value.audience == Audience.OPERATOR
    assert "GRANT" in caught.value.hint


def test_a_postgresql_database_that_cannot_hold_every_letter_is_refused(own_postgres: Any) -> None:
    own_postgres.sql("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    with pytest.raises(StoreError, match="LATIN1") as caught:
        SqlStore(new_database(own_postgres).rpartition("/")[0] + "/latin").open([THINGS])
    assert "ENCODING 'UTF8'" in caught.value.hint


@pytest.fixture
def sqlite_store(tmp_path: Path) -> Iterator[SqlStore]:
    store = SqlStore(f"sqlite:///{tmp_path}/store.db")
    store.open([THINGS])
    yield store
    store.close()


def test_a_locked_sqlite_file_is_given_up_in_time_and_can_be_read(sqlite_store: SqlStore, tmp_path: Path) -> None:
    sqlite_store.insert("things", {"name": "a"})
    other = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    error = unavailable(lambda: sqlite_store.insert("things", {"name": "b"}))
    assert "locked by another process" in error.message
    assert sqlite_store.count("things") == 1
    other.execute("ROLLBACK")
    other.close()
    sqlite_store.insert("things", {"name": "b"})


@contextmanager
def every_connection(statement: str) -> Iterator[None]:
    def run(connection: Any, _: object) -> None:
        connection.execute(statement)

    sa.event.listen(sa.pool.Pool, "connect", run)
    try:
        yield
    finally:
        sa.event.remove(sa.pool.Pool, "connect", run)


def test_a_full_disk_is_said_and_loses_nothing(tmp_path: Path) -> None:
    store = SqlStore(f"sqlite:///{tmp_path}/store.db")
    kept = 0
    with every_connection("PRAGMA max_page_count = 60"):
        store.open([THINGS])

        def fill() -> None:
            nonlocal kept
            for number in range(1000):
                store.insert("things", {"name": f"n{number}", "padding": "x" * 1000})
                kept += 1

        assert "no room left" in unavailable(fill).message
        assert store.count("things") == kept > 10
        store.delete("things", {"name": {"$in": ["n0", "n1", "n2", "n3", "n4"]}})
        store.insert("things", {"name": "room again"})
    store.close()


def test_a_read_only_file_is_said(tmp_path: Path, sqlite_store: SqlStore) -> None:
    with every_connection("PRAGMA query_only = 1"):
        sqlite_store.close()
        error = unavailable(lambda: sqlite_store.open([Collection("new", {})]))
    assert "is read-only" in error.message


@contextmanager
def as_nobody() -> Iterator[None]:
    """Root may do everything: for a while this process is not root."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_a_folder_that_may_not_be_written_is_said(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with as_nobody():
        error = unavailable(lambda: SqlStore(f"sqlite:///{tmp_path}/inner/store.db").open([THINGS]))
    assert "Permission denied" in error.message
    assert str(tmp_path) in error.message


def test_a_file_in_the_place_of_the_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    unavailable(lambda: SqlStore(f"sqlite:///{tmp_path}/file/store.db").open([THINGS]))
    (tmp_path / "folder").mkdir()
    unavailable(lambda: SqlStore(f"sqlite:///{tmp_path}/folder").open([THINGS]))


def test_a_second_store_on_the_file_does_not_end_the_locks_of_the_first(sqlite_store: SqlStore, tmp_path: Path) -> None:
    sqlite_store.insert("things", {"name": "a"})
    second = SqlStore(f"sqlite:///{tmp_path}/store.db")
    second.open([THINGS])

    def counted_elsewhere() -> str:
        """By a process that, if nobody else had the file open, would remove its WAL when it leaves."""
        command = [sys.executable, "-c", COUNT, str(tmp_path / "store.db")]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    assert counted_elsewhere() == "1"
    sqlite_store.insert("things", {"name": "b"})
    second.insert("things", {"name": "c"})
    assert counted_elsewhere() == "3"
    second.close()


def test_a_file_that_is_no_database_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear reader, " * 1000)
    before = path.read_bytes()
    with pytest.raises(StoreError) as caught:
        SqlStore(f"sqlite:///{path}").open([THINGS])
    assert "is not a SQLite database" in caught.value.message
    assert caught.value.audience == Audience.OPERATOR
    assert not caught.value.retryable
    assert path.read_bytes() == before


def test_a_damaged_file_is_said(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store = SqlStore(f"sqlite:///{path}")
    store.open([THINGS])
    store.insert("things", *({"name": f"n{number}", "padding": "x" * 500} for number in range(200)))
    store.close()
    with path.open("r+b") as file:
        file.seek(8192)
        file.write(os.urandom(60_000))
    with pytest.raises(StoreError) as caught:
        store.open([THINGS])
        store.find("things")
    assert "is damaged" in caught.value.message
    store.close()


def test_a_file_that_is_gone_is_noticed_by_the_health_check(tmp_path: Path, sqlite_store: SqlStore) -> None:
    assert sqlite_store.ping().startswith("SQLite ")
    (tmp_path / "store.db").unlink()
    assert "is gone" in unavailable(sqlite_store.ping).message


@pytest.mark.parametrize(
    "failure",
    [
        OperationFailure(f"not allowed: {PLANTED}", 13),
        OperationFailure("Authentication failed.", 18),
        OperationFailure("operation exceeded time limit", 50),
        OperationFailure("no space left", 14031),
        WriteConcernError("not enough nodes", 100),
        WTimeoutError("waiting for replication", 64),
        NotPrimaryError("not primary"),
    ],
    ids=lambda failure: f"{type(failure).__name__} {getattr(failure, 'code', None)}",
)
def test_troubles_of_mongodb_are_unavailable(monkeypatch: pytest.MonkeyPatch, failure: Exception) -> None:
    unavailable(lambda: _update_that_fails(monkeypatch, failure))


@pytest.mark.parametrize("code", [2, 14, 28])
def test_refusals_of_mongodb_do_not_quote_values(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    refusal = OperationFailure(f"Cannot create field 'x' in element {{a: '{PLANTED}'}}", code)
    with pytest.raises(StoreError) as caught:
        _update_that_fails(monkeypatch, refusal)
    assert type(caught.value) is StoreError
    assert f"({code})" in caught.value.message
    assert PLANTED not in shown(caught.value)


def _update_that_fails(monkeypatch: pytest.MonkeyPatch, failure: Exception) -> None:
    store = MongoStore("mongodb://localhost", "etl", client_class=mongomock.MongoClient)
    store.open([THINGS])

    def fail(*_: Any, **__: Any) -> None:
        raise failure

    monkeypatch.setattr(mongomock.Collection, "find_one_and_update", fail)
    store.update("things", {"name": "a"}, {"n": 1})


@pytest.fixture(params=["sqlite", "postgresql", "nx27017"])
def any_store(request: pytest.FixtureRequest, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Any]:
    """One that was opened while everything was logged."""
    caplog.set_level(logging.DEBUG)
    if request.param == "nx27017":
        with nx_27017(tmp_path) as url:
            store: Any = MongoStore(url, "etl")
            store.open([THINGS, CONNECTIONS])
            yield store
            store.close()
        return
    server = request.getfixturevalue("own_postgres") if request.param == "postgresql" else None
    store = SqlStore(new_database(server) if server else f"sqlite:///{tmp_path}/store.db")
    store.open([THINGS, CONNECTIONS])
    yield store
    store.close()


def test_no_value_reaches_a_log_or_a_traceback(any_store: Any, caplog: pytest.LogCaptureFixture) -> None:
    seen: list[str] = []

    def refused(call: Callable[[], object]) -> None:
        with pytest.raises(StoreError) as caught:
            call()
        seen.append(shown(caught.value))

    any_store.insert("things", {"name": PLANTED, "secret": PLANTED, "deep": {"list": [PLANTED]}})
    any_store.find("things", {"name": {"$has": PLANTED}})
    any_store.update("things", {"name": PLANTED}, {"more": PLANTED}, increment={"n": 1})
    with pytest.raises(DuplicateKey) as caught:
        any_store.insert("things", {"name": PLANTED, "secret": PLANTED})
    seen.append(shown(caught.value))
    refused(lambda: any_store.insert("things", {"name": PLANTED, "n": PLANTED}))
    refused(lambda: any_store.insert("things", {"name": "x", "secret": {PLANTED}}))
    refused(lambda: any_store.find("things", {"n": PLANTED}))
    refused(lambda: any_store.find("things", {"name": {"$lt": 1, "$gt": PLANTED}}))
    refused(lambda: any_store.update("things", {"name": PLANTED}, {"n": PLANTED}))
    refused(lambda: any_store.update("things", {"name": PLANTED}, {}, increment={"n": PLANTED}))
    refused(lambda: any_store.update("things", {"name": PLANTED}, {"secret.inner": PLANTED}))
    assert PLANTED not in caplog.text
    assert PLANTED not in "".join(seen)
