"""DuckDB's types in the words of the house, and back; how a value of each is read and written as its carrier."""

import re
from collections.abc import Callable

from etl_engine.connectors.names import text_literal
from etl_engine.model.table import Family, Type

_MICROSECONDS, _NANOSECONDS = 6, 9
MOST_DIGITS = 38
_PLAIN = {
    "BOOLEAN": Type(Family.BOOLEAN),
    "TINYINT": Type(Family.INTEGER, size=8),
    "SMALLINT": Type(Family.INTEGER, size=16),
    "INTEGER": Type(Family.INTEGER, size=32),
    "BIGINT": Type(Family.INTEGER, size=64),
    "UTINYINT": Type(Family.INTEGER, size=8, signed=False),
    "USMALLINT": Type(Family.INTEGER, size=16, signed=False),
    "UINTEGER": Type(Family.INTEGER, size=32, signed=False),
    "UBIGINT": Type(Family.INTEGER, size=64, signed=False),
    "HUGEINT": Type(Family.DECIMAL, precision=39, scale=0, special=False),
    "UHUGEINT": Type(Family.DECIMAL, precision=39, scale=0, special=False, signed=False),
    "BIGNUM": Type(Family.DECIMAL, special=False),
    "FLOAT": Type(Family.FLOAT, size=32),
    "DOUBLE": Type(Family.FLOAT, size=64),
    "VARCHAR": Type(Family.TEXT),
    "BLOB": Type(Family.BYTES),
    "DATE": Type(Family.DATE),
    "TIME": Type(Family.TIME, precision=_MICROSECONDS),
    "TIME_NS": Type(Family.TIME, precision=_NANOSECONDS),
    "TIME WITH TIME ZONE": Type(Family.TIME, precision=_MICROSECONDS, zoned=True),
    "TIMESTAMP": Type(Family.TIMESTAMP, precision=_MICROSECONDS),
    "TIMESTAMP_S": Type(Family.TIMESTAMP, precision=0),
    "TIMESTAMP_MS": Type(Family.TIMESTAMP, precision=3),
    "TIMESTAMP_NS": Type(Family.TIMESTAMP, precision=_NANOSECONDS),
    "TIMESTAMP WITH TIME ZONE": Type(Family.TIMESTAMP, precision=_MICROSECONDS, zoned=True),
    "INTERVAL": Type(Family.INTERVAL, precision=_MICROSECONDS, name="duckdb"),
    "UUID": Type(Family.UUID),
    "JSON": Type(Family.JSON),
    "BIT": Type(Family.BITS),
    '"NULL"': Type(Family.TEXT),  # of a query that selects NULL
}
_DECIMAL = re.compile(r"DECIMAL\((\d+),\s*(\d+)\)")
_LABEL = re.compile(r"'((?:[^']|'')*)'")
_ELEMENTS = re.compile(r"(.*)\[\d*\]", re.DOTALL)
_NESTED = ("STRUCT(", "MAP(", "UNION(")


def house_type(native: str) -> Type:
    """What a column of this native type (as `duckdb_columns` writes it) can hold."""
    if native in _PLAIN:
        return _PLAIN[native]
    if found := _DECIMAL.fullmatch(native):
        return Type(Family.DECIMAL, precision=int(found[1]), scale=int(found[2]), special=False)
    if found := _ELEMENTS.fullmatch(native):
        return Type(Family.ARRAY, of=house_type(found[1]), name=native)
    if native.startswith("ENUM("):
        labels = tuple(label.replace("''", "'") for label in _LABEL.findall(native))
        return Type(Family.ENUM, name=native, labels=labels)
    if native.startswith(_NESTED):
        return Type(Family.JSON, name=native)
    return Type(Family.OTHER, name=native)


def is_nested(native: str) -> bool:
    return native.startswith(_NESTED) or bool(_ELEMENTS.fullmatch(native))


def native_type(type_: Type) -> str:
    """The DuckDB type that holds every value of this one; VARCHAR where there is none of its own."""
    write = _WRITTEN.get(type_.family)
    return write(type_) if write else _NATIVE.get(type_.family, "VARCHAR")


def _decimal(type_: Type) -> str:
    if type_.precision is None or type_.precision > MOST_DIGITS:
        return "VARCHAR"
    return f"DECIMAL({type_.precision},{type_.scale or 0})"


def _time(type_: Type) -> str:
    short = (type_.precision or _MICROSECONDS) <= _MICROSECONDS
    if type_.zoned:
        return "TIME WITH TIME ZONE" if short else "VARCHAR"
    return "TIME" if short else "TIME_NS"


def _enum(type_: Type) -> str:
    return f"ENUM({', '.join(map(text_literal, type_.labels))})" if type_.labels else "VARCHAR"


def _integer(type_: Type) -> str:
    bits = type_.size or 64
    name = next(
        name for size, name in ((8, "TINYINT"), (16, "SMALLINT"), (32, "INTEGER"), (64, "BIGINT")) if bits <= size
    )
    return name if type_.signed else f"U{name}"


def _timestamp(type_: Type) -> str:
    digits = _MICROSECONDS if type_.precision is None else type_.precision
    if digits > _NANOSECONDS or (type_.zoned and digits > _MICROSECONDS):
        return "VARCHAR"
    if type_.zoned:
        return "TIMESTAMP WITH TIME ZONE"
    return "TIMESTAMP" if digits <= _MICROSECONDS else "TIMESTAMP_NS"


_WRITTEN: dict[Family, Callable[[Type], str]] = {
    Family.INTEGER: _integer,
    Family.DECIMAL: _decimal,
    Family.FLOAT: lambda type_: "FLOAT" if type_.size == 32 else "DOUBLE",
    Family.TIME: _time,
    Family.TIMESTAMP: _timestamp,
    Family.ENUM: _enum,
    Family.BITS: lambda type_: "BIT" if type_.fixed else "VARCHAR",  # it has no bit string of no bits
}
_NATIVE = {
    Family.BOOLEAN: "BOOLEAN",
    Family.TEXT: "VARCHAR",
    Family.BYTES: "BLOB",
    Family.DATE: "DATE",
    Family.UUID: "UUID",
    Family.JSON: "JSON",
    Family.ARRAY: "JSON",
}
_BC = r"'^(.*) \(BC\)(.*)$'"
_HAS_EPOCH = (Family.DATE, Family.TIMESTAMP)


def reading(name: str, native: str, type_: Type) -> str:
    """The expression whose Arrow value is, or is cast without loss to, the carrier of the type."""
    if is_nested(native):
        return f"CAST(to_json({name}) AS VARCHAR)"
    if type_.family in _HAS_EPOCH and native != "TIMESTAMP_NS":  # which begins in 1677
        text = f"CAST({name} AS VARCHAR)"
        return f"CASE WHEN {name} < '0001-01-01' THEN regexp_replace({text}, {_BC}, '\\1\\2 BC') ELSE {text} END"
    return name if native in _AS_THEY_ARE or native.startswith("DECIMAL(") else f"CAST({name} AS VARCHAR)"


def writing(name: str, native: str, type_: Type) -> str:
    """The expression that makes a value of the native type of a carrier, and raises where that would change it."""
    if is_nested(native):
        return f"CAST(CAST({name} AS JSON) AS {native})"
    if type_.family in _HAS_EPOCH:
        # DuckDB reads "44-03-15 BC" as a date after Christ, without a word.
        before_christ = f"regexp_replace({name}, '^(\\S+)(.*) BC$', '\\1 (BC)\\2')"
        return f"CAST(CASE WHEN suffix({name}, ' BC') THEN {before_christ} ELSE {name} END AS {native})"
    if native == "BIT":
        return f"CASE WHEN {name} = '' THEN error('DuckDB has no bit string of no bits') ELSE CAST({name} AS BIT) END"
    return f"CAST({name} AS {native})"


_AS_THEY_ARE = frozenset(
    name for name, type_ in _PLAIN.items() if type_.family in (Family.BOOLEAN, Family.INTEGER, Family.FLOAT)
) | {"VARCHAR", "BLOB"}
