"""What rows amount to, whatever their order: how many, and the sum of their hashes."""

import hashlib
from collections.abc import Iterator, Sequence

import pyarrow as pa

from etl_engine.connectors.files.out import texts
from etl_engine.connectors.rows import Fingerprint
from etl_engine.model.table import Column

_MODULUS = 1 << 64
_NULL = b"\0N"


def fingerprint(batches: Iterator[pa.RecordBatch], columns: Sequence[Column], *, each: bool) -> Fingerprint:
    rows = 0
    sums = dict.fromkeys([one.name for one in columns] if each else [""], 0)
    for batch in batches:
        rows += batch.num_rows
        values = {one.name: texts(batch.column(one.name)).to_pylist() for one in columns}
        if each:
            for name, column in values.items():
                sums[name] = (sums[name] + sum(_hash(_bytes(value)) for value in column)) % _MODULUS
        else:
            lines = zip(*values.values(), strict=True)
            sums[""] = (sums[""] + sum(_hash(b"\0,".join(map(_bytes, line))) for line in lines)) % _MODULUS
    return Fingerprint(rows, sums)


def _bytes(value: str | None) -> bytes:
    return _NULL if value is None else value.encode("utf-8", "surrogatepass")


def _hash(data: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big")
