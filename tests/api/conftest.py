"""The API over a real embedded store, in the process of the test; `served` is the same behind a real server."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_server import CONNECTIONS, ORIGIN, Body, Served, serve
from fastapi import FastAPI
from log_state import everything_as_it_was

from etl_engine import logs, settings
from etl_engine.api.app import create_api
from etl_engine.wiring import Engine


@pytest.fixture(autouse=True)
def _logs() -> Iterator[None]:
    with everything_as_it_was():
        logs.configure("debug", "json")
        yield


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = Engine(settings.load(_env_file=None, data_dir=tmp_path / "data"))
    yield engine
    engine.close()


@pytest.fixture
def app(engine: Engine) -> FastAPI:
    return create_api(engine.context, origins=[ORIGIN])


@pytest.fixture
async def http(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


@pytest.fixture
def draft() -> Callable[..., Body]:
    """The first specification's example, with changes."""

    def make(**changes: Any) -> Body:
        body = {
            "name": "Production MySQL",
            "db_type": "mysql",
            "host": "localhost",
            "port": 3306,
            "database": "mydb",
            "username": "admin",
            "password": "secret123",
        }
        return {field: value for field, value in (body | changes).items() if value is not ...}

    return make


@pytest.fixture
async def stored(http: httpx.AsyncClient, draft: Callable[..., Body]) -> Body:
    """One connection, as it was answered."""
    answer = await http.post(f"{CONNECTIONS}/", json=draft())
    assert answer.status_code == 201, answer.text
    body: Body = answer.json()
    return body


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serve(tmp_path_factory.mktemp("served")) as running:
        yield running
