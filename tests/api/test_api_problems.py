"""Errors of the engine itself over HTTP: each with its status, and an explanation under its type."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_server import CONNECTIONS, Body
from fastapi import FastAPI
from servers import free_port
from store_servers import nx_27017

from etl_engine import errors, logs, settings
from etl_engine.api.app import create_api
from etl_engine.api.problem import STATUS, all_errors
from etl_engine.errors import EtlError
from etl_engine.sealing import new_key
from etl_engine.services.context import Actor, Context
from etl_engine.wiring import Engine

Draft = Callable[..., Body]
READER = Actor("reader", frozenset({"connection:read"}))


async def asked(open_context: Callable[[], Context], path: str = CONNECTIONS, **options: Any) -> httpx.Response:
    transport = httpx.ASGITransport(create_api(open_context), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        return await client.request(options.pop("method", "GET"), path, **options)


@pytest.mark.parametrize("error", sorted(set(STATUS), key=lambda cls: cls.__name__), ids=lambda cls: cls.__name__)
async def test_an_error_is_answered_with_the_status_of_its_class(error: type[EtlError]) -> None:
    problem = errors.Problem("/port", "out-of-range", "must be smaller", "Choose another number.")

    def raising() -> Context:
        raised = error("The fact", hint="Do this.")
        raised.problems = (problem,)
        raise raised

    answer = await asked(raising)
    body = answer.json()
    assert answer.status_code == STATUS[error] == body["status"]
    assert (body["detail"], body["hint"], body["code"]) == ("The fact", "Do this.", error.code)
    assert body["errors"] == [problem.as_dict()]
    assert ("retry-after" in answer.headers) is (STATUS[error] == 503)


async def test_every_type_leads_to_its_explanation(http: httpx.AsyncClient) -> None:
    page = await http.get("/docs/errors")
    assert page.headers["content-type"].startswith("text/html")
    for error in all_errors():
        assert f'<tr id="{error.code}">' in page.text
    problem = (await http.get(f"{CONNECTIONS}/zzz")).json()
    path, _, fragment = problem["type"].partition("#")
    assert path == "/docs/errors" and f'id="{fragment}"' in page.text


async def test_a_store_that_is_away_is_503_and_so_is_health_until_it_returns(tmp_path: Path) -> None:
    data = tmp_path / "data"
    engine = Engine(settings.load(_env_file=None, data_dir=data))
    data.write_text("a file where the folder should be")
    try:
        away, ill = await asked(engine.context), await asked(engine.context, "/health")
        assert (away.status_code, away.json()["code"]) == (503, "store-unavailable"), away.text
        assert away.headers["retry-after"].isdigit() and away.json()["hint"]
        assert (ill.status_code, ill.json()["status"], ill.json()["store"]["status"]) == (503, "failed", "failed")
        assert ill.json()["store"]["hint"]
        data.unlink()
        well, back = await asked(engine.context, "/health"), await asked(engine.context)
        assert (well.status_code, back.status_code) == (200, 200)
        assert well.json()["store"]["detail"].startswith("SQLite") and well.json()["version"]
    finally:
        engine.close()


async def test_a_change_of_health_is_a_line_in_the_log_and_the_same_again_is_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure("info", "json")
    data = tmp_path / "data"
    engine = Engine(settings.load(_env_file=None, data_dir=data))
    transport = httpx.ASGITransport(create_api(engine.context))
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            data.write_text("a file where the folder should be")
            assert [(await client.get("/health")).status_code for _ in range(3)] == [503] * 3
            data.unlink()
            assert [(await client.get("/health")).status_code for _ in range(3)] == [200] * 3
    finally:
        engine.close()
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    ours = [line for line in lines if line["event"] in ("health changed", "request")]
    assert [(line["level"], line["event"], line["status"]) for line in ours] == [
        ("warning", "health changed", "failed"),
        ("info", "health changed", "ok"),
    ]
    assert "cannot be opened" in ours[0]["store"]


async def test_mongodb_that_comes_up_later_is_used_without_a_new_start(tmp_path: Path) -> None:
    port = free_port()
    url = f"mongodb://127.0.0.1:{port}"
    engine = Engine(
        settings.load(_env_file=None, data_dir=tmp_path / "data", mongodb_url=url, encryption_key=new_key())
    )
    try:
        began = time.monotonic()
        ill = await asked(engine.context, "/health")
        assert time.monotonic() - began < 5
        assert (ill.status_code, ill.json()["store"]["status"]) == (503, "failed")
        assert f"127.0.0.1:{port}" in ill.json()["store"]["detail"]
        away = await asked(engine.context, f"{CONNECTIONS}/")
        assert (away.status_code, away.json()["code"]) == (503, "store-unavailable")
        with nx_27017(tmp_path, port):
            well, back = await asked(engine.context, "/health"), await asked(engine.context, f"{CONNECTIONS}/")
            assert (well.status_code, back.status_code, back.json()) == (200, 200, []), well.text + back.text
            assert well.json()["store"]["detail"].startswith("MongoDB ")
        began = time.monotonic()
        gone = await asked(engine.context, "/health")
        assert time.monotonic() - began < 5
        assert gone.status_code == 503
    finally:
        engine.close()


async def test_a_key_that_does_not_fit_is_423_and_health_says_so(engine: Engine, tmp_path: Path) -> None:
    engine.context()
    other = Engine(settings.load(_env_file=None, data_dir=tmp_path / "data", encryption_key=new_key()))
    try:
        locked, ill = await asked(other.context), await asked(other.context, "/health")
        assert (locked.status_code, locked.json()["code"]) == (423, "locked")
        assert (ill.status_code, ill.json()["key"]["status"], ill.json()["store"]["status"]) == (503, "failed", "ok")
    finally:
        other.close()


async def test_a_broken_key_file_is_told_by_health_too(engine: Engine, tmp_path: Path) -> None:
    engine.context()
    engine.key_file.write_text("not a key")
    again = Engine(settings.load(_env_file=None, data_dir=tmp_path / "data"))
    try:
        ill, away = await asked(again.context, "/health"), await asked(again.context)
        assert (ill.status_code, ill.json()["key"]["status"]) == (503, "failed")
        assert (away.status_code, away.json()["code"]) == (503, "bad-setting")
    finally:
        again.close()


async def test_an_actor_without_the_right_is_403(engine: Engine, draft: Draft) -> None:
    class Reader(Context):
        def for_request(self, request_id: str, actor: Actor = READER) -> Any:
            return super().for_request(request_id, actor)

    ctx = engine.context()
    reader = Reader(ctx.store, ctx.keyring, ctx.surroundings)
    refused = await asked(lambda: reader, method="POST", json=draft())
    assert (refused.status_code, refused.json()["code"]) == (403, "denied")
    assert (await asked(lambda: reader)).status_code == 200


async def test_nothing_is_opened_before_the_first_request(app: FastAPI, tmp_path: Path) -> None:
    assert not (tmp_path / "data").exists()
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        for path in ("/", "/docs", "/openapi.json"):
            assert (await client.get(path)).status_code == 200
    assert not (tmp_path / "data").exists()
