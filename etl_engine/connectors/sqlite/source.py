"""Reading from SQLite: one read transaction, rows by rowid or key, the same to every read of it."""

import itertools
import json
from collections.abc import Sequence
from typing import Any

from etl_engine.connectors.names import double_quoted
from etl_engine.connectors.rows import ARROW, Fingerprint, KeyRange, Rows, Selection, Source, Window
from etl_engine.connectors.sqlite import catalog
from etl_engine.connectors.sqlite.catalog import QUERY_VIEW, Found, listed
from etl_engine.connectors.sqlite.following import Follower
from etl_engine.connectors.sqlite.hashes import fingerprint
from etl_engine.connectors.sqlite.reading import SqliteRows
from etl_engine.connectors.sqlite.session import Session
from etl_engine.model.table import Column, Table


class SqliteSource(Source):
    """One session that reads."""

    reads_pieces = True

    def __init__(self, session: Session) -> None:
        self._session = session
        self._follower: Follower | None = None
        self._rows: SqliteRows | None = None
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
        if selection.query:
            catalog.prepare_query(session, selection.query)
        session.run("BEGIN")
        session.one("SELECT count(*) FROM main.sqlite_master", doing="taking a snapshot")  # this is when it is taken
        self._follower = None
        if not selection.look:
            return None
        table = self._describe_whole(selection)
        self._follower = Follower(session, selection.look, table, self._relation(selection))
        return self._follower.begin()

    def pieces(self, table: Table, rows: int) -> list[KeyRange]:
        if not table.key or table.name is None or rows < 1 or self._session.readers_wait:
            return [KeyRange(table.key)]
        relation, key = catalog.quoted(table.name.name), listed(table.key)
        bounds: list[tuple[Any, ...]] = []
        while True:
            where, values = self._bound(table, ">=", bounds[-1]) if bounds else ("true", [])
            found = self._session.rows(
                f"SELECT {key} FROM {relation} WHERE {where} ORDER BY {key} LIMIT 1 OFFSET ?",  # noqa: S608
                [*values, rows],
            )
            if not found:
                break
            bounds.append(found[0])
        edges = [None, *(tuple(map(_bound_text, bound)) for bound in bounds), None]
        return [KeyRange(table.key, low, high) for low, high in itertools.pairwise(edges)]

    def read(self, selection: Selection, table: Table, form: str) -> Rows:
        names = [double_quoted(column.name) for column in table.columns]
        values: list[Any] = []
        if selection.version_columns:
            assert self._follower is not None  # noqa: S101 - versions are of cursor runs
            versions, values = self._follower.version()
            names += versions
        where, bounds = self._where(selection, table)
        self._rows = SqliteRows(
            self._session,
            f"SELECT {', '.join(names)} FROM {self._relation(selection)}{where}",  # noqa: S608 - quoted names
            [*values, *bounds],
            table.columns,
            selection.version_columns,
            str(table.name or "the query"),
            # A view or a query may give its rows in another order when it is asked again: it may hold random().
            repeatable=table.kind == "table",
            enough=selection.enough,
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

    def limit_time(self, seconds: float) -> None:
        self._session.limit_time(seconds)

    def stop(self) -> None:
        self._session.stop()

    def close(self) -> None:
        self._session.close()

    def _describe_whole(self, selection: Selection) -> Table:
        if selection.query:
            return catalog.describe_query(self._session, selection.query)
        return catalog.describe(self._session, catalog.must_find(self._session, selection.table))

    def _relation(self, selection: Selection) -> str:
        if selection.query:
            return f"temp.{QUERY_VIEW}"
        return self._found(selection).sql

    def _found(self, selection: Selection) -> Found:
        return catalog.must_find(self._session, selection.table)

    def _where(self, selection: Selection, table: Table) -> tuple[str, list[Any]]:
        conditions, values = self._follower.conditions() if self._follower else ([], [])
        piece = selection.piece
        if piece and (piece.low is not None or piece.high is not None):
            # A key may be NULL here: such rows belong to the first piece, and to no other.
            null = " OR ".join(f"{double_quoted(name)} IS NULL" for name in table.key)
            if piece.low is not None:
                low, low_values = self._bound(table, ">=", [_bound_value(text) for text in piece.low])
                conditions.append(f"{low} AND NOT ({null})")
                values += low_values
            if piece.high is not None:
                high, high_values = self._bound(table, "<", [_bound_value(text) for text in piece.high])
                conditions.append(f"({high} OR {null})" if piece.low is None else high)
                values += high_values
        return (f" WHERE {' AND '.join(conditions)}" if conditions else ""), values

    def _bound(self, table: Table, compare: str, bound: Sequence[Any]) -> tuple[str, list[Any]]:
        marks = ", ".join("?" for _ in bound)
        return f"({listed(table.key)}) {compare} ({marks})", list(bound)


def _bound_text(value: Any) -> str:
    return json.dumps({"blob": value.hex()} if isinstance(value, bytes) else value, ensure_ascii=False)


def _bound_value(text: str) -> Any:
    value = json.loads(text)
    return bytes.fromhex(value["blob"]) if isinstance(value, dict) else value
