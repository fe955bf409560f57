"""Values of columns in SQL: how each is asked for, its exact text, and how that text is written again."""

import re

from etl_engine.connectors.catalogue.mysql import back_quoted
from etl_engine.connectors.mysql.names import literal
from etl_engine.errors import Conflict
from etl_engine.model.table import Column, Family

_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")
_HEX = re.compile(r"([0-9A-Fa-f]{2})*")
_NUMBERS = {Family.INTEGER, Family.DECIMAL, Family.FLOAT, Family.BITS}
# What two values are compared by is the same as what their texts are compared by.
ORDERED = {Family.INTEGER, Family.DECIMAL, Family.DATE, Family.TIMESTAMP, Family.TEXT, Family.BYTES, Family.UUID}


def asked(column: Column) -> str:
    """The expression that is read. A FLOAT is written with six digits only; bits come as the digits they are."""
    name = back_quoted(column.name)
    if column.type.family is Family.FLOAT and column.type.size == 32:
        return f"({name} * 1E0)"
    if column.type.family is Family.BITS:
        return f"LPAD(BIN({name} + 0), {column.type.size or 1}, '0')"
    return name


def text_of(column: Column, expression: str = "") -> str:
    """Its exact text, by which `written` finds the same value again."""
    value = expression or back_quoted(column.name)
    if column.type.family is Family.BYTES:
        return f"HEX({value})"
    if column.type.family in (Family.FLOAT, Family.BITS):
        return f"CAST({value} {'* 1E0' if column.type.family is Family.FLOAT else '+ 0'} AS CHAR)"
    return f"CONVERT({value} USING utf8mb4)" if column.type.family is Family.TEXT else f"CAST({value} AS CHAR)"


def written(column: Column, text: str) -> str:
    """A text of `text_of` as a literal that is compared with the column as its own values are."""
    if column.type.family in _NUMBERS:
        return _checked(column, text, _NUMBER)
    if column.type.family is Family.BYTES:
        return f"X'{_checked(column, text, _HEX)}'"
    return literal(text)


def _checked(column: Column, text: str, pattern: re.Pattern[str]) -> str:
    if not pattern.fullmatch(text):
        raise Conflict(
            f"{text[:80]!r}, which was kept from an earlier run, is no value of the column {column.name}",
            hint="Begin anew with --restart.",
        )
    return text
