"""Filters, sort orders and pages, checked and taken apart once: what is left to a backend is translation."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from etl_engine.errors import StoreError
from etl_engine.model.collections import Collection, FieldType
from etl_engine.store.contract import OPERATORS, Document, Sort, Where
from etl_engine.store.documents import cleaned, fits, is_text, value_at
from etl_engine.store.ids import is_id

RANGES = frozenset({"$lt", "$lte", "$gt", "$gte"})
LONGEST_SEARCH = 4096  # MongoDB refuses patterns beyond 32 kB, and escaping can double a text


@dataclass(frozen=True, slots=True)
class Condition:
    """One field, one operator (`$eq` or one of OPERATORS), one checked value."""

    field: str
    operator: str
    value: Any


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one of these filters holds."""

    branches: "tuple[Filter, ...]"


Filter = tuple[Condition | AnyOf, ...]  # all of these hold
Order = tuple[tuple[str, int], ...]


def parsed(collection: Collection, where: Where) -> Filter:
    return tuple(_conditions(collection, where))


def _conditions(collection: Collection, where: Where) -> Iterable[Condition | AnyOf]:
    for field, wanted in where.items():
        if field == "$or":
            if not isinstance(wanted, list | tuple) or not wanted:
                raise StoreError("$or needs at least one filter")
            yield AnyOf(tuple(parsed(collection, branch) for branch in wanted))
            continue
        if isinstance(wanted, Mapping) and (not wanted or wanted.keys() - OPERATORS):
            raise StoreError(f"{collection.name}.{field} can be filtered by {', '.join(sorted(OPERATORS))} only")
        tests = wanted if isinstance(wanted, Mapping) else {"$eq": wanted}
        for operator, value in tests.items():
            yield from _condition(collection, field, operator, value)


def _condition(collection: Collection, field: str, operator: str, value: Any) -> Iterable[Condition]:
    kind = _kind(collection, field)
    place = f"{collection.name}.{field}"
    if operator == "$in":
        if not isinstance(value, list | tuple | set | frozenset):
            raise StoreError(f"{place}: $in needs a list")
        # What no document can hold is left out, so that any text a person types may be looked up.
        yield Condition(field, "$in", tuple(_value(kind, place, v) for v in value if _holdable(field, v)))
    elif operator in ("$eq", "$ne", "$has") and not _holdable(field, value):
        yield from () if operator == "$ne" else (Condition(field, "$in", ()),)
    else:
        if operator == "$has":
            _check_search(place, field, kind, value)
        elif operator in RANGES:
            _check_range(place, field, value)
        yield Condition(field, operator, _value(kind, place, value))


def _kind(collection: Collection, field: str) -> FieldType:
    if field == "_id":
        return str
    if field not in collection.fields:
        raise StoreError(f"{collection.name}.{field} is not declared", hint="Declare it in model/collections.py.")
    return collection.fields[field]


def _holdable(field: str, value: Any) -> bool:
    if not isinstance(value, str):
        return True
    return is_id(value) if field == "_id" else is_text(value) and "\0" not in value


def _value(kind: FieldType, place: str, value: Any) -> Any:
    value = cleaned(value, place)
    if not fits(kind, value):
        raise StoreError(f"{place} is compared with a {type(value).__name__}, declared is {kind.__name__}")
    return value


def _check_search(place: str, field: str, kind: FieldType, value: Any) -> None:
    if kind is not str or not isinstance(value, str) or field.endswith("_id"):
        raise StoreError(f"{place}: $has looks for text in a text")
    if len(value) > LONGEST_SEARCH:
        raise StoreError(f"{place}: $has takes {LONGEST_SEARCH} characters at most")


def _check_range(place: str, field: str, value: Any) -> None:
    # MongoDB keeps references apart from texts, so their order would not be the same on every backend.
    if value is None or (field.endswith("_id") and (field != "_id" or not is_id(value))):
        raise StoreError(f"{place} cannot be compared by order with this value")


def ordering(collection: Collection, sort: Sort) -> Order:
    """The sort with `_id` behind it, so that no two documents are ever equal in it."""
    for field, direction in sort:
        _kind(collection, field)
        if direction not in (1, -1):
            raise StoreError(f"{collection.name}.{field} is sorted by 1 or -1")
        if field != "_id" and field.endswith("_id"):
            raise StoreError(f"{collection.name}.{field} is a reference, which has no order")
    fields = [field for field, _ in sort]
    if len(set(fields)) < len(fields):
        raise StoreError(f"{collection.name} is sorted twice by the same field")
    return tuple(sort) if "_id" in fields else (*sort, ("_id", 1))


def behind(collection: Collection, order: Order, document: Document) -> AnyOf:
    """Everything that comes after this document in the order; a missing value comes first."""
    branches: list[Filter] = []
    tied: Filter = ()
    for field, direction in order:
        value = _value(_kind(collection, field), f"{collection.name}.{field}", value_at(document, field))
        if value is None:
            beyond = [Condition(field, "$ne", None)] if direction > 0 else []
        elif direction > 0:
            beyond = [Condition(field, "$gt", value)]
        else:
            beyond = [Condition(field, "$lt", value), Condition(field, "$eq", None)]
        branches += [(*tied, condition) for condition in beyond]
        tied = (*tied, Condition(field, "$eq", value))
    if not is_id(document.get("_id")):
        raise StoreError(f"A page of {collection.name} continues behind a stored document")
    return AnyOf(tuple(branches))
