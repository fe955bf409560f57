"""Arrow batches as what COPY FROM reads: binary where every column is of a type that travels so, else CSV.

In CSV NULL is nothing, and everything else stands in quotes.
"""

import itertools
import json
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyarrow import csv

from etl_engine.connectors.arrow_rows import bounded
from etl_engine.connectors.hexadecimal import to_hexadecimal
from etl_engine.connectors.pg.large_rows import LARGE, in_pieces, is_large
from etl_engine.connectors.rows import Rows
from etl_engine.faultpoints import faultpoint
from etl_engine.model.table import Family, Type

if TYPE_CHECKING:
    from etl_engine.connectors.pg.binary_values import Encode

_PIECE_BYTES = 1 << 20
_OPTIONS = csv.WriteOptions(include_header=False, quoting_style="all_valid", batch_size=1 << 14)


@dataclass(frozen=True)
class Catalogued:
    """A column's type as the catalogue of the target has it: its name, its kind, and its category."""

    name: str
    kind: str
    category: str

    @property
    def is_array(self) -> bool:
        return self.category == "A"


class Feed:
    """A file for the driver to read from."""

    def __init__(self, rows: Rows, types: Sequence[Catalogued]) -> None:
        """Waits for the first batch, since that says how its columns travel."""
        self.error: BaseException | None = None  # what ended it, of which the server only tells that it ended
        batches = rows.batches()
        first = deque(itertools.islice(batches, 1))
        encoders = _encoders(first[0].schema, types) if first else None
        self.format = "csv" if encoders is None else "binary"
        waiting = itertools.chain(_taken(first), batches)
        if encoders is None:
            self._pieces = _texts(waiting, [one.is_array for one in types])
        else:
            self._pieces = _binaries(waiting, encoders)

    def read(self, _size: int = -1) -> bytes:
        try:
            return next(self._pieces, b"")
        except BaseException as error:
            self.error = error
            raise


def _taken(batches: deque[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    while batches:
        yield batches.popleft()  # and not held here: it may be large


def _encoders(schema: pa.Schema, types: Sequence[Catalogued]) -> "list[Encode] | None":
    from etl_engine.connectors.pg.binary_values import encoder

    made = []
    for field, one in zip(schema, types, strict=True):
        encode = encoder(field.type, one.name, one.kind, field.name)
        if encode is None:
            return None
        made.append(encode)
    return made


def _binaries(batches: Iterator[pa.RecordBatch], encoders: "list[Encode]") -> Iterator[bytes]:
    from etl_engine.connectors.pg.binary import HEAD, TAIL, encoded

    yield HEAD
    for part in _parts(batches):
        for piece in encoded(part.pop(), encoders):
            yield from _in_pieces(piece)
    yield TAIL


def _texts(batches: Iterator[pa.RecordBatch], arrays: Sequence[bool]) -> Iterator[bytes]:
    for part in _parts(batches):
        if part[0].num_rows == 1 and part[0].nbytes >= LARGE:
            yield from _large(part.pop(), arrays)
            continue
        written = deque(_written(part.pop(), arrays))
        while written:
            yield from _in_pieces(written.popleft())


def _parts(batches: Iterator[pa.RecordBatch]) -> Iterator[list[pa.RecordBatch]]:
    """Each in a list, to be taken out of it: nobody else is to hold what may be large."""
    while (batch := next(batches, None)) is not None:
        parts, batch = deque(bounded(batch, _PIECE_BYTES)), None
        while parts:
            yield [parts.popleft()]
        faultpoint("copy.loading")


def _large(batch: pa.RecordBatch, arrays: Sequence[bool]) -> Iterator[bytes]:
    """A row of which some cell may be a hundred megabytes: no text is made of it but the piece that is sent."""
    end = b","
    for number, (values, field, is_array) in enumerate(zip(batch.columns, batch.schema, arrays, strict=True)):
        end = b"\n" if number == batch.num_columns - 1 else end
        if is_large(values) and not is_array:
            yield from in_pieces(values)
            yield end
        else:
            one = pa.RecordBatch.from_arrays([values], schema=pa.schema([field]))
            yield b"".join(_written(one, [is_array])).removesuffix(b"\n") + end


def _written(batch: pa.RecordBatch, arrays: Sequence[bool]) -> list[bytes]:
    """The rows as CSV. `arrays` tells the columns whose JSON arrays become PostgreSQL's."""
    columns = [_column(values, is_array=one) for values, one in zip(batch.columns, arrays, strict=True)]
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


def _in_pieces(text: bytes | memoryview) -> Iterator[bytes]:
    for start in range(0, len(text), _PIECE_BYTES):
        piece = text[start : start + _PIECE_BYTES]
        yield piece if isinstance(piece, bytes) else piece.tobytes()


def _column(values: pa.Array, *, is_array: bool) -> pa.Array:
    given = values.type
    if pa.types.is_binary(given):
        return to_hexadecimal(values, "\\x")
    if pa.types.is_timestamp(given) or pa.types.is_date(given):
        from etl_engine.connectors.exact_text import as_text

        return as_text(values, Type(Family.TIMESTAMP, zoned=bool(getattr(given, "tz", None))))
    if is_array:
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
