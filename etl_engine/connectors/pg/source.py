"""Reading from PostgreSQL: one snapshot, COPY TO, bytes as they come."""

import contextlib
import hashlib
import itertools
import os
import threading
from collections.abc import Sequence
from dataclasses import replace

import psycopg2

from etl_engine.connectors.names import double_quoted
from etl_engine.connectors.pg import catalog, hashes
from etl_engine.connectors.pg.blocks import TextBlocks
from etl_engine.connectors.pg.catalog import Found, listed
from etl_engine.connectors.pg.expressions import expression
from etl_engine.connectors.pg.late import Follower, literal, look_around
from etl_engine.connectors.pg.one_query import one_query
from etl_engine.connectors.pg.refusals import translated
from etl_engine.connectors.pg.session import Session
from etl_engine.connectors.rows import (
    ARROW,
    TEXT_BLOCKS,
    Fingerprint,
    KeyRange,
    Rows,
    Selection,
    Source,
    Totals,
    Window,
)
from etl_engine.errors import Cancelled, Unreachable
from etl_engine.model.table import Column, Family, Table, Type

BINARY, TEXT = "pgcopy-binary", "pgcopy-text"
BLOCKS = f"pg{TEXT_BLOCKS}"
_OPTIONS = {BINARY: " (FORMAT binary)", TEXT: ""}
_BLOCK = 1 << 20
_PIPE_BYTES = 1 << 20
_F_SETPIPE_SZ = 1031
_SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


class PostgresqlSource(Source):
    """One session that reads."""

    reads_pieces = compares_pieces = True

    def __init__(self, session: Session) -> None:
        self._session = session
        self._follower: Follower | None = None
        self._found: Found | None = None
        self._rows: Rows | None = None
        self.identity = session.identity

    def describe(self, selection: Selection) -> Table:
        if selection.query:
            self._session.run("BEGIN READ ONLY")
            try:
                described = catalog.describe_query(self._session, one_query(selection.query))
            finally:
                self._session.rollback()
            return catalog.only(described, selection.columns)
        found = catalog.must_find(self._session, selection.table)
        return catalog.describe(self._session, found, selection.columns)

    def forms(self, table: Table) -> tuple[str, ...]:
        return forms(table)

    def begin(self, selection: Selection) -> Window | None:
        session = self._session
        before = look_around(session) if selection.look else None
        session.run(_SNAPSHOT)
        self._found = None if selection.query else catalog.must_find(session, selection.table)
        self._follower = None
        if not selection.look or before is None:
            session.one("SELECT 1")  # this is when the snapshot is taken
            return None
        table = self.describe_inside(selection)
        self._follower = Follower(session, selection, table, self._found, before)
        column = table.column(selection.look.column)
        return self._follower.begin(self._relation(selection), bool(column and column.nullable))

    def share(self) -> str:
        return str(self._session.one("SELECT pg_export_snapshot()")[0])

    def join(self, shared: str, selection: Selection) -> None:
        self._session.run(_SNAPSHOT, f"SET TRANSACTION SNAPSHOT {literal(self._session, shared)}")
        self._found = None if selection.query else catalog.must_find(self._session, selection.table)
        self._follower = None

    def describe_inside(self, selection: Selection) -> Table:
        if selection.query:
            return catalog.describe_query(self._session, one_query(selection.query))
        return catalog.describe(self._session, catalog.must_find(self._session, selection.table), selection.columns)

    def pieces(self, table: Table, rows: int) -> list[KeyRange]:
        if not table.key or table.name is None or rows < 1:
            return [KeyRange(table.key)]
        relation = catalog.quoted(table.name)
        key = ", ".join(f"t.{double_quoted(name)}" for name in table.key)  # not the texts of the same names
        texts = ", ".join(f"{double_quoted(name)}::text" for name in table.key)
        bounds: list[tuple[str, ...]] = []
        while True:
            where = f" WHERE {self._bound(table, '>=', bounds[-1])}" if bounds else ""
            next_bound = f"SELECT {texts} FROM {relation} AS t{where} ORDER BY {key} OFFSET {rows} LIMIT 1"  # noqa: S608
            found = self._session.rows(next_bound)
            if not found:
                break
            bounds.append(tuple(found[0]))
        edges: list[tuple[str, ...] | None] = [None, *bounds, None]
        return [KeyRange(table.key, low, high) for low, high in itertools.pairwise(edges)]

    def read(self, selection: Selection, table: Table, form: str) -> Rows:
        typed = form == ARROW
        columns = list(table.columns)
        names = [expression(column) if typed else double_quoted(column.name) for column in columns]
        if selection.version_columns:
            assert self._follower is not None  # noqa: S101 - versions are of cursor runs
            columns += [Column(name, "text", Type(Family.TEXT)) for name in selection.version_columns]
            names += [
                f"{value} AS {double_quoted(name)}"
                for value, name in zip(self._follower.version(), selection.version_columns, strict=True)
            ]
        where = self._where(selection, table)
        enough = f" LIMIT {selection.enough:d}" if selection.enough else ""
        query = f"SELECT {', '.join(names)} FROM {self._relation(selection)}{where}{enough}"  # noqa: S608 - quoted above
        what = str(table.name or "the query")
        if typed:
            from etl_engine.connectors.pg.arrow import CopyBatches

            self._rows = CopyBatches(self._session, query, columns, what)
        elif form == BLOCKS:
            self._rows = TextBlocks(self._session, query, form, what)
        else:
            self._rows = CopyOut(self._session, query, form, what)
        return self._rows

    def fingerprint(self, selection: Selection, columns: Sequence[Column], *, each: bool) -> Fingerprint:
        where = ""
        if selection.piece:
            table = self.describe_inside(Selection(selection.table, columns=selection.piece.key))
            where = self._where(selection, replace(table, key=selection.piece.key))
        if selection.look and selection.look.nulls == "exclude":
            where = f" WHERE {double_quoted(selection.look.column)} IS NOT NULL"
        return hashes.fingerprint(self._session, self._relation(selection) + where, columns, each=each)

    def limit_time(self, seconds: float) -> None:
        self._session.run(f"SET statement_timeout = {round(seconds * 1000)}")

    def end(self) -> None:
        if self._rows:
            self._rows.close()
        self._session.rollback()

    def stop(self) -> None:
        self._session.stop()

    def close(self) -> None:
        if self._rows:
            self._rows.close()
        self._session.close()

    def _relation(self, selection: Selection) -> str:
        if selection.query:
            return f"(\n{one_query(selection.query)}\n) AS etl_query"
        assert self._found is not None  # noqa: S101 - begin() found it
        return self._found.sql

    def _where(self, selection: Selection, table: Table) -> str:
        conditions = self._follower.conditions() if self._follower else []
        if selection.piece and selection.piece.low is not None:
            conditions.append(self._bound(table, ">=", selection.piece.low))
        if selection.piece and selection.piece.high is not None:
            conditions.append(self._bound(table, "<", selection.piece.high))
        return f" WHERE {' AND '.join(conditions)}" if conditions else ""

    def _bound(self, table: Table, compare: str, bound: tuple[str, ...]) -> str:
        columns = {column.name: column.native for column in table.columns}
        values = ", ".join(
            f"{literal(self._session, text)}::{columns[name]}" for name, text in zip(table.key, bound, strict=True)
        )
        return f"({listed(table.key)}) {compare} ({values})"


def forms(table: Table) -> tuple[str, ...]:
    """What these columns can be read and written in, the cheapest first."""
    binary = (BINARY,) if all(column.portable for column in table.columns) else ()
    return (*binary, TEXT, BLOCKS, ARROW)


class CopyOut(Rows):
    """COPY TO STDOUT in a thread of its own; the reader sees its bytes through a pipe, which is all that is held."""

    def __init__(self, session: Session, query: str, form: str, what: str) -> None:
        self.form = form
        self.bytes_read = 0
        self._session = session
        self._what = what
        self._hash = hashlib.blake2b(digest_size=16)
        self._error: BaseException | None = None
        self._rows = -1
        self._closed = False
        self._out, into = os.pipe()
        with contextlib.suppress(OSError, ImportError):  # a smaller pipe only costs time
            import fcntl

            fcntl.fcntl(into, _F_SETPIPE_SZ, _PIPE_BYTES)
        statement = f"COPY (\n{query}\n) TO STDOUT{_OPTIONS[form]}"
        self._thread = threading.Thread(target=self._pump, args=(statement, into), daemon=True, name="copy out")
        self._thread.start()

    def _pump(self, statement: str, into: int) -> None:
        try:
            with open(into, "wb", buffering=_BLOCK) as pipe, self._session.connection.cursor() as cursor:
                cursor.copy_expert(statement, pipe, _BLOCK)
                pipe.flush()
                self._rows = cursor.rowcount
        except BaseException as error:
            self._error = error

    def read(self, size: int = -1) -> bytes:
        block = os.read(self._out, size if size > 0 else _BLOCK)
        if not block:
            self._join()
            self._raise()
        self.bytes_read += len(block)
        self._hash.update(block)
        return block

    def check(self) -> None:
        self._raise()

    def finish(self) -> Totals:
        self._join()
        self._raise()
        if self._rows < 0:
            raise Unreachable(f"Reading {self._what} ended without the number of rows", kind=catalog.KIND)
        return Totals(self._rows, self.bytes_read, self._hash.hexdigest())

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._thread.is_alive():
            self._session.cancel()
        os.close(self._out)  # whoever still writes hears of it
        self._join()

    def _join(self) -> None:
        self._thread.join()

    def _raise(self) -> None:
        error = self._error
        if isinstance(error, psycopg2.Error):
            raise translated(error, self._session, f"reading {self._what}") from error
        if isinstance(error, BrokenPipeError) and self._closed:
            raise Cancelled("The read was given up") from error
        if error is not None:
            raise error
