"""Reading from DuckDB: one read-only transaction, streamed as Arrow."""

import itertools
from collections.abc import Sequence
from typing import Any

from etl_engine.connectors.duck import catalog
from etl_engine.connectors.duck.catalog import quoted
from etl_engine.connectors.duck.following import Follower
from etl_engine.connectors.duck.hashes import fingerprint
from etl_engine.connectors.duck.reading import DuckdbRows
from etl_engine.connectors.duck.session import Session
from etl_engine.connectors.duck.types import reading
from etl_engine.connectors.names import double_quoted
from etl_engine.connectors.rows import ARROW, Fingerprint, KeyRange, Rows, Selection, Source, Window
from etl_engine.model.table import Column, Table


class DuckdbSource(Source):
    """One session that reads."""

    reads_pieces = True

    def __init__(self, session: Session) -> None:
        self._session = session
        self._follower: Follower | None = None
        self._rows: DuckdbRows | None = None
        self.identity = session.identity

    def describe(self, selection: Selection) -> Table:
        if selection.query:
            return catalog.describe_query(self._session, selection.query, selection.columns)
        found = catalog.must_find(self._session, selection.table)
        return catalog.describe(self._session, found, selection.columns)

    def forms(self, table: Table) -> tuple[str, ...]:
        return (ARROW,)

    def begin(self, selection: Selection) -> Window | None:
        session = self._session
        session.begin(read_only=True)
        relation = self._relation(selection)
        session.rows(f"SELECT 1 FROM {relation} LIMIT 0", doing="taking a snapshot")  # noqa: S608 - this is when
        self._follower = None
        if not selection.look:
            return None
        table = self.describe(Selection(selection.table, selection.query))
        self._follower = Follower(session, selection.look, table, relation)
        return self._follower.begin()

    def pieces(self, table: Table, rows: int) -> list[KeyRange]:
        if not table.key or table.name is None or rows < 1:
            return [KeyRange(table.key)]
        texts = ", ".join(f"CAST({double_quoted(name)} AS VARCHAR)" for name in table.key)
        key = catalog.listed(table.key)
        found = self._session.rows(
            f"SELECT {texts} FROM (SELECT {key}, row_number() OVER (ORDER BY {key}) AS etl_number "  # noqa: S608
            f"FROM {quoted(table.name)}) WHERE etl_number > 1 AND (etl_number - 1) % ? = 0 ORDER BY etl_number",
            (rows,),
            doing=f"cutting {table.name} into pieces",
        )
        edges = [None, *(tuple(map(str, bound)) for bound in found), None]
        return [KeyRange(table.key, low, high) for low, high in itertools.pairwise(edges)]

    def read(self, selection: Selection, table: Table, form: str) -> Rows:
        names = [
            f"{reading(double_quoted(one.name), one.native, one.type)} AS {double_quoted(one.name)}"
            for one in table.columns
        ]
        values: list[Any] = []
        if selection.version_columns:
            assert self._follower is not None  # noqa: S101 - versions are of cursor runs
            versions, values = self._follower.version()
            names += [
                f"{value} AS {double_quoted(name)}"
                for value, name in zip(versions, selection.version_columns, strict=True)
            ]
        where, bounds = self._where(selection, table)
        enough = f" LIMIT {selection.enough:d}" if selection.enough else ""
        self._rows = DuckdbRows(
            self._session,
            f"SELECT {', '.join(names)} FROM {self._relation(selection)}{where}{enough}",  # noqa: S608 - quoted names
            [*values, *bounds],
            table.columns,
            selection.version_columns,
            str(table.name or "the query"),
        )
        return self._rows

    def fingerprint(self, selection: Selection, columns: Sequence[Column], *, each: bool) -> Fingerprint:
        where = ""
        if selection.look and selection.look.nulls == "exclude":
            where = f" WHERE {double_quoted(selection.look.column)} IS NOT NULL"
        return fingerprint(self._session, self._relation(selection) + where, columns, each=each)

    def end(self) -> None:
        if self._rows:
            self._rows.close()
        self._session.rollback()

    def stop(self) -> None:
        self._session.stop()

    def close(self) -> None:
        self._session.close()

    def _relation(self, selection: Selection) -> str:
        if selection.query:
            return f"{catalog.one_query(self._session, selection.query)} AS etl_query"
        return catalog.must_find(self._session, selection.table).sql

    def _where(self, selection: Selection, table: Table) -> tuple[str, list[Any]]:
        conditions, values = self._follower.conditions() if self._follower else ([], [])
        piece = selection.piece
        if piece:
            for compare, bound in ((">=", piece.low), ("<", piece.high)):
                if bound is not None:
                    condition, bounds = _bound(table, compare, bound)
                    conditions.append(condition)
                    values += bounds
        return (f" WHERE {' AND '.join(conditions)}" if conditions else ""), values


def _bound(table: Table, compare: str, bound: Sequence[str]) -> tuple[str, list[str]]:
    """Column by column: of two comparisons of tuples the library makes a BETWEEN, which it then refuses for tuples."""
    natives = {column.name: column.native for column in table.columns}
    made, values = "", []
    for name, text in reversed(list(zip(table.key, bound, strict=True))):
        column, mark = double_quoted(name), f"CAST(? AS {natives[name]})"
        if not made:
            made, values = f"{column} {compare} {mark}", [text]
            continue
        made = f"({column} {compare[0]} {mark} OR ({column} = {mark} AND {made}))"
        values = [text, text, *values]
    return made, values
