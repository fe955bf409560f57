"""Which rows a table would refuse, asked before they are written: a refusal ends the whole transaction in DuckDB."""

import re
from collections.abc import Sequence

from etl_engine.connectors.duck.catalog import listed, quoted
from etl_engine.connectors.duck.session import Session
from etl_engine.connectors.duck.types import house_type, is_nested, writing
from etl_engine.connectors.names import double_quoted
from etl_engine.connectors.rows import Foreseen
from etl_engine.model.table import TableName

AT = "_etl_at"
_RULES = """
SELECT constraint_type, constraint_column_names, expression, referenced_table, referenced_column_names, constraint_text
FROM duckdb_constraints()
WHERE database_name = current_database() AND schema_name = ? AND table_name = ? ORDER BY constraint_index
"""
_DEFAULTS = """
SELECT column_name, column_default FROM duckdb_columns()
WHERE database_name = current_database() AND schema_name = ? AND table_name = ?
"""
_UNIQUE_INDEXES = """
SELECT sql FROM duckdb_indexes()
WHERE database_name = current_database() AND schema_name = ? AND table_name = ? AND is_unique AND NOT is_primary
"""
_INDEXED = re.compile(r"\((.*)\)\s*;?\s*$", re.DOTALL)


def unreadable(session: Session, relation: str, natives: Sequence[tuple[str, str]]) -> Foreseen:
    """Values on their way into columns of these types that would not become one, or another one."""
    found: dict[int, tuple[str, str]] = {}
    for name, native in natives:
        wrong = f"SELECT {AT} FROM {relation} WHERE {_unfit(name, native)}"  # noqa: S608 - quoted names
        for (at,) in session.rows(wrong):
            found.setdefault(at, (name, f"does not fit {native}"))
    return found


def _unfit(name: str, native: str) -> str:
    column = double_quoted(name)
    if native == "BIT":
        return f"{column} = '' OR ({column} IS NOT NULL AND TRY_CAST({column} AS BIT) IS NULL)"
    made = f"TRY({writing(column, native, house_type(native))})"
    unfit = f"{column} IS NOT NULL AND {made} IS NULL"
    if is_nested(native):
        unfit += f" OR {changed(column, made)}"
    return unfit


def changed(column: str, made: str) -> str:
    """A struct drops fields that it does not have, without a word: what it became must say what it was."""
    return f"CAST(to_json(CAST({column} AS JSON)) AS VARCHAR) <> CAST(to_json({made}) AS VARCHAR)"


class Rules:
    """The constraints of one table, and rows that break them. `key`: that of a merge."""

    def __init__(self, session: Session, name: TableName, columns: Sequence[str], key: Sequence[str]) -> None:
        self._session = session
        self._name = name
        self._columns = columns
        self._key = tuple(key)
        self._found: dict[int, tuple[str, str]] = {}

    def broken_by(self, relation: str) -> Foreseen:
        """`relation` has the columns in their types, and `AT`."""
        there = (self._name.schema, self._name.name)
        rules = self._session.rows(_RULES, there)
        defaults = dict(self._session.rows(_DEFAULTS, there))
        others = ", ".join(
            f"{default or 'NULL'} AS {double_quoted(one)}"
            for one, default in defaults.items()
            if one not in self._columns
        )
        rows = f"(SELECT {listed(self._columns)}, {AT}{f', {others}' if others else ''} FROM {relation})"  # noqa: S608
        unique = [tuple(names) for kind, names, *_ in rules if kind in ("PRIMARY KEY", "UNIQUE")]
        for kind, names, expression, parent, theirs, text in rules:
            if kind == "NOT NULL" and names[0] in self._columns:
                why = f"is NULL, and {self._name} takes none there"
                self._look(rows, f"{double_quoted(names[0])} IS NULL", names[0], why)
            elif kind == "CHECK":
                self._look(rows, f"NOT TRY({expression})", names[0] if len(names) == 1 else "", f"breaks {text}")
            elif kind == "FOREIGN KEY":
                self._look_for_parents(rows, names, parent, theirs)
        for names in dict.fromkeys([*unique, *self._indexed(tuple(defaults))]):
            if set(names) != set(self._key):
                self._look_for_others(rows, names)
        return self._found

    def _look(self, rows: str, wrong: str, column: str, why: str) -> None:
        query = f"SELECT {AT} FROM {rows} AS r WHERE ({wrong}) AND {AT} NOT IN (SELECT unnest(?::BIGINT[]))"  # noqa: S608
        for (at,) in self._session.rows(query, [list(self._found)]):
            self._found[at] = (column if column in self._columns else "", why)

    def _look_for_parents(self, rows: str, names: Sequence[str], parent: str, theirs: Sequence[str]) -> None:
        whole = " AND ".join(f"r.{double_quoted(one)} IS NOT NULL" for one in names)
        same = " AND ".join(
            f"p.{double_quoted(its)} = r.{double_quoted(one)}" for one, its in zip(names, theirs, strict=True)
        )
        missing = f"NOT EXISTS (SELECT 1 FROM {quoted(TableName(self._name.schema, parent))} p WHERE {same})"  # noqa: S608
        if parent == self._name.name:
            missing += f" AND NOT EXISTS (SELECT 1 FROM {rows} p WHERE {same} AND p.{AT} <> r.{AT})"  # noqa: S608
        why = f"refers to a row that {parent} does not have, by ({', '.join(names)})"
        self._look(rows, f"{whole} AND {missing}", names[0] if len(names) == 1 else "", why)

    def _look_for_others(self, rows: str, names: Sequence[str]) -> None:
        """Of several rows that come with one value the first one stays."""
        whole = " AND ".join(f"r.{double_quoted(one)} IS NOT NULL" for one in names)
        same = " AND ".join(f"t.{double_quoted(one)} = r.{double_quoted(one)}" for one in names)
        if self._key:
            same += (
                f" AND NOT ({' AND '.join(f't.{double_quoted(one)} = r.{double_quoted(one)}' for one in self._key)})"
            )
        column, why = names[0] if len(names) == 1 else "", f"has a value of ({', '.join(names)}) that is there already"
        there = f"EXISTS (SELECT 1 FROM {quoted(self._name)} t WHERE {same})"  # noqa: S608
        self._look(rows, f"{whole} AND {there}", column, why)
        left = f"(SELECT * FROM {rows} WHERE {AT} NOT IN (SELECT unnest(?::BIGINT[])))"  # noqa: S608
        again = (
            f"SELECT {AT} FROM {left} AS r WHERE {whole} "  # noqa: S608
            f"QUALIFY row_number() OVER (PARTITION BY {listed(names)} ORDER BY {AT}) > 1"
        )
        for (at,) in self._session.rows(again, [list(self._found)]):
            self._found[at] = (column, why)

    def _indexed(self, known: tuple[str, ...]) -> list[tuple[str, ...]]:
        """Of unique indexes over plain columns; what another one refuses stops the copy."""
        made = []
        by_text = {text: one for one in known for text in (one, double_quoted(one))}
        for (sql,) in self._session.rows(_UNIQUE_INDEXES, (self._name.schema, self._name.name)):
            inside = _INDEXED.search(str(sql))
            parts = [part.strip() for part in inside[1].split(",")] if inside else []
            if parts and all(part in by_text for part in parts):
                made.append(tuple(by_text[part] for part in parts))
        return made
