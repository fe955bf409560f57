"""Writing to DuckDB: what stands at the target, what may be done there, and units of work."""

from collections.abc import Sequence

from etl_engine.connectors.duck import catalog
from etl_engine.connectors.duck.catalog import quoted
from etl_engine.connectors.duck.hashes import fingerprint
from etl_engine.connectors.duck.ledger import Ledger
from etl_engine.connectors.duck.refusals import KIND
from etl_engine.connectors.duck.session import Session
from etl_engine.connectors.duck.types import house_type, native_type
from etl_engine.connectors.duck.unit import DuckdbUnit, add_column, create_table
from etl_engine.connectors.names import double_quoted
from etl_engine.connectors.rows import ARROW, Claim, Destination, Entry, Fingerprint, Unit
from etl_engine.errors import BadInput, Missing, Refused, Rejected
from etl_engine.model.table import Column, Table, TableName

_RESERVED = "_etl_"
_IN_PLACE = "it keeps its indexes and whatever refers to it"


class DuckdbDestination(Destination):
    """One session that writes."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._ledgers: dict[str, Ledger] = {}
        self.identity = session.identity

    def forms(self, table: Table) -> tuple[str, ...]:
        return (ARROW,)

    def resolve(self, target: str) -> tuple[TableName, Table | None]:
        name = catalog.split(self._session, target)
        if name.name.lower().startswith(_RESERVED):
            raise BadInput(
                f"Names that begin with {_RESERVED} are the engine's own", hint="Choose another target table."
            )
        found = catalog.find(self._session, target)
        if found is None:
            return TableName(self._schema(name.schema), name.name), None
        if found.kind != "table":
            raise Rejected(
                f"{found.name} is a {found.kind}, and rows are written to tables only",
                kind=KIND,
                hint="Choose a table.",
            )
        return found.name, catalog.describe(self._session, found)

    def may_write(self, name: TableName, existing: Table | None, mode: str) -> None:
        if self._session.opened.read_only:
            raise Refused(
                f"{self._session.file} is open for reading only",
                kind=KIND,
                hint=f"chmod o+w {self._session.path} {self._session.path.parent}",
            )

    def natives(self, table: Table, *, same_engine: bool) -> tuple[Column, ...]:
        made = []
        for column in table.columns:
            native = column.native if same_engine else native_type(column.type)
            native = "VARCHAR" if native == "NULL" else native
            made.append(Column(column.name, native, house_type(native), column.nullable))
        return tuple(made)

    def ddl(self, name: TableName, columns: Sequence[Column], key: Sequence[str]) -> str:
        return create_table(quoted(name), columns, key)

    def added(self, name: TableName, column: Column) -> str:
        return add_column(quoted(name), column)

    def keyed(self, name: TableName, key: Sequence[str]) -> str:
        return f"ALTER TABLE {quoted(name)} ADD PRIMARY KEY ({catalog.listed(key)});"  # an index alone is none here

    def why_not_swapped(self, name: TableName) -> str:
        return _IN_PLACE

    def claim(self, name: TableName, stream: str, terms: str, *, fresh: bool, take_over: bool, mine: int = 0) -> Claim:
        self._ledger = self._in(name)
        return self._ledger.claim(str(name), stream, terms, fresh=fresh, take_over=take_over, mine=mine)

    def keep_plan(self, claim: Claim, plan: str) -> None:
        self._ledger.keep_plan(claim, plan)

    def entries(self, name: TableName, stream: str, run_id: str = "") -> list[Entry]:
        return self._in(name).entries(stream, run_id)

    def finished(self, claim: Claim) -> None:
        self._ledger.finished(claim)

    def unit(self, claim: Claim, name: TableName) -> Unit:
        return DuckdbUnit(self._session, self._ledger, claim, name)

    def fingerprint(self, name: TableName, columns: Sequence[Column], *, each: bool) -> Fingerprint:
        return fingerprint(self._session, quoted(name), columns, each=each)

    def stop(self) -> None:
        self._session.stop()

    def close(self) -> None:
        for ledger in self._ledgers.values():
            ledger.close()
        self._session.close()

    def _in(self, name: TableName) -> Ledger:
        return self._ledgers.setdefault(name.schema, Ledger(self._session, name.schema))

    def _schema(self, wanted: str) -> str:
        there = {schema.lower(): schema for schema in catalog.schemas(self._session)}
        if wanted.lower() not in there:
            raise Missing(
                f"There is no schema {wanted} in {self._session.file}",
                kind=KIND,
                hint=f"CREATE SCHEMA {double_quoted(wanted)};",
            )
        return there[wanted.lower()]
