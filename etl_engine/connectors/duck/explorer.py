"""Looking around in a DuckDB file."""

from etl_engine.connectors.duck import catalog
from etl_engine.connectors.duck.session import Session
from etl_engine.connectors.duck.types import reading
from etl_engine.connectors.exploring import Explorer
from etl_engine.connectors.names import double_quoted
from etl_engine.model.table import Table


class DuckdbExplorer(Explorer):
    """One session that only looks."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def schemas(self) -> list[str]:
        return catalog.schemas(self._session)

    def tables(self, schema: str = "") -> list[Table]:
        return catalog.tables(self._session, schema)

    def describe(self, name: str) -> Table:
        return catalog.describe(self._session, catalog.must_find(self._session, name))

    def sample(self, name: str, rows: int) -> list[list[str | None]]:
        found = catalog.must_find(self._session, name)
        texts = ", ".join(
            f"CAST({reading(double_quoted(one.name), one.native, one.type)} AS VARCHAR)"
            for one in catalog.describe(self._session, found).columns
        )
        query = f"SELECT {texts} FROM {found.sql} LIMIT {int(rows)}"  # noqa: S608 - quoted names and a number
        return [list(row) for row in self._session.rows(query, doing=f"reading {found.name}")]

    def close(self) -> None:
        self._session.close()
