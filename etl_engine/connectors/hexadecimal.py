"""Bytes as two digits each and back, for all values of an Arrow array at once, since they lie in one buffer."""

import binascii

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_MOST_IN_ONE_ARRAY = (1 << 31) - 1
PIECE = 1 << 20  # of a large value, digits are made and read of so many bytes at a time


def to_hexadecimal(values: pa.Array, before: str = "") -> pa.Array:
    """The digits, behind a text that stands before each of them."""
    if len(values) == 1 and values[0].is_valid:
        return _one(values[0].as_buffer(), before.encode())
    digits = _digits(values)
    return pc.binary_join_element_wise(before, digits, "") if before else digits


def _one(data: pa.Buffer, before: bytes) -> pa.Array:
    """Without a copy on the way: it may be a cell of a hundred megabytes."""
    start, view = len(before), memoryview(data)
    text = bytearray(start + 2 * len(view))
    text[:start] = before
    for at in range(0, len(view), PIECE):
        text[start + 2 * at : start + 2 * (at + PIECE)] = binascii.hexlify(view[at : at + PIECE])
    return _made(pa.string(), np.array([0, len(text)]), text)


def decoded(digits: memoryview) -> bytearray:
    """The bytes of one value."""
    made = bytearray(len(digits) // 2)
    for at in range(0, len(made), PIECE):
        made[at : at + PIECE] = binascii.unhexlify(digits[2 * at : 2 * (at + PIECE)])
    return made


def _digits(values: pa.Array) -> pa.Array:
    values = values.cast(pa.binary())
    _, _, data = values.buffers()
    starts = _starts(values)
    first, last = int(starts[0]), int(starts[-1])
    if (last - first) * 2 > _MOST_IN_ONE_ARRAY:
        raise pa.ArrowCapacityError("the digits of these bytes are more than one array can hold")
    digits = binascii.hexlify(memoryview(data)[first:last]) if data is not None else b""
    made = _made(pa.string(), (starts - first) * 2, digits)
    return pc.if_else(values.is_valid(), made, pa.scalar(None, pa.string())) if values.null_count else made


def from_hexadecimal(text: pa.Array) -> pa.Array:
    _, _, data = text.buffers()
    starts = _starts(text)
    first, last = int(starts[0]), int(starts[-1])
    decoded = binascii.unhexlify(memoryview(data)[first:last]) if data is not None else b""
    made = _made(pa.binary(), (starts - first) // 2, decoded)
    return pc.if_else(text.is_valid(), made, pa.scalar(None, pa.binary())) if text.null_count else made


def _starts(values: pa.Array) -> np.ndarray:
    offsets = values.buffers()[1]
    if offsets is None or not len(values):
        return np.zeros(1, dtype=np.int32)
    return np.frombuffer(offsets, dtype=np.int32, count=len(values) + values.offset + 1)[values.offset :]


def _made(type_: pa.DataType, starts: np.ndarray, data: bytes | bytearray) -> pa.Array:
    buffers = [None, pa.py_buffer(starts.astype(np.int32)), pa.py_buffer(data)]
    return pa.Array.from_buffers(type_, len(starts) - 1, buffers)
