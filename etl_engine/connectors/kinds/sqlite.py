"""SQLite database files."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast
from urllib.parse import quote

from pydantic import Field

from etl_engine.connectors.addresses import SLICE_SECONDS
from etl_engine.connectors.contract import Connector, Deadline, Health, Kind, Step, Surroundings, Who
from etl_engine.connectors.database_file import DatabaseFile
from etl_engine.connectors.fault import Entry, Fault, OutOfTime
from etl_engine.connectors.ladder import Ladder
from etl_engine.connectors.sql import Dialect, need_driver, one, session
from etl_engine.connectors.sqlite.data import JOURNALS, SqliteData, look_at
from etl_engine.model.connection import ConnectionConfig
from etl_engine.model.text import FilePath

if TYPE_CHECKING:
    import sqlite3

    from sqlalchemy import Connection

RUNGS = (
    Step("path", "Path"),
    Step("file", "File"),
    Step("database", "Database"),
    Step("version", "Version"),
    Step("privileges", "Privileges"),
)
_INTEGRITY_SECONDS = 1.5  # what a look at the pages may take; larger files are not looked through
_OPERATIONS_PER_LOOK = 5_000  # of the virtual machine, between two looks at the clock: well under a millisecond
_SETUP = """
Put the file into one of the folders that the operator allows (`FILE_ROOTS`; by default `files` in the data folder)
and write its path relative to that folder:

```sh
sqlite3 /path/to/shop.db ".backup '{database}'"
```
""".strip()

_JOURNAL = Entry(
    "journal-not-readable",
    "{file} cannot be opened together with its journal (files ending in -wal, -shm or -journal)",
    "Let the account of this engine read and write the folder of the file, or end WAL mode first.",
    Who.DBA,
)
_REFUSALS = {
    "SQLITE_NOTADB": Entry(
        "not-sqlite",
        "{file} starts like SQLite and is not: it is encrypted or damaged",
        "Use a plain SQLite file; export an encrypted one with the program that made it.",
        Who.YOU,
    ),
    "SQLITE_CORRUPT": Entry(
        "file-corrupt",
        "{file} is damaged: {said}",
        'sqlite3 {file} ".recover" | sqlite3 repaired.db',
        Who.YOU,
    ),
    "SQLITE_BUSY": Entry(
        "file-locked",
        "{file} is locked by another program that writes to it",
        "Wait until the other program has finished, or have it use PRAGMA journal_mode = WAL.",
        Who.YOU,
    ),
    "SQLITE_CANTOPEN": _JOURNAL,
    "SQLITE_READONLY": _JOURNAL,
}


class SqliteConfig(ConnectionConfig):
    """A SQLite file below one of the folders that the operator allows (`FILE_ROOTS`)."""

    db_type: Literal["sqlite"]
    database: Annotated[
        FilePath,
        Field(
            title="Database file",
            description="Path of the file, relative to the files folder or absolute inside it.",
            json_schema_extra={"placeholder": "shop.db"},
        ),
    ]


class SqliteConnector(SqliteData, Connector):
    """A connection to one SQLite file, opened read-only for a check."""

    dialect = Dialect(
        kind="sqlite",
        url="sqlite+pysqlite",
        driver="sqlite3",
        extra="sqlite",
        version_query="SELECT sqlite_version()",
        products=(),
        opens_on="database",
    )

    def __init__(self, config: ConnectionConfig, surroundings: Surroundings) -> None:
        if not isinstance(config, SqliteConfig):
            raise TypeError(f"{type(config).__name__} is not the config of a SQLite file")
        self._typed = config.database
        self._file = DatabaseFile(config.database, surroundings, "SQLite", JOURNALS)

    def check(self, deadline: Deadline, on_step: Callable[[Step], None]) -> Health:
        ladder = Ladder(RUNGS, deadline, on_step, self._too_late)
        return ladder.climb(lambda: self._climb(ladder, deadline))

    def close(self) -> None:
        """A check leaves nothing open."""

    def _climb(self, ladder: Ladder, deadline: Deadline) -> None:
        ladder.begin("path")
        path = self._file.path()
        ladder.finish(str(path))
        ladder.begin("file")
        seen = look_at(self._file, path)
        ladder.finish(
            f"{seen.size:,} bytes" if seen.size else "Empty file: a database without tables", warn=not seen.size
        )
        ladder.begin("database")
        need_driver(self.dialect)
        try:
            with session(self.dialect, lambda: _open(path, deadline)) as connection:
                self._file.still_is(seen, path)
                self._look_around(connection, ladder, deadline, path)
        except Exception as error:
            reason = getattr(error, "orig", error)  # SQLAlchemy wraps most, not all of them
            if hasattr(reason, "sqlite_errorname"):
                raise self._explain(reason) from error
            raise

    def _look_around(self, connection: "Connection", ladder: Ladder, deadline: Deadline, path: Path) -> None:
        (tables,) = _patiently(
            deadline, lambda: one(connection, "SELECT count(*) FROM sqlite_master WHERE type IN ('table', 'view')")
        )
        (encoding,) = one(connection, "PRAGMA encoding")
        ladder.finish(f"Opens, encoding {encoding}, {self._integrity(connection, deadline)}")
        ladder.begin("version")
        (library,) = one(connection, self.dialect.version_query)
        ladder.version = f"SQLite {library}"
        ladder.finish(ladder.version)
        ladder.begin("privileges")
        writable = "yes" if os.access(path, os.W_OK) and os.access(path.parent, os.W_OK) else "no"
        ladder.finish(f"Reads {tables} tables and views, may write: {writable}" if tables else "No tables yet")

    def _integrity(self, connection: "Connection", deadline: Deadline) -> str:
        until = time.monotonic() + min(_INTEGRITY_SECONDS, deadline.left() / 2)
        _watch(_driver(connection), lambda: deadline.cancelled or time.monotonic() > until)
        try:
            (verdict,) = tuple(connection.exec_driver_sql("PRAGMA quick_check(1)").one())
        except Exception as error:
            if getattr(getattr(error, "orig", None), "sqlite_errorname", "") != "SQLITE_INTERRUPT":
                raise
            deadline.left()
            return "too large to look at every page"
        finally:
            _watch(_driver(connection), lambda: _over(deadline))
        if verdict != "ok":
            raise self._refusal("SQLITE_CORRUPT", str(verdict))
        return "every page is sound"

    def _explain(self, error: Any) -> Exception:
        name = str(error.sqlite_errorname)
        if name == "SQLITE_INTERRUPT":
            return OutOfTime()
        return self._refusal(next((known for known in _REFUSALS if name.startswith(known)), ""), str(error))

    def _refusal(self, name: str, text: str) -> Fault:
        unknown = Entry("file-refused", "SQLite refuses {file}: {said}", "Check the file and its disk.", Who.YOU)
        return _REFUSALS.get(name, unknown).about({"file": self._typed, "said": " ".join(text.split())[:200]})

    def _too_late(self, _key: str) -> Fault:
        return Fault(
            "file-timeout", f"Reading {self._typed} takes too long", "Check the disk or network share.", Who.NETWORK
        )


def _open(path: Path, deadline: Deadline) -> "sqlite3.Connection":
    import sqlite3

    made = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=0, isolation_level=None)
    _watch(made, lambda: _over(deadline))
    made.execute("PRAGMA trusted_schema = OFF")  # views of a hostile file must not run functions
    return made


def _watch(connection: "sqlite3.Connection", stop: Callable[[], bool]) -> None:
    connection.set_progress_handler(stop, _OPERATIONS_PER_LOOK)


def _over(deadline: Deadline) -> bool:
    return deadline.cancelled or deadline.left() <= 0


def _driver(connection: "Connection") -> "sqlite3.Connection":
    return cast("sqlite3.Connection", connection.connection.driver_connection)


def _patiently(deadline: Deadline, ask: Callable[[], Any]) -> Any:
    """Ask again while another program holds the lock; SQLite's own waiting could not be cancelled."""
    while True:
        try:
            return ask()
        except Exception as error:
            name = str(getattr(getattr(error, "orig", None), "sqlite_errorname", ""))
            if not name.startswith("SQLITE_BUSY") or deadline.left() <= SLICE_SECONDS * 2:
                raise
            time.sleep(SLICE_SECONDS)


KIND = Kind(
    name="sqlite",
    title="SQLite",
    summary="A SQLite 3 database file on this machine.",
    config=SqliteConfig,
    make=SqliteConnector,
    driver="sqlite3",
    extra="sqlite",
    aliases=("sqlite3",),
    setup=_SETUP,
    rungs=RUNGS,
)
