"""Idempotency-Key: a request that is sent twice is done once, and answered twice alike."""

import asyncio
import datetime as dt
import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from api_server import CONNECTIONS, Body

from etl_engine import faultpoints
from etl_engine.faultpoints import FaultInjected
from etl_engine.model.collections import REPLIES
from etl_engine.services import connections, replies
from etl_engine.wiring import Engine

Draft = Callable[..., Body]
SCHEMA = {"name": "Orders", "columns": [{"name": "id", "data_type": "integer", "nullable": False, "key": True}]}


def under(key: str) -> dict[str, str]:
    return {"Idempotency-Key": key}


async def names(http: httpx.AsyncClient) -> list[str]:
    return [connection["name"] for connection in (await http.get(f"{CONNECTIONS}/")).json()]


@pytest.mark.parametrize("path", [CONNECTIONS, "/api/v1/schemas"])
async def test_the_same_request_again_gets_the_same_answer(http: httpx.AsyncClient, draft: Draft, path: str) -> None:
    body = draft() if path == CONNECTIONS else SCHEMA
    first = await http.post(f"{path}/", json=body, headers=under("k-1"))
    again = await http.post(path, json=body, headers=under("k-1"))  # the other slash form is the same path
    assert (first.status_code, again.status_code) == (201, 201), first.text
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert again.content == first.content
    assert [again.headers[name] for name in ("etag", "location", "content-type")] == [
        first.headers[name] for name in ("etag", "location", "content-type")
    ]
    assert len((await http.get(f"{path}/")).json()) == 1
    without = await http.post(f"{path}/", json=body)
    assert (without.status_code, without.json()["code"]) == (409, "conflict")


async def test_a_key_does_not_go_with_another_body(http: httpx.AsyncClient, draft: Draft) -> None:
    await http.post(f"{CONNECTIONS}/", json=draft(), headers=under("k-1"))
    other = await http.post(f"{CONNECTIONS}/", json=draft(password="another one"), headers=under("k-1"))
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")
    elsewhere = await http.post("/api/v1/schemas/", json=SCHEMA, headers=under("k-1"))
    assert elsewhere.status_code == 201, "a key is for one path"


async def test_twenty_at_once_make_one_connection_and_no_wrong_answer(http: httpx.AsyncClient, draft: Draft) -> None:
    done = await asyncio.gather(*(http.post(f"{CONNECTIONS}/", json=draft(), headers=under("k-1")) for _ in range(20)))
    answers = {(answer.status_code, answer.json().get("code", "")) for answer in done}
    assert answers <= {(201, ""), (409, "idempotency-key-in-use")}
    assert (201, "") in answers
    assert len({answer.content for answer in done if answer.status_code == 201}) == 1
    assert await names(http) == ["Production MySQL"]


async def test_while_it_is_answered_the_second_is_told_to_wait(
    http: httpx.AsyncClient, draft: Draft, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, go, real = threading.Event(), threading.Event(), connections.create

    def slow(*values: Any, **options: Any) -> Any:
        reached.set()
        assert go.wait(20)
        return real(*values, **options)

    monkeypatch.setattr(connections, "create", slow)
    first = asyncio.create_task(http.post(f"{CONNECTIONS}/", json=draft(), headers=under("k-1")))
    assert await asyncio.to_thread(reached.wait, 20)
    second = await http.post(f"{CONNECTIONS}/", json=draft(), headers=under("k-1"))
    go.set()
    assert (second.status_code, second.json()["code"]) == (409, "idempotency-key-in-use")
    assert (await first).status_code == 201


async def test_what_was_refused_is_looked_at_anew(http: httpx.AsyncClient, draft: Draft) -> None:
    stored = (await http.post(f"{CONNECTIONS}/", json=draft())).json()
    refused = await http.post(f"{CONNECTIONS}/", json=draft(), headers=under("k-1"))
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    await http.delete(f"{CONNECTIONS}/{stored['_id']}")
    again = await http.post(f"{CONNECTIONS}/", json=draft(), headers=under("k-1"))
    assert (again.status_code, "idempotency-replayed" in again.headers) == (201, False)


async def test_an_answer_is_kept_for_a_day(http: httpx.AsyncClient, draft: Draft, engine: Engine) -> None:
    first = (await http.post(f"{CONNECTIONS}/", json=draft(), headers=under("k-1"))).json()
    age(engine, dt.timedelta(hours=23, minutes=59))
    assert replies.purge(engine.context()) == 0
    assert (await http.post(f"{CONNECTIONS}/", json=draft(), headers=under("k-1"))).json() == first
    age(engine, dt.timedelta(hours=24, minutes=1))
    late = await http.post(f"{CONNECTIONS}/", json=draft(), headers=under("k-1"))
    assert (late.status_code, late.json()["code"]) == (409, "conflict"), "a new request, whose name is taken"
    await http.post(f"{CONNECTIONS}/", json=draft(name="Other"), headers=under("k-2"))
    age(engine, dt.timedelta(hours=24, minutes=1))
    assert replies.purge(engine.context()) == 1
    assert engine.context().store.count(REPLIES.name) == 0


def age(engine: Engine, by: dt.timedelta) -> None:
    store = engine.context().store
    for kept in store.find(REPLIES.name):
        store.update(REPLIES.name, {"_id": kept["_id"]}, {"at": store.now() - by})


async def test_a_process_that_died_over_it_does_not_keep_the_key(
    http: httpx.AsyncClient, draft: Draft, engine: Engine
) -> None:
    store = engine.context().store  # an engine that starts arms what its settings say
    faultpoints.arm("reply.finishing=raise")
    try:
        with pytest.raises(FaultInjected):
            await http.post("/api/v1/schemas/", json=SCHEMA, headers=under("k-1"))
    finally:
        faultpoints.arm("")
    waiting = await http.post("/api/v1/schemas/", json=SCHEMA, headers=under("k-1"))
    assert (waiting.status_code, waiting.json()["code"]) == (409, "idempotency-key-in-use")
    assert store.update(REPLIES.name, {}, {"until": store.now() - dt.timedelta(milliseconds=1)})
    later = await http.post("/api/v1/schemas/", json=SCHEMA, headers=under("k-1"))
    assert (later.status_code, later.json()["code"]) == (409, "conflict"), "its schema is there, and is not made twice"


async def test_who_was_slower_than_the_patience_does_not_overwrite_the_answer(engine: Engine) -> None:
    ctx = engine.context()
    slow = replies.begin(ctx, "POST /x", "k-1", b"{}")
    ctx.store.update(REPLIES.name, {}, {"until": ctx.store.now() - dt.timedelta(milliseconds=1)})
    second = replies.begin(ctx, "POST /x", "k-1", b"{}")
    replies.finish(ctx, slow, replies.Reply(201, {}, "late"))
    replies.give_up(ctx, slow)
    replies.finish(ctx, second, replies.Reply(201, {}, "in time"))
    found = replies.begin(ctx, "POST /x", "k-1", b"{}").reply
    assert found is not None
    assert found.content == "in time"


async def test_nothing_of_the_request_is_kept_in_the_clear(
    http: httpx.AsyncClient, draft: Draft, engine: Engine
) -> None:
    await http.post(f"{CONNECTIONS}/", json=draft(password="planted-secret"), headers=under("planted-key"))
    (kept,) = engine.context().store.find(REPLIES.name)
    assert "planted" not in str(kept)


@pytest.mark.parametrize("key", ["", "k" * 256, "two words", "schlüssel"])
async def test_a_key_that_is_none_is_named(http: httpx.AsyncClient, draft: Draft, key: str) -> None:
    refused = await http.post(f"{CONNECTIONS}/", json=draft(), headers={b"Idempotency-Key": key.encode()})  # type: ignore[dict-item]
    assert refused.status_code == 422
    assert [error["pointer"] for error in refused.json()["errors"]] == ["/header/Idempotency-Key"]
    assert await names(http) == []
