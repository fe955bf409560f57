"""The data plane of a DuckDB connection: what the kind's connector inherits. Loads no driver by itself."""

from pathlib import Path

from etl_engine.connectors.contract import Who
from etl_engine.connectors.database_file import DatabaseFile, Look
from etl_engine.connectors.exploring import Explorer
from etl_engine.connectors.fault import Fault
from etl_engine.connectors.rows import Destination, Explores, Reads, Source, Writes

JOURNALS = (".wal",)
_MAGIC_AT, _MAGIC = 8, b"DUCK"
_HEADER_BYTES = 4096


class DuckdbData(Reads, Writes, Explores):
    """Opens sessions of its own; several may be open at once, in this process."""

    _file: DatabaseFile
    _read_only: bool

    def open_source(self) -> Source:
        from etl_engine.connectors.duck.session import open_session
        from etl_engine.connectors.duck.source import DuckdbSource

        return DuckdbSource(open_session(self._file, read_only=self._read_only, writes=False))

    def open_destination(self) -> Destination:
        from etl_engine.connectors.duck.destination import DuckdbDestination
        from etl_engine.connectors.duck.session import open_session

        return DuckdbDestination(open_session(self._file, read_only=self._read_only, writes=True))

    def explore(self) -> Explorer:
        from etl_engine.connectors.duck.explorer import DuckdbExplorer
        from etl_engine.connectors.duck.session import open_session

        return DuckdbExplorer(open_session(self._file, read_only=self._read_only, writes=False))


def look_at(file: DatabaseFile, path: Path) -> Look:
    """A file that DuckDB can be asked to open; Fault otherwise."""
    seen = file.look(path, _HEADER_BYTES)
    if not seen.held and seen.head[_MAGIC_AT : _MAGIC_AT + len(_MAGIC)] != _MAGIC:
        what = "is empty" if not seen.head else "is not a DuckDB file"
        raise Fault(
            "not-duckdb",
            f"{file.typed} {what}",
            'Use the path of a DuckDB file; duckdb makes one: duckdb new.duckdb -c "SELECT 1"',
            Who.YOU,
        )
    if "?" in str(path):  # it takes what stands behind for options, and would write its journal beside another name
        raise Fault(
            "name-not-usable", f"DuckDB cannot use the name {file.typed}: it has a ? in it", "Rename it.", Who.YOU
        )
    return seen
