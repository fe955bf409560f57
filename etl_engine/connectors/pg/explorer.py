"""Looking around in a PostgreSQL database."""

from etl_engine.connectors.names import double_quoted
from etl_engine.connectors.pg import catalog
from etl_engine.connectors.pg.session import Session
from etl_engine.connectors.rows import Explorer
from etl_engine.model.table import Table


class PostgresqlExplorer(Explorer):
    """One session that only looks."""

    def __init__(self, session: Session) -> None:
        self._session = session
        session.run("SET default_transaction_read_only = on")

    def schemas(self) -> list[str]:
        return catalog.schemas(self._session)

    def tables(self, schema: str = "") -> list[Table]:
        return catalog.tables(self._session, schema)

    def describe(self, name: str) -> Table:
        return catalog.describe(self._session, catalog.must_find(self._session, name))

    def sample(self, name: str, rows: int) -> list[list[str | None]]:
        found = catalog.must_find(self._session, name)
        table = catalog.describe(self._session, found)
        texts = ", ".join(f"{double_quoted(column)}::text" for column in table.names)
        query = f"SELECT {texts} FROM {found.sql} LIMIT {int(rows)}"  # noqa: S608 - quoted names and a number
        return [list(row) for row in self._session.rows(query, doing=f"reading {found.name}")]

    def close(self) -> None:
        self._session.close()
