"""A field, an index or a unique key that is declared later, on a store that already has documents."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from store_servers import new_database
from store_worker import GROWING, GROWN, store_at
from test_store_processes import Worker, at_once

from etl_engine.errors import DuplicateKey, StoreError
from etl_engine.model.collections import Collection, Index


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/store.db"
    return new_database(request.getfixturevalue("postgres_server"))


@pytest.fixture
def old(url: str) -> Iterator[Any]:
    """A store of 1,200 documents from before the field b.c was declared."""
    store = store_at(url)
    store.open([GROWING])
    store.insert("growing", *({"a": f"x{number}", "b": {"c": number}} for number in range(1200)))
    yield store
    store.close()


def opened(url: str, *collections: Collection) -> Any:
    store = store_at(url)
    store.open(collections)
    return store


def test_a_field_declared_later_finds_old_documents(url: str, old: Any) -> None:
    with pytest.raises(StoreError, match="not declared"):
        old.count("growing", {"b.c": 7})
    new = opened(url, GROWN)
    assert new.count("growing", {"b.c": {"$gte": 1190}}) == 10
    assert [document["b"]["c"] for document in new.find("growing", sort=[("b.c", -1)], limit=2)] == [1199, 1198]
    assert new.find("growing", {"a": "x5"}) == old.find("growing", {"a": "x5"})
    with pytest.raises(DuplicateKey):
        new.insert("growing", {"a": "x5", "b": {"c": 5}})
    new.close()
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg2://"))
    indexes = {index["name"]: bool(index["unique"]) for index in sa.inspect(engine).get_indexes("growing")}
    engine.dispose()
    assert indexes == {"growing_b.c_idx": False, "growing_a_b.c_key": True}


def test_documents_that_an_older_process_still_writes_are_found_after_the_next_start(url: str, old: Any) -> None:
    new = opened(url, GROWN)
    old.insert("growing", {"a": "late", "b": {"c": 5000}})
    changed = old.update("growing", {"a": "x7"}, {"b": {"c": 5001}})
    again = opened(url, GROWN)
    assert [document["a"] for document in again.find("growing", {"b.c": {"$gte": 5000}}, sort=[("b.c", 1)])] == [
        "late",
        "x7",
    ]
    assert again.find("growing", {"b.c": 5001}) == [changed]
    assert again.count("growing", {"b.c": 7}) == 0
    new.close()
    again.close()


def test_a_value_that_does_not_fit_a_field_declared_later_is_kept(url: str, old: Any) -> None:
    (misfit,) = old.insert("growing", {"a": "misfit", "b": {"c": "text"}})
    listed = old.insert("growing", {"a": "other", "b": {"c": [1]}})
    new = opened(url, GROWN)
    assert new.get("growing", misfit["_id"]) == misfit
    assert new.find("growing", {"b.c": None}) == [misfit, *listed]
    new.close()


def test_a_process_killed_while_it_evolves_the_store_breaks_nothing(url: str, old: Any) -> None:
    worker = Worker(url, "evolve", "store.evolved=kill")
    assert worker.line() == "ready"
    worker.go()
    assert worker.process.wait(30) == -9
    worker.killed()
    old.insert("growing", {"a": "after", "b": {"c": 2}})
    new = opened(url, GROWN)
    assert new.count("growing", {"b.c": {"$gte": 0}}) == new.count("growing") == 1201
    new.close()


def test_four_processes_evolve_the_store_at_once(url: str, old: Any) -> None:
    assert at_once([Worker(url, "evolve") for _ in range(4)]) == [1200] * 4


def test_a_unique_key_that_old_documents_break_is_named(url: str, old: Any) -> None:
    old.insert("growing", {"a": "x5", "b": {"c": 5}})
    strict = Collection("growing", {"a": str}, indexes=(Index(("a",), unique=True),))
    with pytest.raises(DuplicateKey) as caught:
        opened(url, strict)
    assert caught.value.context == {"fields": "a"}
    assert old.count("growing") == 1201


def test_a_table_of_somebody_else_is_left_alone(url: str) -> None:
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg2://"))
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE growing (id integer PRIMARY KEY, a text)"))
        connection.execute(sa.text("INSERT INTO growing VALUES (1, 'theirs')"))
    with pytest.raises(StoreError, match="already has a table growing") as caught:
        opened(url, GROWN)
    assert "database of its own" in caught.value.hint
    with engine.begin() as connection:
        assert connection.execute(sa.text("SELECT * FROM growing")).all() == [(1, "theirs")]
    engine.dispose()
