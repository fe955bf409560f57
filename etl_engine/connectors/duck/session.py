"""Sessions for moving rows: a connection of the file's one instance."""

import contextlib
import os
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb

from etl_engine.connectors.database_file import DatabaseFile
from etl_engine.connectors.duck.data import look_at
from etl_engine.connectors.duck.instances import Occupied, Opened, close_file, open_file
from etl_engine.connectors.duck.refusals import KIND, in_use, lock_holder, translated
from etl_engine.errors import Cancelled, Missing, Refused, Throttled

LOCK_SECONDS = 30.0  # how long a file that is open in another process is waited for
_POLL_SECONDS = 0.1


class Session:
    """One connection. Used by one thread at a time; `stop` comes from others."""

    def __init__(self, opened: Opened, file: DatabaseFile, path: Path) -> None:
        self.connection = opened.connection
        self.file = file.typed
        self.path = path
        self.opened = opened
        self.identity = f"duckdb:{opened.identity[0]}:{opened.identity[1]}"
        self._in_transaction = False
        self._stopped = threading.Event()
        self._closed = False

    @contextlib.contextmanager
    def errors(self, doing: str = "") -> Iterator[None]:
        try:
            yield
        except duckdb.Error as error:
            raise translated(error, self.file, doing) from error

    def rows(self, query: str, values: Sequence[Any] = (), *, doing: str = "") -> list[Any]:
        if self._stopped.is_set():
            raise Cancelled("The copy was stopped")
        with self.errors(doing):
            return list(self.connection.execute(query, list(values)).fetchall())

    def one(self, query: str, values: Sequence[Any] = (), *, doing: str = "") -> Any:
        return self.rows(query, values, doing=doing)[0]

    def run(self, *statements: str, doing: str = "") -> None:
        for statement in statements:
            self.rows(statement, doing=doing)

    def changed(self, statement: str, *values: Any, doing: str = "") -> int:
        """How many rows a statement inserted, updated or deleted."""
        return int(self.one(statement, values, doing=doing)[0])

    def begin(self, *, read_only: bool = False) -> None:
        self.run(f"BEGIN TRANSACTION{' READ ONLY' if read_only else ''}")
        self._in_transaction = True

    def commit(self) -> None:
        """Whatever it raises, the transaction is over."""
        self._in_transaction = False
        self.connection.execute("COMMIT")

    def rollback(self) -> None:
        if self._in_transaction:
            self._in_transaction = False
            with contextlib.suppress(duckdb.Error):
                self.connection.execute("ROLLBACK")

    def stop(self) -> None:
        self._stopped.set()
        with contextlib.suppress(duckdb.Error):  # it is closed by now
            self.connection.interrupt()

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self.rollback()
            close_file(self.opened)


def open_session(file: DatabaseFile, *, read_only: bool, writes: bool) -> Session:
    """Waits within its limit for a process that has the file open."""
    if writes and read_only:
        raise Refused(
            f"The connection to {file.typed} is for reading only", kind=KIND, hint="Switch off its option Read only."
        )
    with file.in_errors(KIND):
        path = file.path()
        seen = look_at(file, path)
        file.still_is(seen, path)
    if writes:
        _insist_on_the_right_to_write(file, path)
    until = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            return Session(open_file(path, read_only=read_only, writes=writes), file, path)
        except Occupied:
            if time.monotonic() > until:
                raise Throttled(
                    f"{file.typed} is open for reading only in this engine", kind=KIND, hint="Run the copy again."
                ) from None
        except OSError as error:
            raise Missing(f"There is no file {file.typed}", kind=KIND, hint="Correct the path.") from error
        except duckdb.Error as error:
            pid = lock_holder(str(error))
            if not pid:
                raise translated(error, file.typed, "opening it") from error
            if time.monotonic() > until:
                raise in_use(file.typed, pid) from error
        time.sleep(_POLL_SECONDS)


def _insist_on_the_right_to_write(file: DatabaseFile, path: Path) -> None:
    """The library itself would only say that it cannot open the file. Its log is a file of its own beside it."""
    for what, place in ((file.typed, path), (f"The folder of {file.typed}", path.parent)):
        if not os.access(place, os.W_OK, effective_ids=True):
            raise Refused(
                f"{what} may not be written by the account of this engine", kind=KIND, hint=f"chmod o+w {place}"
            )
