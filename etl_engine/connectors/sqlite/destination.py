"""Writing to SQLite: what stands at the target, what may be done there, and units of work."""

import os
from collections.abc import Sequence

from etl_engine.connectors.names import double_quoted
from etl_engine.connectors.rows import ARROW, Claim, Destination, Entry, Fingerprint, Unit
from etl_engine.connectors.sqlite import catalog
from etl_engine.connectors.sqlite.hashes import fingerprint
from etl_engine.connectors.sqlite.ledger import Ledger
from etl_engine.connectors.sqlite.refusals import KIND
from etl_engine.connectors.sqlite.session import Session
from etl_engine.connectors.sqlite.types import holding_type, native_type
from etl_engine.connectors.sqlite.unit import SqliteUnit, add_column, create_table
from etl_engine.errors import BadInput, Refused, Rejected
from etl_engine.model.table import Column, Table, TableName

_RESERVED = ("_etl_", "sqlite_")
_IN_PLACE = "a SQLite file has one writer at a time"


class SqliteDestination(Destination):
    """One session that writes."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._ledger = Ledger(session)
        self.identity = session.identity

    def forms(self, table: Table) -> tuple[str, ...]:
        return (ARROW,)

    def resolve(self, target: str) -> tuple[TableName, Table | None]:
        name = catalog.bare_name(target)
        for reserved in _RESERVED:
            if name.lower().startswith(reserved):
                whose = "SQLite's" if reserved == "sqlite_" else "the engine's"
                raise BadInput(f"Names that begin with {reserved} are {whose} own", hint="Choose another target table.")
        found = catalog.find(self._session, target)
        if found is None:
            return TableName("", name), None
        if found.kind != "table":
            what = {"virtual": "a virtual table"}.get(found.kind, f"a {found.kind}")
            raise Rejected(
                f"{found.name} is {what}, and rows are written to tables only", kind=KIND, hint="Choose a table."
            )
        return TableName("", found.name), catalog.describe(self._session, found, writes=True)

    def may_write(self, name: TableName, existing: Table | None, mode: str) -> None:
        path = self._session.path
        for place, what in ((path, self._session.file), (path.parent, f"The folder of {self._session.file}")):
            if not os.access(place, os.W_OK):
                raise Refused(
                    f"{what} may not be written by the account of this engine", kind=KIND, hint=f"chmod o+w {place}"
                )

    def natives(self, table: Table, *, same_engine: bool) -> tuple[Column, ...]:
        made = []
        for column in table.columns:
            native = column.native if same_engine and table.name else native_type(column.type)
            type_ = column.type if same_engine and table.name else holding_type(native)
            made.append(Column(column.name, native, type_, column.nullable))
        return tuple(made)

    def ddl(self, name: TableName, columns: Sequence[Column], key: Sequence[str]) -> str:
        return create_table(double_quoted(name.name), columns, key)

    def added(self, name: TableName, column: Column) -> str:
        return add_column(double_quoted(name.name), column)

    def keyed(self, name: TableName, key: Sequence[str]) -> str:
        index, table = double_quoted(f"{name.name}_key"), double_quoted(name.name)
        return f"CREATE UNIQUE INDEX {index} ON {table} ({catalog.listed(key)});  its columns must be NOT NULL"

    def why_not_swapped(self, name: TableName) -> str:
        return _IN_PLACE

    @property
    def readers_wait(self) -> bool:
        return bool(self._session.one("PRAGMA main.journal_mode")[0] != "wal")

    def claim(self, name: TableName, stream: str, terms: str, *, fresh: bool, take_over: bool, mine: int = 0) -> Claim:
        return self._ledger.claim(str(name), stream, terms, fresh=fresh, take_over=take_over, mine=mine)

    def keep_plan(self, claim: Claim, plan: str) -> None:
        # Where the source of this copy reads this very file, it is read in one piece: nothing was cut.
        if not self._session.readers_wait:
            self._ledger.keep_plan(claim, plan)

    def entries(self, name: TableName, stream: str, run_id: str = "") -> list[Entry]:
        return self._ledger.entries(stream, run_id)

    def finished(self, claim: Claim) -> None:
        self._ledger.finished(claim)

    def unit(self, claim: Claim, name: TableName) -> Unit:
        return SqliteUnit(self._session, self._ledger, claim, name)

    def fingerprint(self, name: TableName, columns: Sequence[Column], *, each: bool) -> Fingerprint:
        return fingerprint(self._session, catalog.quoted(name.name), columns, each=each)

    def stop(self) -> None:
        self._session.stop()

    def close(self) -> None:
        self._ledger.close()
        self._session.close()
