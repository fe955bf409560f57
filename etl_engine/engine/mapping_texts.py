"""Values as text, exactly: what steps, splits and joins work on."""

import pyarrow as pa
import pyarrow.compute as pc

from etl_engine.model.table import Family, Type

_EXPONENT_FROM = 7  # decimal places from which Arrow writes small numbers with an exponent


def in_text(array: pa.Array, type_: Type) -> pa.Array:
    """The exact text of every value, as `connectors/carriers.py` writes it. Bytes are not text."""
    if pa.types.is_string(array.type):
        return array
    if pa.types.is_decimal(array.type):
        return _decimal(array)
    if pa.types.is_floating(array.type):
        return _float(array)
    if type_.family is Family.TIMESTAMP:
        return _moment(array)
    text = array.cast(pa.string())
    return _without_zeros(text) if type_.family is Family.TIME else text


def _float(array: pa.Array) -> pa.Array:
    """NaN and infinity as the house writes them; 3, not 3.0, is how Arrow writes a whole number."""
    text = array.cast(pa.string())
    text = pc.if_else(pc.is_nan(array), "NaN", text)
    endless = pc.if_else(pc.greater(array, 0), "Infinity", "-Infinity")
    return pc.if_else(pc.is_inf(array), endless, text)


def _decimal(array: pa.Array) -> pa.Array:
    scale = array.type.scale
    if 0 <= scale < _EXPONENT_FROM:
        return array.cast(pa.string())
    whole_type = type(array.type)  # the same digits without a point
    make = pa.decimal128 if whole_type is pa.Decimal128Type else pa.decimal256
    digits = pa.Array.from_buffers(make(array.type.precision, 0), len(array), array.buffers(), offset=array.offset)
    text = digits.cast(pa.string())
    bare = pc.utf8_lpad(pc.utf8_ltrim(text, "-"), scale + 1, "0")
    head = pc.utf8_slice_codeunits(bare, 0, -scale)
    joined = pc.binary_join_element_wise(head, pc.utf8_slice_codeunits(bare, -scale), ".")
    return pc.if_else(pc.starts_with(text, "-"), pc.binary_join_element_wise("-", joined, ""), joined)


def _moment(array: pa.Array) -> pa.Array:
    zoned = array.type.tz is not None
    text = _without_zeros(array.cast(pa.timestamp(array.type.unit)).cast(pa.string()))
    return pc.binary_join_element_wise(text, "+00", "") if zoned else text


def _without_zeros(text: pa.Array) -> pa.Array:
    """Without what stands behind the last digit of a fraction of a second that says something."""
    return pc.replace_substring_regex(text, r"\.0+$|(\.[0-9]*[1-9])0+$", r"\1")
