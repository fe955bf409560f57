"""What the MongoDB backend sends: true on any server, so it is looked at on whichever is at hand."""

import functools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymongo
import pytest
from bson import ObjectId
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent
from store_servers import TEST_MONGO_URI, nx_27017

from etl_engine.model.collections import ALL, Collection, Index
from etl_engine.store.mongo import MongoStore

CLAIMS = Collection(
    "claims",
    {"state": str, "priority": int, "key": str, "owner_id": str},
    indexes=(Index(("key",), unique=True), Index(("state", "-priority"))),
    counters=frozenset({"n"}),
)
CONFIRMED = {"w": "majority", "j": True}


class Sent(CommandListener):
    def __init__(self) -> None:
        self.commands: list[tuple[str, dict[str, Any]]] = []

    def started(self, event: CommandStartedEvent) -> None:
        self.commands.append((event.command_name, dict(event.command)))

    def succeeded(self, event: CommandSucceededEvent) -> None: ...

    def failed(self, event: CommandFailedEvent) -> None: ...


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if TEST_MONGO_URI:
        yield TEST_MONGO_URI
        return
    with nx_27017(tmp_path_factory.mktemp("nx")) as url:
        yield url


def database_of(store: MongoStore) -> str:
    return store.place.rpartition("/")[2]


@pytest.fixture
def sent() -> Sent:
    return Sent()


@pytest.fixture
def store(server: str, sent: Sent, tmp_path: Path) -> Iterator[MongoStore]:
    name = f"etl_commands_{os.getpid()}_{tmp_path.name[-20:]}"
    opened = MongoStore(server, name, client_class=functools.partial(pymongo.MongoClient, event_listeners=[sent]))
    opened.open([CLAIMS])
    yield opened
    opened.close()
    with pymongo.MongoClient(server) as client:
        client.drop_database(name)


def test_a_claim_is_one_find_and_modify_with_its_condition(store: MongoStore, sent: Sent) -> None:
    sent.commands.clear()
    store.update(
        "claims",
        {"state": "q", "owner_id": None},
        {"state": "r", "owner_id": "a" * 24},
        increment={"n": 1},
        sort=[("priority", -1)],
    )
    ((name, command),) = sent.commands
    assert name == "findAndModify"
    assert command["query"] == {"state": "q", "owner_id": None}
    assert command["update"] == {"$set": {"state": "r", "owner_id": ObjectId("a" * 24)}, "$inc": {"n": 1}}
    assert list(command["sort"].items()) == [("priority", -1), ("_id", 1)]
    assert command["new"] is True
    assert command["writeConcern"] == CONFIRMED


def test_every_write_waits_for_the_journal_of_a_majority(store: MongoStore, sent: Sent) -> None:
    sent.commands.clear()
    (one, _) = store.insert("claims", {"key": "a"}, {"key": "b"})
    store.insert("claims", {"key": "c"})
    store.replace("claims", {**one, "state": "r"})
    store.delete("claims", {"key": "a"})
    assert [name for name, _ in sent.commands] == ["insert", "insert", "update", "delete"]
    assert [command["writeConcern"] for _, command in sent.commands] == [CONFIRMED] * 4
    assert all(command["maxTimeMS"] <= 3500 for _, command in sent.commands)
    assert sent.commands[2][1]["updates"][0]["q"] == {"_id": ObjectId(one["_id"])}


def test_the_url_cannot_weaken_the_writes_nor_the_reads(server: str) -> None:
    made: list[pymongo.MongoClient[Any]] = []

    def client(*values: Any, **options: Any) -> pymongo.MongoClient[Any]:
        made.append(pymongo.MongoClient(*values, **options))
        return made[-1]

    weak = MongoStore(
        f"{server}/?w=0&journal=false&readPreference=secondary&timeoutMS=0", "etl_weak", client_class=client
    )
    weak.open([CLAIMS])
    assert weak.delete("claims", {}) == 0, "an unacknowledged write could not say"
    weak.close()
    assert made[-1].write_concern.document == CONFIRMED
    assert made[-1].read_preference == pymongo.ReadPreference.PRIMARY
    assert made[-1].options.timeout == 3.5


def test_indexes_are_created_with_their_uniqueness_and_direction(store: MongoStore, sent: Sent) -> None:
    created = [index for name, command in sent.commands if name == "createIndexes" for index in command["indexes"]]
    assert [(dict(index["key"]), index.get("unique", False)) for index in created] == [
        ({"key": 1}, True),
        ({"state": 1, "priority": -1}, False),
    ]


def test_an_index_that_exists_is_not_created_again(store: MongoStore, sent: Sent, server: str) -> None:
    sent.commands.clear()
    client = functools.partial(pymongo.MongoClient, event_listeners=[sent])
    again = MongoStore(server, database_of(store), client_class=client)
    again.open([Collection("claims", {"key": str}, indexes=(Index(("key",), unique=True),))])
    assert [name for name, _ in sent.commands] == ["listIndexes"]
    again.close()


def test_ids_and_references_are_object_ids_in_the_server(store: MongoStore, server: str) -> None:
    (stored,) = store.insert(
        "claims", {"key": "a", "owner_id": "b" * 24, "steps": [{"block_id": "c" * 24, "x": "d" * 24}]}
    )
    with pymongo.MongoClient(server) as client:
        raw = client[database_of(store)]["claims"].find_one()
    assert raw == {
        "_id": ObjectId(stored["_id"]),
        "key": "a",
        "owner_id": ObjectId("b" * 24),
        "steps": [{"block_id": ObjectId("c" * 24), "x": "d" * 24}],
    }


def test_the_product_s_collections_can_be_opened(server: str) -> None:
    store = MongoStore(server, "etl_all")
    store.open(ALL)
    assert store.count("connections") == 0
    store.close()
