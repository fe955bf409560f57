"""Columns that an existing target gets before the first row.

DDL commits by itself, and before the transaction of the rows. So it is written down first which columns come, and the
transaction that commits the rows strikes it out. Whoever finds it still there takes the columns back: the run at its
end, or, where that was killed, the next claim.
"""

import json
from dataclasses import dataclass, replace

from etl_engine.connectors.catalogue.mysql import back_quoted
from etl_engine.connectors.mysql import catalog
from etl_engine.connectors.mysql.ledger import Ledger
from etl_engine.connectors.mysql.names import quoted
from etl_engine.connectors.mysql.session import Session
from etl_engine.connectors.mysql.shapes import add_column
from etl_engine.connectors.rows import Claim
from etl_engine.faultpoints import faultpoint
from etl_engine.model.table import Column, TableName

_ADDED = "added"


@dataclass(frozen=True)
class Widened:
    """Columns of one table that no committed row has a value for yet."""

    table: TableName
    columns: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        return json.dumps({_ADDED: [self.table.schema, self.table.name, *self.columns]}, ensure_ascii=False)

    @classmethod
    def of(cls, intent: str) -> "Widened | None":
        """None where something else was intended."""
        found = json.loads(intent)
        if not isinstance(found, dict):
            return None
        schema, name, *columns = map(str, found[_ADDED])
        return cls(TableName(schema, name), tuple(columns))


def widen(session: Session, ledger: Ledger, claim: Claim, widened: Widened, column: Column) -> Widened:
    """One column more; it is written down before it is there."""
    more = replace(widened, columns=(*widened.columns, column.name))
    ledger.intend(claim, more.text)
    faultpoint("copy.widening")
    session.run(add_column(quoted(more.table), column), doing=f"adding the column {column.name} to {more.table}")
    faultpoint("copy.widened")
    return more


def take_back(session: Session, widened: Widened) -> None:
    """Without those that somebody else has begun to use."""
    if catalog.look_up(session, widened.table) is None:
        return
    table = quoted(widened.table)
    for column in _there(session, widened):
        name = back_quoted(column)
        if not session.rows(f"SELECT 1 FROM {table} WHERE {name} IS NOT NULL LIMIT 1"):  # noqa: S608 - quoted
            session.run(f"ALTER TABLE {table} DROP COLUMN {name}", doing=f"taking the column {column} back")


def _there(session: Session, widened: Widened) -> list[str]:
    rows = session.rows(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = %s AND table_name = %s",
        (widened.table.schema, widened.table.name),
    )
    found = {str(name) for (name,) in rows}
    return [name for name in widened.columns if name in found]
