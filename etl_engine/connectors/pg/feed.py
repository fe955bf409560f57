"""Arrow batches as what COPY FROM reads: CSV in which NULL is nothing, and everything else stands in quotes."""

import json
from collections import deque
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
from pyarrow import csv

from etl_engine.connectors.arrow_rows import bounded
from etl_engine.connectors.rows import Rows
from etl_engine.faultpoints import faultpoint

_PIECE_BYTES = 1 << 20
_OPTIONS = csv.WriteOptions(include_header=False, quoting_style="all_valid", batch_size=1 << 14)


class CsvFeed:
    """A file for the driver to read from."""

    def __init__(self, rows: Rows, arrays: frozenset[str]) -> None:
        self.error: BaseException | None = None  # what ended it, of which the server only tells that it ended
        self._pieces = self._made(rows.batches(), arrays)

    def read(self, _size: int = -1) -> bytes:
        try:
            return next(self._pieces, b"")
        except BaseException as error:
            self.error = error
            raise

    def _made(self, batches: Iterator[pa.RecordBatch], arrays: frozenset[str]) -> Iterator[bytes]:
        while (batch := next(batches, None)) is not None:
            parts, batch = deque(bounded(batch, _PIECE_BYTES)), None
            while parts:
                written = deque(_written(parts.popleft(), arrays))
                while written:
                    yield from _in_pieces(written.popleft())
            faultpoint("copy.loading")


def _written(batch: pa.RecordBatch, arrays: frozenset[str]) -> list[bytes]:
    """The rows as CSV. `arrays` are the columns whose JSON arrays become PostgreSQL's."""
    columns = [_column(values, field, arrays) for field, values in zip(batch.schema, batch.columns, strict=True)]
    sink = _Pieces()
    made = pa.RecordBatch.from_arrays(columns, names=batch.schema.names)
    del batch, columns
    with pa.PythonFile(sink, mode="w") as file:
        csv.write_csv(made, file, _OPTIONS)
    return sink.pieces


class _Pieces:
    """What the writer writes to."""

    closed = False

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def write(self, piece: bytes) -> int:
        self.pieces.append(bytes(piece))
        return len(piece)

    def flush(self) -> None:
        """Nothing waits here."""

    def close(self) -> None:
        """There is nothing to close."""


def _in_pieces(text: bytes) -> Iterator[bytes]:
    if len(text) <= _PIECE_BYTES:
        yield text
        return
    for start in range(0, len(text), _PIECE_BYTES):
        yield text[start : start + _PIECE_BYTES]


def _column(values: pa.Array, field: pa.Field, arrays: frozenset[str]) -> pa.Array:
    if pa.types.is_binary(field.type):
        from etl_engine.connectors.hexadecimal import to_hexadecimal

        return to_hexadecimal(values, "\\x")
    if pa.types.is_timestamp(field.type) and field.type.tz:
        import pyarrow.compute as pc

        return pc.binary_join_element_wise(values.cast(pa.timestamp(field.type.unit)).cast(pa.string()), "+00", "")
    if field.name in arrays:
        return pa.array([None if one is None else _array_literal(one) for one in values.to_pylist()], pa.string())
    return values


def _array_literal(text: str) -> str:
    """A JSON array as PostgreSQL writes arrays; numbers digit by digit. What is none is the server's to refuse."""
    try:
        read = json.loads(text, parse_int=_Number, parse_float=_Number)
    except ValueError:
        return text  # with bounds of its own: already as the server writes it
    return _braced(read) if isinstance(read, list) else text


class _Number(str):
    """A number as it was written."""

    __slots__ = ()


def _braced(value: Any) -> str:
    if isinstance(value, list):
        return "{" + ",".join(_braced(one) for one in value) + "}"
    if value is None:
        return "NULL"
    if isinstance(value, _Number):
        return value
    if isinstance(value, bool):
        return "t" if value else "f"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
