"""Columns of texts as values in one go, where nothing in them needs a closer look; None where something does."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl_engine.connectors.carriers import carrier
from etl_engine.model.table import Family, Type

_FIRST_DAY = -719_162  # of the year 1, counted from 1970
_FIRST_MICRO = _FIRST_DAY * 86_400_000_000
_BEHIND_HOUR = len("2024-02-29 23")
_NO_STARTS, _NO_BYTES = np.zeros(1, np.int32), np.zeros(0, np.uint8)


def read_at_once(text: pa.Array, target: Type) -> pa.Array | None:
    """The texts as values of the target, if Arrow reads them all, and reads them as people do."""
    read = _AT_ONCE.get(target.family)
    return None if read is None else read(text, target)


def _cast_whole(text: pa.Array, target: Type) -> pa.Array | None:
    """The whole column in one go, where Arrow reads it all."""
    try:
        return pc.cast(text, carrier(target))
    except pa.ArrowInvalid:
        return None


def _numbers_at_once(text: pa.Array, target: Type) -> pa.Array | None:
    """Without what only Arrow would take: hexadecimal digits, exponents."""
    return _cast_whole(text, target) if _only_digits(text) else None


def _dates_at_once(text: pa.Array, target: Type) -> pa.Array | None:
    days = _cast_whole(text, target) if _only_digits(text) else None
    return days if days is not None and _has_years(days.cast(pa.int32()), _FIRST_DAY) else None


def _moments_at_once(text: pa.Array, target: Type) -> pa.Array | None:
    """Without hours that have no minutes, which only Arrow would take."""
    made = _cast_whole(text, target)
    if made is None or not _has_years(made.cast(pa.int64()), _FIRST_MICRO):
        return None
    starts, data = _bytes_of(text)
    behind_hour = starts[:-1] + _BEHIND_HOUR
    if not len(data):
        return made
    colons = data[np.minimum(behind_hour, len(data) - 1)] == ord(":")
    if text.null_count:
        colons |= text.is_null().to_numpy(zero_copy_only=False)
    return made if colons.all() else None


def _only_digits(text: pa.Array) -> bool:
    """Digits, points and hyphens; of what else lies between these characters no number is made."""
    starts, data = _bytes_of(text)
    used = data[int(starts[0]) : int(starts[-1])]
    return not len(used) or (int(used.min()) >= ord("-") and int(used.max()) <= ord("9"))


def _bytes_of(text: pa.Array) -> tuple[Any, Any]:
    _, offsets, data = text.buffers()
    starts = np.frombuffer(offsets, np.int32, text.offset + len(text) + 1)[text.offset :] if len(text) else _NO_STARTS
    return starts, np.frombuffer(data, np.uint8) if data is not None else _NO_BYTES


def _has_years(numbers: pa.Array, first: int) -> bool:
    """Whether none is of a year zero, which no calendar has and Arrow does."""
    lowest = pc.min(numbers).as_py()
    return lowest is None or lowest >= first


_AT_ONCE: dict[Family, Callable[[pa.Array, Type], pa.Array | None]] = {
    Family.INTEGER: _numbers_at_once,
    Family.DECIMAL: _numbers_at_once,
    Family.DATE: _dates_at_once,
    Family.TIMESTAMP: _moments_at_once,
}
