"""Engines for SQLite and PostgreSQL: safe writes, calls that end in time, and errors in the words of the house."""

import os
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from etl_engine.errors import Audience, BadSetting, DuplicateKey, StoreError, StoreUnavailable
from etl_engine.model.collections import Collection
from etl_engine.store.sql_tables import index_name

# Together below 5 s: wait for a free connection, ask an idle one whether it lives, make a new one.
POOL_SECONDS, PING_SECONDS, CONNECT_SECONDS = 1, 1.5, 2
STATEMENT_SECONDS = 3.5


def store_url(text: str) -> sa.URL:
    try:
        url = make_url(text)
    except (sa.exc.ArgumentError, ValueError):
        # Without the cause: its message may quote the password.
        raise BadSetting(
            "The URL of the metadata store is not a URL",
            hint="Write it as sqlite:////folder/file.db or postgresql://user:password@host:5432/database, "
            "with special characters of the password percent-encoded.",
        ) from None
    match url.get_backend_name():
        case "sqlite" if url.database and url.database != ":memory:" and not url.query:
            return url.set(drivername="sqlite+pysqlite")
        case "sqlite":
            raise BadSetting(
                "The SQLite store needs a file, and takes no options", hint="Write sqlite:////folder/file.db."
            )
        case "postgresql":
            return url.set(drivername="postgresql+psycopg2")
    raise BadSetting("The metadata store can be SQLite, PostgreSQL or MongoDB")


def place_of(url: sa.URL) -> str:
    if url.get_backend_name() == "sqlite":
        return f"SQLite file {url.database}"
    return f"PostgreSQL at {url.host or 'the local socket'}:{url.port or 5432}/{url.database or ''}"


def sqlite_engine(url: sa.URL) -> sa.Engine:
    path = Path(url.database or "")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # SQLite gives its WAL the mode of the file. One that exists is not opened here: closing it would end every lock
        # that this process has on it.
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except OSError as error:
        raise StoreUnavailable(
            f"{place_of(url)} cannot be opened: {error.strerror}",
            hint="Give this user the right to write in its folder.",
        ) from error
    engine = sa.create_engine(url, hide_parameters=True, max_overflow=-1, connect_args={"timeout": STATEMENT_SECONDS})

    @sa.event.listens_for(engine, "connect")
    def _safe_and_concurrent(connection: Any, _: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # transactions begin where the line below says, and nowhere else
        _when_free(lambda: connection.execute("PRAGMA journal_mode=WAL"))  # the first time SQLite does not wait itself
        connection.execute("PRAGMA synchronous=FULL")

    @sa.event.listens_for(engine, "begin")
    def _writers_queue(connection: sa.Connection) -> None:
        options = connection.get_execution_options()
        if options.get("writes", False):
            _begin_writing(connection, options.get("patience", STATEMENT_SECONDS))
        else:
            connection.exec_driver_sql("BEGIN")

    return engine


def _begin_writing(connection: sa.Connection, patience: float) -> None:
    """Take the lock first: a transaction that reads and then writes would fail where another one wrote in between.

    SQLite's own waiting backs off to 100 ms, so that a busy process starves the others: of eight writers in a loop the
    unluckiest waited 2 s; asking every few milliseconds, it waited 0.2 s.
    """
    connection.exec_driver_sql("PRAGMA busy_timeout = 3")
    try:
        _when_free(lambda: connection.exec_driver_sql("BEGIN IMMEDIATE"), patience)
    finally:
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {int(STATEMENT_SECONDS * 1000)}")


def _when_free(attempt: Callable[[], object], patience: float = STATEMENT_SECONDS) -> None:
    deadline = time.monotonic() + patience
    while True:
        try:
            attempt()
        except (sa.exc.OperationalError, sqlite3.OperationalError) as error:
            native: Any = getattr(error, "orig", error)
            if not native.sqlite_errorname.startswith("SQLITE_BUSY") or time.monotonic() > deadline:
                raise
            time.sleep(0.001)
        else:
            return


def postgresql_engine(url: sa.URL) -> sa.Engine:
    engine = sa.create_engine(
        url,
        hide_parameters=True,
        isolation_level="READ COMMITTED",
        pool_pre_ping=True,
        pool_size=5,
        max_overflow=15,
        pool_timeout=POOL_SECONDS,
        connect_args={
            "connect_timeout": CONNECT_SECONDS,
            "application_name": "etl-engine",
            "client_encoding": "utf8",
            "tcp_user_timeout": int(STATEMENT_SECONDS * 1000),
        },
    )

    @sa.event.listens_for(engine, "connect")
    def _bounded(connection: Any, _: ConnectionPoolEntry) -> None:
        limit = int(STATEMENT_SECONDS * 1000)
        with answered_within(connection, PING_SECONDS), connection.cursor() as cursor:
            cursor.execute(
                f"SET statement_timeout = {limit}; SET lock_timeout = {limit};"
                " SET idle_in_transaction_session_timeout = 10000"
            )
        connection.commit()

    ping = engine.dialect.do_ping

    def ping_in_time(connection: DBAPIConnection) -> bool:
        with answered_within(connection, PING_SECONDS):
            return ping(connection)

    engine.dialect.do_ping = ping_in_time  # type: ignore[assignment,method-assign] # the pool's ping waits for ever
    return engine


@contextmanager
def answered_within(connection: Any, seconds: float) -> Iterator[None]:
    """Hang up on a server that stays silent: libpq itself waits for ever."""
    with socket.socket(fileno=os.dup(connection.fileno())) as line:

        def hang_up() -> None:
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

        timer = threading.Timer(seconds, hang_up)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


@contextmanager
def in_our_words(place: str, tables: Iterable[sa.Table]) -> Iterator[None]:
    """Refusals go without their causes: PostgreSQL quotes the values."""
    try:
        yield
    except sa.exc.TimeoutError as error:
        raise StoreUnavailable(
            f"Every connection to {place} is in use", hint="Try again in a moment, or ask for less at once."
        ) from error
    except sa.exc.IntegrityError as error:
        fields = _duplicate_fields(error.orig, tables)
        if not fields:
            raise _refused(place, error) from None
        raise DuplicateKey(f"Another document has the same {fields}", context={"fields": fields}) from None
    except sa.exc.DBAPIError as error:
        translated = _translation(place, error)
        raise translated from (error if translated.retryable else None)


def _duplicate_fields(error: Any, tables: Iterable[sa.Table]) -> str:
    """The fields of the unique key that is taken: PostgreSQL names the index, SQLite the columns."""
    constraint = getattr(getattr(error, "diag", None), "constraint_name", None)
    for table in tables:
        collection: Collection = table.info["collection"]
        for index in collection.indexes:
            names = [field.lstrip("-") for field in index.fields]
            columns = "UNIQUE constraint failed: " + ", ".join(f"{table.name}.{name}" for name in names)
            if index.unique and (constraint == index_name(collection, index) or str(error) == columns):
                return ",".join(names)
        if constraint == f"{table.name}_pkey" or str(error) == f"UNIQUE constraint failed: {table.name}._id":
            return "_id"
    return ""


_SQLITE_TROUBLE = {
    "SQLITE_BUSY": ("is locked by another process", "Stop the process that keeps it locked, or try again."),
    "SQLITE_LOCKED": ("is locked", "Try again in a moment."),
    "SQLITE_FULL": ("has no room left on its disk", "Free some space on the disk."),
    "SQLITE_READONLY": ("is read-only", "Give this user the right to write to the file and its folder."),
    "SQLITE_PERM": ("may not be read", "Give this user the right to write to the file and its folder."),
    "SQLITE_CANTOPEN": ("cannot be opened", "Check that its folder exists and that this user may write in it."),
    "SQLITE_IOERR": ("has an unreliable disk", "Check the disk and its free space."),
}
_SQLITE_DAMAGE = {"SQLITE_CORRUPT": "is damaged", "SQLITE_NOTADB": "is not a SQLite database"}
# Classes of SQLSTATE that pass by themselves or by an operator's hand: connection, resources, operator intervention.
_POSTGRESQL_TROUBLE = ("08", "53", "57", "58", "40", "55P03", "25006", "28", "3D")


def _translation(place: str, error: sa.exc.DBAPIError) -> StoreError:
    native: Any = error.orig
    name = "_".join(getattr(native, "sqlite_errorname", "").split("_")[:2])  # SQLITE_IOERR_WRITE is a SQLITE_IOERR
    if name in _SQLITE_TROUBLE:
        fact, hint = _SQLITE_TROUBLE[name]
        return StoreUnavailable(f"{place} {fact}", hint=hint)
    if name in _SQLITE_DAMAGE:
        return for_operator(f"{place} {_SQLITE_DAMAGE[name]}", "Restore it from a backup.")
    state = getattr(native, "pgcode", None) or ""
    lost = error.connection_invalidated or (not state and isinstance(error, sa.exc.OperationalError))
    if lost or state.startswith(_POSTGRESQL_TROUBLE):
        reason = " ".join(str(native).split("\n")[0].split()) or "the connection was lost"
        return StoreUnavailable(
            f"{place} does not answer: {reason}", hint="Start the server, or correct the URL of the metadata store."
        )
    return _refused(place, error)


def _refused(place: str, error: sa.exc.DBAPIError) -> StoreError:
    native: Any = error.orig
    code = getattr(native, "pgcode", None) or getattr(native, "sqlite_errorname", None) or type(native).__name__
    if code == "42501":
        return for_operator(f"{place} does not let this user do that", "GRANT the user all rights on the database.")
    return StoreError(f"{place} refused a statement ({code})")


def for_operator(message: str, hint: str) -> StoreError:
    error = StoreError(message, hint=hint)
    error.audience = Audience.OPERATOR
    return error
