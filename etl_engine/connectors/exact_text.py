"""Values in Arrow as their exact text of the house, as `connectors/carriers.py` writes it down."""

import decimal
import re
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from etl_engine.connectors.hexadecimal import to_hexadecimal
from etl_engine.model.table import Type

_BEFORE_CHRIST = re.compile(r"^-(\d{4,})(-\d\d-\d\d.*)$")


def as_text(values: pa.Array, type_: Type) -> pa.Array:
    """The exact text of every value, which is in the carrier of its type."""
    given = values.type
    if pa.types.is_string(given):
        return values
    if pa.types.is_binary(given):
        return to_hexadecimal(values)
    if pa.types.is_floating(given):
        return _floats(values)
    if pa.types.is_decimal(given):
        return _decimals(values)
    if pa.types.is_time(given):
        return _fraction_trimmed(values.cast(pa.string()))
    if pa.types.is_timestamp(given):
        zone = "+00" if type_.zoned else ""
        return _timestamps(values, zone)
    if pa.types.is_date(given):
        return _with_eras(values.cast(pa.string()))
    return values.cast(pa.string())


def exact(value: Any, type_: Type) -> str | None:
    """The exact text of one Arrow scalar."""
    if not value.is_valid:
        return None
    text = as_text(pa.array([value], value.type), type_)[0].as_py()
    return str(text)


def _floats(values: pa.Array) -> pa.Array:
    text = values.cast(pa.string())
    if not pc.all(pc.fill_null(pc.is_finite(values), True)).as_py():
        for arrow, house in (("nan", "NaN"), ("-nan", "NaN"), ("inf", "Infinity"), ("-inf", "-Infinity")):
            text = pc.if_else(pc.equal(text, arrow), house, text)
    return text


def _decimals(values: pa.Array) -> pa.Array:
    text = values.cast(pa.string())
    if values.type.scale <= 5:  # Arrow writes an exponent only behind more than six places
        return text
    with_exponent = pc.match_substring(text, "E")
    if not pc.any(with_exponent).as_py():
        return text
    written = [None if one is None else f"{decimal.Decimal(one):f}" for one in text.to_pylist()]
    return pa.array(written, pa.string())


def _timestamps(values: pa.Array, zone: str) -> pa.Array:
    text = _fraction_trimmed(values.cast(pa.timestamp(values.type.unit)).cast(pa.string()))
    if zone:
        text = pc.binary_join_element_wise(text, zone, "")
    return _with_eras(text)


def _fraction_trimmed(text: pa.Array) -> pa.Array:
    return pc.ascii_rtrim(pc.ascii_rtrim(text, "0"), ".")


def _with_eras(text: pa.Array) -> pa.Array:
    """Arrow counts years with a year zero and below; people count backwards from 1 BC."""
    ancient = pc.match_substring_regex(text, "^(-|0000)")
    if not pc.any(ancient).as_py():
        return text
    return pa.array([None if one is None else _era(one) for one in text.to_pylist()], pa.string())


def _era(text: str) -> str:
    if text.startswith("0000"):
        return f"0001{text[4:]} BC"
    found = _BEFORE_CHRIST.match(text)
    return f"{int(found[1]) + 1:04d}{found[2]} BC" if found else text
