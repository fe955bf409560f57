"""What a document may hold: JSON values, and aware datetimes kept in UTC to the millisecond.

What one backend could not keep exactly, none accepts: naive datetimes, bytes, NaN and infinity, integers beyond
64 bits, lone surrogates, and keys that are empty, hold a dot or a NUL, or start with a dollar. A message names the
place, never the value.
"""

import datetime as dt
import math
from collections.abc import Mapping
from enum import Enum
from typing import Any

from etl_engine.errors import StoreError
from etl_engine.model.collections import Collection, FieldType
from etl_engine.store.contract import Document
from etl_engine.store.ids import is_id, new_id

DEEPEST = 90  # MongoDB refuses documents of more than 100 levels
LARGEST_COUNT = 2**62  # with LARGEST_STEP, no counter ever comes to the end of its 64 bits
LARGEST_STEP = 2**31
LARGEST = 16 * 1024 * 1024  # and of more than 16 MB


def cleaned(value: Any, place: str, depth: int = 0) -> Any:
    """The value as every backend answers it later; StoreError where one of them could not."""
    if isinstance(value, Enum):
        value = value.value
    if value is None or isinstance(value, bool):
        return value
    if depth > DEEPEST:
        raise StoreError(f"{place} is nested more than {DEEPEST} levels deep")
    match value:
        case str():
            return _text(value, place)
        case int():
            if not -(2**63) <= value < 2**63:
                raise StoreError(f"{place} is an integer of more than 64 bits")
            return int(value)
        case float():
            if not math.isfinite(value):
                raise StoreError(f"{place} is not a finite number")
            return float(value)
        case dt.datetime():
            return _time(value, place)
        case list() | tuple():
            return [cleaned(item, f"{place}.{number}", depth + 1) for number, item in enumerate(value)]
        case Mapping():
            return {_key(key, place): cleaned(item, f"{place}.{key}", depth + 1) for key, item in value.items()}
    raise StoreError(f"{place} is a {type(value).__name__}, which no store can keep")


def is_text(value: str) -> bool:
    """Whether UTF-8 can carry it."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _text(value: str, place: str) -> str:
    if not is_text(value):
        raise StoreError(f"{place} holds a lone surrogate, which UTF-8 cannot carry")
    return str(value)


def _time(value: dt.datetime, place: str) -> dt.datetime:
    if value.utcoffset() is None:
        raise StoreError(f"{place} is a datetime without a time zone")
    try:
        utc = value.astimezone(dt.UTC)
    except OverflowError:
        raise StoreError(f"{place} is a datetime outside the years 1 to 9999 of UTC") from None
    return utc.replace(microsecond=utc.microsecond // 1000 * 1000)


def _key(key: Any, place: str) -> str:
    if not isinstance(key, str) or not key or key[0] == "$" or "." in key or "\0" in key or not is_text(key):
        raise StoreError(f"A key of {place} is empty, is no text, holds a dot or a NUL, or starts with a dollar")
    return str(key)


def value_at(document: Any, path: str) -> Any:
    """The value behind a dotted path; None where there is none."""
    value = document
    for key in path.split("."):
        if isinstance(value, list):
            raise StoreError(f"{path} leads through a list, and only objects can be searched")
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def fits(kind: FieldType, value: Any) -> bool:
    """Whether a cleaned value may stand in a declared field. PostgreSQL keeps no NUL in text."""
    if type(value) is str:
        return kind is str and "\0" not in value
    return value is None or type(value) is kind or (kind is float and type(value) is int)


def check_field(collection: Collection, field: str, value: Any) -> None:
    place = f"{collection.name}.{field}"
    if value is None and field in collection.unique_fields:
        raise StoreError(f"{place} is required")
    if not fits(collection.fields[field], value):
        raise StoreError(f"{place} is a {type(value).__name__}, declared is {collection.fields[field].__name__}")


def _check_counter(place: str, value: Any) -> None:
    if type(value) is not int or abs(value) > LARGEST_COUNT:
        raise StoreError(f"{place} is a counter, and wants a whole number of at most 2^62")


def _check_inside(collection: Collection, value: Any, path: str = "") -> None:
    """Of the value at `path`: counters are numbers, and what lies on the way to a declared field is an object.

    MongoDB refuses to set or to add where that is not so, and its relatives ignore it or do something else.
    """
    for field in (*collection.fields, *collection.counters):
        if not field.startswith(path):
            continue
        inside, here = value, path
        for key in field[len(path) :].split("."):
            if not isinstance(inside, Mapping):
                raise StoreError(f"{collection.name}.{here.rstrip('.')} is no object, and {field} is declared in it")
            if key not in inside:
                break
            inside, here = inside[key], f"{here}{key}."
        else:
            if field in collection.counters:
                _check_counter(f"{collection.name}.{field}", inside)


def checked(collection: Collection, document: Mapping[str, Any]) -> Document:
    """The whole document as it is stored, with its `_id`."""
    whole: Document = cleaned({"_id": new_id(), **document}, collection.name)
    if not is_id(whole["_id"]):
        raise StoreError(f"{collection.name}._id is not 24 hexadecimal digits, lower case")
    _check_inside(collection, whole)
    for field in collection.fields:
        check_field(collection, field, value_at(whole, field))
    return whole


def checked_changes(
    collection: Collection, changes: Mapping[str, Any], increment: Mapping[str, int]
) -> tuple[dict[str, Any], dict[str, int]]:
    """What an update sets and adds, by dotted path."""
    paths = [*changes, *increment]
    for number, path in enumerate(paths):
        _check_path(collection, path)
        for other in (*paths[:number], *paths[number + 1 :]):
            if other == path or other.startswith(path + "."):
                raise StoreError(f"{collection.name}.{path} and {other} cannot change together")
    sets = {path: cleaned(value, f"{collection.name}.{path}") for path, value in changes.items()}
    for path, value in sets.items():
        if path in collection.counters:
            _check_counter(f"{collection.name}.{path}", value)
        _check_inside(collection, value, f"{path}.")
        for field in collection.fields:
            if field == path:
                check_field(collection, field, value)
            elif field.startswith(path + "."):
                check_field(collection, field, value_at(value, field[len(path) + 1 :]))
    for path, amount in increment.items():
        if path not in collection.counters:
            raise StoreError(f"{collection.name}.{path} is no counter", hint="Declare it in model/collections.py.")
        if type(amount) is not int or abs(amount) > LARGEST_STEP:
            raise StoreError(f"{collection.name}.{path}: what is added is a whole number of at most 2^31")
    return sets, dict(increment)


def _check_path(collection: Collection, path: str) -> None:
    keys = path.split(".")
    for key in keys:
        # MongoDB would take a number as a position in a list.
        if _key(key, f"{collection.name}.{path}").isdigit():
            raise StoreError(f"{collection.name}.{path} has a number as a key")
    if keys[0] == "_id":
        raise StoreError(f"{collection.name}._id cannot change")
    declared = (*collection.fields, *collection.counters)
    if any(path.startswith(field + ".") for field in declared):
        raise StoreError(f"{collection.name}.{path} would put an object where a value is declared")
    if len(keys) > 1 and not any(field == path or field.startswith(path + ".") for field in declared):
        raise StoreError(
            f"{collection.name}.{path} is not declared, so it cannot change on its own",
            hint="Set the whole object, or declare the field in model/collections.py.",
        )


def apply_changes(document: Document, sets: Mapping[str, Any], increment: Mapping[str, int]) -> None:
    """Do to a document what MongoDB does for $set and $inc."""
    for path, value in sets.items():
        parent, key = _parent(document, path)
        parent[key] = value
    for path, amount in increment.items():
        parent, key = _parent(document, path)
        count = parent.get(key, 0)
        if isinstance(count, bool) or not isinstance(count, int | float):
            raise StoreError(f"{path} holds no number to add to")
        parent[key] = count + amount


def _parent(document: Document, path: str) -> tuple[Document, str]:
    *keys, last = path.split(".")
    parent: Any = document
    for key in keys:
        parent = parent.setdefault(key, {})
        if not isinstance(parent, dict):
            raise StoreError(f"{path} leads through {key}, which is no object")
    return parent, last
