"""Columns of Arrow data, whoever wrote them, in the carriers of the house: exact, nested values as JSON texts."""

import base64
import datetime as dt
import decimal
import json
import math
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc

from etl_engine.connectors.carriers import arrow_type, carrier
from etl_engine.model.table import Family, Type

_NESTED = (
    pa.types.is_list,
    pa.types.is_large_list,
    pa.types.is_fixed_size_list,
    pa.types.is_struct,
    pa.types.is_map,
)


def house_type(given: pa.DataType) -> Type:
    """What a column of this Arrow type can hold."""
    name = getattr(given, "extension_name", "")
    if name == "arrow.uuid":
        return Type(Family.UUID)
    if name == "arrow.json":
        return Type(Family.JSON)
    if name:
        return house_type(given.storage_type)
    return arrow_type(given)


def carried_array(array: pa.Array, type_: Type) -> pa.Array:
    """Raises ArrowInvalid where a value has no place in its carrier."""
    if isinstance(array, pa.ExtensionArray):
        if array.type.extension_name == "arrow.uuid":
            return _as_texts(array.storage, lambda value: str(UUID(bytes=value)))
        array = array.storage
    given, wanted = array.type, carrier(type_)
    if pa.types.is_dictionary(given):
        array, given = array.dictionary_decode(), given.value_type
    if given == wanted:
        return array
    if any(test(given) for test in _NESTED):
        return _as_texts(array, json_text)
    if pa.types.is_duration(given):
        return pc.cast(pc.cast(array, pa.int64()), wanted)
    if pa.types.is_interval(given):
        return _as_texts(array, str)
    if pa.types.is_floating(given) and given.bit_width == 16:
        return pc.cast(pc.cast(array, pa.float32()), wanted)
    return pc.cast(array, wanted)


def _as_texts(array: pa.Array, write: Callable[[Any], str]) -> pa.Array:
    return pa.array([None if value is None else write(value) for value in array.to_pylist()], pa.string())


def json_text(value: object) -> str:
    return json.dumps(_plain(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _plain(value: Any) -> Any:
    """As JSON knows it: what it has no word for is written as a text."""
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, decimal.Decimal):
        return f"{value:f}"
    if isinstance(value, dt.datetime | dt.date | dt.time):
        return value.isoformat(" ") if isinstance(value, dt.datetime) else value.isoformat()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)
