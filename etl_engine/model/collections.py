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
    """One collection. What is not declared here cannot be searched or sorted on, nor changed inside an object.

    A counter is a whole number that updates may add to; it may be missing, and is never None.
    """

    name: str
    fields: Mapping[str, FieldType]
    indexes: tuple[Index, ...] = ()
    counters: frozenset[str] = frozenset()

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
    counters=frozenset({"revision"}),
)

AUDIT = Collection(
    "audit",
    {"at": dt.datetime, "actor": str, "action": str, "subject_id": str, "outcome": str, "done_at": dt.datetime},
    indexes=(Index(("-at",)), Index(("subject_id", "-at")), Index(("outcome", "at")), Index(("done_at",))),
)

# What was answered to requests that carried an Idempotency-Key; kept for a day.
REPLIES = Collection(
    "replies",
    {"key": str, "at": dt.datetime, "until": dt.datetime},
    indexes=(Index(("key",), unique=True), Index(("at",))),
)

KEYS = Collection(
    "keys",
    {"name": str, "version": int},
    indexes=(Index(("name",), unique=True),),
    counters=frozenset({"version"}),
)

_NAMED: Mapping[str, FieldType] = {
    "name": str,
    "name_key": str,
    "search": str,
    "revision": int,
    "created_at": dt.datetime,
    "updated_at": dt.datetime,
}
_COUNTED = frozenset({"revision"})
_BY_NAME = (Index(("name_key",), unique=True), Index(("-updated_at",)))

SCHEMAS = Collection("schemas", {**_NAMED, "version": int}, indexes=_BY_NAME, counters=_COUNTED)

MAPPINGS = Collection(
    "mappings",
    {**_NAMED, "source_connection_id": str, "destination_connection_id": str, "target_schema_id": str},
    indexes=(
        *_BY_NAME,
        Index(("source_connection_id",)),
        Index(("destination_connection_id",)),
        Index(("target_schema_id",)),
    ),
    counters=_COUNTED,
)

COLUMN_MAPPINGS = Collection(
    "column_mappings",
    {
        "mapping_id": str,
        "type": str,
        "place": int,
        "revision": int,
        "created_at": dt.datetime,
        "updated_at": dt.datetime,
    },
    indexes=(Index(("mapping_id", "place")),),
    counters=_COUNTED,
)

SCHEDULES = Collection(
    "schedules",
    {
        **_NAMED,
        "subject.kind": str,
        "subject.id": str,
        "enabled": bool,
        "next_run_at": dt.datetime,
        "last_run_at": dt.datetime,
        "decided_at": dt.datetime,
        "waiting": int,
        "turn": int,
    },
    indexes=(
        *_BY_NAME,
        Index(("subject.id",)),
        Index(("enabled", "next_run_at")),
        Index(("decided_at",)),
        Index(("waiting",)),
    ),
    counters=_COUNTED | {"turn"},
)

# A fire is decided once, whoever decides it: the key is the schedule and the moment.
FIRES = Collection(
    "fires",
    {"schedule_id": str, "at": dt.datetime, "state": str, "execution_id": str, "decided_at": dt.datetime},
    indexes=(Index(("schedule_id", "at"), unique=True), Index(("decided_at",))),
)

EXECUTIONS = Collection(
    "executions",
    {
        "key": str,
        "status": str,
        "subject.kind": str,
        "subject.id": str,
        "subject.name": str,
        "search": str,
        "series": str,
        "trigger.kind": str,
        "trigger.id": str,
        "retry_of_id": str,
        "epoch": int,
        "owner": str,
        "lease_until": dt.datetime,
        "created_at": dt.datetime,
        "started_at": dt.datetime,
        "finished_at": dt.datetime,
        "changed_at": dt.datetime,
    },
    indexes=(
        Index(("key",), unique=True),
        Index(("status", "created_at")),
        Index(("status", "lease_until")),
        Index(("-created_at",)),
        Index(("subject.kind", "subject.id", "-created_at")),
        Index(("series", "-created_at")),
        Index(("changed_at",)),
    ),
    counters=frozenset({"log_lines"}),
)

TASKS = Collection(
    "tasks",
    {"execution_id": str, "block_id": str, "status": str, "epoch": int, "started_at": dt.datetime},
    indexes=(Index(("execution_id", "block_id"), unique=True),),
)

# Lines are kept in segments: one document for each flush of at most a second or 500 lines.
LOG_SEGMENTS = Collection(
    "log_segments",
    {
        "execution_id": str,
        "first_seq": int,
        "last_seq": int,
        "last_at": dt.datetime,
        "worst": int,
        "origins": str,
        "text": str,
    },
    indexes=(
        Index(("execution_id", "first_seq"), unique=True),
        Index(("execution_id", "last_seq")),
        Index(("last_at",)),
    ),
)

# Notices of what happened: decided once by their unique event, then sent until they are taken.
DELIVERIES = Collection(
    "deliveries",
    {
        "event": str,
        "status": str,
        "attempts": int,
        "due_at": dt.datetime,
        "created_at": dt.datetime,
    },
    indexes=(Index(("event",), unique=True), Index(("status", "due_at")), Index(("-created_at",))),
    counters=frozenset({"attempts"}),
)

ALL = (
    CONNECTIONS,
    AUDIT,
    REPLIES,
    KEYS,
    SCHEMAS,
    MAPPINGS,
    COLUMN_MAPPINGS,
    SCHEDULES,
    FIRES,
    EXECUTIONS,
    TASKS,
    LOG_SEGMENTS,
    DELIVERIES,
)
