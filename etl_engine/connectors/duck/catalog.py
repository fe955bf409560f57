"""What DuckDB's catalogue says about tables: names, exact columns, keys, sizes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import duckdb

from etl_engine.connectors.duck.refusals import KIND
from etl_engine.connectors.duck.session import Session
from etl_engine.connectors.duck.types import house_type
from etl_engine.connectors.names import double_quoted, nearest
from etl_engine.connectors.statements import insist_on_a_query
from etl_engine.errors import BadInput, Missing
from etl_engine.model.table import Column, Table, TableName, parse_name

_HERE = "database_name = current_database()"
_FIND = f"""
SELECT schema_name, table_name, 'table', estimated_size, table_oid FROM duckdb_tables()
WHERE {_HERE} AND NOT internal AND NOT temporary AND lower(table_name) = lower(?) AND lower(schema_name) = lower(?)
UNION ALL
SELECT schema_name, view_name, 'view', NULL, view_oid FROM duckdb_views()
WHERE {_HERE} AND NOT internal AND NOT temporary AND lower(view_name) = lower(?) AND lower(schema_name) = lower(?)
"""  # noqa: S608 - made of constants
_LIST = f"""
SELECT schema_name, table_name, 'table' AS kind, estimated_size FROM duckdb_tables()
WHERE {_HERE} AND NOT internal AND NOT temporary
UNION ALL
SELECT schema_name, view_name, 'view', NULL FROM duckdb_views() WHERE {_HERE} AND NOT internal AND NOT temporary
ORDER BY 1, 2
"""  # noqa: S608 - made of constants
_COLUMNS = f"""
SELECT c.column_name, c.data_type, c.is_nullable, c.column_default IS NOT NULL, i.is_generated = 'ALWAYS'
FROM duckdb_columns() c JOIN information_schema.columns i
ON i.table_catalog = c.database_name AND i.table_schema = c.schema_name AND i.table_name = c.table_name
   AND i.column_name = c.column_name
WHERE c.{_HERE} AND c.schema_name = ? AND c.table_name = ? ORDER BY c.column_index
"""  # noqa: S608 - made of constants
_KEYS = f"""
SELECT constraint_type, constraint_column_names FROM duckdb_constraints()
WHERE {_HERE} AND schema_name = ? AND table_name = ? AND constraint_type IN ('PRIMARY KEY', 'UNIQUE')
"""  # noqa: S608 - made of constants
_SCHEMAS = f"SELECT schema_name FROM duckdb_schemas() WHERE {_HERE} AND NOT internal OR schema_name = 'main' ORDER BY 1"  # noqa: S608
MAIN = "main"


@dataclass(frozen=True)
class Found:
    """A relation of the file."""

    name: TableName
    kind: str
    rows: int | None
    oid: str

    @property
    def sql(self) -> str:
        return quoted(self.name)


def quoted(name: TableName) -> str:
    return ".".join(double_quoted(part) for part in (name.schema, name.name) if part)


def listed(columns: Sequence[str]) -> str:
    return ", ".join(map(double_quoted, columns))


def split(session: Session, text: str) -> TableName:
    """Schema and name; a name alone is one of the schema main."""
    try:
        parts = parse_name(text)
    except ValueError as error:
        raise BadInput(
            f"The table name {text[:80]!r} {error}", hint='Write schema.table, or "My.Schema"."My Table".'
        ) from None
    if len(parts) == 3 and parts[0] == session.one("SELECT current_database()")[0]:
        parts = parts[1:]
    if len(parts) > 2:
        raise BadInput(f"The table name {text[:80]!r} has {len(parts)} parts", hint="Write schema.table.")
    if any("\0" in part for part in parts):
        raise BadInput("The table name has a NUL character", hint="Remove it.")
    if any(len(part) > 1000 for part in parts):
        raise BadInput(f"The table name {text[:40]!r}… is too long", hint="Use a shorter name.")
    return TableName(parts[0] if len(parts) == 2 else MAIN, parts[-1])


def find(session: Session, text: str) -> Found | None:
    name = split(session, text)
    rows = session.rows(_FIND, (name.name, name.schema, name.name, name.schema))
    if not rows:
        return None
    schema, table, kind, size, oid = rows[0]
    return Found(TableName(schema, table), kind, size, str(oid))


def must_find(session: Session, text: str) -> Found:
    found = find(session, text)
    if found is None:
        there = {f"{schema}.{name}": name for schema, name, *_ in session.rows(_LIST)}
        near = nearest(text, there) or [full for full, bare in there.items() if bare in nearest(text, there.values())]
        did = f"; did you mean {', '.join(near)}?" if near else ""
        raise Missing(
            f"There is no table {text} in {session.file}{did}",
            kind=KIND,
            hint="List the tables to see which there are.",
        )
    return found


def describe(session: Session, found: Found, columns: Sequence[str] = ()) -> Table:
    """The exact schema. With `columns`, of these in this order."""
    where = (found.name.schema, found.name.name)
    every = tuple(
        Column(name, native, house_type(native), nullable, generated, filled and not generated)
        for name, native, nullable, filled, generated in session.rows(_COLUMNS, where)
    )
    keys = session.rows(_KEYS, where) if found.kind == "table" else []
    never_null = {column.name for column in every if not column.nullable}
    table = Table(
        name=found.name,
        columns=every,
        key=next((tuple(names) for kind, names in keys if kind == "PRIMARY KEY"), ()),
        unique=tuple(tuple(names) for kind, names in keys if kind == "UNIQUE" and never_null.issuperset(names)),
        kind=found.kind,
        rows=found.rows,
        incarnation=found.oid,
    )
    return only(table, columns)


def describe_query(session: Session, query: str, columns: Sequence[str] = ()) -> Table:
    """What a query answers, without running it."""
    inner = one_query(session, query)
    rows = session.rows(f"DESCRIBE SELECT * FROM {inner} AS etl_query", doing="reading the query")  # noqa: S608
    names = [row[0] for row in rows]
    raw = session.rows(f"DESCRIBE {query.strip().rstrip(';')}", doing="reading the query")
    repeated = [row[0] for row in raw if [one[0] for one in raw].count(row[0]) > 1]
    if repeated or [row[0] for row in raw] != names:
        twice = (
            repeated[0] if repeated else next(one[0] for one, name in zip(raw, names, strict=True) if one[0] != name)
        )
        raise BadInput(f"The query has several columns named {twice!r}", hint="Give each a name of its own with AS.")
    made = tuple(Column(name, native.strip('"'), house_type(native)) for name, native, *_ in rows)
    return only(Table(None, made, kind="query"), columns)


def one_query(session: Session, query: str) -> str:
    """The query in parentheses, if the library takes it for one statement that selects."""
    insist_on_a_query(query, KIND)
    with session.errors("reading the query"):
        statements = session.connection.extract_statements(query)
    if len(statements) != 1:
        raise BadInput("The query is more than one statement", hint="Give one SELECT, without a semicolon in it.")
    if statements[0].type is not duckdb.StatementType.SELECT:
        raise BadInput("The query is not a SELECT", hint="Give one SELECT.")
    if statements[0].named_parameters:
        raise BadInput("The query has a parameter in it", hint="Write the value into the query.")
    return f"(\n{query.strip().rstrip(';')}\n)"


def tables(session: Session, schema: str = "") -> list[Table]:
    return [
        Table(TableName(namespace, name), (), kind=kind, rows=size)
        for namespace, name, kind, size in session.rows(_LIST)
        if not name.startswith("_etl_") and (not schema or namespace == schema)
    ]


def schemas(session: Session) -> list[str]:
    return sorted({str(name) for (name,) in session.rows(_SCHEMAS)})


def only(table: Table, columns: Sequence[str]) -> Table:
    if not columns:
        return table
    chosen = []
    for name in columns:
        column = table.column(name)
        if column is None:
            near = nearest(name, table.names)
            raise Missing(
                f"{table.name or 'The query'} has no column {name!r}",
                kind=KIND,
                hint=f"Did you mean {', '.join(near)}?" if near else f"It has: {', '.join(table.names)[:300]}",
            )
        chosen.append(column)
    kept = set(columns)
    return replace(
        table,
        columns=tuple(chosen),
        key=table.key if kept.issuperset(table.key) else (),
        unique=tuple(key for key in table.unique if kept.issuperset(key)),
    )
