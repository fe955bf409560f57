"""One read of a SQLite file as record batches.

Rows are fetched a few thousand at a time, which is quick and blind: nobody knows how large they are, or whether their
text is UTF-8, before they are there. So SQLite is told to stop at the first large value, and Python at the first broken
text; from that row on the rest is read one by one, with the bytes counted.
"""

import json
import sqlite3
from collections.abc import Generator, Iterator, Sequence
from typing import Any

import pyarrow as pa

from etl_engine.connectors.arrow_rows import BATCH_BYTES, ArrowRows
from etl_engine.connectors.carriers import carried
from etl_engine.connectors.rows import Reject
from etl_engine.connectors.sqlite.refusals import KIND, translated
from etl_engine.connectors.sqlite.session import Session
from etl_engine.connectors.sqlite.values import Carrier, shown
from etl_engine.errors import Rejected
from etl_engine.model.table import Column

_FEW, _MANY = 128, 4096
_LARGE_BYTES = 64 * 1024
_LARGEST_BYTES = 1_000_000_000
_TYPICAL_CELL_BYTES = 24


class SqliteRows(ArrowRows):
    """The rows of one statement, which must give the same rows in the same order when it is run again."""

    def __init__(
        self,
        session: Session,
        statement: str,
        values: Sequence[Any],
        columns: tuple[Column, ...],
        extras: Sequence[str],
        what: str,
        *,
        repeatable: bool,
        enough: int = 0,
    ) -> None:
        super().__init__(what)
        self._session = session
        self._statement = statement
        self._values = tuple(values)
        self._columns = columns
        self._schema = pa.schema([*carried(columns), *(pa.field(name, pa.string()) for name in extras)])
        self._carriers = [Carrier(column) for column in columns]
        self._repeatable = repeatable
        self._enough = enough
        self._taken = 0  # rows that came out of the file, kept back ones among them

    def _make(self) -> Generator[pa.RecordBatch, None, None]:
        for rows in self._chunks():
            batch = self._batch(rows)
            self._taken += len(rows)
            if batch.num_rows:
                yield batch

    def _chunks(self) -> Iterator[list[tuple[Any, ...]]]:
        try:
            if not self._repeatable or not (yield from self._quickly()):
                yield from self._carefully()
        except sqlite3.Error as error:
            raise translated(error, self._session.file, f"reading {self._what}") from error

    def _quickly(self) -> Generator[list[tuple[Any, ...]], None, bool]:
        """Whether this was all; not where a row came that needs care."""
        connection, many = self._session.connection, _FEW
        was = connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LARGE_BYTES)
        try:
            cursor = self._execute()
            while rows := cursor.fetchmany(many):
                yield rows
                # A guess from the last row; the limit above keeps it from being far too low.
                size = sum(_bytes_of(value) for value in rows[-1]) or 1
                many = max(_FEW, min(_MANY, BATCH_BYTES // size))
            cursor.close()
        except (sqlite3.DataError, sqlite3.OperationalError) as error:
            if not _is_for_the_careful(error):
                raise
            return False
        finally:
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, was)
        return True

    def _carefully(self) -> Iterator[list[tuple[Any, ...]]]:
        connection = self._session.connection
        was = connection.text_factory
        connection.text_factory = _decoded
        try:
            cursor = self._execute()
            rows: list[tuple[Any, ...]] = []
            size = 0
            for row in cursor:
                rows.append(row)
                size += sum(map(_bytes_of, row))
                if size >= BATCH_BYTES or len(rows) >= _MANY:
                    yield rows
                    rows, size = [], 0
            if rows:
                yield rows
            cursor.close()
        finally:
            connection.text_factory = was

    def _execute(self) -> sqlite3.Cursor:
        statement = f"{self._statement} LIMIT ? OFFSET ?"
        values = (*self._values, self._enough - self._taken if self._enough else -1, self._taken)
        return self._session.patiently_raw(lambda: self._session.connection.execute(statement, values))

    def _batch(self, rows: list[tuple[Any, ...]]) -> pa.RecordBatch:
        values = list(zip(*rows, strict=True))
        arrays: list[pa.Array] = []
        unfit: dict[int, tuple[int, str]] = {}
        for number, (carry, column) in enumerate(zip(self._carriers, values, strict=False)):
            made = carry(column)
            arrays.append(made.array)
            for row, reason in made.unfit.items():
                unfit.setdefault(row, (number, reason))
        arrays += [pa.array(column, pa.string()) for column in values[len(self._columns) :]]
        batch = pa.RecordBatch.from_arrays(arrays, schema=_nullable(self._schema))
        if not unfit:
            return batch
        for row in sorted(unfit):
            self._keep_back(rows[row], self._taken + row + 1, *unfit[row])
        return batch.filter(pa.array([row not in unfit for row in range(len(rows))]))

    def _keep_back(self, row: tuple[Any, ...], number: int, at: int, reason: str) -> None:
        column, value = self._columns[at], row[at]
        if self.on_reject is None:
            raise Rejected(
                f"Row {number} of {self._what}: the value {shown(value)!r} in the column {column.name} "
                f"({column.native or 'without a type'}) {reason}",
                kind=KIND,
                hint="Repair it, take the column as text with --query (CAST(… AS TEXT)), "
                "or keep such rows apart with --on-reject quarantine.",
            )
        texts = {one.name: None if text is None else shown(text) for one, text in zip(self._columns, row, strict=False)}
        self.on_reject(Reject(number, column.name, shown(value), reason, json.dumps(texts, ensure_ascii=False)))


def _nullable(schema: pa.Schema) -> pa.Schema:
    """Rows that are kept back leave a NULL behind until they are taken out."""
    return pa.schema([field.with_nullable(True) for field in schema])


def _is_for_the_careful(error: sqlite3.Error) -> bool:
    name = str(getattr(error, "sqlite_errorname", ""))
    return name == "SQLITE_TOOBIG" or (not name and "decode to UTF-8" in str(error))


def _decoded(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _bytes_of(value: Any) -> int:
    return len(value) if isinstance(value, str | bytes) else _TYPICAL_CELL_BYTES
