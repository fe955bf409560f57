"""The data plane of a SQLite connection: what the kind's connector inherits. Loads no driver by itself."""

from pathlib import Path

from etl_engine.connectors.contract import Who
from etl_engine.connectors.database_file import DatabaseFile, Look
from etl_engine.connectors.exploring import Explorer
from etl_engine.connectors.fault import Fault
from etl_engine.connectors.rows import Destination, Explores, Reads, Source, Writes

JOURNALS = ("-wal", "-shm", "-journal")
_MAGIC = b"SQLite format 3\0"
_HEADER_BYTES = 100
_NEWEST_FORMAT = 2


class SqliteData(Reads, Writes, Explores):
    """Opens sessions of its own; several may be open at once."""

    _file: DatabaseFile

    def open_source(self) -> Source:
        from etl_engine.connectors.sqlite.session import open_session
        from etl_engine.connectors.sqlite.source import SqliteSource

        return SqliteSource(open_session(self._file, writes=False))

    def open_destination(self) -> Destination:
        from etl_engine.connectors.sqlite.destination import SqliteDestination
        from etl_engine.connectors.sqlite.session import open_session

        return SqliteDestination(open_session(self._file, writes=True))

    def explore(self) -> Explorer:
        from etl_engine.connectors.sqlite.explorer import SqliteExplorer
        from etl_engine.connectors.sqlite.session import open_session

        return SqliteExplorer(open_session(self._file, writes=False))


def look_at(file: DatabaseFile, path: Path) -> Look:
    """A file that SQLite can be asked to open; Fault otherwise."""
    seen = file.look(path, _HEADER_BYTES)
    head = seen.head
    if head and not head.startswith(_MAGIC):
        raise Fault("not-sqlite", f"{file.typed} is not a SQLite file", "Use the path of a SQLite file.", Who.YOU)
    if len(head) == _HEADER_BYTES and max(head[18], head[19]) > _NEWEST_FORMAT:
        raise Fault(
            "version-too-new",
            f"{file.typed} was written by a newer SQLite than this engine has",
            "Write the file again with an older format: VACUUM INTO 'copy.db'",
            Who.YOU,
        )
    return seen
