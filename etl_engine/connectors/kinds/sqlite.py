"""SQLite database files."""

import errno
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast
from urllib.parse import quote

from pydantic import Field

from etl_engine.connectors import names
from etl_engine.connectors.addresses import SLICE_SECONDS
from etl_engine.connectors.contract import Connector, Deadline, Health, Kind, Step, Surroundings, Who
from etl_engine.connectors.fault import Entry, Fault, OutOfTime
from etl_engine.connectors.ladder import Ladder
from etl_engine.connectors.sql import Dialect, need_driver, one, session
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
_MAGIC = b"SQLite format 3\0"
_HEADER_BYTES = 100
_NEWEST_FORMAT = 2
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
_FILE_ERRORS = {
    errno.EACCES: ("file-not-readable", "{file} may not be read by the account of this engine", "chmod o+r {file}"),
    errno.EPERM: ("file-not-readable", "{file} may not be read by the account of this engine", "chmod o+r {file}"),
    errno.ENAMETOOLONG: ("path-too-long", "The path is longer than the file system allows", "Use a shorter path."),
    errno.ELOOP: ("path-changed", "{file} is a symbolic link that leads in a circle", "Use the path of the file."),
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


class SqliteConnector(Connector):
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
        self._surroundings = surroundings

    def check(self, deadline: Deadline, on_step: Callable[[Step], None]) -> Health:
        ladder = Ladder(RUNGS, deadline, on_step, self._too_late)
        return ladder.climb(lambda: self._climb(ladder, deadline))

    def close(self) -> None:
        """A check leaves nothing open."""

    def _climb(self, ladder: Ladder, deadline: Deadline) -> None:
        ladder.begin("path")
        path = self._allowed_path()
        ladder.finish(str(path))
        ladder.begin("file")
        identity, size = self._look_at(path)
        ladder.finish(f"{size:,} bytes" if size else "Empty file: a database without tables", warn=not size)
        ladder.begin("database")
        need_driver(self.dialect)
        try:
            with session(self.dialect, lambda: _open(path, deadline)) as connection:
                self._still_is(identity, path)
                self._look_around(connection, ladder, deadline, path)
        except Exception as error:
            reason = getattr(error, "orig", error)  # SQLAlchemy wraps most, not all of them
            if hasattr(reason, "sqlite_errorname"):
                raise self._explain(reason) from error
            raise

    def _still_is(self, identity: tuple[int, int], path: Path) -> None:
        """SQLite opens by name: between our look and its own somebody could have put another file there."""
        if _identity(path.stat()) != identity:
            raise Fault("path-changed", f"{self._typed} was exchanged during the check", "Test again.", Who.YOU)

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

    def _allowed_path(self) -> Path:
        roots = [Path(os.path.realpath(root)) for root in self._surroundings.file_roots]
        if not roots:
            raise Fault(
                "no-file-roots", "No folder is open for file connections", "Have the operator set FILE_ROOTS.", Who.DBA
            )
        candidates = [Path(os.path.realpath(root / self._typed)) for root in roots]  # an absolute path stays itself
        inside = [path for path in candidates if any(path.is_relative_to(root) for root in roots)]
        if not inside:
            listed = ", ".join(str(root) for root in roots)
            raise Fault(
                "path-outside",
                f"{self._typed} is not inside a folder that file connections may use",
                f"Move the file into one of: {listed}",
                Who.YOU,
            )
        path = next(filter(_exists, inside), inside[0])
        if any(_is_ours(path, forbidden) for forbidden in self._surroundings.forbidden_paths):
            raise Fault(
                "path-forbidden", f"{self._typed} is one of the engine's own files", "Use another file.", Who.YOU
            )
        return path

    def _look_at(self, path: Path) -> tuple[tuple[int, int], int]:
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise self._no_file(path, error) from error
        try:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                raise Fault("not-a-file", f"{self._typed} is not a file", "Use the path of a SQLite file.", Who.YOU)
            head = os.read(handle, _HEADER_BYTES)
        finally:
            os.close(handle)
        if head and not head.startswith(_MAGIC):
            raise Fault("not-sqlite", f"{self._typed} is not a SQLite file", "Use the path of a SQLite file.", Who.YOU)
        if len(head) == _HEADER_BYTES and max(head[18], head[19]) > _NEWEST_FORMAT:
            raise Fault(
                "version-too-new",
                f"{self._typed} was written by a newer SQLite than this engine has",
                "Write the file again with an older format: VACUUM INTO 'copy.db'",
                Who.YOU,
            )
        return _identity(status), status.st_size

    def _no_file(self, path: Path, error: OSError) -> Fault:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            there = []
            if path.parent.is_dir():
                there = [
                    each.name for each in path.parent.iterdir() if each.is_file() and not each.name.startswith(".")
                ]
            near = names.instead(path.name, there)
            return Fault(
                "file-missing",
                f"There is no file {self._typed}{near}",
                "Correct the path, or put the file there.",
                Who.YOU,
            )
        code, cause, fix = _FILE_ERRORS.get(
            error.errno or 0, ("file-not-readable", "{file} cannot be read: {why}", "Check the file and its disk.")
        )
        facts = {"file": self._typed, "why": error.strerror or ""}
        return Fault(code, cause.format_map(facts), fix.format_map(facts), Who.YOU)

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


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name longer than the file system allows
        return False


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _is_ours(path: Path, forbidden: Path) -> bool:
    """The forbidden file itself, under whatever name, or one of the journals beside it."""
    ours = os.path.realpath(forbidden)
    if str(path) in (ours, *(ours + ending for ending in ("-wal", "-shm", "-journal"))):
        return True
    try:
        return path.samefile(forbidden)
    except OSError:
        return False


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
