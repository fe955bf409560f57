"""SQLite's declared types in the words of the house, and back.

A declared type binds no value: any column may hold any of the five storage classes. A column is read as what it is
declared to be, and a value of another class is rejected, never converted. Dates and times are kept as text in ISO form.
A decimal is kept as a float, which holds 15 digits of any number: more of them are exact only as text.
"""

import re
from dataclasses import replace

from etl_engine.model.table import Family, Type

EXACT_DIGITS = 15  # that a float gives back as they were written
_MICROSECONDS = 6
_TEXT = Type(Family.TEXT)
_INTEGER = Type(Family.INTEGER, size=64)
_FLOAT = Type(Family.FLOAT, size=64)
_BYTES = Type(Family.BYTES)
_DECLARED = re.compile(r"([^()]*?)\s*(?:\(\s*(\d+)\s*(?:,\s*(-?\d+)\s*)?\)\s*(.*))?", re.DOTALL)
_BY_NAME = {
    "BOOLEAN": Type(Family.BOOLEAN),
    "BOOL": Type(Family.BOOLEAN),
    "DATE": Type(Family.DATE),
    "UUID": Type(Family.UUID),
    "GUID": Type(Family.UUID),
    "UNIQUEIDENTIFIER": Type(Family.UUID),
}
_DECIMALS = {"DECIMAL", "NUMERIC", "DEC", "NUMBER"}
_MOMENTS = {
    "DATETIME": (Family.TIMESTAMP, False),
    "TIMESTAMP": (Family.TIMESTAMP, False),
    "TIMESTAMP WITHOUT TIME ZONE": (Family.TIMESTAMP, False),
    "TIMESTAMP WITH TIME ZONE": (Family.TIMESTAMP, True),
    "TIMESTAMPTZ": (Family.TIMESTAMP, True),
    "TIME": (Family.TIME, False),
    "TIME WITHOUT TIME ZONE": (Family.TIME, False),
    "TIME WITH TIME ZONE": (Family.TIME, True),
    "TIMETZ": (Family.TIME, True),
}
_NO_TYPE = {"", "ANY", "STRING", "INTERVAL", "VARIANT"}  # INTERVAL has an INT in it, and nobody means a number


def house_type(declared: str) -> Type | None:
    """What a column declared like this is read as. None: the declaration says nothing, only the values do."""
    found = _DECLARED.fullmatch(declared.strip())
    name, size, scale = declared, None, 0
    if found:
        name = " ".join(f"{found[1]} {found[4] or ''}".split())
        size = int(found[2]) if found[2] else None
        scale = int(found[3] or 0)
    name = name.upper()
    if name in _BY_NAME:
        return _BY_NAME[name]
    if name in _MOMENTS:
        family, zoned = _MOMENTS[name]
        return Type(family, precision=_MICROSECONDS if size is None else min(size, 9), zoned=zoned)
    if "JSON" in name:
        return Type(Family.JSON)
    if name in _DECIMALS:
        if size is None or not 0 <= scale <= size:
            return Type(Family.DECIMAL, special=False)
        return Type(Family.DECIMAL, precision=size, scale=scale, special=False)
    return None if name in _NO_TYPE else _by_affinity(name)


def _by_affinity(name: str) -> Type | None:
    """The rules of https://sqlite.org/datatype3.html, 3.1, in their order."""
    if "INT" in name:
        return _INTEGER
    if any(part in name for part in ("CHAR", "CLOB", "TEXT")):
        return _TEXT
    if "BLOB" in name:
        return _BYTES
    if any(part in name for part in ("REAL", "FLOA", "DOUB")):
        return _FLOAT
    return None


def type_of_values(classes: set[str]) -> Type:
    """What a column is whose declaration says nothing, by the storage classes that are in it."""
    classes = classes - {"null"}
    if classes == {"integer"}:
        return _INTEGER
    if classes and classes <= {"integer", "real"}:
        return _FLOAT
    return _BYTES if classes == {"blob"} else _TEXT


def holding_type(declared: str) -> Type:
    """What a column declared like this can be given so that it comes back the same."""
    made = house_type(declared)
    if made is None:
        return _TEXT
    if made.family is Family.DECIMAL:
        precision = min(made.precision or EXACT_DIGITS, EXACT_DIGITS)
        return replace(made, precision=precision, scale=min(made.scale or 0, precision))
    return made


def native_type(type_: Type) -> str:
    """The declared type that holds every value of this one; TEXT where there is none of its own."""
    family = type_.family
    if family is Family.INTEGER:
        return "TEXT" if not type_.signed and (type_.size or 64) >= 64 else "INTEGER"
    if family is Family.DECIMAL:
        if type_.precision is None or type_.precision > EXACT_DIGITS:
            return "TEXT"
        return f"DECIMAL({type_.precision},{type_.scale or 0})"
    if family in (Family.TIME, Family.TIMESTAMP):
        digits = f"({type_.precision})" if (type_.precision or 0) > _MICROSECONDS else ""
        if type_.precision is not None and type_.precision > 9:
            return "TEXT"
        return f"{family.value.upper()}{digits}{' WITH TIME ZONE' if type_.zoned else ''}"
    return _NATIVE.get(family, "TEXT")


# JSON alone would make a number of the text 1.50; with TEXT in its name a column leaves texts alone.
_NATIVE = {
    Family.BOOLEAN: "BOOLEAN",
    Family.FLOAT: "REAL",
    Family.BYTES: "BLOB",
    Family.DATE: "DATE",
    Family.UUID: "UUID",
    Family.JSON: "JSON TEXT",
    Family.ARRAY: "JSON TEXT",
}
