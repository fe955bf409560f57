"""What SQLite's catalogue says about tables: names, columns, keys, sizes."""

import re
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from etl_engine.connectors.names import double_quoted, nearest
from etl_engine.connectors.sqlite.refusals import KIND
from etl_engine.connectors.sqlite.session import Session
from etl_engine.connectors.sqlite.types import holding_type, house_type, type_of_values
from etl_engine.connectors.statements import insist_on_a_query
from etl_engine.errors import BadInput, Missing
from etl_engine.model.table import Column, Family, Table, TableName, Type, parse_name

QUERY_VIEW = "_etl_query"
_LONGEST_NAME = 1000
_LIST = """
SELECT name, type, wr, strict FROM pragma_table_list
WHERE schema = 'main' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND type <> 'shadow'
"""
_SECOND = re.compile(r":\d+$")
_HIDDEN_OF_VIRTUAL, _GENERATED = 1, (2, 3)


@dataclass(frozen=True)
class Found:
    """A relation of the file."""

    name: str
    kind: str  # table, view, virtual
    without_rowid: bool
    strict: bool

    @property
    def sql(self) -> str:
        return quoted(self.name)


def quoted(name: str) -> str:
    return f"main.{double_quoted(name)}"


def listed(columns: Sequence[str]) -> str:
    return ", ".join(map(double_quoted, columns))


def bare_name(text: str) -> str:
    """The name of a table, which may be written with its schema, that is always main."""
    try:
        parts = parse_name(text)
    except ValueError as error:
        raise BadInput(f"The table name {text[:80]!r} {error}", hint='Write name, or "My Table".') from None
    if len(parts) == 2 and parts[0].lower() == "main":
        parts = parts[1:]
    if len(parts) > 1:
        raise BadInput(
            f"The table name {text[:80]!r} has {len(parts)} parts, and a SQLite file has no schemas",
            hint='Write the name alone; one with a dot in it as "a.b".',
        )
    if "\0" in parts[0]:
        raise BadInput("The table name has a NUL character", hint="Remove it.")
    if len(parts[0]) > _LONGEST_NAME:
        raise BadInput(f"The table name {parts[0][:40]!r}… is too long", hint="Use a shorter name.")
    return parts[0]


def find(session: Session, text: str) -> Found | None:
    name = bare_name(text)
    # SQLite compares names without regard to the case of ASCII letters only, as NOCASE does.
    rows = session.rows(f"{_LIST} AND name = ? COLLATE NOCASE", (name,))
    if not rows:
        return None
    name, kind, without_rowid, strict = rows[0]
    return Found(name, kind, bool(without_rowid), bool(strict))


def must_find(session: Session, text: str) -> Found:
    found = find(session, text)
    if found is None:
        near = nearest(bare_name(text), [str(name) for name, *_ in session.rows(_LIST)])
        did = f"; did you mean {', '.join(near)}?" if near else ""
        raise Missing(
            f"There is no table {text} in {session.file}{did}",
            kind=KIND,
            hint="List the tables to see which there are.",
        )
    return found


def describe(session: Session, found: Found, columns: Sequence[str] = (), *, writes: bool = False) -> Table:
    """The exact schema. With `columns`, of these in this order; with `writes`, of what can be given to it."""
    rows = [
        row
        for row in session.rows(
            'SELECT name, type, "notnull", dflt_value, pk, hidden FROM pragma_table_xinfo(?)', (found.name,)
        )
        if row[5] != _HIDDEN_OF_VIRTUAL
    ]
    key = tuple(row[0] for row in sorted((row for row in rows if row[4]), key=lambda row: row[4]))
    alias = _rowid_alias(session, found, rows)
    types = _types(session, found.sql, [(row[0], row[1]) for row in rows], columns, writes=writes)
    rules = collations(session, found)
    for name, type_ in types.items():
        if type_.family is Family.TEXT and rules.get(name) == "NOCASE":
            types[name] = replace(type_, folded=True)
    made = tuple(_column(row, types[row[0]], found, alias) for row in rows if row[0] in types)
    every = tuple(row[0] for row in rows)
    if key and not writes and any(column.nullable for column in made if column.name in key):
        key = _without_nulls(session, found, key)
    table = Table(
        name=TableName("", found.name),
        columns=made,
        key=key,
        unique=_unique(session, found, made),
        kind={"virtual": "virtual table"}.get(found.kind, found.kind),
        rows=_estimate(session, found),
        incarnation=_root(session, found),
    )
    return only(table, columns, every)


def only(table: Table, columns: Sequence[str], every: Sequence[str]) -> Table:
    if not columns:
        return table
    chosen = []
    for name in columns:
        column = table.column(name)
        if column is None:
            near = nearest(name, every)
            raise Missing(
                f"{table.name or 'The query'} has no column {name!r}",
                kind=KIND,
                hint=f"Did you mean {', '.join(near)}?" if near else f"It has: {', '.join(every)[:300]}",
            )
        chosen.append(column)
    kept = set(columns)
    return replace(
        table,
        columns=tuple(chosen),
        key=table.key if kept.issuperset(table.key) else (),
        unique=tuple(key for key in table.unique if kept.issuperset(key)),
    )


def prepare_query(session: Session, query: str) -> None:
    """A view of this session, which accepts one SELECT and nothing else, and knows where its columns come from."""
    insist_on_a_query(query, KIND)
    # A comment at its end has no line end behind it otherwise.
    view = f"CREATE TEMP VIEW {QUERY_VIEW} AS\n{query.strip().rstrip(';')}\n"
    with session.errors("reading the query"):
        try:
            session.connection.execute(f"DROP VIEW IF EXISTS temp.{QUERY_VIEW}")
            session.connection.execute(view)
        except sqlite3.ProgrammingError:
            raise BadInput(
                "The query is more than one statement", hint="Give one SELECT, without a semicolon in it."
            ) from None
        except sqlite3.OperationalError as error:
            if "parameters are not allowed" in str(error):
                raise BadInput("The query has a parameter in it", hint="Write the value into the query.") from None
            raise


def describe_query(session: Session, query: str, columns: Sequence[str] = ()) -> Table:
    prepare_query(session, query)
    rows = session.rows(f"PRAGMA temp.table_info({QUERY_VIEW})", doing="reading the query")
    names = [row[1] for row in rows]
    # SQLite calls the second column of a name "name:1".
    repeated = {name for name in names if _SECOND.search(name) and _SECOND.sub("", name) in names}
    if repeated:
        raise BadInput(
            f"The query has several columns named {_SECOND.sub('', min(repeated))!r}",
            hint="Give each a name of its own with AS.",
        )
    declared = [(row[1], row[2]) for row in rows]
    types = _types(session, f"temp.{QUERY_VIEW}", declared, columns, writes=False)
    made = tuple(
        Column(name, native or types[name].family.value, types[name]) for name, native in declared if name in types
    )
    return only(Table(None, made, kind="query"), columns, [name for name, _ in declared])


def tables(session: Session) -> list[Table]:
    return [
        Table(
            TableName("", name),
            (),
            kind={"virtual": "virtual table"}.get(kind, kind),
            rows=_estimate(session, Found(name, kind, bool(without), bool(strict))),
        )
        for name, kind, without, strict in session.rows(f"{_LIST} ORDER BY name")
        if not name.startswith("_etl_")
    ]


def _column(row: Sequence[Any], type_: Type, found: Found, alias: str) -> Column:
    name, native, notnull, default, pk, hidden = row
    never_null = bool(notnull) or name == alias or (bool(pk) and (found.without_rowid or found.strict))
    return Column(
        str(name),
        str(native),
        type_,
        nullable=not never_null,
        generated=hidden in _GENERATED,
        filled=default is not None or name == alias,
    )


def _types(
    session: Session, relation: str, declared: Sequence[tuple[str, str]], columns: Sequence[str], *, writes: bool
) -> dict[str, Type]:
    wanted = [(name, native) for name, native in declared if not columns or name in columns]
    if writes:
        return {name: holding_type(native) for name, native in wanted}
    declarations = {name: house_type(native) for name, native in wanted}
    types = {name: type_ for name, type_ in declarations.items() if type_ is not None}
    silent = [name for name in declarations if name not in types]
    if silent:
        asked = ", ".join(f"group_concat(DISTINCT typeof({double_quoted(name)}))" for name in silent)
        row = session.one(f"SELECT {asked} FROM {relation}", doing="looking at values of columns without a type")  # noqa: S608
        for name, classes in zip(silent, row, strict=True):
            types[name] = type_of_values(set((classes or "null").split(",")))
    return types


def _rowid_alias(session: Session, found: Found, rows: Sequence[Sequence[Any]]) -> str:
    """The column that is the rowid itself: a lone INTEGER PRIMARY KEY, which no index stands for."""
    keys = [row for row in rows if row[4]]
    if found.kind != "table" or found.without_rowid or len(keys) != 1 or str(keys[0][1]).upper() != "INTEGER":
        return ""
    has_index = session.rows("SELECT 1 FROM pragma_index_list(?) WHERE origin = 'pk'", (found.name,))
    return "" if has_index else str(keys[0][0])


def _without_nulls(session: Session, found: Found, key: tuple[str, ...]) -> tuple[str, ...]:
    """SQLite lets a primary key be NULL, out of habit: it tells rows apart as long as none of them is."""
    null = " OR ".join(f"{double_quoted(name)} IS NULL" for name in key)
    return () if session.rows(f"SELECT 1 FROM {found.sql} WHERE {null} LIMIT 1") else key  # noqa: S608


def _unique(session: Session, found: Found, columns: Sequence[Column]) -> tuple[tuple[str, ...], ...]:
    if found.kind != "table":
        return ()
    never_null = {column.name for column in columns if not column.nullable}
    made = []
    for (index,) in session.rows(
        "SELECT name FROM pragma_index_list(?) WHERE \"unique\" AND NOT partial AND origin <> 'pk'", (found.name,)
    ):
        names = [name for (name,) in session.rows("SELECT name FROM pragma_index_info(?) ORDER BY seqno", (index,))]
        if names and all(name in never_null for name in names):
            made.append(tuple(names))
    return tuple(made)


def collations(session: Session, found: Found) -> dict[str, str]:
    """By which rule the columns of unique keys compare: BINARY, NOCASE, RTRIM."""
    made: dict[str, str] = {}
    if found.kind != "table":
        return made
    for (index,) in session.rows("SELECT name FROM pragma_index_list(?) WHERE origin <> 'c'", (found.name,)):
        for name, rule in session.rows("SELECT name, coll FROM pragma_index_xinfo(?) WHERE key", (index,)):
            if name is not None:
                made[name] = rule
    return made


def _estimate(session: Session, found: Found) -> int | None:
    if found.kind != "table":
        return None
    known = session.rows("SELECT 1 FROM main.sqlite_master WHERE name = 'sqlite_stat1'")
    if known:
        said = session.rows("SELECT stat FROM main.sqlite_stat1 WHERE tbl = ? LIMIT 1", (found.name,))
        if said and str(said[0][0]).split(" ")[0].isdigit():
            return int(str(said[0][0]).split(" ")[0])
    if found.without_rowid:
        return None
    low, high = session.one(
        f"SELECT (SELECT _rowid_ FROM {found.sql} ORDER BY _rowid_ LIMIT 1), "  # noqa: S608
        f"(SELECT _rowid_ FROM {found.sql} ORDER BY _rowid_ DESC LIMIT 1)"
    )
    if low is None:
        return 0
    return high - low + 1 if isinstance(low, int) and isinstance(high, int) else None  # a column may have that name


def _root(session: Session, found: Found) -> str:
    rows = session.rows("SELECT rootpage FROM main.sqlite_master WHERE name = ?", (found.name,))
    return str(rows[0][0]) if rows else ""
