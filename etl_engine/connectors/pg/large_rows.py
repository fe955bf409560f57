"""A row of COPY's CSV whose cells may be a hundred megabytes: each is held once, and no copy made of it on the way."""

import binascii
import re
from collections.abc import Iterator, Sequence

import pyarrow as pa

from etl_engine.connectors.hexadecimal import PIECE, decoded
from etl_engine.connectors.pg.expressions import BASE64

LARGE = 1 << 20  # smaller cells are read like any others
_LINES = 77 * 13_000  # the server breaks base64 behind 76 characters: whole lines are whole bytes
_COMMA, _QUOTE = b",", b'"'
_QUOTED = re.compile(rb'[^"]*+(?:""[^"]*+)*+"')
_PLAIN = re.compile(rb"[^,\n]*+")


def cells(row: bytes | bytearray) -> Iterator[memoryview | None]:
    """What stands between the commas, as it is written inside its quotes; None is NULL."""
    view, at = memoryview(row), 0
    while True:
        if view[at : at + 1] == _QUOTE:
            found = _QUOTED.match(view[at + 1 :])
            if found is None:
                raise pa.ArrowInvalid("a quote is not closed")
            yield view[at + 1 : at + found.end()]
            at += 1 + found.end()
        else:
            found = _PLAIN.match(view[at:])
            size = found.end() if found else 0
            yield view[at : at + size] if size else None
            at += size
        if view[at : at + 1] != _COMMA:
            return
        at += 1


def split(row: bytes | bytearray, types: Sequence[pa.DataType]) -> tuple[bytes, dict[int, pa.Array]]:
    """The large cells by the number of their column, and the row with nothing in their place."""
    large: dict[int, pa.Array] = {}
    left = []
    for number, cell in enumerate(cells(row)):
        if cell is None:
            left.append(b"")
        elif len(cell) < LARGE or number >= len(types) or not _is_long(types[number]):
            left.append(b'"%b"' % bytes(cell))
        else:
            large[number] = _bytes(cell) if types[number] == pa.binary() else _text(cell)
            left.append(b"")
    return _COMMA.join(left) + b"\n", large


def _is_long(type_: pa.DataType) -> bool:
    return bool(type_ == pa.string() or type_ == pa.binary())


def _text(cell: memoryview) -> pa.Array:
    data: memoryview | bytes = cell
    if _escapes(cell):
        data = bytes(cell).replace(b'""', _QUOTE)
    return _one(pa.string(), data)


def _escapes(cell: memoryview) -> bool:
    return any(_QUOTE in bytes(cell[at : at + PIECE]) for at in range(0, len(cell), PIECE))


def _bytes(cell: memoryview) -> pa.Array:
    if cell[:1] == BASE64.encode():
        return _one(pa.binary(), _from_base64(cell[1:]))
    return _one(pa.binary(), decoded(cell))


def _from_base64(lines: memoryview) -> bytearray:
    made, at = bytearray(len(lines) * 3 // 4 + 3), 0
    for start in range(0, len(lines), _LINES):
        part = binascii.a2b_base64(lines[start : start + _LINES])
        made[at : at + len(part)] = part
        at += len(part)
    del made[at:]
    return made


def _one(type_: pa.DataType, data: memoryview | bytes | bytearray) -> pa.Array:
    ends = pa.array([0, len(data)], pa.int32()).buffers()[1]
    return pa.Array.from_buffers(type_, 1, [None, ends, pa.py_buffer(data)])


def in_pieces(values: pa.Array) -> Iterator[bytes]:
    """One large text or bytes as CSV for COPY, piece by piece."""
    data = memoryview(values[0].as_buffer())
    yield _QUOTE + (b"\\x" if values.type == pa.binary() else b"")
    for at in range(0, len(data), PIECE):
        part = data[at : at + PIECE]
        yield binascii.hexlify(part) if values.type == pa.binary() else bytes(part).replace(_QUOTE, b'""')
    yield _QUOTE


def is_large(values: pa.Array) -> bool:
    """Whether it is one value that is written in pieces."""
    return len(values) == 1 and values.nbytes >= LARGE and _is_long(values.type) and values[0].is_valid
