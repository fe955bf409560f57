"""Writing rows into files: Parquet, CSV or JSON Lines, the next file where one has become large enough."""

import io
import json
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq

from etl_engine.connectors.carriers import carrier
from etl_engine.connectors.files.folder import Item, Sink
from etl_engine.connectors.files.formats import Shape
from etl_engine.connectors.files.stored import arrow_schema
from etl_engine.connectors.hexadecimal import to_hexadecimal
from etl_engine.connectors.rows import Foreseen, Rows
from etl_engine.errors import Rejected
from etl_engine.model.table import Column, Family, Type

# Rows are collected into row groups of about so many bytes: readers skip and decompress by the group.
GROUP_BYTES = 8 << 20
_PIECE = 1 << 20  # is handed over at a time
_GROUP_ROWS = 1 << 20
NULL_REFUSED = "not-null"  # by which a row is at fault, and not the disk
_NO_EXPONENT = 5  # decimal places up to which Arrow writes a number plainly
_ESCAPED = (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t"))
_CONTROL = r"[\x00-\x08\x0b\x0c\x0e-\x1f]"


def texts(array: pa.Array) -> pa.Array:
    """Values as the texts of the house, by which they are read again exactly."""
    given = array.type
    if pa.types.is_string(given):
        return array
    if pa.types.is_binary(given):
        return to_hexadecimal(array)
    if pa.types.is_decimal(given):
        made = pc.cast(array, pa.string())
        if pc.any(pc.match_substring(made, "E")).as_py():  # Arrow writes small ones as 1E-9
            made = pa.array([None if value is None else f"{value:f}" for value in array.to_pylist()], pa.string())
        return made
    if pa.types.is_floating(given):
        return _floats(array)
    if pa.types.is_timestamp(given) and given.tz:
        made = pc.cast(pc.cast(array, pa.timestamp(given.unit)), pa.string())
        return pc.binary_join_element_wise(made, "+00", "")
    return pc.cast(array, pa.string())


def _floats(array: pa.Array) -> pa.Array:
    made = pc.cast(array, pa.string())
    for said, meant in (("nan", "NaN"), ("-nan", "NaN"), ("inf", "Infinity"), ("-inf", "-Infinity")):
        made = pc.if_else(pc.equal(made, said), meant, made)
    return made


def foreseen_nulls(rows: Rows | None, names: Sequence[str], columns: Sequence[Column], table: str) -> Foreseen:
    """What a row may be refused for is a NULL; any other failure is not a row's."""
    needed = {one.name for one in columns if not one.nullable}
    found: dict[int, tuple[str, str]] = {}
    for batch in rows.batches() if rows else ():
        for number, name in enumerate(names):
            if name in needed and batch.column(number).null_count:
                missing = pc.indices_nonzero(batch.column(number).is_null()).to_pylist()
                found |= dict.fromkeys(missing, (name, f"is NULL, and {table} takes none there"))
    return found


class Files:
    """The files of one unit of work. Nothing is seen before `publish`; `discard` leaves nothing."""

    def __init__(self, make: Callable[[int], Sink], shape: Shape, columns: tuple[Column, ...], most: int) -> None:
        self._make = make
        self._shape = shape
        self.columns = columns
        self._most = most
        self._sinks: list[tuple[Sink, int]] = []  # with the rows in each
        self._writer: Any = None
        self._rows = 0

    def write(self, batch: pa.RecordBatch) -> None:
        """Columns are taken by name; those that the batch does not have are NULL. Refused before a byte is written."""
        whole = _whole(batch, self.columns)
        if self._writer is None:
            sink = self._make(len(self._sinks))
            self._sinks.append((sink, 0))
            self._rows = 0
            self._writer = _WRITERS[self._shape.format](sink, self._shape, self.columns)
        self._writer.write(whole)
        self._rows += batch.num_rows
        if self._writer.size >= self._most:
            self._end_file()

    def finish(self) -> None:
        """Close what is open. A table without rows has one file, so that everybody sees its columns."""
        if not self._sinks:
            self.write(pa.RecordBatch.from_pylist([], schema=arrow_schema(self.columns)))
        self._end_file()

    def publish(self) -> list[tuple[Item, int]]:
        return [(sink.publish(), rows) for sink, rows in self._sinks]

    def discard(self) -> None:
        if self._writer is not None:
            self._writer.abandon()
            self._writer = None
        for sink, _ in self._sinks:
            sink.discard()
        self._sinks = []

    def release(self) -> None:
        for sink, _ in self._sinks:
            sink.release()
        self._sinks = []

    @property
    def paths(self) -> list[str]:
        return [sink.path for sink, _ in self._sinks]

    def _end_file(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
            sink, _ = self._sinks[-1]
            sink.finish()
            self._sinks[-1] = (sink, self._rows)


def _whole(batch: pa.RecordBatch, columns: tuple[Column, ...]) -> pa.RecordBatch:
    schema = arrow_schema(columns)
    arrays = []
    for one in schema:
        at = batch.schema.get_field_index(one.name)
        array = pa.nulls(batch.num_rows, one.type) if at < 0 else batch.column(at)
        if not one.nullable and array.null_count:
            raise Rejected(
                f"{array.null_count} row{'s have' if array.null_count > 1 else ' has'} NULL in {one.name}, which must "
                "have a value",
                native_code=NULL_REFUSED,
                hint="Leave these rows out with --query, keep them apart with --on-reject quarantine, or copy anew.",
            )
        arrays.append(array)
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


class _Parquet:
    def __init__(self, sink: Sink, _shape: Shape, columns: tuple[Column, ...]) -> None:
        self._out = _Out(sink)
        self._held: list[pa.RecordBatch] = []
        self._bytes = 0
        self._rows = 0
        self._schema = arrow_schema(columns)
        # Of bytes neither is of use, and each would hold two more copies of a large cell.
        looked_up = [field.name for field in self._schema if not pa.types.is_binary(field.type)]
        self._writer = pq.ParquetWriter(
            self._out,
            self._schema,
            compression="zstd",
            version="2.6",
            use_dictionary=looked_up,
            write_statistics=looked_up,
        )

    @property
    def size(self) -> int:
        return self._out.written + self._bytes // 4  # about what the rest will come to

    def write(self, batch: pa.RecordBatch) -> None:
        self._held.append(batch)
        self._bytes += batch.nbytes
        self._rows += batch.num_rows
        if self._bytes >= GROUP_BYTES or self._rows >= _GROUP_ROWS:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._writer.close()

    def abandon(self) -> None:
        self._out.written = -1  # what the writer says on its way out goes nowhere
        self._writer.close()

    def _flush(self) -> None:
        if self._held:
            self._writer.write_table(pa.Table.from_batches(self._held, self._schema), row_group_size=_GROUP_ROWS)
            self._held, self._bytes, self._rows = [], 0, 0


class _Lines:
    """What CSV and JSONL share: text into a sink, packed or not."""

    def __init__(self, sink: Sink, shape: Shape) -> None:
        self._out = _Out(sink)
        self._stream: Any = pa.PythonFile(self._out, "w")
        if shape.compression != "none":
            self._stream = pa.CompressedOutputStream(self._stream, shape.compression)

    @property
    def size(self) -> int:
        return self._out.written

    def close(self) -> None:
        self._stream.close()

    def abandon(self) -> None:
        self._out.written = -1
        self._stream.close()


class _Csv(_Lines):
    """NULL is nothing at all, the empty text is "": every reader that can tell them apart does."""

    def __init__(self, sink: Sink, shape: Shape, columns: tuple[Column, ...]) -> None:
        super().__init__(sink, shape)
        # Texts are quoted where they must be, and what is written as it is needs no quotes.
        self._schema = pa.schema([(one.name, _in_csv(carrier(one.type))) for one in columns])
        options = arrow_csv.WriteOptions(include_header=True, delimiter=shape.delimiter, quoting_style="needed")
        self._writer = arrow_csv.CSVWriter(self._stream, self._schema, write_options=options)

    def write(self, batch: pa.RecordBatch) -> None:
        arrays = [
            one if one.type == field.type else texts(one)
            for one, field in zip(batch.columns, self._schema, strict=True)
        ]
        self._writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=self._schema))

    def close(self) -> None:
        self._writer.close()
        super().close()


def _in_csv(given: pa.DataType) -> pa.DataType:
    plain = pa.types.is_integer(given) or pa.types.is_boolean(given) or pa.types.is_date(given)
    return given if plain or (pa.types.is_decimal(given) and given.scale <= _NO_EXPONENT) else pa.string()


class _Jsonl(_Lines):
    """One object a line; numbers with all their digits, everything without a word in JSON as text."""

    def __init__(self, sink: Sink, shape: Shape, columns: tuple[Column, ...]) -> None:
        super().__init__(sink, shape)
        self._columns = columns

    def write(self, batch: pa.RecordBatch) -> None:
        if not batch.num_rows:
            return
        parts: list[Any] = []
        for number, (one, array) in enumerate(zip(self._columns, batch.columns, strict=True)):
            before = "{" if not number else ","
            parts += [f"{before}{json.dumps(one.name, ensure_ascii=False)}:", fragments(array, one.type)]
        rows = pc.binary_join_element_wise(*parts, "}\n", "")
        self._stream.write("".join(rows.to_pylist()).encode())


def fragments(array: pa.Array, type_: Type) -> pa.Array:
    """Each value as JSON."""
    made = texts(array)
    plain = type_.family in (Family.BOOLEAN, Family.INTEGER) or pa.types.is_decimal(array.type)
    if type_.family is Family.FLOAT:
        named = pc.is_in(made, value_set=pa.array(["NaN", "Infinity", "-Infinity"]))
        made = pc.if_else(named, pc.binary_join_element_wise('"', made, '"', ""), made)
        plain = True
    if not plain:
        made = _quoted(made)
    return pc.fill_null(made, "null")


def _quoted(made: pa.Array) -> pa.Array:
    if pc.any(pc.match_substring_regex(made, _CONTROL)).as_py():
        values = [None if value is None else json.dumps(value, ensure_ascii=False) for value in made.to_pylist()]
        return pa.array(values, pa.string())
    for one, instead in _ESCAPED:
        if pc.any(pc.match_substring(made, one)).as_py():
            made = pc.replace_substring(made, one, instead)
    return pc.binary_join_element_wise('"', made, '"', "")


_WRITERS: dict[str, Any] = {"parquet": _Parquet, "csv": _Csv, "jsonl": _Jsonl}


class _Out(io.RawIOBase):
    """A sink as pyarrow wants it; it is finished by its owner and not by the writer that used it."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self.written = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        view = memoryview(data)
        if self.written >= 0:
            for start in range(0, len(view), _PIECE):
                self._sink.write(bytes(view[start : start + _PIECE]))
            self.written += len(view)
        return len(view)

    def tell(self) -> int:
        return max(self.written, 0)
