"""Sessions for moving rows: one connection to one file, held for as long as the session lives."""

import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from etl_engine.connectors.database_file import DatabaseFile, hold, release, sessions_on
from etl_engine.connectors.sqlite.data import look_at
from etl_engine.connectors.sqlite.refusals import BUSY, KIND, translated
from etl_engine.errors import Cancelled, Missing

LOCK_SECONDS = 30.0  # how long another program's lock is waited for
_POLL_SECONDS = 0.05
_OURS_TO_CLEAN_UP = ("SQLITE_READONLY_ROLLBACK", "SQLITE_READONLY_RECOVERY", "SQLITE_READONLY_CANTINIT")
_CACHE_KIB = 32 * 1024
_OPERATIONS_PER_LOOK = 10_000  # of the virtual machine, between two looks at the clock
# What a query may do: a hostile one could otherwise attach other files, which the operator has not opened.
_MAY = frozenset(
    {
        sqlite3.SQLITE_SELECT,
        sqlite3.SQLITE_READ,
        sqlite3.SQLITE_FUNCTION,
        sqlite3.SQLITE_RECURSIVE,
        sqlite3.SQLITE_TRANSACTION,
        sqlite3.SQLITE_PRAGMA,
        sqlite3.SQLITE_CREATE_TEMP_VIEW,
        sqlite3.SQLITE_DROP_TEMP_VIEW,
        sqlite3.SQLITE_INSERT,  # of the temporary schema, where the view is written down; the file is open read-only
        sqlite3.SQLITE_UPDATE,
        sqlite3.SQLITE_DELETE,
    }
)
Answer = TypeVar("Answer")


class Session:
    """One connection. Used by one thread at a time; `stop` comes from others."""

    def __init__(self, connection: sqlite3.Connection, file: DatabaseFile, path: Path, held: tuple[int, int]) -> None:
        self.connection = connection
        self.file = file.typed
        self.path = path
        self.identity = f"sqlite:{held[0]}:{held[1]}"
        self._held: tuple[int, int] | None = held
        self._stopped = threading.Event()

    @contextlib.contextmanager
    def errors(self, doing: str = "") -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise translated(error, self.file, doing) from error

    def rows(self, query: str, values: Sequence[Any] = (), *, doing: str = "") -> list[Any]:
        self._check()
        return self.patiently(lambda: self.connection.execute(query, values).fetchall(), doing)

    def one(self, query: str, values: Sequence[Any] = (), *, doing: str = "") -> Any:
        return self.rows(query, values, doing=doing)[0]

    def run(self, *statements: str, doing: str = "") -> None:
        for statement in statements:
            self.rows(statement, doing=doing)

    def run_with(self, statement: str, *values: Any, doing: str = "") -> int:
        """Answers how many rows it changed."""
        self._check()
        return int(self.patiently(lambda: self.connection.execute(statement, values).rowcount, doing))

    def patiently(self, ask: Callable[[], Answer], doing: str = "") -> Answer:
        with self.errors(doing):
            return self.patiently_raw(ask)

    def patiently_raw(self, ask: Callable[[], Answer]) -> Answer:
        """Ask again while another program holds the lock; the library's own waiting could not be stopped."""
        until = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                return ask()
            except sqlite3.Error as error:
                name = str(getattr(error, "sqlite_errorname", ""))
                if not name.startswith(BUSY) or time.monotonic() > until:
                    raise
            if self._stopped.wait(_POLL_SECONDS):
                raise Cancelled("The copy was stopped")

    def limit_time(self, seconds: float) -> None:
        """End every statement that is still at work then; the clock runs from now on."""
        until = time.monotonic() + seconds
        self.connection.set_progress_handler(lambda: time.monotonic() > until, _OPERATIONS_PER_LOOK)

    @property
    def readers_wait(self) -> bool:
        """Whether a writer has to wait here for another session of this process that reads the same file.

        Without a write-ahead log a commit needs the file for itself, and so does a transaction that outgrows its cache.
        """
        if self._held is None or sessions_on(self._held) < 2:
            return False
        return bool(self.one("PRAGMA main.journal_mode")[0] != "wal")

    def rollback(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")

    def stop(self) -> None:
        self._stopped.set()
        with contextlib.suppress(sqlite3.Error):  # it is closed by now
            self.connection.interrupt()

    def close(self) -> None:
        if self._held is None:
            return
        self.rollback()
        with contextlib.suppress(sqlite3.Error):
            self.connection.close()
        held, self._held = self._held, None
        release(held)

    def _check(self) -> None:
        if self._stopped.is_set():
            raise Cancelled("The copy was stopped")


def open_session(file: DatabaseFile, *, writes: bool) -> Session:
    """The file has to be there: a copy makes tables, and no database where somebody mistyped a path."""
    with file.in_errors(KIND):
        path = file.path()
        seen = look_at(file, path)
        try:
            held = hold(path)
        except OSError as error:
            raise Missing(f"There is no file {file.typed}", kind=KIND, hint="Correct the path.") from error
        try:
            file.still_is(seen, path)
            session = Session(_connect(path, writes=writes), file, path, held)
        except BaseException:
            release(held)
            raise
    try:
        _pin(session, writes=writes)
    except BaseException:
        session.close()
        raise
    return session


def _connect(path: Path, *, writes: bool) -> sqlite3.Connection:
    mode = "rw" if writes else "ro"
    return sqlite3.connect(
        f"file:{quote(str(path))}?mode={mode}", uri=True, timeout=0, isolation_level=None, check_same_thread=False
    )


def _pin(session: Session, *, writes: bool) -> None:
    try:
        session.patiently_raw(lambda: session.connection.execute("SELECT count(*) FROM sqlite_master").fetchall())
    except sqlite3.Error as error:
        if writes or not str(getattr(error, "sqlite_errorname", "")).startswith(_OURS_TO_CLEAN_UP):
            raise translated(error, session.file, "opening it") from error
        # A program that died while it wrote has left its journal: rolling that back needs the right to write.
        session.connection.close()
        session.connection = _connect(session.path, writes=True)
        session.rows("SELECT count(*) FROM sqlite_master", doing="rolling back what a program left that died")
    session.run("PRAGMA trusted_schema = OFF", f"PRAGMA cache_size = -{_CACHE_KIB}")
    session.connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    if writes:
        session.run("PRAGMA foreign_keys = ON")
        return
    session.connection.set_authorizer(_authorize)


def _authorize(action: int, _one: str | None, _two: str | None, _database: str | None, _by: str | None) -> int:
    return sqlite3.SQLITE_OK if action in _MAY else sqlite3.SQLITE_DENY
