"""What the information schema says about tables: names, exact columns, keys, sizes."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from etl_engine.connectors.mysql import packets
from etl_engine.connectors.mysql.names import LONGEST_NAME, quoted
from etl_engine.connectors.mysql.refusals import KIND
from etl_engine.connectors.mysql.session import Session
from etl_engine.connectors.mysql.types import house_type
from etl_engine.connectors.names import nearest
from etl_engine.errors import BadInput, Missing, Refused
from etl_engine.model.table import Column, Table, TableName, parse_name

_SYSTEM = "('mysql', 'information_schema', 'performance_schema', 'sys')"
_FIND = """
SELECT table_schema, table_name, table_type, engine, table_rows, data_length, create_time
FROM information_schema.tables WHERE table_schema = %s AND table_name = %s
"""
_COLUMNS = """
SELECT column_name, column_type, is_nullable, extra, column_default, collation_name, generation_expression
FROM information_schema.columns WHERE table_schema = %s AND table_name = %s ORDER BY ordinal_position
"""
_KEYS = """
SELECT index_name, column_name, sub_part, nullable FROM information_schema.statistics
WHERE table_schema = %s AND table_name = %s AND non_unique = 0 ORDER BY index_name, seq_in_index
"""
_JSON_CHECKS = """
SELECT check_clause FROM information_schema.check_constraints
WHERE constraint_schema = %s AND table_name = %s AND check_clause LIKE 'json_valid(%%'
"""
_TABLES = f"""
SELECT table_schema, table_name, table_type, table_rows, data_length FROM information_schema.tables
WHERE table_schema NOT IN {_SYSTEM} AND table_name NOT LIKE '\\\\_etl\\\\_%%' AND table_schema LIKE %s
AND table_type IN ('BASE TABLE', 'VIEW', 'SYSTEM VERSIONED', 'SEQUENCE') ORDER BY table_schema, table_name
"""  # noqa: S608 - made of constants
_SCHEMAS = f"SELECT schema_name FROM information_schema.schemata WHERE schema_name NOT IN {_SYSTEM} ORDER BY 1"  # noqa: S608
_GENERATED = re.compile(r"\b(VIRTUAL|STORED|PERSISTENT)\b|ROW (START|END)", re.IGNORECASE)
_KINDS = {"BASE TABLE": "table", "SYSTEM VERSIONED": "table", "VIEW": "view", "SYSTEM VIEW": "view"}

# Of the head of a result: flags, character sets, type codes.
_NOT_NULL, _UNSIGNED, _BINARY_CHARSET = 1, 32, 63
_UNKNOWN_SCALE = 31
_MOST_BYTES = 4  # of a character in the session's character set
_QUERY_TYPES = {
    1: "tinyint",
    2: "smallint",
    9: "mediumint",
    3: "int",
    8: "bigint",
    4: "float",
    5: "double",
    6: "null",
    10: "date",
    14: "date",
    13: "year",
    245: "json",
}
_QUERY_MOMENTS = {7: "timestamp", 11: "time", 12: "datetime"}
_SHORTEST_MOMENT = {7: 19, 11: 10, 12: 19}


@dataclass(frozen=True)
class Found:
    """A table or view of the catalogue."""

    name: TableName
    kind: str
    engine: str  # "" for a view
    rows: int | None
    bytes: int | None
    incarnation: str

    @property
    def sql(self) -> str:
        return quoted(self.name)


def split(session: Session, text: str) -> TableName:
    try:
        parts = parse_name(text)
    except ValueError as error:
        raise BadInput(
            f"The table name {text!r} {error}", hint='Write table or database.table, or "My.Database"."My Table".'
        ) from None
    if len(parts) > 2:
        raise BadInput(f"The table name {text!r} has {len(parts)} parts", hint="Write table or database.table.")
    for part in parts:
        if len(part) > LONGEST_NAME:
            raise BadInput(
                f"The name {part[:80]!r} is longer than MySQL's {LONGEST_NAME} characters", hint="Use a shorter name."
            )
        if "\0" in part or part != part.rstrip() or any(ord(character) > 0xFFFF for character in part):
            raise BadInput(
                f"The name {part!r} has a character that MySQL takes in no name", hint="Use another table name."
            )
    schema, name = (session.database, parts[0]) if len(parts) == 1 else parts
    return TableName(schema, name)


def find(session: Session, text: str) -> Found | None:
    return look_up(session, split(session, text))


def look_up(session: Session, name: TableName) -> Found | None:
    rows = session.rows(_FIND, (name.schema, name.name))
    # Where names differ by case, the one that was written; where the server folds them, the one there is.
    found = next((row for row in rows if (row[0], row[1]) == (name.schema, name.name)), rows[0] if rows else None)
    if found is None:
        return None
    schema, table, kind, engine, count, size, created = found
    is_table = kind in ("BASE TABLE", "SYSTEM VERSIONED")
    return Found(
        TableName(str(schema), str(table)),
        _KINDS.get(kind, str(kind).lower()),
        str(engine or ""),
        int(count) if is_table and count is not None else None,
        int(size) if is_table and size is not None else None,
        str(created or ""),
    )


def must_find(session: Session, text: str) -> Found:
    """The table, or an error with the names that look alike, or with the GRANT that is missing."""
    found = find(session, text)
    if found is not None:
        return found
    name = split(session, text)
    if name.schema not in schemas(session):
        near = nearest(name.schema, schemas(session))
        raise Missing(
            f"There is no database {name.schema}, or this account may not see it"
            + (f"; did you mean {', '.join(near)}?" if near else ""),
            kind=KIND,
            hint=f"GRANT SELECT ON {quoted(TableName('', name.schema))}.* TO {session.account};",
        )
    there = [str(table.name) for table in tables(session)]
    near = [str(table.name) for table in tables(session, name.schema) if table.name]
    bare = {one.rpartition(".")[2]: one for one in near}
    alike = nearest(str(name), there) or [bare[one] for one in nearest(name.name, bare)]
    raise Missing(
        f"There is no table {text}, or this account may not see it"
        + (f"; did you mean {', '.join(alike)}?" if alike else ""),
        kind=KIND,
        hint="List the tables to see which there are.",
    )


def describe(session: Session, found: Found, columns: Sequence[str] = ()) -> Table:
    """The exact schema. With `columns`, of these in this order."""
    where = (found.name.schema, found.name.name)
    documents = _json_columns(session, found)
    every = tuple(_column(session, row, documents) for row in session.rows(_COLUMNS, where))
    if not every:
        raise Refused(
            f"{session.user} may not read {found.name}",
            kind=KIND,
            hint=f"GRANT SELECT ON {found.sql} TO {session.account};",
        )
    keys: dict[str, list[tuple[str, bool]]] = {}
    for index, column, prefix, nullable in session.rows(_KEYS, where):
        # The key of a prefix, or of an expression, says nothing of whole values that merging could go by.
        keys.setdefault(index, []).append((column, column is None or prefix is not None or nullable == "YES"))
    usable = {
        index: tuple(column for column, _ in parts)
        for index, parts in keys.items()
        if not any(unfit for _, unfit in parts)
    }
    table = Table(
        name=found.name,
        columns=every,
        key=usable.get("PRIMARY", ()),
        unique=tuple(parts for index, parts in usable.items() if index != "PRIMARY"),
        kind=found.kind,
        rows=found.rows,
        bytes=found.bytes,
        incarnation=found.incarnation,
    )
    return only(table, columns)


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


def describe_query(session: Session, query: str) -> Table:
    """What a query answers, without running it to its end."""
    with session.translating("reading the query"):
        # A derived table takes one SELECT only, and no two columns of one name.
        answer = packets.ask(session.connection, f"SELECT * FROM (\n{query}\n) AS etl_query LIMIT 0")  # noqa: S608
        for _ in answer.blocks:
            pass
    columns = []
    for field in answer.fields:
        native = _native_of(field)
        type_ = house_type(native, exact_json=session.dialect.has_exact_json)
        columns.append(Column(field.name, native, type_, not field.flags & _NOT_NULL))
    return Table(None, tuple(columns), kind="query")


def tables(session: Session, schema: str = "") -> list[Table]:
    wanted = schema.replace("\\", "\\\\").replace("_", "\\_").replace("%", "\\%") if schema else "%"
    return [
        Table(
            TableName(str(database), str(name)),
            (),
            kind=_KINDS.get(kind, str(kind).lower()),
            rows=None if kind == "VIEW" or rows is None else int(rows),
            bytes=None if kind == "VIEW" or size is None else int(size),
        )
        for database, name, kind, rows, size in session.rows(_TABLES, (wanted,))
    ]


def schemas(session: Session) -> list[str]:
    return [str(name) for (name,) in session.rows(_SCHEMAS)]


def _column(session: Session, row: Any, documents: set[str]) -> Column:
    name, native, nullable, extra, default, collation, expression = row
    native = str(native)
    if name in documents:
        native = "json"
    elif collation and not native.startswith("json"):
        native = f"{native} collate {collation}"
    generated = bool(expression) or bool(_GENERATED.search(extra or ""))
    if generated and "ROW " in (extra or ""):
        native = native.partition(" GENERATED")[0]
    filled = "auto_increment" in extra or (default is not None and str(default) != "NULL")
    type_ = house_type(native, exact_json=session.dialect.has_exact_json)
    return Column(str(name), native, type_, nullable == "YES", generated, filled)


def _json_columns(session: Session, found: Found) -> set[str]:
    """MariaDB's JSON is a text that is checked: only the check tells it from any other."""
    if not session.dialect.mariadb or found.kind != "table":
        return set()
    clauses = session.rows(_JSON_CHECKS, (found.name.schema, found.name.name))
    return {str(clause)[len("json_valid(`") : -2].replace("``", "`") for (clause,) in clauses}


def _native_of(field: Any) -> str:
    """The type of a column of a result, as far as the result's head tells."""
    code, length, scale = field.type_code, field.length, field.scale
    if code in _QUERY_TYPES:
        unsigned = " unsigned" if field.flags & _UNSIGNED and code in (1, 2, 9, 3, 8) else ""
        return f"{_QUERY_TYPES[code]}{unsigned}"
    if code in _QUERY_MOMENTS:
        digits = scale if scale < _UNKNOWN_SCALE else 6
        return f"{_QUERY_MOMENTS[code]}({digits})" if digits else _QUERY_MOMENTS[code]
    if code in (0, 246):
        precision = length - (1 if scale else 0) - (0 if field.flags & _UNSIGNED else 1)
        return f"decimal({max(precision, scale, 1)},{scale})"
    if code == 16:
        return f"bit({length})"
    if code == 255:
        return "geometry"
    if field.charsetnr == _BINARY_CHARSET:
        return f"varbinary({length})" if length <= 65535 and code in (15, 253, 254) else "longblob"
    characters = length // _MOST_BYTES
    return f"varchar({characters})" if 0 < characters <= 16383 and code in (15, 253, 254) else "longtext"
