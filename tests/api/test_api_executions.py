"""/executions, /copies and /events over HTTP: shapes, pages, streams, and who may follow."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import pytest
from api_server import Body
from executing import Scripted, scripted_blocks, submitted, worked
from fastapi import FastAPI

from etl_engine.engine.block import Output, Work
from etl_engine.errors import BadInput
from etl_engine.model.execution import Counters, Level, Origin
from etl_engine.services import execution_claims, executions
from etl_engine.services.context import Context
from etl_engine.services.execution_logs import RunLog
from etl_engine.wiring import Engine

EXECUTIONS, COPIES, EVENTS = "/api/v1/executions", "/api/v1/copies", "/api/v1/events"
STREAM = {"Accept": "text/event-stream"}


@pytest.fixture
def ctx(engine: Engine) -> Context:
    return engine.context()


@pytest.fixture
def blocks(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Scripted]]:
    with scripted_blocks(monkeypatch, "one") as made:
        yield made


def with_log(ctx: Context, lines: int) -> str:
    """A running execution with so many lines."""
    made = submitted(ctx)
    held = execution_claims.claim(ctx, "w")
    assert held
    log = RunLog(ctx, held)
    for number in range(1, lines + 1):
        level = Level.ERROR if number % 10 == 0 else Level.INFO
        log.write(level, Origin.SOURCE if number % 2 else Origin.TARGET, f"line {number}")
    log.flush()
    return made.id


async def test_an_execution_is_read_with_its_tasks(
    http: httpx.AsyncClient, ctx: Context, blocks: dict[str, Scripted]
) -> None:
    blocks["one"].does = lambda work: Output(counters=Counters(read=2, loaded=2), result={"rows": 2})
    made = submitted(ctx)
    worked(ctx)
    answer = await http.get(f"{EXECUTIONS}/{made.id}")
    body = answer.json()
    assert answer.status_code == 200
    assert (body["_id"], body["status"], body["counters"]["loaded"]) == (made.id, "success", 2)
    assert body["subject"] == {"kind": "check", "id": "", "name": "A test"}
    assert body["result"] == {"rows": 2}
    known = {"If-None-Match": answer.headers["etag"]}
    assert (await http.get(f"{EXECUTIONS}/{made.id}", headers=known)).status_code == 304
    [task] = (await http.get(f"{EXECUTIONS}/{made.id}/tasks/")).json()
    assert (task["block_id"], task["status"]) == ("one", "success")


async def test_pages_by_cursor_show_everything_once(
    http: httpx.AsyncClient, ctx: Context, blocks: dict[str, Scripted]
) -> None:
    ids = [submitted(ctx).id for _ in range(5)]
    seen, query = list[str](), {"limit": "2", "status": "pending"}
    for _ in range(3):
        answer = await http.get(EXECUTIONS, params=query)
        body = answer.json()
        seen += [one["_id"] for one in body["items"]]
        assert body["has_more"] == bool(body["next_cursor"]) == ("link" in answer.headers)
        query["cursor"] = body["next_cursor"] or ""
    assert seen == ids[::-1]


async def test_a_cursor_of_another_list_is_refused(
    http: httpx.AsyncClient, ctx: Context, blocks: dict[str, Scripted]
) -> None:
    for _ in range(3):
        submitted(ctx)
    cursor = (await http.get(EXECUTIONS, params={"limit": 1})).json()["next_cursor"]
    for query in ({"cursor": cursor, "status": "failed"}, {"cursor": "made up"}, {"cursor": cursor[:-3] + "AAA"}):
        answer = await http.get(EXECUTIONS, params=query)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid-cursor")
    assert (await http.get(EXECUTIONS, params={"cursor": cursor, "limit": 50})).status_code == 200


@pytest.mark.parametrize(
    "query",
    [
        "status=gone",
        "limit=0",
        "limit=201",
        "created_after=yesterday",
        "created_before=0.5",
        "colour=red",
        "subject_id=7",
        "trigger_id=7",
        "kind=x",
    ],
)
async def test_a_wrong_query_is_refused(http: httpx.AsyncClient, query: str) -> None:
    answer = await http.get(f"{EXECUTIONS}?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, "bad-input")


async def test_cancel_and_retry(http: httpx.AsyncClient, ctx: Context, blocks: dict[str, Scripted]) -> None:
    made = submitted(ctx)
    for _ in range(2):
        answer = await http.post(f"{EXECUTIONS}/{made.id}/cancel")
        assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    again = await http.post(f"{EXECUTIONS}/{made.id}/retry")
    assert again.status_code == 202
    assert again.headers["location"] == f"{EXECUTIONS}/{again.json()['_id']}"
    assert again.json()["retry_of_id"] == made.id
    assert (await http.post(f"{EXECUTIONS}/{made.id}/retry")).json()["_id"] == again.json()["_id"]
    too_soon = await http.post(f"{EXECUTIONS}/{again.json()['_id']}/retry")
    assert (too_soon.status_code, too_soon.json()["code"]) == (409, "conflict")


@pytest.mark.parametrize(
    ("method", "tail"), [("GET", ""), ("GET", "/tasks"), ("GET", "/logs"), ("POST", "/cancel"), ("POST", "/retry")]
)
async def test_an_execution_that_is_not_there(http: httpx.AsyncClient, method: str, tail: str) -> None:
    answer = await http.request(method, f"{EXECUTIONS}/{'0' * 24}{tail}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


async def test_a_copy_is_ordered_and_has_an_address(
    http: httpx.AsyncClient, ctx: Context, draft: Callable[..., Body]
) -> None:
    ids = [(await http.post("/api/v1/connections/", json=draft(name=name))).json()["_id"] for name in ("Shop", "Lake")]
    order = {"source_id": ids[0], "target_id": ids[1], "table": "orders", "target": "public.orders", "mode": "replace"}
    answer = await http.post(COPIES, json=order)
    assert answer.status_code == 202
    made = (await http.get(answer.headers["location"])).json()
    assert (made["status"], made["subject"]["kind"]) == ("pending", "copy")
    assert made["subject"]["name"] == "orders of Shop into public.orders of Lake"
    assert made["graph"]["nodes"][0]["config"]["mode"] == "replace"
    gone = await http.post(COPIES, json=order | {"target_id": "0" * 24})
    assert (gone.status_code, gone.json()["code"]) == (404, "not-found")


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"mode": "swap"}, "/mode"),
        ({"query": "SELECT 1"}, ""),
        ({"query": {}}, "/query"),
        ({"target": ""}, "/target"),
        ({"colour": "red"}, "/colour"),
        ({"slice_rows": 0}, "/slice_rows"),
    ],
    ids=["mode", "table and query", "query of another type", "no target", "unknown field", "no rows"],
)
async def test_a_copy_that_cannot_be_is_refused(http: httpx.AsyncClient, change: Body, pointer: str) -> None:
    order = {"source_id": "0" * 24, "target_id": "0" * 24, "table": "orders", "target": "orders"}
    answer = await http.post(COPIES, json=order | change)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer


async def test_a_double_click_orders_one_copy(http: httpx.AsyncClient, draft: Callable[..., Body]) -> None:
    ids = [(await http.post("/api/v1/connections/", json=draft(name=name))).json()["_id"] for name in ("A", "B")]
    order = {"source_id": ids[0], "target_id": ids[1], "table": "t", "target": "t"}
    key = {"Idempotency-Key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}
    first, second = [await http.post(COPIES, json=order, headers=key) for _ in range(2)]
    assert first.json()["_id"] == second.json()["_id"]
    assert second.headers["idempotency-replayed"] == "true"
    assert len((await http.get(EXECUTIONS)).json()["items"]) == 1


async def test_a_log_is_read_by_number_level_origin_and_text(
    http: httpx.AsyncClient, ctx: Context, blocks: dict[str, Scripted]
) -> None:
    path = f"{EXECUTIONS}/{with_log(ctx, 1200)}/logs"

    async def read(**query: Any) -> Body:
        answer = await http.get(path, params=query)
        assert answer.status_code == 200, answer.text
        body: Body = answer.json()
        return body

    first = await read()
    assert (len(first["items"]), first["has_more"], first["last_seq"], first["ended"]) == (500, True, 1200, False)
    behind = await read(after_seq=1190)
    assert [line["seq"] for line in behind["items"]] == list(range(1191, 1201))
    assert not behind["has_more"]
    tail = await read(before_seq=1201, limit=2)
    assert [line["message"] for line in tail["items"]] == ["line 1199", "line 1200"]
    assert len((await read(level="error"))["items"]) == 120
    assert (await read(level="error", origin="source"))["items"] == []
    assert [line["seq"] for line in (await read(q="LINE 77"))["items"]][:2] == [77, 770]


async def test_a_log_is_downloaded_whole(http: httpx.AsyncClient, ctx: Context, blocks: dict[str, Scripted]) -> None:
    name = with_log(ctx, 6100)
    answer = await http.get(f"{EXECUTIONS}/{name}/logs", headers={"Accept": "application/x-ndjson"})
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["seq"] for line in lines] == list(range(1, 6101))
    assert name in answer.headers["content-disposition"]


def messages(text: str) -> list[tuple[str, str, Any]]:
    """Id, name and data of each event."""
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line and line[0] != ":")
        if "data" in fields:
            found.append((fields.get("id", ""), fields["event"], json.loads(fields["data"])))
    return found


async def test_a_log_is_followed_to_its_end_and_resumed(
    http: httpx.AsyncClient, ctx: Context, blocks: dict[str, Scripted]
) -> None:
    go = threading.Event()

    def does(work: Work) -> Output:
        for number in range(3):
            work.note(Level.INFO, Origin.SOURCE, f"before {number}")
        assert go.wait(20)
        raise BadInput("The end")

    blocks["one"].does = does
    made = submitted(ctx)
    thread = threading.Thread(target=worked, args=(ctx,))
    thread.start()
    reading = asyncio.create_task(http.get(f"{EXECUTIONS}/{made.id}/logs", headers=STREAM))
    await asyncio.sleep(0)
    go.set()
    answer = await asyncio.wait_for(reading, 30)
    thread.join(10)
    found = messages(answer.text)
    texts = [data["message"] for _, name, data in found if name == "line"]
    assert texts[0].startswith("Started by")
    assert texts[1:4] == ["before 0", "before 1", "before 2"]
    assert texts[-1].startswith("Ended: failed: The end")
    assert found[-1][1] == "end"
    last = found[-3][0]
    resumed = await http.get(f"{EXECUTIONS}/{made.id}/logs", headers={**STREAM, "Last-Event-ID": last})
    assert [name for name, kind, _ in messages(resumed.text) if kind == "line"] == [str(int(last) + 1)]


async def test_events_are_polled_and_go_on_behind_an_id(
    http: httpx.AsyncClient, ctx: Context, blocks: dict[str, Scripted], draft: Callable[..., Body]
) -> None:
    made = submitted(ctx)
    worked(ctx)
    await http.post("/api/v1/connections/", json=draft(name="New"))
    items = (await http.get(EVENTS)).json()["items"]
    assert [one["type"] for one in items] == [
        "execution.pending",
        "execution.running",
        "execution.success",
        "connection.create",
    ]
    assert items[2]["data"]["execution_id"] == made.id
    assert items[2]["api_version"] == "v1"
    rest = (await http.get(EVENTS, params={"after": items[3]["id"]})).json()["items"]
    assert items[3] not in rest
    assert [one for one in rest if one not in items] == []
    wrong = await http.get(EVENTS, params={"after": "made up"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "bad-input")


class Following:
    """An events stream over the app, read piece by piece; httpx's transport in process waits for the end."""

    def __init__(self, app: FastAPI, headers: dict[str, str]) -> None:
        self.pieces: asyncio.Queue[str] = asyncio.Queue()
        self._gone = asyncio.Event()
        raw = [(name.lower().encode(), value.encode()) for name, value in {"host": "localhost", **headers}.items()]
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "path": EVENTS,
            "raw_path": EVENTS.encode(),
            "query_string": b"",
            "root_path": "",
            "scheme": "http",
            "headers": raw,
            "client": ("127.0.0.1", 1),
            "server": ("localhost", 80),
        }
        self.task = asyncio.create_task(app(scope, self._receive, self._send))

    async def _receive(self) -> dict[str, Any]:
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.body":
            self.pieces.put_nowait(message.get("body", b"").decode())

    async def read(self, kind: str) -> tuple[str, str, Any]:
        async with asyncio.timeout(15):
            while True:
                for found in messages(await self.pieces.get()):
                    if found[1] == kind:
                        return found

    async def leave(self) -> None:
        self._gone.set()
        await asyncio.wait_for(self.task, 10)


@pytest.fixture
async def following(app: FastAPI) -> AsyncIterator[Callable[..., Following]]:
    begun: list[Following] = []

    def follow(**headers: str) -> Following:
        begun.append(Following(app, STREAM | headers))
        return begun[-1]

    yield follow
    for one in begun:
        await one.leave()


async def test_events_are_followed_by_many_and_resumed_by_one(
    ctx: Context, blocks: dict[str, Scripted], following: Callable[..., Following]
) -> None:
    readers = [following() for _ in range(5)]
    for reader in readers:
        await asyncio.wait_for(reader.pieces.get(), 10)
    await asyncio.sleep(0.5)  # the feed begins with its first look
    submitted(ctx)
    await asyncio.to_thread(worked, ctx)
    ends = [await reader.read("execution.success") for reader in readers]
    assert len({one[0] for one in ends}) == 1
    submitted(ctx)
    again = following(**{"Last-Event-ID": ends[0][0]})
    name, kind, data = await again.read("execution.pending")
    assert (kind, data["id"]) == ("execution.pending", name)


class Socket:
    """A WebSocket over the app."""

    def __init__(self, app: FastAPI, query: str = "", **headers: str) -> None:
        self.said: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._heard.put_nowait({"type": "websocket.connect"})
        scope = {
            "type": "websocket",
            "asgi": {"version": "3.0"},
            "path": f"{EVENTS}/ws",
            "raw_path": f"{EVENTS}/ws".encode(),
            "query_string": query.encode(),
            "root_path": "",
            "scheme": "ws",
            "headers": [(name.encode(), value.encode()) for name, value in {"host": "localhost", **headers}.items()],
            "client": ("127.0.0.1", 1),
            "server": ("localhost", 80),
            "subprotocols": [],
        }
        self.task = asyncio.create_task(app(scope, self._heard.get, self._say))

    async def _say(self, message: Any) -> None:
        self.said.put_nowait(dict(message))

    async def next(self) -> dict[str, Any]:
        return await asyncio.wait_for(self.said.get(), 15)

    async def leave(self) -> None:
        self._heard.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await asyncio.wait_for(self.task, 10)


async def test_the_websocket_has_the_same_messages(
    app: FastAPI, http: httpx.AsyncClient, ctx: Context, blocks: dict[str, Scripted]
) -> None:
    submitted(ctx)
    first = (await http.get(EVENTS)).json()["items"][0]
    made = submitted(ctx)
    socket = Socket(app, f"after={first['id']}", origin="http://localhost:5173")
    assert (await socket.next())["type"] == "websocket.accept"
    missed = json.loads((await socket.next())["text"])
    assert missed in (await http.get(EVENTS)).json()["items"]
    assert (missed["type"], missed["data"]["execution_id"]) == ("execution.pending", made.id)
    await asyncio.sleep(0.5)  # the feed begins with its first look
    await asyncio.to_thread(executions.cancel, ctx, made.id)
    assert json.loads((await socket.next())["text"])["type"] == "execution.cancelled"
    await socket.leave()


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({"origin": "https://evil.example"}, ""),
        ({"host": "evil.example"}, ""),
        ({}, "after=made-up"),
    ],
    ids=["foreign origin", "foreign host", "wrong id"],
)
async def test_a_foreign_page_does_not_get_the_socket(app: FastAPI, headers: dict[str, str], query: str) -> None:
    socket = Socket(app, query, **headers)
    refused = await socket.next()
    assert (refused["type"], refused["code"]) == ("websocket.close", 1008)
    await socket.leave()
