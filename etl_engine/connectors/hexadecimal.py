"""Bytes as two digits each and back, for all values of an Arrow array at once, since they lie in one buffer."""

import binascii

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_MOST_IN_ONE_ARRAY = (1 << 31) - 1


def to_hexadecimal(values: pa.Array) -> pa.Array:
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


def _made(type_: pa.DataType, starts: np.ndarray, data: bytes) -> pa.Array:
    buffers = [None, pa.py_buffer(starts.astype(np.int32)), pa.py_buffer(data)]
    return pa.Array.from_buffers(type_, len(starts) - 1, buffers)
