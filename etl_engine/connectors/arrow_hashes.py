"""What batches amount to, whatever the order of their rows: how many, and the sum of their hashes."""

import hashlib
from collections.abc import Iterable

import pyarrow as pa

from etl_engine.connectors.rows import WHOLE, Fingerprint

_NULL = b"\x01"
_BITS = 60


def fingerprint(batches: Iterable[pa.RecordBatch], names: tuple[str, ...], *, each: bool) -> Fingerprint:
    """The sum over every row; with `each`, over every column's values."""
    keys = names if each else (WHOLE,)
    sums, rows = dict.fromkeys(keys, 0), 0
    for batch in batches:
        rows += batch.num_rows
        columns = [_bytes(batch.column(number)) for number in range(len(names))]
        if each:
            for name, values in zip(names, columns, strict=True):
                sums[name] += sum(_hash(_NULL if value is None else b"\0" + value) for value in values)
        else:
            for row in zip(*columns, strict=True):
                sums[WHOLE] += _hash(b"".join(b"-" if one is None else b"%d:" % len(one) + one for one in row))
    return Fingerprint(rows, sums)


def _bytes(values: pa.Array) -> list[bytes | None]:
    if pa.types.is_binary(values.type):
        return list(values.to_pylist())
    if pa.types.is_floating(values.type):  # the shortest text that means this float
        return [None if value is None else repr(value).encode() for value in values.to_pylist()]
    return [None if value is None else value.encode() for value in values.cast(pa.string()).to_pylist()]


def _hash(value: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(value, digest_size=8).digest(), "big") >> (64 - _BITS)
