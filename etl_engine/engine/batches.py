"""Names of streams and batches: the same slice of the same work has the same name, however often it is tried."""

import hashlib
import json
from typing import Any

from etl_engine.connectors.rows import KeyRange
from etl_engine.model.copies import CopyOrder
from etl_engine.model.table import TableName

_DIGITS = 32


def stream_of(order: CopyOrder, target: TableName) -> str:
    """What is copied where: later runs of the same stream go on from its cursor."""
    return _digest([order.source_id, order.table, order.query, target.schema, target.name])


def terms_of(order: CopyOrder, key: tuple[str, ...], columns: tuple[str, ...]) -> str:
    """What must be the same for a run to go on where another one was broken off."""
    return json.dumps([order.mode, order.cursor, key, columns], ensure_ascii=False)


def batch_of(stream: str, run_id: str, before: str, seq: int) -> str:
    """`before` is the batch a cursor run builds upon: it has no other name for itself, whoever runs it."""
    return _digest([stream, before or run_id, "cursor" if before else "run", seq])


def pieces_text(pieces: list[KeyRange]) -> str:
    return json.dumps([[list(piece.key), piece.low, piece.high] for piece in pieces], ensure_ascii=False)


def pieces_of(text: str) -> list[KeyRange]:
    return [KeyRange(tuple(key), _bound(low), _bound(high)) for key, low, high in json.loads(text)]


def checksum_of(checksums: list[str]) -> str:
    """Of one batch its own; of several that of their list; of none nothing."""
    if not checksums:
        return ""
    return checksums[0] if len(checksums) == 1 else _digest(checksums)


def _bound(values: list[str] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(values)


def _digest(value: list[Any]) -> str:
    return hashlib.sha256(json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
