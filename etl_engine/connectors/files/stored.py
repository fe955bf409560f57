"""The columns of a table, written down in its manifest and read again."""

import dataclasses
from typing import Any

import pyarrow as pa

from etl_engine.connectors.carriers import carrier
from etl_engine.model.table import Column, Family, Type

_MOST_DIGITS = 76
_DEFAULTS = {each.name: each.default for each in dataclasses.fields(Type)}


def stored_type(type_: Type, most_digits: int = _MOST_DIGITS) -> Type:
    """The type that a file gives a column of this one. Infinity, NaN and dates outside four-digit years have no place
    among numbers and dates of files: a column that has them stops the copy, or is made text by the user."""
    family = type_.family
    if family is Family.DECIMAL:
        if type_.precision is None or type_.precision > most_digits or (type_.scale or 0) < 0:
            return Type(Family.TEXT)
        return Type(family, precision=type_.precision, scale=type_.scale or 0, special=False)
    if family is Family.DATE:
        return Type(family, special=False)
    if family in (Family.TIME, Family.TIMESTAMP):
        if type_.zoned and family is Family.TIME:
            return type_
        return Type(family, precision=_digits(type_), zoned=type_.zoned, special=False)
    if family is Family.TEXT:
        return Type(Family.TEXT)
    if family is Family.JSON:
        return Type(Family.JSON)
    return type_


def _digits(type_: Type) -> int:
    return 9 if (type_.precision or 0) > 6 else 6


def native(type_: Type) -> str:
    """As the plan shows it: what lies in the file, and what it means where that is more."""
    lies = str(carrier(type_))
    if lies == "string" and type_.family not in (Family.TEXT, Family.DECIMAL):
        return f"string ({type_.name or type_.family.value})"
    return lies


def column(name: str, type_: Type, *, nullable: bool = True) -> Column:
    return Column(name, native(type_), type_, nullable)


def as_json(columns: tuple[Column, ...]) -> list[dict[str, Any]]:
    return [{"name": one.name, "type": _type_json(one.type), "nullable": one.nullable} for one in columns]


def from_json(values: list[dict[str, Any]]) -> tuple[Column, ...]:
    return tuple(column(one["name"], _type(one["type"]), nullable=one["nullable"]) for one in values)


def arrow_schema(columns: tuple[Column, ...]) -> pa.Schema:
    return pa.schema([pa.field(one.name, carrier(one.type), one.nullable) for one in columns])


def _type_json(type_: Type) -> dict[str, Any]:
    made = {}
    for name, default in _DEFAULTS.items():
        value = getattr(type_, name)
        if name == "of" and value is not None:
            value = _type_json(value)
        if value != default:
            made[name] = value
    return made


def _type(values: dict[str, Any]) -> Type:
    made = dict(values)
    if made.get("of"):
        made["of"] = _type(made["of"])
    if "labels" in made:
        made["labels"] = tuple(made["labels"])
    made["family"] = Family(made["family"])
    return Type(**made)
