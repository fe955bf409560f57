"""One process at the store: `store_worker.py URL ROLE ARGUMENTS...`. Says "ready", waits for a line, does its role.

Every role prints JSON lines; the last one is its result.
"""

import contextlib
import json
import os
import sys
from collections.abc import Callable
from typing import Any

from etl_engine import faultpoints
from etl_engine.errors import DuplicateKey, StoreUnavailable
from etl_engine.model.collections import Collection, Index
from etl_engine.store.mongo import MongoStore
from etl_engine.store.sql import SqlStore

COLLECTIONS = (
    Collection(
        "jobs",
        {"state": str, "priority": int},
        indexes=(Index(("state", "priority")),),
        counters=frozenset({"attempts"}),
    ),
    Collection(
        "counters", {"name": str, "n": int}, indexes=(Index(("name",), unique=True),), counters=frozenset({"n"})
    ),
    Collection("fires", {"slot": str}, indexes=(Index(("slot",), unique=True),)),
    Collection("log", {"seq": int, "by": str}),
)
GROWING = Collection("growing", {"a": str})
GROWN = Collection("growing", {"a": str, "b.c": int}, indexes=(Index(("-b.c",)), Index(("a", "b.c"), unique=True)))


def store_at(url: str) -> Any:
    if url.startswith("mongodb"):
        return MongoStore(url.rpartition("#")[0] or url, url.rpartition("#")[2])
    return SqlStore(url)


def say(value: object) -> None:
    print(json.dumps(value), flush=True)


def wait() -> None:
    say("ready")
    sys.stdin.readline()


def claim(url: str, owner: str) -> None:
    store = store_at(url)
    store.open(COLLECTIONS)
    wait()
    got = []
    while (
        job := store.update(
            "jobs",
            {"state": "queued"},
            {"state": "running", "owner": owner},
            increment={"attempts": 1},
            sort=[("priority", 1)],
        )
    ) is not None:
        got.append(job["_id"])
    say(got)


def count(url: str, times: str) -> None:
    """Upserts included: nobody made the counter before."""
    store = store_at(url)
    store.open(COLLECTIONS)
    wait()
    for _ in range(int(times)):
        store.update("counters", {"name": "c"}, increment={"n": 1}, upsert={"name": "c", "n": 1})
    say(int(times))


def fire(url: str, slots: str) -> None:
    store = store_at(url)
    store.open(COLLECTIONS)
    wait()
    won = []
    for slot in range(int(slots)):
        try:
            store.insert("fires", {"slot": f"s{slot}"})
        except DuplicateKey:
            continue
        won.append(slot)
    say(won)


def _open(store: Any) -> None:
    """A machine that is busy lets the eighth wait for longer than a call may last; the next call tries again."""
    for _ in range(9):
        with contextlib.suppress(StoreUnavailable):
            return store.open(COLLECTIONS)  # type: ignore[no-any-return]
    return store.open(COLLECTIONS)  # type: ignore[no-any-return]


def start(*urls: str) -> None:
    """Open stores that do not exist yet, one after the other, each at the word of the parent."""
    for url in urls:
        store = store_at(url)
        wait()
        _open(store)
        store.insert("log", {"seq": 1})
        store.close()
    say("done")


def evolve(url: str, armed: str = "") -> None:
    faultpoints.arm(armed)
    store = store_at(url)
    wait()
    store.open([GROWN])
    say(store.count("growing", {"b.c": {"$gte": 0}}))


def write(url: str, by: str) -> None:
    """Insert and update until killed; every line is a promise that both are kept."""
    store = store_at(url)
    store.open(COLLECTIONS)
    meta = store.update("counters", {"name": by}, {"n": -1}, upsert={"name": by, "n": -1})["_id"]
    wait()
    for number in range(1_000_000):
        store.insert("log", {"seq": number, "by": by, "padding": "z" * 500})
        store.update("counters", {"_id": meta}, {"n": number})
        say(number)


def fork(url: str) -> None:
    """A child that inherits an open store opens its own."""
    store = store_at(url)
    store.open(COLLECTIONS)
    store.insert("log", {"seq": 0, "by": "parent"})
    wait()
    child = os.fork()
    for number in range(50):
        store.insert("log", {"seq": number, "by": "child" if child == 0 else "parent again"})
    if child == 0:
        os._exit(0)
    _, status = os.waitpid(child, 0)
    say(
        {
            "child": os.waitstatus_to_exitcode(status),
            "documents": store.count("log"),
            "made": len({d["_id"] for d in store.find("log")}),
        }
    )


ROLES: dict[str, Callable[..., None]] = {
    role.__name__: role for role in (claim, count, fire, start, evolve, write, fork)
}

if __name__ == "__main__":
    ROLES[sys.argv[2]](sys.argv[1], *sys.argv[3:])
