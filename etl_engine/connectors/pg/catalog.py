"""What PostgreSQL's catalogue says about tables: names, exact columns, keys, sizes, rights."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from etl_engine.connectors.names import double_quoted, nearest
from etl_engine.connectors.pg.session import Session
from etl_engine.connectors.pg.types import house_type
from etl_engine.errors import BadInput, Missing, Refused
from etl_engine.model.table import Column, Table, TableName, parse_name

KIND = "postgresql"
LONGEST_NAME = 63
_READABLE = {"r": "table", "p": "table", "v": "view", "m": "view", "f": "foreign table"}
_FIND = """
SELECT c.oid, n.nspname, c.relname, c.relkind, c.reltuples::bigint, pg_relation_filenode(c.oid),
       has_schema_privilege(n.oid, 'USAGE'), has_table_privilege(c.oid, 'SELECT')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname = %(name)s AND n.nspname = ANY(%(schemas)s) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
ORDER BY array_position(%(schemas)s, n.nspname::text) LIMIT 1
"""
# A type is portable when its binary form has no meaning of one server in it: no object ids, no types of users.
_PORTABLE = """({0}.typnamespace = 'pg_catalog'::regnamespace AND {0}.oid < 16384 AND {0}.typtype IN ('b', 'r', 'm')
        AND {0}.typsend <> 0 AND {0}.typreceive <> 0 AND {0}.typname !~ '^_?reg' AND {0}.typname <> '_aclitem')"""
_COLUMNS = f"""
SELECT a.attname, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull, a.attgenerated <> '',
       a.atthasdef OR a.attidentity <> '',
       {_PORTABLE.format("t")} AND (t.typelem = 0 OR {_PORTABLE.format("e")}),
       (SELECT array_agg(enumlabel::text ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = t.oid)
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_type e ON e.oid = t.typelem
WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""  # noqa: S608 - made of constants
_KEYS = """
SELECT i.indisprimary, array_agg(a.attname::text ORDER BY k.place)
FROM pg_index i, unnest(i.indkey) WITH ORDINALITY AS k(attnum, place)
JOIN pg_attribute a ON a.attnum = k.attnum
WHERE i.indrelid = %s AND a.attrelid = i.indrelid AND i.indisunique AND i.indisvalid AND i.indimmediate
  AND i.indpred IS NULL AND i.indexprs IS NULL AND k.place <= i.indnkeyatts
GROUP BY i.indexrelid, i.indisprimary HAVING bool_and(a.attnotnull)
"""
_TABLES = """
SELECT n.nspname, c.relname, c.relkind, c.reltuples::bigint,
       CASE WHEN c.relkind IN ('r', 'm') THEN pg_table_size(c.oid) END
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND NOT c.relname LIKE '\\_etl\\_%%' AND has_schema_privilege(n.oid, 'USAGE')
  AND (%(schema)s = '' OR n.nspname = %(schema)s)
ORDER BY n.nspname, c.relname
"""
_SCHEMAS = """
SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
AND has_schema_privilege(oid, 'USAGE') ORDER BY nspname
"""
# What a query's result says about a type: its size where it has one. Times lose their digits, and have six then.
_QUERY_TYPES = f"""
SELECT t.oid, format_type(t.oid, NULL), t.typname,
       {_PORTABLE.format("t")} AND (t.typelem = 0 OR {_PORTABLE.format("e")}),
       (SELECT array_agg(enumlabel::text ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = t.oid)
FROM pg_type t LEFT JOIN pg_type e ON e.oid = t.typelem WHERE t.oid = ANY(%s)
"""  # noqa: S608 - made of constants


@dataclass(frozen=True)
class Found:
    """A relation of the catalogue."""

    oid: int
    name: TableName
    relkind: str
    rows: int | None
    filenode: str
    usable: bool  # its schema
    readable: bool

    @property
    def sql(self) -> str:
        return quoted(self.name)


def quoted(name: TableName) -> str:
    return ".".join(double_quoted(part) for part in (name.schema, name.name) if part)


def listed(columns: Sequence[str]) -> str:
    return ", ".join(map(double_quoted, columns))


def split(session: Session, text: str) -> tuple[list[str], str]:
    """The schemas to look in, and the name to look for."""
    try:
        parts = parse_name(text)
    except ValueError as error:
        raise BadInput(
            f"The table name {text!r} {error}", hint='Write schema.table, or "My.Schema"."My Table".'
        ) from None
    for part in parts:
        if len(part.encode()) > LONGEST_NAME:
            raise BadInput(
                f"The name {part[:80]!r} is longer than PostgreSQL's {LONGEST_NAME} bytes", hint="Use a shorter name."
            )
        if "\0" in part:
            raise BadInput("The table name has a NUL character", hint="Remove it.")
    if len(parts) == 3 and parts[0] == session.one("SELECT current_database()")[0]:
        parts = parts[1:]
    if len(parts) > 2:
        raise BadInput(f"The table name {text!r} has {len(parts)} parts", hint="Write schema.table.")
    if len(parts) == 2:
        return [parts[0]], parts[1]
    return list(session.one("SELECT current_schemas(false)::text[]")[0]), parts[0]


def find(session: Session, text: str) -> Found | None:
    schemas, name = split(session, text)
    rows = session.rows(_FIND, {"schemas": schemas, "name": name})
    if not rows:
        return None
    oid, schema, name, relkind, tuples, filenode, usable, readable = rows[0]
    rows_there = tuples if tuples >= 0 and relkind in "rm" else None
    return Found(oid, TableName(schema, name), relkind, rows_there, str(filenode), usable, readable)


def must_find(session: Session, text: str) -> Found:
    """The relation, or an error with the names that look alike, or with the GRANT that is missing."""
    found = find(session, text)
    if found is None:
        raise Missing(
            f"There is no table {text}{_alike(session, text)}",
            kind=KIND,
            hint="List the tables to see which there are.",
        )
    user = double_quoted(session.user)
    if not found.usable:
        schema = double_quoted(found.name.schema)
        raise Refused(
            f"{session.user} may not use the schema {found.name.schema}",
            kind=KIND,
            hint=f"GRANT USAGE ON SCHEMA {schema} TO {user};",
        )
    return found


def describe(session: Session, found: Found, columns: Sequence[str] = ()) -> Table:
    """The exact schema. With `columns`, of these in this order."""
    with unambiguous(session):
        every = tuple(
            Column(name, native, house_type(native, tuple(labels or ())), nullable, generated, filled, portable)
            for name, native, nullable, generated, filled, portable, labels in session.rows(_COLUMNS, (found.oid,))
        )
    if not columns and not found.readable:
        user = double_quoted(session.user)
        raise Refused(
            f"{session.user} may not read {found.name}", kind=KIND, hint=f"GRANT SELECT ON {found.sql} TO {user};"
        )
    keys = session.rows(_KEYS, (found.oid,))
    table = Table(
        name=found.name,
        columns=every,
        key=next((tuple(names) for primary, names in keys if primary), ()),
        unique=tuple(tuple(names) for primary, names in keys if not primary),
        kind=_READABLE[found.relkind],
        rows=found.rows,
        bytes=_on_the_wire(session, found, every),
        incarnation=str(found.oid),
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
    with session.cursor("reading the query") as cursor:
        cursor.execute(f"SELECT * FROM (\n{query}\n) AS etl_query LIMIT 0")  # noqa: S608 - one query, as `one_query` found
        described = list(cursor.description)
    repeated = {one.name for one in described if [two.name for two in described].count(one.name) > 1}
    if repeated:
        raise BadInput(
            f"The query has several columns named {min(repeated)!r}", hint="Give each a name of its own with AS."
        )
    with unambiguous(session):
        known = {row[0]: row[1:] for row in session.rows(_QUERY_TYPES, ([one.type_code for one in described],))}
    columns = []
    for one in described:
        native, typname, portable, labels = known[one.type_code]
        native = _with_size(native, typname, one.internal_size, one.precision, one.scale)
        columns.append(Column(one.name, native, house_type(native, tuple(labels or ())), portable=portable))
    return Table(None, tuple(columns), kind="query")


def tables(session: Session, schema: str = "") -> list[Table]:
    return [
        Table(TableName(namespace, name), (), kind=_READABLE[kind], rows=rows if rows >= 0 else None, bytes=size)
        for namespace, name, kind, rows, size in session.rows(_TABLES, {"schema": schema})
    ]


def schemas(session: Session) -> list[str]:
    return [str(name) for (name,) in session.rows(_SCHEMAS)]


@contextlib.contextmanager
def unambiguous(session: Session) -> Iterator[None]:
    """Types of users come with their schema, whatever the search path of the role is."""
    (path,) = session.one("SELECT current_setting('search_path')")
    session.one("SELECT set_config('search_path', '', false)")
    try:
        yield
    finally:
        session.one("SELECT set_config('search_path', %s, false)", (path,))


def _on_the_wire(session: Session, found: Found, columns: Sequence[Column]) -> int | None:
    """About how many bytes a copy will be: five for every cell's frame, and what the statistics say of its width."""
    (width,) = session.one(
        "SELECT sum(avg_width) FROM pg_stats WHERE schemaname = %s AND tablename = %s AND NOT inherited",
        (found.name.schema, found.name.name),
    )
    return None if width is None or found.rows is None else found.rows * (int(width) + 4 * len(columns) + 2)


def _alike(session: Session, text: str) -> str:
    there = [str(table.name) for table in tables(session)]
    bare = {name.rpartition(".")[2]: name for name in there}
    near = nearest(text, there) or [bare[name] for name in nearest(text.rpartition(".")[2], bare)]
    return f"; did you mean {', '.join(near)}?" if near else ""


def _with_size(native: str, typname: str, size: int | None, precision: int | None, scale: int | None) -> str:
    if typname == "numeric" and precision and precision < 65535:
        return f"numeric({precision},{scale or 0})"
    if typname in ("varchar", "bpchar"):
        name = {"varchar": "character varying", "bpchar": "character"}[typname]
        return f"{name}({size})" if size and size > 0 else ("text" if typname == "varchar" else "bpchar")
    if typname in ("bit", "varbit"):
        bits = (size or -1) + 4  # the driver takes four off every modifier, and bit strings have no four to take
        name = {"bit": "bit", "varbit": "bit varying"}[typname]
        return f"{name}({bits})" if bits > 0 and size is not None and size > -4 else "bit varying"
    return native
