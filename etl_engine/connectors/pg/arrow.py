"""Rows of PostgreSQL as Arrow: COPY in CSV, cut where the server cuts its rows, parsed by a vectorised reader."""

import contextlib
from collections.abc import Generator, Sequence

import pyarrow as pa
from pyarrow import csv

from etl_engine.connectors.arrow_rows import ArrowRows
from etl_engine.connectors.carriers import carrier
from etl_engine.connectors.hexadecimal import from_hexadecimal
from etl_engine.connectors.names import double_quoted
from etl_engine.connectors.pg.blocks import LARGE_BYTES, Block, CopyBlocks
from etl_engine.connectors.pg.large_rows import split
from etl_engine.connectors.pg.session import Session
from etl_engine.errors import Rejected, Unreachable
from etl_engine.model.table import Column


class CopyBatches(ArrowRows):
    """One batch of each block of rows."""

    def __init__(self, session: Session, query: str, columns: Sequence[Column], what: str) -> None:
        super().__init__(what)
        self._fields = [pa.field(one.name, carrier(one.type)) for one in columns]
        # A byte order mark at the beginning of a block would be taken off, if it stood there without quotes.
        first = self._fields[0].name if self._fields[0].type == pa.string() else ""
        quoting = f", FORCE_QUOTE ({double_quoted(first)})" if first else ""
        self._copy = CopyBlocks(session, f"COPY (\n{query}\n) TO STDOUT (FORMAT csv{quoting})", what)

    def _make(self) -> Generator[pa.RecordBatch, None, None]:
        rows = 0
        with contextlib.closing(self._copy.blocks()) as blocks:
            while (block := next(blocks, None)) is not None:
                batch, read = self._parsed(block, rows)
                rows += read
                given, block, batch = [batch], None, None  # held by whoever takes it, and no longer here
                yield given.pop()
        if rows != self._copy.counted:
            raise Unreachable(f"Reading {self._what} gave {rows} rows, and the server counts {self._copy.counted}")

    def check(self) -> None:
        self._copy.check()

    def _parsed(self, block: Block, before: int) -> tuple[pa.RecordBatch, int]:
        try:
            batch = self._large(block.data) if block.nbytes > LARGE_BYTES else self._read(block.data)
        except (pa.ArrowInvalid, ValueError) as error:  # the server has seen to the encoding, and its types are its own
            raise Rejected(f"What {self._what} gave behind row {before} cannot be read: {error}") from error
        return batch, batch.num_rows

    def _large(self, row: bytes | bytearray) -> pa.RecordBatch:
        rest, large = split(row, [field.type for field in self._fields])
        del row
        arrays = self._read(rest).columns
        made = [large.get(number, values) for number, values in enumerate(arrays)]
        return pa.RecordBatch.from_arrays(made, schema=pa.schema(self._fields))

    def _read(self, block: bytes | bytearray) -> pa.RecordBatch:
        names = [f"c{number}" for number in range(len(self._fields))]
        types = [pa.string() if field.type == pa.binary() else field.type for field in self._fields]
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
        arrays = [
            from_hexadecimal(values) if field.type == pa.binary() else values
            for field, values in zip(self._fields, batch.columns, strict=True)
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(self._fields))
