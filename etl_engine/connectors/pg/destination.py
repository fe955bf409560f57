"""Writing to PostgreSQL: what stands at the target, what may be done there, and units of work."""

from collections.abc import Sequence

from etl_engine.connectors.names import double_quoted
from etl_engine.connectors.pg import catalog, hashes, successor
from etl_engine.connectors.pg.catalog import KIND, listed, quoted
from etl_engine.connectors.pg.ledger import Ledger
from etl_engine.connectors.pg.session import Session
from etl_engine.connectors.pg.source import forms
from etl_engine.connectors.pg.types import house_type, native_type
from etl_engine.connectors.pg.unit import PostgresqlUnit
from etl_engine.connectors.rows import Claim, Destination, Entry, Fingerprint, Unit
from etl_engine.errors import BadInput, Missing, Refused, Rejected
from etl_engine.model.table import Column, Table, TableName

_WRITABLE = ("r", "p")
_NEEDS = {"append": ("INSERT",), "merge": ("INSERT", "UPDATE", "SELECT"), "replace": ("INSERT", "TRUNCATE")}
_RESERVED = "_etl_"


class PostgresqlDestination(Destination):
    """One session that writes."""

    takes_plain = True

    def __init__(self, session: Session) -> None:
        self._session = session
        self.identity = session.identity

    def forms(self, table: Table) -> tuple[str, ...]:
        return forms(table)

    def resolve(self, target: str) -> tuple[TableName, Table | None]:
        session = self._session
        schemas, name = catalog.split(session, target)
        if name.startswith(_RESERVED):
            raise BadInput(
                f"Names that begin with {_RESERVED} are the engine's own", hint="Choose another target table."
            )
        with session.one_snapshot():  # a table may be replaced between two looks
            found = catalog.find(session, target)
            if found is None:
                return TableName(self._schema(schemas), name), None
            if found.relkind not in _WRITABLE:
                kind = {"v": "a view", "m": "a materialised view", "f": "a foreign table"}[found.relkind]
                raise Rejected(
                    f"{found.name} is {kind}, and rows are written to tables only", kind=KIND, hint="Choose a table."
                )
            return found.name, catalog.describe(session, found, () if found.readable else self._names(found))

    def may_write(self, name: TableName, existing: Table | None, mode: str) -> None:
        session, user = self._session, double_quoted(self._session.user)
        if existing is None or not Ledger(session, name.schema).there():
            self._may_create(name.schema)
        if existing is None:
            return
        lacking = [
            right
            for right in _NEEDS[mode]
            if not session.one("SELECT has_table_privilege(%s, %s)", (quoted(name), right))[0]
        ]
        if lacking:
            raise Refused(
                f"{session.user} lacks {' and '.join(lacking)} on {name}",
                kind=KIND,
                hint=f"GRANT {', '.join(lacking)} ON {quoted(name)} TO {user};",
            )

    def natives(self, table: Table, *, same_engine: bool) -> tuple[Column, ...]:
        made = []
        for column in table.columns:
            native = column.native if same_engine else native_type(column.type)
            labels = column.type.labels
            if same_engine and not self._has_type(native, labels):
                raise Missing(
                    f"The target has no type {native}, which the column {column.name} is of"
                    + (", or one with other labels" if labels else ""),
                    kind=KIND,
                    hint=_make_type(native, labels),
                )
            made.append(
                Column(
                    column.name,
                    native,
                    column.type if same_engine else house_type(native),
                    column.nullable,
                    portable=column.portable,
                )
            )
        return tuple(made)

    def ddl(self, name: TableName, columns: Sequence[Column], key: Sequence[str]) -> str:
        return create_table(quoted(name), columns, key)

    def added(self, name: TableName, column: Column) -> str:
        return add_column(quoted(name), column)

    def keyed(self, name: TableName, key: Sequence[str]) -> str:
        return f"CREATE UNIQUE INDEX ON {name} ({listed(key)});  its columns must be NOT NULL"

    def why_not_swapped(self, name: TableName) -> str:
        return successor.why_not_swapped(self._session, name)

    @property
    def readers_wait(self) -> bool:
        return True  # for TRUNCATE, which nobody reads beside

    def claim(self, name: TableName, stream: str, terms: str, *, fresh: bool, take_over: bool, mine: int = 0) -> Claim:
        self._ledger = Ledger(self._session, name.schema)
        return self._ledger.claim(name, stream, terms, fresh=fresh, take_over=take_over, mine=mine)

    def keep_plan(self, claim: Claim, plan: str) -> None:
        self._ledger.keep_plan(claim, plan)

    def entries(self, name: TableName, stream: str, run_id: str = "") -> list[Entry]:
        return Ledger(self._session, name.schema).entries(stream, run_id)

    def finished(self, claim: Claim) -> None:
        self._ledger.finished(claim)

    def unit(self, claim: Claim, name: TableName) -> Unit:
        return PostgresqlUnit(self._session, self._ledger, claim, name)

    def fingerprint(self, name: TableName, columns: Sequence[Column], *, each: bool) -> Fingerprint:
        return hashes.fingerprint(self._session, quoted(name), columns, each=each)

    def stop(self) -> None:
        self._session.stop()

    def close(self) -> None:
        self._session.close()

    def _names(self, found: catalog.Found) -> Sequence[str]:
        """A login that may write and not read still has to know the columns."""
        rows = self._session.rows(
            "SELECT attname::text FROM pg_attribute WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped "
            "ORDER BY attnum",
            (found.oid,),
        )
        return [str(name) for (name,) in rows]

    def _schema(self, wanted: Sequence[str]) -> str:
        """Where a new table goes."""
        there = catalog.schemas(self._session)
        for schema in wanted:
            if schema in there:
                return schema
        if not wanted:
            raise Missing(
                "The login has no schema to make tables in", kind=KIND, hint="Write the target as schema.table."
            )
        known = self._session.rows("SELECT 1 FROM pg_namespace WHERE nspname = %s", (wanted[0],))
        schema, user = double_quoted(wanted[0]), double_quoted(self._session.user)
        if known:
            raise Refused(
                f"{self._session.user} may not use the schema {wanted[0]}",
                kind=KIND,
                hint=f"GRANT USAGE, CREATE ON SCHEMA {schema} TO {user};",
            )
        raise Missing(
            f"There is no schema {wanted[0]}", kind=KIND, hint=f"CREATE SCHEMA {schema} AUTHORIZATION {user};"
        )

    def _may_create(self, schema: str) -> None:
        if not self._session.one("SELECT has_schema_privilege(%s, 'CREATE')", (schema,))[0]:
            user = self._session.user
            raise Refused(
                f"{user} may not make tables in the schema {schema}; the ledger of what was copied stands there too",
                kind=KIND,
                hint=f"GRANT CREATE ON SCHEMA {double_quoted(schema)} TO {double_quoted(user)};",
            )

    def _has_type(self, native: str, labels: tuple[str, ...]) -> bool:
        if not self._session.one("SELECT to_regtype(%s) IS NOT NULL", (native,))[0]:
            return False
        if not labels:
            return True
        rows = self._session.rows(
            "SELECT enumlabel::text FROM pg_enum WHERE enumtypid = to_regtype(%s)::oid ORDER BY enumsortorder",
            (native,),
        )
        return tuple(label for (label,) in rows) == labels


def create_table(sql_name: str, columns: Sequence[Column], key: Sequence[str], *, temporary: bool = False) -> str:
    lines = [
        f"{double_quoted(column.name)} {column.native}{'' if column.nullable or temporary else ' NOT NULL'}"
        for column in columns
    ]
    if key:
        lines.append(f"PRIMARY KEY ({listed(key)})")
    inside = ",\n    ".join(lines)
    tail = " ON COMMIT DROP" if temporary else ""
    return f"CREATE {'TEMPORARY ' if temporary else ''}TABLE {sql_name} (\n    {inside}\n){tail}"


def add_column(sql_name: str, column: Column) -> str:
    return f"ALTER TABLE {sql_name} ADD COLUMN {double_quoted(column.name)} {column.native}"


def _make_type(native: str, labels: tuple[str, ...]) -> str:
    if labels:
        from etl_engine.connectors.names import text_literal

        return f"CREATE TYPE {native} AS ENUM ({', '.join(map(text_literal, labels))});"
    return "Make the type, or install its extension, in the target; or cast the column with --query."
