"""The contract of the store: the same answers from every backend."""

import datetime as dt
import itertools
import sys
import threading
from collections.abc import Callable
from typing import Any

import pymongo
import pytest
from pydantic import SecretStr
from store_cases import COLLECTIONS, GAPS, JOBS, T0, hours, hundred_jobs, key
from store_servers import TEST_MONGO_URI

from etl_engine.errors import DuplicateKey, StoreError
from etl_engine.model.audit import Outcome
from etl_engine.store.contract import Store

DEEP: Any = 1
for _ in range(95):
    DEEP = {"a": DEEP}


def ids(documents: list[dict[str, Any]]) -> list[int]:
    return [int(document["_id"], 16) for document in documents]


def test_a_document_comes_back_as_it_went_in(store: Store) -> None:
    document = {
        "_id": key(1),
        "state": "q",
        "real": 1.5,
        "whole_real": 2.0,
        "tenth": 0.1 + 0.2,
        "big": 2**63 - 1,
        "negative": -(2**63),
        "yes": True,
        "nothing": None,
        "text": "żółć ☃ \x00 \U0001f600 \u202e %s :x {}",
        "empty": {"list": [], "object": {}, "text": ""},
        "when": T0,
        "early": dt.datetime(1, 1, 1, tzinfo=dt.UTC),
        "late": dt.datetime(9999, 12, 31, 23, 59, 59, 999000, tzinfo=dt.UTC),
        "nest": {"a": [1, {"at": T0, "b": [[None]]}]},
        "score": 3,
    }
    assert store.insert("jobs", document) == [document]
    read = store.get("jobs", key(1))
    assert read == document == store.find("jobs", {"_id": key(1)})[0]
    assert read is not None
    assert [type(value) for value in read.values()] == [type(value) for value in document.values()]
    assert list(read) == list(document)
    assert all(read[name].tzinfo is dt.UTC for name in ("when", "early", "late"))


def test_an_inserted_document_is_answered_as_stored(store: Store) -> None:
    precise = dt.datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    (stored,) = store.insert("jobs", {"run_at": precise, "state": Outcome.DONE, "pair": (1, 2)})
    assert stored["run_at"] == dt.datetime(2026, 5, 1, 10, 0, 0, 123000, tzinfo=dt.UTC)
    assert (stored["state"], stored["pair"]) == ("done", [1, 2])
    assert type(stored["state"]) is str
    assert store.find("jobs") == [stored]
    assert store.count("jobs", {"run_at": precise}) == store.count("jobs", {"state": Outcome.DONE}) == 1


def test_the_caller_keeps_its_own_document(store: Store) -> None:
    mine = {"state": "q", "cfg": {"size": 1}}
    (stored,) = store.insert("jobs", mine)
    assert mine == {"state": "q", "cfg": {"size": 1}}
    stored["cfg"]["size"] = 99
    assert store.find("jobs")[0]["cfg"]["size"] == 1


def test_made_ids_sort_by_time(store: Store) -> None:
    made = [store.insert("jobs", {"state": "x"})[0]["_id"] for _ in range(5)]
    made += [document["_id"] for document in store.insert("jobs", *({"state": "x"} for _ in range(5)))]
    assert made == sorted(set(made)) == [document["_id"] for document in store.find("jobs")]


def test_references_come_back_as_text(store: Store) -> None:
    document = {"_id": key(7), "pipeline_id": key(8), "steps": [{"block_id": key(9)}], "request_id": "no reference"}
    store.insert("jobs", document, {"pipeline_id": "system"})
    assert store.get("jobs", key(7)) == document
    assert store.count("jobs", {"pipeline_id": key(8)}) == store.count("jobs", {"pipeline_id": "system"}) == 1
    assert store.count("jobs", {"pipeline_id": {"$in": [key(8), "system"]}}) == 2
    assert store.count("jobs", {"pipeline_id": {"$ne": key(8)}}) == 1
    assert store.count_by("jobs", "pipeline_id") == {key(8): 1, "system": 1}
    changed = store.update("jobs", {"pipeline_id": key(8)}, {"pipeline_id": key(10), "deep": {"owner_id": key(11)}})
    assert changed is not None
    assert (changed["pipeline_id"], changed["deep"]) == (key(10), {"owner_id": key(11)})


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param({"x": dt.datetime(2026, 1, 1)}, id="naive datetime"),
        pytest.param({"x": dt.date(2026, 1, 1)}, id="date"),
        pytest.param({"x": object()}, id="object"),
        pytest.param({"x": SecretStr("s")}, id="secret"),
        pytest.param({"x": b"1"}, id="bytes"),
        pytest.param({"x": {1, 2}}, id="set"),
        pytest.param({"x": 2**63}, id="big integer"),
        pytest.param({"x": -(2**63) - 1}, id="small integer"),
        pytest.param({"x": float("nan")}, id="nan"),
        pytest.param({"x": [float("inf")]}, id="infinity"),
        pytest.param({"x": "\ud800"}, id="lone surrogate"),
        pytest.param({"\udfff": 1}, id="lone surrogate in a key"),
        pytest.param({"a.b": 1}, id="dot in a key"),
        pytest.param({"n": {"a.b": 1}}, id="dot in an inner key"),
        pytest.param({"$a": 1}, id="dollar before a key"),
        pytest.param({"n": [{"$date": 1}]}, id="dollar before an inner key"),
        pytest.param({"a\0b": 1}, id="NUL in a key"),
        pytest.param({"": 1}, id="empty key"),
        pytest.param({1: 1}, id="number as key"),
        pytest.param({"x": DEEP}, id="too deep"),
        pytest.param({"priority": "7"}, id="text for a number"),
        pytest.param({"priority": True}, id="bool for a number"),
        pytest.param({"priority": 1.0}, id="float for an integer"),
        pytest.param({"state": 7}, id="number for a text"),
        pytest.param({"state": "a\0b"}, id="NUL in a searched text"),
        pytest.param({"state": ["q"]}, id="list for a text"),
        pytest.param({"run_at": "2026-01-01"}, id="text for a time"),
        pytest.param({"cfg": [{"size": 1}]}, id="list on the way to a searched field"),
        pytest.param({"cfg": "size"}, id="text on the way to a searched field"),
        pytest.param({"cfg": None}, id="nothing on the way to a searched field"),
        pytest.param({"stats": [{"rows": 1}]}, id="list on the way to a counter"),
        pytest.param({"attempts": None}, id="nothing for a counter"),
        pytest.param({"attempts": 2**62 + 1}, id="more than a counter takes"),
        pytest.param({"stats": {"rows": "7"}}, id="text for an inner counter"),
        pytest.param({"_id": "abc"}, id="short id"),
        pytest.param({"_id": "A" * 24}, id="upper case id"),
        pytest.param({"_id": 5}, id="number as id"),
        pytest.param({"_id": None}, id="no id"),
    ],
)
def test_what_one_backend_could_not_keep_none_accepts(store: Store, bad: dict[str, Any]) -> None:
    with pytest.raises(StoreError):
        store.insert("jobs", {"state": "fine"}, bad)
    assert store.count("jobs") == 0
    store.insert("jobs", {"_id": key(1), "state": "q"})
    with pytest.raises(StoreError):
        store.replace("jobs", {"_id": key(1), **bad} if "_id" not in bad else bad)
    if "_id" not in bad:
        with pytest.raises(StoreError):
            store.update(
                "jobs", {"_id": key(1)}, bad if bad.keys() <= {*JOBS.fields, "cfg", "stats"} else {"inner": bad}
            )
    assert store.find("jobs") == [{"_id": key(1), "state": "q"}]


def test_unique_keys_hold_and_name_their_fields(store: Store) -> None:
    store.insert("users", {"_id": key(1), "email": "a", "ws": "w", "name": "n"})
    store.insert("users", {"_id": key(2), "email": "b", "ws": "w", "name": "m"})

    def taken(write: Callable[[], object]) -> str:
        with pytest.raises(DuplicateKey) as caught:
            write()
        assert caught.value.code == "duplicate-key"
        return str(caught.value.context["fields"])

    assert taken(lambda: store.insert("users", {"email": "a", "ws": "x", "name": "y"})) == "email"
    assert taken(lambda: store.insert("users", {"email": "c", "ws": "w", "name": "n"})) == "ws,name"
    assert taken(lambda: store.insert("users", {"_id": key(1), "email": "z", "ws": "z", "name": "z"})) == "_id"
    assert taken(lambda: store.update("users", {"_id": key(2)}, {"email": "a"})) == "email"
    assert taken(lambda: store.update("users", {"_id": key(2)}, {"name": "n"})) == "ws,name"
    assert taken(lambda: store.replace("users", {"_id": key(2), "email": "a", "ws": "q", "name": "q"})) == "email"
    assert store.count("users") == 2
    assert store.update("users", {"_id": key(2)}, {"email": "b"}) is not None
    assert store.replace("users", {"_id": key(2), "email": "b", "ws": "w", "name": "m"})


def test_fields_of_unique_keys_are_required(store: Store) -> None:
    with pytest.raises(StoreError, match=r"users\.\w+ is required"):
        store.insert("users", {"email": "q"})
    store.insert("users", {"_id": key(1), "email": "a", "ws": "w", "name": "n"})
    with pytest.raises(StoreError, match=r"users\.email is required"):
        store.update("users", {"_id": key(1)}, {"email": None})
    with pytest.raises(StoreError, match=r"users\.\w+ is required"):
        store.replace("users", {"_id": key(1), "email": "a"})
    assert store.count("users", {"email": "a"}) == 1


def test_unique_keys_are_exact_to_the_letter(store: Store) -> None:
    texts = ["a", "A", "a ", "á", "a\u0301", "ａ", ""]
    store.insert("users", *({"email": text, "ws": "w", "name": text} for text in texts))
    assert store.count("users") == len(texts)
    assert [document["email"] for document in store.find("users", {"email": "A"})] == ["A"]


def test_a_time_can_be_part_of_a_unique_key(store: Store) -> None:
    store.insert("stamps", {"at": T0, "schedule_id": key(1)}, {"at": T0, "schedule_id": key(2)})
    with pytest.raises(DuplicateKey) as caught:
        store.insert("stamps", {"at": T0, "schedule_id": key(1)})
    assert caught.value.context == {"fields": "schedule_id,at"}


def test_several_documents_are_inserted_all_or_none(store: Store) -> None:
    store.insert("users", {"email": "taken", "ws": "w", "name": "n"})
    fresh = [{"email": f"e{number}", "ws": "w", "name": f"n{number}"} for number in range(4)]
    with pytest.raises(DuplicateKey) as caught:
        store.insert(
            "users", *fresh, {"email": "taken", "ws": "x", "name": "x"}, {"email": "z", "ws": "z", "name": "z"}
        )
    assert caught.value.context == {"fields": "email"}
    assert [document["email"] for document in store.find("users")] == ["taken"]
    assert len(store.insert("users", *fresh)) == 4
    assert store.insert("users") == []
    assert store.count("users") == 5


FILTERS: list[tuple[str, dict[str, Any], int]] = [
    ("all", {}, 100),
    ("equal", {"state": "q"}, 34),
    ("in", {"state": {"$in": ["q", "r"]}}, 67),
    ("in nothing", {"state": {"$in": []}}, 0),
    ("not equal", {"state": {"$ne": "q"}}, 66),
    ("below", {"priority": {"$lt": 3}}, 30),
    ("between", {"priority": {"$gte": 8, "$lte": 9}}, 20),
    ("time below", {"run_at": {"$lt": hours(5)}}, 5),
    ("time equal", {"run_at": hours(5)}, 1),
    ("time above and equal", {"run_at": {"$gt": hours(97)}, "state": "q"}, 1),
    ("inner field", {"cfg.size": {"$gt": 97}}, 2),
    ("missing", {"owner": None}, 80),
    ("not missing", {"owner": {"$ne": None}}, 20),
    ("not equal holds for missing", {"owner": {"$ne": "o"}}, 80),
    ("below never holds for missing", {"owner": {"$lt": "z"}}, 20),
    ("in with missing", {"owner": {"$in": [None, "x"]}}, 80),
    ("or", {"$or": [{"_id": key(3)}, {"cfg.size": 9}]}, 2),
    ("or beside equal", {"state": "q", "$or": [{"priority": 0}, {"priority": 3}]}, 8),
    ("or in or", {"$or": [{"priority": 1, "$or": [{"state": "q"}, {"state": "r"}]}, {"_id": key(0)}]}, 8),
    ("or with all", {"$or": [{"priority": 1}, {}]}, 100),
    ("has", {"name": {"$has": "User_01"}}, 10),
    ("has is exact in case", {"name": {"$has": "user_01"}}, 0),
    ("has knows no wildcard", {"name": {"$has": "_01%"}}, 0),
    ("has finds a percent sign", {"name": {"$has": "1%"}}, 10),
    ("has finds an underscore", {"name": {"$has": "r_09"}}, 10),
    ("has knows no pattern", {"name": {"$has": ".*"}}, 0),
    ("has knows no anchor", {"name": {"$has": "^User"}}, 0),
    ("has nothing", {"name": {"$has": ""}}, 100),
    ("has nothing is not missing", {"owner": {"$has": ""}}, 20),
    ("has beside not equal", {"name": {"$has": "01", "$ne": "User_010%"}}, 10),
    ("float", {"score": {"$lte": 1}}, 5),
    ("float equal", {"score": 0.25}, 1),
    ("true", {"on": True}, 50),
    ("not true", {"on": {"$ne": True}}, 50),
    ("ids", {"_id": {"$in": [key(1), key(500)]}}, 1),
    ("ids above", {"_id": {"$gt": key(97)}}, 2),
    ("ids not equal", {"_id": {"$ne": key(97)}}, 99),
    ("an id that is none", {"_id": "nope"}, 0),
    ("an upper case id", {"_id": "A" * 24}, 0),
    ("an id with a NUL", {"_id": "a\0b"}, 0),
    ("ids that are none", {"_id": {"$in": ["nope", key(1)]}}, 1),
    ("other than an id that is none", {"_id": {"$ne": "nope"}}, 100),
    ("reference", {"pipeline_id": key(0)}, 10),
    ("no reference", {"pipeline_id": None}, 90),
    ("text with a NUL", {"name": {"$has": "\0"}}, 0),
    ("text no store can hold", {"name": "\ud800"}, 0),
    ("other than text no store can hold", {"name": {"$ne": "\ud800"}}, 100),
]


@pytest.mark.parametrize(("where", "matches"), [case[1:] for case in FILTERS], ids=[case[0] for case in FILTERS])
def test_filters(store: Store, where: dict[str, Any], matches: int) -> None:
    store.insert("jobs", *hundred_jobs())
    assert store.count("jobs", where) == len(store.find("jobs", where)) == matches
    assert store.delete("jobs", where) == matches
    assert store.count("jobs") == 100 - matches


@pytest.mark.parametrize(
    "text", ["a\\b", "\\d", "a.b", "[x]", "(", "$", "*", "a b", "#", "\n", "é", "İ", "😀", "'", '"', "--"]
)
def test_has_finds_text_to_the_letter(store: Store, text: str) -> None:
    store.insert("jobs", {"name": f"before{text}behind"}, {"name": "aXb 5 x e i and more"})
    assert [document["name"] for document in store.find("jobs", {"name": {"$has": text}})] == [f"before{text}behind"]


@pytest.mark.parametrize(
    "where",
    [
        pytest.param({"nope": 1}, id="undeclared"),
        pytest.param({"cfg": {"$ne": None}}, id="parent of a declared field"),
        pytest.param({"state": {"$regex": "x"}}, id="operator"),
        pytest.param({"state": {"$in": "qr"}}, id="in a text"),
        pytest.param({"state": {"$lt": None}}, id="below nothing"),
        pytest.param({"state": {}}, id="no operator"),
        pytest.param({"state": {"a": 1}}, id="object"),
        pytest.param({"state": ["q"]}, id="list"),
        pytest.param({"$where": "1"}, id="where"),
        pytest.param({"$or": []}, id="empty or"),
        pytest.param({"$or": {"state": "q"}}, id="or of one"),
        pytest.param({"$or": [{"nope": 1}]}, id="undeclared in or"),
        pytest.param({"priority": "7"}, id="text for a number"),
        pytest.param({"state": 7}, id="number for a text"),
        pytest.param({"priority": {"$in": [1, "7"]}}, id="text among numbers"),
        pytest.param({"run_at": {"$lt": dt.datetime(2026, 1, 1)}}, id="naive datetime"),
        pytest.param({"priority": {"$has": "7"}}, id="text in a number"),
        pytest.param({"name": {"$has": 7}}, id="number in a text"),
        pytest.param({"name": {"$has": "x" * 5000}}, id="long search"),
        pytest.param({"pipeline_id": {"$has": "0"}}, id="text in a reference"),
        pytest.param({"pipeline_id": {"$lt": "f"}}, id="order of references"),
        pytest.param({"_id": {"$gt": "f"}}, id="order of ids that are none"),
    ],
)
def test_a_filter_that_is_not_of_the_contract_is_refused(store: Store, where: dict[str, Any]) -> None:
    for ask in (
        lambda: store.find("jobs", where),
        lambda: store.count("jobs", where),
        lambda: store.count_by("jobs", "state", where),
        lambda: store.update("jobs", where, {"state": "x"}),
        lambda: store.delete("jobs", where),
    ):
        with pytest.raises(StoreError):
            ask()


@pytest.mark.parametrize(
    "sort",
    [[("nope", 1)], [("state", 0)], [("state", 2)], [("state", 1), ("state", -1)], [("pipeline_id", 1)]],
    ids=["undeclared", "zero", "two", "twice", "reference"],
)
def test_a_sort_that_is_not_of_the_contract_is_refused(store: Store, sort: list[tuple[str, int]]) -> None:
    with pytest.raises(StoreError):
        store.find("jobs", sort=sort)
    with pytest.raises(StoreError):
        store.update("jobs", {}, {"state": "x"}, sort=sort)


def test_unknown_collections_and_negative_pages_are_refused(store: Store) -> None:
    for ask in (
        lambda: store.find("nope"),
        lambda: store.insert("nope", {}),
        lambda: store.find("jobs", limit=-1),
        lambda: store.find("jobs", skip=-1),
        lambda: store.count_by("jobs", "nope"),
    ):
        with pytest.raises(StoreError):
            ask()


def test_sorting_and_skipping(store: Store) -> None:
    store.insert("jobs", *hundred_jobs())

    def found(**how: Any) -> list[int]:
        return ids(store.find("jobs", **how))

    assert found(sort=[("run_at", -1)], limit=3, skip=5) == [94, 93, 92]
    assert found(sort=[("state", 1), ("priority", -1)], limit=3) == [29, 59, 89]
    assert found(where={"priority": 1}, sort=[("cfg.size", -1)], limit=2) == [91, 81]
    assert found(sort=[("_id", -1)], limit=2) == [99, 98]
    assert found(sort=[("on", 1), ("score", -1)], limit=2) == [99, 97]
    assert found(limit=2, skip=99) == [99]
    assert found(skip=98) == [98, 99]
    assert found(skip=100) == []


def test_missing_values_sort_first(store: Store) -> None:
    store.insert("jobs", *hundred_jobs())
    assert ids(store.find("jobs", sort=[("owner", 1)], limit=2)) == [1, 2]
    assert ids(store.find("jobs", sort=[("owner", -1)], limit=2)) == [0, 5]


def test_text_sorts_by_its_bytes(store: Store) -> None:
    texts = ["b", "B", "a", "_", "é", "10", "9", "\uffff", "\U0001f600", "a ", "a\t"]
    store.insert("jobs", *({"name": text} for text in texts))
    found = [document["name"] for document in store.find("jobs", sort=[("name", 1)])]
    assert found == sorted(texts, key=lambda text: text.encode())
    assert store.count("jobs", {"name": {"$lt": "a"}}) == 4


SORTS = [
    [],
    [("priority", 1)],
    [("owner", 1), ("run_at", -1)],
    [("owner", -1), ("state", 1)],
    [("score", -1)],
    [("_id", -1)],
]


@pytest.mark.parametrize("sort", SORTS, ids=["id", "tied", "missing up", "missing down", "float", "id down"])
def test_pages_lose_and_repeat_nothing(store: Store, sort: list[tuple[str, int]]) -> None:
    store.insert("jobs", *hundred_jobs())
    whole = ids(store.find("jobs", sort=sort))
    skipping = itertools.chain(*(store.find("jobs", sort=sort, limit=17, skip=skip) for skip in range(0, 100, 17)))
    assert ids(list(skipping)) == whole
    pages, page = [], store.find("jobs", sort=sort, limit=17)
    for _ in range(7):
        pages += page
        if not page:
            break
        page = store.find("jobs", sort=sort, limit=17, after=page[-1])
    assert ids(pages) == whole
    assert sorted(whole) == list(range(100))


def test_a_page_continues_though_its_last_document_is_gone(store: Store) -> None:
    store.insert("jobs", *hundred_jobs())
    last = store.find("jobs", {"state": "q"}, sort=[("priority", 1)], limit=4)[-1]
    expected = store.find("jobs", {"state": "q"}, sort=[("priority", 1)], skip=4, limit=3)
    store.delete("jobs", {"_id": last["_id"]})
    assert store.find("jobs", {"state": "q"}, sort=[("priority", 1)], limit=3, after=last) == expected
    assert len(store.find("jobs", {"$or": [{"state": "q"}]}, sort=[("priority", 1)], after=last)) == 30
    with pytest.raises(StoreError):
        store.find("jobs", after={"state": "q"})


def test_counts_by_value(store: Store) -> None:
    store.insert("jobs", *hundred_jobs(), {"owner": None, "state": "q"})
    assert store.count_by("jobs", "state") == {"q": 35, "r": 33, "d": 33}
    assert store.count_by("jobs", "owner") == {None: 81, "o": 20}
    assert store.count_by("jobs", "on", {"state": "q"}) == {True: 17, False: 17, None: 1}
    assert store.count_by("jobs", "run_at", {"cfg.size": {"$lt": 2}}) == {hours(0): 1, hours(1): 1}
    assert store.count_by("jobs", "pipeline_id", {"pipeline_id": {"$ne": None}}) == {key(0): 10}
    assert store.count_by("jobs", "state", {"state": "nope"}) == {}


def test_an_update_changes_what_it_names_and_nothing_else(store: Store) -> None:
    store.insert("jobs", {"_id": key(1), "state": "q", "cfg": {"size": 1, "keep": [1]}})
    changed = store.update(
        "jobs",
        {"_id": key(1), "state": "q"},
        {"state": "r", "cfg.size": 5, "new": {"deep": {"at": T0}}, "gone": None},
        increment={"attempts": 1},
    )
    assert changed == {
        "_id": key(1),
        "state": "r",
        "cfg": {"size": 5, "keep": [1]},
        "new": {"deep": {"at": T0}},
        "gone": None,
        "attempts": 1,
    }
    assert changed == store.find("jobs", {"cfg.size": 5, "attempts": 1})[0]
    assert store.update("jobs", {"_id": key(1), "state": "q"}, {"state": "x"}) is None
    assert store.update("jobs", {"_id": key(2)}, {"state": "x"}) is None
    again = store.update("jobs", {"_id": key(1)}, increment={"attempts": 2, "stats.rows": -3})
    assert again is not None
    assert (again["attempts"], again["stats"]) == (3, {"rows": -3})
    whole = store.update("jobs", {"_id": key(1)}, {"cfg": {"size": 7}, "list": [{"a": 1}]})
    assert whole is not None
    assert whole["cfg"] == {"size": 7}
    assert store.count("jobs", {"cfg.size": 7}) == 1


@pytest.mark.parametrize(
    ("changes", "increment"),
    [
        pytest.param({"priority": "high"}, {}, id="text for a number"),
        pytest.param({"_id": "f" * 24}, {}, id="id"),
        pytest.param({"_id.x": 1}, {}, id="in the id"),
        pytest.param({"$set": 1}, {}, id="dollar"),
        pytest.param({"cfg..size": 1}, {}, id="empty key"),
        pytest.param({"": 1}, {}, id="empty path"),
        pytest.param({"cfg.0": 1}, {}, id="number as key"),
        pytest.param({"cfg": {}, "cfg.size": 1}, {}, id="twice"),
        pytest.param({"attempts": 1}, {"attempts": 1}, id="set and added"),
        pytest.param({"cfg": {"size": "x"}}, {}, id="text for an inner number"),
        pytest.param({"cfg": [{"size": 1}]}, {}, id="list on the way to a searched field"),
        pytest.param({"state.x": 1}, {}, id="object for a text"),
        pytest.param({}, {"state": 1}, id="added to a declared text"),
        pytest.param({}, {"attempts": 1.5}, id="part added"),
        pytest.param({}, {"attempts": True}, id="bool added"),
        pytest.param({}, {"attempts": 2**63}, id="too much added"),
        pytest.param({}, {"attempts": -(2**31) - 1}, id="too much taken away"),
        pytest.param({}, {}, id="nothing"),
        # What MongoDB refuses only when it sees the document, and its relatives do in ways of their own.
        pytest.param({"list.x": 1}, {}, id="through a list"),
        pytest.param({"text.x": 1}, {}, id="through a text"),
        pytest.param({"none.x": 1}, {}, id="through nothing"),
        pytest.param({"new.x": 1}, {}, id="through what is not declared"),
        pytest.param({}, {"text": 1}, id="added to a text"),
        pytest.param({}, {"none": 1}, id="added to nothing"),
        pytest.param({}, {"priority": 1}, id="added to a number that is no counter"),
        pytest.param({}, {"attempts": 2**63 - 1}, id="overflow"),
    ],
)
def test_an_update_that_is_not_of_the_contract_changes_nothing(
    store: Store, changes: dict[str, Any], increment: dict[str, int]
) -> None:
    before = {"_id": key(1), "state": "q", "attempts": 1, "list": [1], "text": "t", "none": None, "cfg": {"size": 1}}
    store.insert("jobs", before)
    with pytest.raises(StoreError):
        store.update("jobs", {"_id": key(1)}, changes, increment=increment)
    assert store.find("jobs") == [before]


def test_an_upsert_changes_the_match_or_inserts_its_values(store: Store) -> None:
    fresh = {"email": "a", "ws": "w", "name": "n", "logins": 1}
    first = store.update("users", {"email": "a"}, increment={"logins": 1}, upsert=fresh)
    assert first is not None
    assert first == {"_id": first["_id"], **fresh}
    second = store.update("users", {"email": "a"}, {"name": "m"}, increment={"logins": 1}, upsert=fresh)
    assert second == {**first, "name": "m", "logins": 2}
    assert store.find("users") == [second]
    assert store.update("users", {"email": "a"}, upsert=fresh) == second
    with pytest.raises(DuplicateKey) as caught:
        store.update("users", {"email": "a", "logins": 99}, {"name": "x"}, upsert=fresh)
    assert caught.value.context == {"fields": "email"}
    assert store.find("users") == [second]


def test_claims_go_in_order(store: Store) -> None:
    store.insert("jobs", *({"_id": key(n), "state": "q", "priority": p} for n, p in ((1, 3), (2, 1), (3, 2))))
    claims = [store.update("jobs", {"state": "q"}, {"state": "r"}, sort=[("priority", 1)]) for _ in range(4)]
    assert [claim and int(claim["_id"], 16) for claim in claims] == [2, 3, 1, None]


def test_a_lease_that_ended_can_be_taken_over(store: Store) -> None:
    store.insert("jobs", {"_id": key(1), "state": "r", "run_at": hours(1)}, {"state": "r", "run_at": hours(5)})
    free = {"$or": [{"state": "q"}, {"state": "r", "run_at": {"$lt": hours(2)}}]}
    taken = store.update("jobs", free, {"run_at": hours(9)})
    assert taken == {"_id": key(1), "state": "r", "run_at": hours(9)}
    assert store.update("jobs", free, {"run_at": hours(9)}) is None
    assert ids(store.find("jobs", {"run_at": {"$gt": hours(8)}})) == [1]


def test_replacing_and_deleting(store: Store) -> None:
    store.insert("jobs", {"_id": key(1), "state": "q", "x": 1})
    assert store.replace("jobs", {"_id": key(1), "state": "d"})
    assert store.find("jobs") == [{"_id": key(1), "state": "d"}]
    assert store.count("jobs", {"state": "q"}) == 0
    assert not store.replace("jobs", {"_id": key(2)})
    with pytest.raises(StoreError):
        store.replace("jobs", {"state": "x"})
    assert store.delete("jobs", {"state": "q"}) == 0
    assert store.delete("jobs", {"state": "d"}) == 1
    assert store.count("jobs") == 0


def test_old_documents_are_deleted_by_range(store: Store) -> None:
    store.insert("jobs", *hundred_jobs())
    assert store.delete("jobs", {"run_at": {"$lt": hours(90)}, "state": {"$in": ["q", "d"]}}) == 60
    assert store.delete("jobs", {"run_at": {"$lt": hours(90)}, "state": {"$in": ["q", "d"]}}) == 0
    assert store.count("jobs") == 40


def test_what_is_not_there(store: Store) -> None:
    assert [store.get("jobs", document_id) for document_id in (key(1), "nope", "", "a\0b", "\ud800", "A" * 24)] == [
        None
    ] * 6
    assert store.find("jobs") == []
    assert store.update("jobs", {}, {"state": "x"}) is None
    assert store.delete("jobs", {}) == 0


def test_a_large_document(store: Store) -> None:
    store.insert("jobs", {"_id": key(1), "blob": "x" * 3_000_000})
    assert len(store.find("jobs")[0]["blob"]) == 3_000_000


def test_a_document_larger_than_mongodb_takes_is_refused(store: Store) -> None:
    store.insert("jobs", {"_id": key(1)})
    for write in (
        lambda: store.insert("jobs", {"blob": "x" * 17_000_000}),
        lambda: store.update("jobs", {"_id": key(1)}, {"blob": "x" * 17_000_000}),
        lambda: store.replace("jobs", {"_id": key(1), "blob": "x" * 17_000_000}),
    ):
        with pytest.raises(StoreError):
            write()
    assert store.find("jobs") == [{"_id": key(1)}]


def test_threads_claim_each_job_once_and_lose_no_increment(store: Store) -> None:
    jobs = [{"_id": key(number), "state": "q"} for number in range(64)]
    store.insert("jobs", *jobs, {"_id": key(999), "attempts": 0})
    claimed: list[str] = []
    errors: list[Exception] = []

    def work() -> None:
        try:
            while (job := store.update("jobs", {"state": "q"}, {"state": "r"})) is not None:
                claimed.append(job["_id"])
                store.update("jobs", {"_id": key(999)}, increment={"attempts": 1})
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # whoever is not atomic is caught
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert not errors
    assert sorted(claimed) == [key(number) for number in range(64)]
    counter = store.get("jobs", key(999))
    assert counter is not None
    assert counter["attempts"] == 64


def test_it_says_what_it_is(store: Store, backend: str) -> None:
    name, _, version = store.ping().partition(" ")
    assert name == {"sqlite": "SQLite", "postgresql": "PostgreSQL"}.get(backend, "MongoDB")
    assert version[0].isdigit() or (backend, version) == ("nx27017", "(does not tell its version)")


def test_its_clock_is_in_utc_to_the_millisecond(store: Store) -> None:
    before = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=1)
    now = store.now()
    assert before < now < dt.datetime.now(dt.UTC) + dt.timedelta(seconds=1)
    assert now.tzinfo is dt.UTC
    assert now.microsecond % 1000 == 0
    (stored,) = store.insert("jobs", {"run_at": now})
    assert stored["run_at"] == now


def test_it_can_be_opened_again(store: Store) -> None:
    store.insert("jobs", {"_id": key(1)})
    store.open(COLLECTIONS)
    assert store.count("jobs") == 1


@pytest.mark.real
@pytest.mark.skipif(not TEST_MONGO_URI, reason="TEST_MONGO_URI names no MongoDB that tests may use")
def test_the_contract_was_run_on_a_real_mongodb() -> None:
    with pymongo.MongoClient(TEST_MONGO_URI, serverSelectionTimeoutMS=3000) as client:
        assert client.server_info()["version"]


def test_every_case_passes_on_one_emulator_of_mongodb() -> None:
    mongomock, nx27017 = ({case.partition("-")[0] for case in gaps} for gaps in GAPS.values())
    assert not mongomock & nx27017
