"""Looking around in a SQLite file."""

from etl_engine.connectors.exploring import Explorer
from etl_engine.connectors.names import double_quoted
from etl_engine.connectors.sqlite import catalog
from etl_engine.connectors.sqlite.session import Session
from etl_engine.connectors.sqlite.values import shown
from etl_engine.model.table import Table


class SqliteExplorer(Explorer):
    """One session that only looks."""

    def __init__(self, session: Session) -> None:
        self._session = session
        session.connection.text_factory = lambda data: data.decode("utf-8", "surrogateescape")

    def schemas(self) -> list[str]:
        return ["main"]

    def tables(self, schema: str = "") -> list[Table]:
        return catalog.tables(self._session) if schema.lower() in ("", "main") else []

    def describe(self, name: str) -> Table:
        return catalog.describe(self._session, catalog.must_find(self._session, name))

    def sample(self, name: str, rows: int) -> list[list[str | None]]:
        found = catalog.must_find(self._session, name)
        names = ", ".join(map(double_quoted, catalog.describe(self._session, found).names))
        query = f"SELECT {names} FROM {found.sql} LIMIT ?"  # noqa: S608 - quoted names
        return [
            [None if value is None else shown(value) for value in row]
            for row in self._session.rows(query, (int(rows),), doing=f"reading {found.name}")
        ]

    def close(self) -> None:
        self._session.close()
