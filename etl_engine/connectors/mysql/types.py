"""MySQL's types in the words of the house, and back."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from etl_engine.model.table import Family, Type

MOST_DIGITS, MOST_SCALE = 65, 30  # MariaDB's scale goes to 38; what both hold is enough
MICROSECONDS = 6
# All varchar columns of a row share 65,535 bytes, at four bytes a character: longer ones go off the page.
LONGEST_VARCHAR = 2000
LONGEST_KEY_BYTES = 3072
_LONGEST_BINARY = 255
_LONGEST_BIT = 64
_MOST_LABELS, _LONGEST_LABEL = 3000, 255
_INTEGERS = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "integer": 32, "bigint": 64}
# These count bytes: how many characters fit depends on which, so that the server has the last word at the larger ones.
_TEXTS = {"tinytext": 255, "text": None, "mediumtext": None, "longtext": None}
_BLOBS = {"tinyblob": 255, "blob": 65535, "mediumblob": 2**24 - 1, "longblob": None}
GEOMETRIES = frozenset(
    {"geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon"}
    | {"geometrycollection", "geomcollection"}
)
# Their values are bytes that mean something to this server only: they travel as hexadecimal digits.
_AS_HEX = GEOMETRIES | {"vector"}
_NATIVE = re.compile(r"(?s)(?P<base>[a-z0-9_ ]+?)(?:\((?P<inside>.*)\))?(?P<rest>(?: [^()']*)?)")
_LABEL = re.compile(r"'((?:[^']|'')*)'")


@dataclass(frozen=True)
class Dialect:
    """What differs between the servers that speak this protocol."""

    mariadb: bool
    version: tuple[int, int, int]
    collation: str  # of new text columns: tells apart whatever the source tells apart

    @property
    def has_uuid(self) -> bool:
        return self.mariadb and self.version >= (10, 7, 0)

    @property
    def has_exact_json(self) -> bool:
        """MariaDB keeps the text of a document; MySQL's own format changes numbers, white space and repeated keys."""
        return self.mariadb


def base_of(native: str) -> str:
    found = _NATIVE.fullmatch(native)
    return found["base"].strip() if found else native


def as_hex(type_: Type) -> bool:
    return type_.family is Family.OTHER and base_of(type_.name) in _AS_HEX


def house_type(native: str, *, exact_json: bool = False) -> Type:
    """What a column of this native type, as the catalogue writes it, can hold."""
    found = _NATIVE.fullmatch(native)
    if not found:
        return Type(Family.OTHER, name=native)
    base, inside, rest = found["base"].strip(), found["inside"] or "", found["rest"]
    numbers = [int(part) for part in inside.split(",") if part.strip().isdigit()] if "'" not in inside else []
    if base == "enum":
        labels = (label.replace("''", "'").replace("\\\\", "\\") for label in _LABEL.findall(inside))
        return Type(Family.ENUM, labels=tuple(labels))
    if base == "set":
        return Type(Family.OTHER, name=f"set({inside})")
    if base in _INTEGERS:
        return Type(Family.INTEGER, size=_INTEGERS[base], signed="unsigned" not in rest)
    if base == "decimal":
        return Type(Family.DECIMAL, precision=(numbers or [10])[0], scale=(*numbers, 0, 0)[1], special=False)
    return _text_or_bytes(base, numbers, rest) or _others(native, base, (*numbers, 0)[0], exact_json=exact_json)


def _text_or_bytes(base: str, numbers: list[int], rest: str) -> Type | None:
    folded = rest.rpartition(" collate ")[2].endswith("_ci")
    size = (*numbers, 1)[0]
    if base in ("char", "varchar"):
        return Type(Family.TEXT, size=size, fixed=base == "char", folded=folded)
    if base in ("binary", "varbinary"):
        return Type(Family.BYTES, size=size, fixed=base == "binary")
    if base in _TEXTS:
        return Type(Family.TEXT, size=_TEXTS[base], folded=folded)
    return Type(Family.BYTES, size=_BLOBS[base]) if base in _BLOBS else None


def _others(native: str, base: str, digits: int, *, exact_json: bool) -> Type:
    plain = {
        "float": Type(Family.FLOAT, size=32, special=False),
        "double": Type(Family.FLOAT, size=64, special=False),
        "date": Type(Family.DATE, special=False, zero=True),
        "datetime": Type(Family.TIMESTAMP, precision=digits, special=False, zero=True),
        "timestamp": Type(Family.TIMESTAMP, precision=digits, zoned=True, special=False, zero=True),
        "time": Type(Family.INTERVAL, precision=digits, name="time"),
        "year": Type(Family.INTEGER, size=16),
        "bit": Type(Family.BITS, size=digits or 1, fixed=True),
        "json": Type(Family.JSON, canonical=not exact_json),
        "uuid": Type(Family.UUID),
        "null": Type(Family.TEXT),
    }
    return plain.get(base) or Type(Family.OTHER, name=native)


def native_type(type_: Type, dialect: Dialect, key_parts: int = 0) -> str:
    """The type that holds every value of this one, or text. `key_parts`: how many columns the key has that it is in."""
    if type_.family is Family.TEXT:
        return _text(type_, dialect, key_parts)
    write = _WRITTEN.get(type_.family)
    made = write(type_, dialect) if write else ""
    if made.startswith("longblob") and key_parts:
        return f"varbinary({LONGEST_KEY_BYTES // key_parts})"
    return made or _text(Type(Family.TEXT), dialect, key_parts)


def keyed(native: str, key_parts: int) -> str:
    """The same for a column that became part of a key: a text without a length cannot be one."""
    base = base_of(native)
    if base in _TEXTS:
        return f"varchar({LONGEST_KEY_BYTES // 4 // key_parts}){native.removeprefix(base)}"
    return f"varbinary({LONGEST_KEY_BYTES // key_parts})" if base in _BLOBS else native


def _integer(type_: Type, _dialect: Dialect) -> str:
    bits = type_.size or 64
    name = next(name for name, size in _INTEGERS.items() if bits <= size)
    return name if type_.signed else f"{name} unsigned"


def _decimal(type_: Type, _dialect: Dialect) -> str:
    scale = type_.scale or 0
    if type_.precision is None or type_.precision > MOST_DIGITS or not 0 <= scale <= min(MOST_SCALE, type_.precision):
        return ""
    return f"decimal({type_.precision},{scale})"


def _text(type_: Type, dialect: Dialect, key_parts: int = 0) -> str:
    size = type_.size
    if key_parts and (size is None or size > LONGEST_VARCHAR):
        size = LONGEST_KEY_BYTES // 4 // key_parts
    if size is None or size > LONGEST_VARCHAR:
        return f"longtext collate {dialect.collation}"
    name = "char" if type_.fixed and size <= _LONGEST_BINARY else "varchar"
    return f"{name}({size}) collate {dialect.collation}"


def _bytes(type_: Type, _dialect: Dialect) -> str:
    if type_.size is None or type_.size > LONGEST_VARCHAR:
        return "longblob"
    fixed = type_.fixed and type_.size <= _LONGEST_BINARY
    return f"{'binary' if fixed else 'varbinary'}({type_.size})"


def _moment(type_: Type, _dialect: Dialect) -> str:
    digits = MICROSECONDS if type_.precision is None else type_.precision
    if digits > MICROSECONDS or (type_.family is Family.TIME and type_.zoned):
        return ""
    name = "time" if type_.family is Family.TIME else "timestamp" if type_.zoned else "datetime"
    return f"{name}({digits})" if digits else name


def _bits(type_: Type, _dialect: Dialect) -> str:
    return f"bit({type_.size})" if type_.fixed and type_.size and type_.size <= _LONGEST_BIT else ""


def _json(_type: Type, dialect: Dialect) -> str:
    return "json" if dialect.has_exact_json else ""


def _enum(type_: Type, dialect: Dialect) -> str:
    labels = type_.labels
    fits = 0 < len(labels) <= _MOST_LABELS and all(
        len(label) <= _LONGEST_LABEL and label and not label.endswith(" ") for label in labels
    )
    if not fits:
        return ""
    inside = ",".join("'" + label.replace("\\", "\\\\").replace("'", "''") + "'" for label in labels)
    return f"enum({inside}) collate {dialect.collation}"


_WRITTEN: dict[Family, Callable[[Type, Dialect], str]] = {
    Family.BOOLEAN: lambda _type, _dialect: "tinyint(1)",
    Family.INTEGER: _integer,
    Family.DECIMAL: _decimal,
    Family.FLOAT: lambda type_, _dialect: "float" if type_.size == 32 else "double",
    Family.BYTES: _bytes,
    Family.DATE: lambda _type, _dialect: "date",
    Family.TIME: _moment,
    Family.TIMESTAMP: _moment,
    Family.UUID: lambda _type, dialect: "uuid" if dialect.has_uuid else "varchar(36) collate ascii_bin",
    Family.JSON: _json,
    Family.ARRAY: _json,
    Family.BITS: _bits,
    Family.ENUM: _enum,
}
