"""Writing to MySQL: what stands at the target, what may be done there, and units of work."""

import re
from collections.abc import Sequence
from dataclasses import replace

from etl_engine.connectors.mysql import catalog, hashes, rights, successor
from etl_engine.connectors.mysql.ledger import Ledger
from etl_engine.connectors.mysql.names import listed, quoted
from etl_engine.connectors.mysql.refusals import KIND
from etl_engine.connectors.mysql.session import Session
from etl_engine.connectors.mysql.shapes import add_column, create_table
from etl_engine.connectors.mysql.types import base_of, house_type, native_type
from etl_engine.connectors.mysql.unit import MysqlUnit
from etl_engine.connectors.rows import ARROW, Claim, Destination, Entry, Fingerprint, Unit
from etl_engine.errors import BadInput, Missing, Rejected
from etl_engine.model.table import Column, Family, Table, TableName

_RESERVED = "_etl_"
_COLLATE = re.compile(r" collate (\w+)$")
_OF_MARIADB = {"uuid": (10, 7), "inet6": (10, 5), "inet4": (10, 10), "vector": (11, 7)}
_LEDGER_RIGHTS = ("CREATE", "SELECT", "INSERT", "UPDATE", "DELETE")
_NEEDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "append": (("INSERT",), _LEDGER_RIGHTS),
    "merge": (("INSERT", "UPDATE", "SELECT"), (*_LEDGER_RIGHTS, "CREATE TEMPORARY TABLES")),
    "replace": (("INSERT", "SELECT", "ALTER", "DROP"), (*_LEDGER_RIGHTS, "DROP", "ALTER")),
}


class MysqlDestination(Destination):
    """One session that writes."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.identity = session.identity

    def forms(self, table: Table) -> tuple[str, ...]:
        return (ARROW,)

    def resolve(self, target: str) -> tuple[TableName, Table | None]:
        session = self._session
        name = catalog.split(session, target)
        if name.name.startswith(_RESERVED):
            raise BadInput(
                f"Names that begin with {_RESERVED} are the engine's own", hint="Choose another target table."
            )
        found = catalog.look_up(session, name)
        if found is None:
            if name.schema not in catalog.schemas(session):
                raise Missing(
                    f"There is no database {name.schema}, or this account may not see it",
                    kind=KIND,
                    hint=f"CREATE DATABASE {quoted(TableName('', name.schema))};",
                )
            return name, None
        if found.kind != "table":
            raise Rejected(
                f"{found.name} is a {found.kind}, and rows are written to tables only",
                kind=KIND,
                hint="Choose a table.",
            )
        if found.engine.lower() != "innodb":
            raise Rejected(
                f"{found.name} is a table of the engine {found.engine}, which knows no transactions: a copy that is "
                "broken off would leave half of its rows",
                kind=KIND,
                hint=f"ALTER TABLE {found.sql} ENGINE=InnoDB;",
            )
        return found.name, catalog.describe(session, found)

    def may_write(self, name: TableName, existing: Table | None, mode: str) -> None:
        on_table, on_database = _NEEDS[mode]
        if existing is None:  # made under another name, which it then gets
            every = dict.fromkeys((*on_table, *on_database, "DROP", "ALTER"))
            rights.insist(self._session, name, (), tuple(every))
        else:
            rights.insist(self._session, name, on_table, on_database)

    def natives(self, table: Table, *, same_engine: bool) -> tuple[Column, ...]:
        if same_engine:
            return tuple(map(self._same, table.columns))
        dialect = self._session.dialect
        unlimited = sum(
            column.name in table.key and column.type.family in (Family.TEXT, Family.BYTES, Family.OTHER)
            for column in table.columns
        )
        made = []
        for column in table.columns:
            native = native_type(column.type, dialect, unlimited if column.name in table.key else 0)
            type_ = house_type(native, exact_json=dialect.has_exact_json)
            made.append(Column(column.name, native, type_, column.nullable))
        return tuple(made)

    def ddl(self, name: TableName, columns: Sequence[Column], key: Sequence[str]) -> str:
        return create_table(quoted(name), columns, key, self._session.dialect)

    def added(self, name: TableName, column: Column) -> str:
        return add_column(quoted(name), column)

    def keyed(self, name: TableName, key: Sequence[str]) -> str:
        return f"ALTER TABLE {quoted(name)} ADD UNIQUE ({listed(key)});  its columns must be NOT NULL"

    def why_not_swapped(self, name: TableName) -> str:
        return successor.why_not_swapped(self._session, name)

    def claim(self, name: TableName, stream: str, terms: str, *, fresh: bool, take_over: bool, mine: int = 0) -> Claim:
        self._ledger = Ledger(self._session, name.schema)
        claim = self._ledger.claim(name, stream, terms, fresh=fresh, take_over=take_over, mine=mine)
        successor.repair(self._session, self._ledger, stream, name)
        return claim

    def keep_plan(self, claim: Claim, plan: str) -> None:
        self._ledger.keep_plan(claim, plan)

    def entries(self, name: TableName, stream: str, run_id: str = "") -> list[Entry]:
        return Ledger(self._session, name.schema).entries(stream, run_id)

    def finished(self, claim: Claim) -> None:
        self._ledger.finished(claim)

    def unit(self, claim: Claim, name: TableName) -> Unit:
        return MysqlUnit(self._session, self._ledger, claim, name)

    def fingerprint(self, name: TableName, columns: Sequence[Column], *, each: bool) -> Fingerprint:
        return hashes.fingerprint(self._session, quoted(name), columns, each=each)

    def stop(self) -> None:
        self._session.stop()

    def close(self) -> None:
        self._session.close()

    def _same(self, column: Column) -> Column:
        """The type as the other server of this family writes it, in the words of this one."""
        native, dialect = column.native, self._session.dialect
        base = base_of(native)
        if base in _OF_MARIADB and not (dialect.mariadb and dialect.version >= _OF_MARIADB[base]):
            raise Missing(
                f"The target has no type {base}, which the column {column.name} is of",
                kind=KIND,
                hint="Cast the column with --query.",
            )
        found = _COLLATE.search(native)
        if found and not self._has_collation(found[1]):
            native = f"{native[: found.start()]} collate {dialect.collation}"
        type_ = house_type(native, exact_json=dialect.has_exact_json)
        return replace(column, native=native, type=type_, generated=False, filled=False)

    def _has_collation(self, name: str) -> bool:
        return bool(
            self._session.rows("SELECT 1 FROM information_schema.collations WHERE collation_name = %s", (name,))
        )
