"""PostgreSQL's types in the words of the house, and back."""

import re
from collections.abc import Callable

from etl_engine.model.table import Family, Type

_PLAIN = {
    "smallint": Type(Family.INTEGER, size=16),
    "integer": Type(Family.INTEGER, size=32),
    "bigint": Type(Family.INTEGER, size=64),
    "real": Type(Family.FLOAT, size=32),
    "double precision": Type(Family.FLOAT, size=64),
    "boolean": Type(Family.BOOLEAN),
    "text": Type(Family.TEXT, nuls=False),
    "bytea": Type(Family.BYTES),
    "date": Type(Family.DATE),
    "uuid": Type(Family.UUID),
    "json": Type(Family.JSON, nuls=False),
    "jsonb": Type(Family.JSON, canonical=True, nuls=False),
    "citext": Type(Family.TEXT, folded=True, nuls=False),
    "bpchar": Type(Family.TEXT, nuls=False),
}
_SIZED = re.compile(r"(character varying|character|bit varying|bit|numeric)(?:\((\d+)(?:,(-?\d+))?\))?")
_MOMENTS = re.compile(r"(timestamp|time)(?:\((\d)\))? (with|without) time zone")
_INTERVAL = re.compile(r"interval(?:\((\d)\))?")
MICROSECONDS = 6


def house_type(native: str, labels: tuple[str, ...] = ()) -> Type:
    """What a column of this native type (as `format_type` writes it) can hold."""
    if labels:
        return Type(Family.ENUM, name=native, labels=labels)
    if native.endswith("[]"):
        return Type(Family.ARRAY, of=house_type(native[:-2]), name=native)
    if native in _PLAIN:
        return _PLAIN[native]
    if found := _SIZED.fullmatch(native):
        return _sized(found[1], int(found[2]) if found[2] else None, int(found[3] or 0))
    if found := _MOMENTS.fullmatch(native):
        family = Family.TIMESTAMP if found[1] == "timestamp" else Family.TIME
        return Type(family, precision=int(found[2] or MICROSECONDS), zoned=found[3] == "with")
    if found := _INTERVAL.fullmatch(native):
        return Type(Family.INTERVAL, precision=int(found[1] or MICROSECONDS))
    return Type(Family.OTHER, name=native)


def _sized(name: str, size: int | None, scale: int) -> Type:
    if name == "numeric":
        # numeric(p,s) takes NaN too, and since version 14 infinity where it has no precision
        return Type(Family.DECIMAL, precision=size, scale=scale if size is not None else None)
    fixed = name in ("character", "bit")
    if name.startswith("bit"):
        return Type(Family.BITS, size=size, fixed=fixed)
    return Type(Family.TEXT, size=size, fixed=fixed, nuls=False)


def native_type(type_: Type) -> str:
    """The PostgreSQL type that holds every value of this one; text where there is none of its own."""
    made = _SAME.get(type_.family)
    if made:
        return made
    if type_.family is Family.ARRAY and type_.of is not None:
        return f"{native_type(type_.of)}[]"
    write = _WRITTEN.get(type_.family)
    return write(type_) if write else "text"


def _integer(type_: Type) -> str:
    bits = type_.size or 64
    if not type_.signed:
        return {8: "smallint", 16: "integer", 32: "bigint"}.get(bits, "numeric(20,0)")
    return "smallint" if bits <= 16 else "integer" if bits <= 32 else "bigint"


def _decimal(type_: Type) -> str:
    return "numeric" if type_.precision is None else f"numeric({type_.precision},{type_.scale or 0})"


def _float(type_: Type) -> str:
    return "real" if type_.size == 32 else "double precision"


def _text(type_: Type) -> str:
    if type_.size is None:
        return "text"
    return f"character({type_.size})" if type_.fixed else f"character varying({type_.size})"


def _moment(type_: Type) -> str:
    if (type_.precision or 0) > MICROSECONDS:
        return "text"  # the server would round without a word
    digits = "" if type_.precision in (None, MICROSECONDS) else f"({type_.precision})"
    return f"{type_.family.value}{digits} {'with' if type_.zoned else 'without'} time zone"


def _json(type_: Type) -> str:
    return "jsonb" if type_.canonical else "json"


def _bits(type_: Type) -> str:
    size = "" if type_.size is None else f"({type_.size})"
    return f"bit{size}" if type_.fixed else f"bit varying{size}"


_SAME = {
    Family.BOOLEAN: "boolean",
    Family.BYTES: "bytea",
    Family.DATE: "date",
    Family.UUID: "uuid",
    Family.INTERVAL: "interval",
}
_WRITTEN: dict[Family, Callable[[Type], str]] = {
    Family.INTEGER: _integer,
    Family.DECIMAL: _decimal,
    Family.FLOAT: _float,
    Family.TEXT: _text,
    Family.TIME: _moment,
    Family.TIMESTAMP: _moment,
    Family.JSON: _json,
    Family.BITS: _bits,
}
