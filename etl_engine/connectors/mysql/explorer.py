"""Looking around in a MySQL server."""

from etl_engine.connectors.mysql import catalog
from etl_engine.connectors.mysql.session import Session
from etl_engine.connectors.mysql.types import as_hex
from etl_engine.connectors.mysql.values import asked, text_of
from etl_engine.connectors.rows import Explorer
from etl_engine.model.table import Column, Family, Table


class MysqlExplorer(Explorer):
    """One session that only looks."""

    def __init__(self, session: Session) -> None:
        self._session = session
        session.run("SET SESSION TRANSACTION READ ONLY")

    def schemas(self) -> list[str]:
        return catalog.schemas(self._session)

    def tables(self, schema: str = "") -> list[Table]:
        return catalog.tables(self._session, schema)

    def describe(self, name: str) -> Table:
        return catalog.describe(self._session, catalog.must_find(self._session, name))

    def sample(self, name: str, rows: int) -> list[list[str | None]]:
        found = catalog.must_find(self._session, name)
        table = catalog.describe(self._session, found)
        texts = ", ".join(map(_shown, table.columns))
        query = f"SELECT {texts} FROM {found.sql} LIMIT {int(rows)}"  # noqa: S608 - quoted names and a number
        return [list(row) for row in self._session.rows(query, doing=f"reading {found.name}")]

    def close(self) -> None:
        self._session.close()


def _shown(column: Column) -> str:
    if column.type.family is Family.BITS:
        return asked(column)
    return f"HEX({asked(column)})" if as_hex(column.type) else text_of(column)
