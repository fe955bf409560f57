"""The collections of the store: what may be searched and sorted, what is unique, what is indexed."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

FieldType = type[str] | type[int] | type[float] | type[bool] | type[dt.datetime]


@dataclass(frozen=True)
class Index:
    """Fields in order; a leading minus sorts that field downwards."""

    fields: tuple[str, ...]
    unique: bool = False


@dataclass(frozen=True)
class Collection:
    """One collection. A field that is not declared here cannot be searched or sorted on."""

    name: str
    fields: Mapping[str, FieldType]
    indexes: tuple[Index, ...] = ()

    @property
    def unique_fields(self) -> frozenset[str]:
        """Fields of unique keys; they are required, since backends disagree on missing values in unique indexes."""
        return frozenset(name.lstrip("-") for index in self.indexes if index.unique for name in index.fields)


CONNECTIONS = Collection(
    "connections",
    {
        "name": str,
        "name_key": str,
        "db_type": str,
        "search": str,
        "revision": int,
        "last_test_status": str,
        "last_tested_at": dt.datetime,
        "last_test_ms": float,
        "created_at": dt.datetime,
        "updated_at": dt.datetime,
    },
    indexes=(
        Index(("name",), unique=True),
        Index(("name_key",), unique=True),
        Index(("db_type",)),
        Index(("-updated_at",)),
    ),
)

AUDIT = Collection(
    "audit",
    {"at": dt.datetime, "actor": str, "action": str, "subject_id": str, "outcome": str, "done_at": dt.datetime},
    indexes=(Index(("-at",)), Index(("subject_id", "-at")), Index(("outcome", "at")), Index(("done_at",))),
)

KEYS = Collection("keys", {"name": str, "version": int}, indexes=(Index(("name",), unique=True),))

ALL = (CONNECTIONS, AUDIT, KEYS)
