"""DuckDB database files."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from etl_engine.connectors.addresses import SLICE_SECONDS
from etl_engine.connectors.contract import Connector, Deadline, Health, Kind, Step, Surroundings, Who
from etl_engine.connectors.database_file import DatabaseFile
from etl_engine.connectors.duck.data import JOURNALS, DuckdbData, look_at
from etl_engine.connectors.fault import Fault, said
from etl_engine.connectors.ladder import Ladder
from etl_engine.connectors.sql import Dialect, need_driver
from etl_engine.model.connection import ConnectionConfig
from etl_engine.model.text import FilePath

if TYPE_CHECKING:
    from etl_engine.connectors.duck.instances import Opened

RUNGS = (
    Step("path", "Path"),
    Step("file", "File"),
    Step("database", "Database"),
    Step("version", "Version"),
    Step("privileges", "Privileges"),
)
_DIALECT = Dialect(
    kind="duckdb",
    url="",
    driver="duckdb",
    extra="duckdb",
    version_query="SELECT version()",
    products=(),
    opens_on="database",
)
_SETUP = """
Put the file into one of the folders that the operator allows (`FILE_ROOTS`; by default `files` in the data folder)
and write its path relative to that folder. An empty one to load into is made by:

```sh
duckdb {database} -c "SELECT 1"
```

A DuckDB file is open in one process at a time: close it in other programs, or let all of them, and this connection,
open it read-only.
""".strip()


class DuckdbConfig(ConnectionConfig):
    """A DuckDB file below one of the folders that the operator allows (`FILE_ROOTS`)."""

    db_type: Literal["duckdb"]
    database: Annotated[
        FilePath,
        Field(
            title="Database file",
            description="Path of the file, relative to the files folder or absolute inside it.",
            json_schema_extra={"placeholder": "shop.duckdb"},
        ),
    ]
    read_only: Annotated[
        bool,
        Field(title="Read only", description="Open the file so that other processes may read it at the same time."),
    ] = False


class DuckdbConnector(DuckdbData, Connector):
    """A connection to one DuckDB file."""

    def __init__(self, config: ConnectionConfig, surroundings: Surroundings) -> None:
        if not isinstance(config, DuckdbConfig):
            raise TypeError(f"{type(config).__name__} is not the config of a DuckDB file")
        self._typed = config.database
        self._read_only = config.read_only
        self._file = DatabaseFile(config.database, surroundings, "DuckDB", JOURNALS)

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
        ladder.finish(f"{seen.size:,} bytes")
        ladder.begin("database")
        need_driver(_DIALECT)
        import duckdb

        from etl_engine.connectors.duck.instances import close_file

        try:
            opened = self._open(path, deadline)
        except duckdb.Error as error:
            raise self._explain(str(error)) from error
        try:
            self._file.still_is(seen, path)
            self._look_around(opened, ladder, path)
        except duckdb.Error as error:
            raise self._explain(str(error)) from error
        finally:
            close_file(opened)

    def _open(self, path: Path, deadline: Deadline) -> "Opened":
        """A check only reads: read-only, it hinders nobody. Waits for a process that writes, within the deadline."""
        import duckdb

        from etl_engine.connectors.duck.instances import open_file
        from etl_engine.connectors.duck.refusals import lock_holder

        while True:
            try:
                return open_file(path, read_only=True, writes=False)
            except duckdb.IOException as error:
                if not lock_holder(str(error)) or deadline.left() <= SLICE_SECONDS * 2:
                    raise
                time.sleep(SLICE_SECONDS)

    def _look_around(self, opened: "Opened", ladder: Ladder, path: Path) -> None:
        connection = opened.connection
        tables, views = connection.execute(
            "SELECT (SELECT count(*) FROM duckdb_tables() WHERE database_name = current_database() AND NOT internal), "
            "(SELECT count(*) FROM duckdb_views() WHERE database_name = current_database() AND NOT internal)"
        ).fetchall()[0]
        ladder.finish("Opens; read-only" if self._read_only else "Opens")
        ladder.begin("version")
        (version,) = connection.execute(_DIALECT.version_query).fetchall()[0]
        ladder.version = f"DuckDB {str(version).removeprefix('v')}"
        ladder.finish(ladder.version)
        ladder.begin("privileges")
        may = not self._read_only and os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)
        found = f"Reads {tables + views} tables and views, may write: {'yes' if may else 'no'}"
        ladder.finish(found if tables + views else f"No tables yet, may write: {'yes' if may else 'no'}")

    def _explain(self, text: str) -> Fault:
        from etl_engine.connectors.duck.refusals import lock_holder

        if pid := lock_holder(text):
            return Fault(
                "file-locked",
                f"{self._typed} is open in another process (PID {pid}), and a DuckDB file opens in one at a time",
                f"Close it there, or have all of them open it read-only. To see which it is: ps -p {pid}",
                Who.YOU,
            )
        if "newer version" in text:
            return Fault(
                "version-too-new",
                f"{self._typed} was written by a newer DuckDB than this engine has",
                "Write it again for an older one: EXPORT DATABASE, then IMPORT DATABASE there.",
                Who.YOU,
            )
        if "older version" in text or "storage version" in text:
            return Fault(
                "version-too-old",
                f"{self._typed} was written by a DuckDB that this engine cannot read any more",
                "Write it again with a newer one: EXPORT DATABASE, then IMPORT DATABASE there.",
                Who.YOU,
            )
        line = said(text.split("\n", 1)[0], "")
        if "orrupt" in text or "checksum" in text or "not a valid DuckDB" in text:
            return Fault(
                "file-corrupt", f"{self._typed} is damaged: {line}", "Restore the file from a backup.", Who.YOU
            )
        if "encrypt" in text:
            return Fault(
                "file-encrypted",
                f"{self._typed} is encrypted",
                "Copy it into a plain file: ATTACH both, then COPY FROM DATABASE.",
                Who.YOU,
            )
        return Fault("file-refused", f"DuckDB refuses {self._typed}: {line}", "Check the file and its disk.", Who.YOU)

    def _too_late(self, _key: str) -> Fault:
        return Fault(
            "file-timeout", f"Reading {self._typed} takes too long", "Check the disk or network share.", Who.NETWORK
        )


KIND = Kind(
    name="duckdb",
    title="DuckDB",
    summary="A DuckDB database file on this machine.",
    config=DuckdbConfig,
    make=DuckdbConnector,
    driver="duckdb",
    extra="duckdb",
    setup=_SETUP,
    rungs=RUNGS,
)
