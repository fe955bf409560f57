"""The store on every backend: `store` is one that is open and empty; a known gap of an emulator is a strict xfail."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mongomock
import pytest
from store_cases import COLLECTIONS, GAPS
from store_servers import TEST_MONGO_URI, new_database, nx_27017

from etl_engine.store.mongo import MongoStore
from etl_engine.store.sql import SqlStore

BACKENDS = ["sqlite", "postgresql", "mongomock", "nx27017", *(["mongodb"] if TEST_MONGO_URI else [])]


@pytest.fixture(scope="session")
def nx_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with nx_27017(tmp_path_factory.mktemp("nx-27017")) as url:
        yield url


@pytest.fixture(scope="session")
def opened_stores() -> Iterator[dict[str, Any]]:
    stores: dict[str, Any] = {}
    yield stores
    for store in stores.values():
        store.close()


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    """The name of the backend under test."""
    name: str = request.param
    case = request.node.originalname
    values = request.node.callspec.id.split("-")
    values.remove(name)
    reason = GAPS.get(name, {}).get("-".join([case, *values])) or GAPS.get(name, {}).get(case)
    if reason:
        request.applymarker(pytest.mark.xfail(strict=True, reason=f"{name}: {reason}"))
    return name


@pytest.fixture
def store(backend: str, request: pytest.FixtureRequest, tmp_path: Path, opened_stores: dict[str, Any]) -> Iterator[Any]:
    if backend in ("sqlite", "mongomock"):
        if backend == "sqlite":
            fresh: Any = SqlStore(f"sqlite:///{tmp_path}/store.db")
        else:
            fresh = MongoStore("mongodb://localhost", "etl_test", client_class=mongomock.MongoClient)
        fresh.open(COLLECTIONS)
        yield fresh
        fresh.close()
        return
    if backend not in opened_stores:
        opened = _server_store(backend, request)
        opened.open(COLLECTIONS)
        opened_stores[backend] = opened
    for collection in COLLECTIONS:
        opened_stores[backend].delete(collection.name, {})
    yield opened_stores[backend]


def _server_store(backend: str, request: pytest.FixtureRequest) -> Any:
    if backend == "postgresql":
        return SqlStore(new_database(request.getfixturevalue("postgres_server")))
    if backend == "nx27017":
        return MongoStore(request.getfixturevalue("nx_server"), "etl_test")
    return MongoStore(TEST_MONGO_URI, f"etl_test_{os.getpid()}")
