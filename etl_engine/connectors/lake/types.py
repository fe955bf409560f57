"""Delta's types in the words of the house, and back."""

import json
from typing import Any

import pyarrow as pa

from etl_engine.connectors.carriers import carrier
from etl_engine.connectors.files.arrow_in import house_type
from etl_engine.connectors.files.stored import as_json, column, from_json, stored_type
from etl_engine.model.table import Column, Family, Type

NOTE = b"etl.type"  # of a field: what the values of a string or a larger number mean
_MOST_DIGITS = 38
_SIGNED = {8: Type(Family.INTEGER, size=16), 16: Type(Family.INTEGER, size=32), 32: Type(Family.INTEGER, size=64)}
_UNSIGNED_64 = Type(Family.DECIMAL, precision=20, scale=0, special=False)


def lake_type(type_: Type) -> Type:
    """The smallest type of Delta's that holds every value; text where there is none of its own."""
    made = stored_type(type_, _MOST_DIGITS)
    family = made.family
    if family is Family.INTEGER:
        bits = next(bits for bits in (8, 16, 32, 64) if (made.size or 64) <= bits)
        return Type(family, size=bits) if made.signed else _SIGNED.get(bits, _UNSIGNED_64)
    if family is Family.TIME or (family is Family.TIMESTAMP and made.precision == 9):
        return Type(Family.TEXT)
    return made


def column_of(one: Column) -> Column:
    return column(one.name, lake_type(one.type), nullable=one.nullable)


def arrow_schema(columns: tuple[Column, ...]) -> pa.Schema:
    """With a note beside every column whose Arrow type does not tell all."""
    fields = []
    for one in columns:
        lies = carrier(one.type)
        note = None if house_type(lies) == one.type else {NOTE: json.dumps(as_json((one,))[0]["type"]).encode()}
        fields.append(pa.field(one.name, lies, one.nullable, note))
    return pa.schema(fields)


def columns_of(schema: pa.Schema) -> tuple[Column, ...]:
    return tuple(_column(one) for one in schema)


def _column(field: pa.Field) -> Column:
    note: Any = (field.metadata or {}).get(NOTE)
    if note is not None:
        try:
            told = from_json([{"name": field.name, "type": json.loads(note), "nullable": field.nullable}])[0]
            if carrier(told.type) == field.type:
                return told
        except (ValueError, KeyError, TypeError):
            pass  # somebody else's note, or one of a later version: the values are what Delta says they are
    type_ = house_type(field.type)
    return Column(field.name, str(field.type), type_, field.nullable)
