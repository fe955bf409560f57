"""Rows of PostgreSQL as Arrow: COPY in CSV, cut where the server cuts its rows, parsed by a vectorised reader."""

import contextlib
import queue
import threading
from collections.abc import Generator, Sequence
from typing import TypeAlias

import psycopg2
import pyarrow as pa
from pyarrow import csv

from etl_engine.connectors.arrow_rows import ArrowRows
from etl_engine.connectors.carriers import carrier
from etl_engine.connectors.names import double_quoted
from etl_engine.connectors.pg.refusals import translated
from etl_engine.connectors.pg.session import Session
from etl_engine.errors import Cancelled, Rejected, Unreachable
from etl_engine.model.table import Column

_BLOCK_BYTES = 1 << 20
_LARGE_BYTES = 16 << 20  # a block that is taken alone: nothing is read behind it until it is gone
_LOOK_SECONDS = 0.5


Blocks: TypeAlias = "queue.Queue[bytes | bytearray | None]"  # None: there are no more


class CopyBatches(ArrowRows):
    """COPY TO STDOUT in a thread of its own, its rows in blocks of some megabytes, one batch each."""

    def __init__(self, session: Session, query: str, columns: Sequence[Column], what: str, *, as_text: bool) -> None:
        super().__init__(what)
        self._session = session
        self._columns = columns
        self._fields = [pa.field(one.name, pa.string() if as_text else carrier(one.type)) for one in columns]
        self._as_text = as_text
        self._error: BaseException | None = None
        self._counted = -1
        self._blocks: Blocks = queue.Queue(maxsize=1)
        self._given_up = threading.Event()
        self._taken = threading.Event()
        # A byte order mark at the beginning of a block would be taken off, if it stood there without quotes.
        first = self._fields[0].name if self._fields[0].type == pa.string() else ""
        quoting = f", FORCE_QUOTE ({double_quoted(first)})" if first else ""
        self._statement = f"COPY (\n{query}\n) TO STDOUT (FORMAT csv{quoting})"
        self._thread: threading.Thread | None = None

    def _make(self) -> Generator[pa.RecordBatch, None, None]:
        self._thread = threading.Thread(target=self._pump, daemon=True, name="copy out")
        self._thread.start()
        rows = 0
        try:
            while (block := self._blocks.get()) is not None:
                batch, read = self._parsed(block, rows)
                rows += read
                given, block, batch = [batch], None, None  # held by whoever takes it, and no longer here
                yield given.pop()
                self._taken.set()
            self._thread.join()
            self._raise()
            if rows != self._counted:
                raise Unreachable(f"Reading {self._what} gave {rows} rows, and the server counts {self._counted}")
        finally:
            self._give_up()

    def _pump(self) -> None:
        try:
            sink = _RowBlocks(self._blocks, self._given_up, self._taken)
            with self._session.connection.cursor() as cursor:
                cursor.copy_expert(self._statement, sink)
                sink.flush()
                self._counted = cursor.rowcount
        except BaseException as error:
            self._error = error
        finally:
            _put(self._blocks, None, self._given_up)

    def _parsed(self, block: bytes | bytearray, before: int) -> tuple[pa.RecordBatch, int]:
        try:
            batch = self._read(block, [self._written(field) for field in self._fields])
        except pa.ArrowInvalid as error:  # the server has seen to the encoding, and the types are its own
            raise Rejected(f"What {self._what} gave behind row {before} cannot be read: {error}") from error
        return self._carried(batch), batch.num_rows

    def _written(self, field: pa.Field) -> pa.DataType:
        return pa.string() if field.type == pa.binary() else field.type

    def _read(self, block: bytes | bytearray, types: Sequence[pa.DataType]) -> pa.RecordBatch:
        names = [f"c{number}" for number in range(len(types))]
        table = csv.read_csv(
            pa.py_buffer(block),
            csv.ReadOptions(column_names=names, block_size=len(block) + 1, use_threads=False),
            csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
            csv.ConvertOptions(
                column_types=dict(zip(names, types, strict=True)),
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
                true_values=["t"],
                false_values=["f"],
            ),
        )
        (batch,) = table.combine_chunks().to_batches()
        return batch

    def _carried(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        arrays = [
            _bytes_of(values) if field.type == pa.binary() else values
            for field, values in zip(self._fields, batch.columns, strict=True)
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(self._fields))

    def _give_up(self) -> None:
        self._given_up.set()
        thread = self._thread
        if thread is None:
            return
        if thread.is_alive():
            with contextlib.suppress(psycopg2.Error, OSError):
                self._session.connection.cancel()
        thread.join()

    def check(self) -> None:
        self._raise()

    def _raise(self) -> None:
        error = self._error
        if isinstance(error, psycopg2.Error):
            raise translated(error, self._session, f"reading {self._what}") from error
        if error is not None:
            raise error


class _RowBlocks:
    """What COPY writes to: the protocol brings one row at a time, and rows are collected to blocks."""

    def __init__(self, blocks: Blocks, given_up: threading.Event, taken: threading.Event) -> None:
        self._blocks = blocks
        self._given_up = given_up
        self._taken = taken
        self._rows = bytearray()

    def write(self, row: bytes) -> None:
        if len(row) > _LARGE_BYTES:  # not copied once more
            self.flush()
            self._give(row)
            return
        self._rows += row
        if len(self._rows) >= _BLOCK_BYTES:
            self.flush()

    def flush(self) -> None:
        if self._rows:
            rows, self._rows = self._rows, bytearray()
            self._give(rows)

    def _give(self, block: bytes | bytearray) -> None:
        large = len(block) > _LARGE_BYTES
        self._taken.clear()
        if not _put(self._blocks, block, self._given_up):
            raise Cancelled("The read was given up")
        while large and not self._taken.wait(_LOOK_SECONDS):
            if self._given_up.is_set():
                raise Cancelled("The read was given up")


def _put(blocks: Blocks, block: bytes | bytearray | None, given_up: threading.Event) -> bool:
    while not given_up.is_set():
        with contextlib.suppress(queue.Full):
            blocks.put(block, timeout=_LOOK_SECONDS)
            return True
    return False


def _bytes_of(digits: pa.Array) -> pa.Array:
    # Here and not above: the lane of texts does without the kernels, which take ten megabytes.
    from etl_engine.connectors.hexadecimal import from_hexadecimal

    return from_hexadecimal(digits)
