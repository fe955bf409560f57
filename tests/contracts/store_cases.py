"""What the store's contract suite works on, and the one place that names what the emulators of MongoDB get wrong."""

import datetime as dt
from typing import Any

from etl_engine.model.collections import Collection, Index

T0 = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)

JOBS = Collection(
    "jobs",
    {
        "state": str,
        "priority": int,
        "run_at": dt.datetime,
        "owner": str,
        "attempts": int,
        "cfg.size": int,
        "name": str,
        "score": float,
        "on": bool,
        "pipeline_id": str,
    },
    indexes=(Index(("state", "priority")), Index(("-run_at",))),
    counters=frozenset({"attempts", "stats.rows"}),
)
USERS = Collection(
    "users",
    {"email": str, "ws": str, "name": str, "logins": int},
    indexes=(Index(("email",), unique=True), Index(("ws", "name"), unique=True)),
    counters=frozenset({"logins"}),
)
STAMPS = Collection(
    "stamps", {"at": dt.datetime, "schedule_id": str}, indexes=(Index(("schedule_id", "at"), unique=True),)
)
COLLECTIONS = (JOBS, USERS, STAMPS)

_OR = "$or of $match and of deleteMany drops a branch"
_IDS = "aggregate and deleteMany compare ids with operators as text"
_MONGOMOCK = {
    "test_threads_claim_each_job_once_and_lose_no_increment": "find_one_and_update is not atomic",
    "test_a_document_larger_than_mongodb_takes_is_refused": "takes documents of any size",
    "test_its_clock_is_in_utc_to_the_millisecond": "has no hello command",
}
_NX_27017 = {
    "test_references_come_back_as_text": "does not find an ObjectId outside _id",
    "test_filters-reference": "does not find an ObjectId outside _id",
    "test_unique_keys_hold_and_name_their_fields": "findAndModify ignores the unique key and answers nothing",
    "test_a_time_can_be_part_of_a_unique_key": "does not find an ObjectId outside _id, so names no key",
    "test_filters-not missing": "find takes $ne null for anything",
    "test_filters-not equal holds for missing": "deleteMany takes $ne for false where the field is missing",
    "test_filters-or": _OR,
    "test_filters-or beside equal": _OR,
    "test_filters-or in or": _OR,
    "test_filters-or with all": _OR,
    "test_filters-ids": _IDS,
    "test_filters-ids above": _IDS,
    "test_filters-ids not equal": _IDS,
    "test_filters-ids that are none": _IDS,
    "test_pages_lose_and_repeat_nothing-missing up": "find takes $ne null for anything",
    "test_counts_by_value": "$group answers times as text",
    "test_a_lease_that_ended_can_be_taken_over": "findAndModify answers times as text",
}
# Test (with its case, if not all of them) -> the emulator's fault. Every case passes on one of them at least.
GAPS: dict[str, dict[str, str]] = {"mongomock": _MONGOMOCK, "nx27017": _NX_27017}


def key(number: int) -> str:
    """An id for tests."""
    return f"{number:024x}"


def hours(number: int) -> dt.datetime:
    return T0 + dt.timedelta(hours=number)


def hundred_jobs() -> list[dict[str, Any]]:
    return [
        {
            "_id": key(number),
            "state": "qrd"[number % 3],
            "priority": number % 10,
            "run_at": hours(number),
            "cfg": {"size": number, "other": [number]},
            "name": f"User_{number:03d}%",
            "score": number / 4,
            "on": number % 2 == 0,
            **({"owner": "o"} if number % 5 == 0 else {}),
            **({"pipeline_id": key(number % 2)} if number % 10 == 0 else {}),
        }
        for number in range(100)
    ]
