"""Connection tests over HTTP: the specified shape, the steps as they happen, receipts, leaving, deleting meanwhile."""

import asyncio
import contextlib
import json
import socket
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_server import CONNECTIONS, Body, Served
from servers import MariadbServer, PostgresServer

from etl_engine.api import ladders
from etl_engine.connectors.contract import CHECK_SECONDS

Draft = Callable[..., Body]
EVENTS = {"accept": "text/event-stream"}


@pytest.fixture
def file(tmp_path: Path) -> Body:
    """A SQLite file where the operator allows files, and the connection to it: its test succeeds."""
    folder = tmp_path / "data" / "files"
    folder.mkdir(parents=True)
    with contextlib.closing(sqlite3.connect(folder / "shop.db")) as made:
        made.execute("CREATE TABLE item (id INTEGER PRIMARY KEY)")
        made.commit()
    return {"name": "Shop", "db_type": "sqlite", "database": "shop.db"}


class Silent:
    """A server that accepts and says nothing, until it is told to close; it notices who leaves."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self.accepted = threading.Semaphore(0)
        self.left = threading.Semaphore(0)
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                peer, _ = self._listener.accept()
                self._open.append(peer)
                threading.Thread(target=self._watch, args=(peer,), daemon=True).start()
                self.accepted.release()

    def _watch(self, peer: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while peer.recv(4096):
                pass
        self.left.release()

    def hang_up(self) -> None:
        for peer in self._open:
            with contextlib.suppress(OSError):
                peer.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.hang_up()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        for one in (self._listener, *self._open):
            one.close()


@pytest.fixture
def silent() -> Iterator[Silent]:
    server = Silent()
    yield server
    server.close()


def events_of(text: str) -> list[tuple[str, Any]]:
    found = []
    for block in text.strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines())
        if "event" in fields:
            found.append((fields["event"], json.loads(fields["data"])))
    return found


async def test_a_failed_test_is_an_answer_with_its_ladder(http: httpx.AsyncClient, draft: Draft) -> None:
    answer = await http.post(f"{CONNECTIONS}/test", json=draft(port=1))
    body = answer.json()
    assert (answer.status_code, body["success"], body["details"]["db_type"]) == (200, False, "mysql")
    assert body["details"]["version"] is body["details"]["receipt"] is None
    states = [step["state"] for step in body["details"]["steps"]]
    assert states.count("fail") == 1 and set(states[states.index("fail") + 1 :]) == {"skipped"}
    [failed] = [step for step in body["details"]["steps"] if step["state"] == "fail"]
    assert {"key", "state", "ms", "evidence", "cause", "fix", "who"} <= failed.keys()
    assert failed["cause"] in body["message"] and failed["fix"] and failed["code"]


@pytest.mark.real
async def test_a_successful_test_of_postgresql_is_answered_as_specified(
    http: httpx.AsyncClient, draft: Draft, postgres_server: PostgresServer
) -> None:
    server = postgres_server
    body = draft(
        db_type="postgresql",
        host=server.host,
        port=server.port,
        database="postgres",
        username=server.user,
        password=server.password,
    )
    answer = (await http.post(f"{CONNECTIONS}/test", json=body)).json()
    assert (answer["success"], answer["message"]) == (True, "Connection successful"), answer
    assert answer["details"]["db_type"] == "postgresql"
    assert answer["details"]["version"].startswith("PostgreSQL 15")


@pytest.mark.real
async def test_a_successful_test_of_mariadb_is_answered_as_specified(
    http: httpx.AsyncClient, draft: Draft, mariadb_server: MariadbServer
) -> None:
    server = mariadb_server
    body = draft(host=server.host, port=server.port, database="mysql", username=server.user, password=server.password)
    stored = (await http.post(f"{CONNECTIONS}/", json=body)).json()
    answer = (await http.post(f"{CONNECTIONS}/{stored['_id']}/test")).json()
    assert (answer["success"], answer["message"]) == (True, "Connection successful"), answer
    assert answer["details"]["db_type"] == "mysql" and "MariaDB" in answer["details"]["version"]
    now = (await http.get(f"{CONNECTIONS}/{stored['_id']}")).json()
    assert (now["last_test_status"], now["last_test_version"]) == ("success", answer["details"]["version"])


async def test_the_receipt_of_a_test_saves_a_connection_as_tested(http: httpx.AsyncClient, file: Body) -> None:
    tested = (await http.post(f"{CONNECTIONS}/test", json=file)).json()
    assert tested["success"] is True, tested
    receipt = {"test_receipt": tested["details"]["receipt"]}
    other = await http.post(f"{CONNECTIONS}/", json=file | {"database": "other.db"} | receipt)
    assert [(e["pointer"], e["code"]) for e in other.json()["errors"]] == [("/test_receipt", "test-receipt")]
    created = (await http.post(f"{CONNECTIONS}/", json=file | receipt)).json()
    assert created["last_test_status"] == "success" and created["last_tested_at"]
    assert created["last_test_version"] == tested["details"]["version"]
    assert "test_receipt" not in created


async def test_an_update_with_the_receipt_of_its_test_stays_tested(http: httpx.AsyncClient, file: Body) -> None:
    stored = (await http.post(f"{CONNECTIONS}/", json=file | {"database": "missing.db"})).json()
    path, change = f"{CONNECTIONS}/{stored['_id']}", {"database": "shop.db"}
    tested = (await http.post(f"{path}/test", json=change)).json()
    assert (tested["success"], tested["details"]["recorded"]) == (True, False)
    assert (await http.get(path)).json()["last_test_status"] is None
    updated = (await http.put(path, json=change | {"test_receipt": tested["details"]["receipt"]})).json()
    assert (updated["database"], updated["last_test_status"]) == ("shop.db", "success")
    changed = (await http.put(path, json={"database": "third.db"})).json()
    assert changed["last_test_status"] is changed["last_tested_at"] is None


async def test_a_stored_connections_test_is_recorded_with_its_history(http: httpx.AsyncClient, file: Body) -> None:
    path = f"{CONNECTIONS}/{(await http.post(f'{CONNECTIONS}/', json=file)).json()['_id']}"
    for content in (b"", b"{}"):
        answer = await http.post(f"{path}/test", content=content, headers={"content-type": "application/json"})
        assert answer.json()["details"]["recorded"] is True
    now = (await http.get(path)).json()
    assert [run["status"] for run in now["tests"]] == ["success", "success"]


async def test_the_ladder_is_streamed_step_by_step_and_ends_with_the_result(
    http: httpx.AsyncClient, draft: Draft
) -> None:
    answer = await http.post(f"{CONNECTIONS}/test", json=draft(port=1), headers=EVENTS)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert answer.headers["cache-control"] == "no-store"
    events = events_of(answer.text)
    assert {name for name, _ in events[:-1]} == {"step"}
    assert events[0][1]["state"] == "running"
    name, result = events[-1]
    assert (name, result["success"]) == ("result", False)
    last = {step["key"]: step for name, step in events[:-1]}
    assert [last[step["key"]]["state"] for step in result["details"]["steps"]] == [
        step["state"] for step in result["details"]["steps"]
    ]


@pytest.mark.parametrize(("body", "status"), [({}, 422), ({"db_type": "mysql", "port": 0}, 422)])
async def test_what_fails_before_the_first_step_has_its_own_status_when_streamed_too(
    http: httpx.AsyncClient, body: Body, status: int
) -> None:
    answer = await http.post(f"{CONNECTIONS}/test", json=body, headers=EVENTS)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    unknown = await http.post(f"{CONNECTIONS}/{'0' * 24}/test", headers=EVENTS)
    assert (unknown.status_code, unknown.json()["code"]) == (404, "not-found")


async def accepted(silent: Silent) -> None:
    assert await asyncio.to_thread(silent.accepted.acquire, timeout=30), "the ladder never got there"


@pytest.mark.parametrize("headers", [{}, EVENTS])
async def test_a_connection_deleted_while_it_is_tested_is_a_conflict(
    http: httpx.AsyncClient, draft: Draft, silent: Silent, headers: dict[str, str]
) -> None:
    stored = (await http.post(f"{CONNECTIONS}/", json=draft(port=silent.port))).json()
    path = f"{CONNECTIONS}/{stored['_id']}"
    testing = asyncio.create_task(http.post(f"{path}/test", headers=headers))
    await accepted(silent)
    assert (await http.delete(path)).status_code == 204
    silent.hang_up()
    answer = await testing
    if headers:
        name, problem = events_of(answer.text)[-1]
        assert (answer.status_code, name) == (200, "problem")
    else:
        problem = answer.json()
        assert answer.status_code == 409
    assert (problem["status"], problem["code"]) == (409, "conflict")
    assert "was deleted while it was tested" in problem["detail"]


async def test_values_changed_during_their_test_are_not_marked_tested(
    http: httpx.AsyncClient, draft: Draft, silent: Silent
) -> None:
    stored = (await http.post(f"{CONNECTIONS}/", json=draft(port=silent.port))).json()
    path = f"{CONNECTIONS}/{stored['_id']}"
    testing = asyncio.create_task(http.post(f"{path}/test"))
    await accepted(silent)
    await http.put(path, json={"database": "another"})
    silent.hang_up()
    assert (await testing).json()["details"]["recorded"] is False
    assert (await http.get(path)).json()["last_test_status"] is None


async def test_a_silence_is_filled_with_comments(
    http: httpx.AsyncClient, draft: Draft, silent: Silent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ladders, "HEARTBEAT_SECONDS", 0.05)
    testing = asyncio.create_task(http.post(f"{CONNECTIONS}/test", json=draft(port=silent.port), headers=EVENTS))
    await accepted(silent)
    await asyncio.sleep(0.3)  # the silence itself
    silent.hang_up()
    assert (await testing).text.count(": still climbing\n\n") >= 2


async def lines(client: httpx.AsyncClient, body: Body) -> AsyncIterator[str]:
    async with client.stream("POST", f"{CONNECTIONS}/test", json=body, headers=EVENTS) as answer:
        async for line in answer.aiter_lines():
            yield line


async def test_steps_arrive_while_the_ladder_is_still_climbing(served: Served, draft: Draft, silent: Silent) -> None:
    async with httpx.AsyncClient(base_url=served.url, timeout=30) as client, asyncio.timeout(60):
        seen = []
        async for line in lines(client, draft(host="127.0.0.1", port=silent.port)):
            seen.append(line)
            if '"key": "tcp"' in line and '"pass"' in line:
                await accepted(silent)
                silent.hang_up()  # the rest comes only now
        *_, (name, result) = events_of("\n".join(seen))
        assert name == "result"
        failed = next(step for step in result["details"]["steps"] if step["state"] == "fail")
        assert failed["code"] != "silent-server", "the silence lasted to its end: the steps came with the result"


@pytest.mark.parametrize("headers", [{}, EVENTS], ids=["json", "events"])
async def test_a_caller_who_leaves_ends_the_ladder(
    served: Served, draft: Draft, silent: Silent, headers: dict[str, str]
) -> None:
    body = draft(host="127.0.0.1", port=silent.port)
    client = httpx.AsyncClient(base_url=served.url, timeout=30)
    asking = asyncio.create_task(client.post(f"{CONNECTIONS}/test", json=body, headers=headers))
    await accepted(silent)
    left = time.monotonic()
    asking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asking
    await client.aclose()
    assert await asyncio.to_thread(silent.left.acquire, timeout=5), "the ladder goes on for nobody"
    assert time.monotonic() - left < CHECK_SECONDS / 2


async def test_forty_black_holes_slow_nobody_else_down(served: Served, draft: Draft, silent: Silent) -> None:
    body = draft(host="127.0.0.1", port=silent.port)
    limits = httpx.Limits(max_connections=100)
    async with httpx.AsyncClient(base_url=served.url, timeout=30, limits=limits) as client:
        asking = [asyncio.create_task(client.post(f"{CONNECTIONS}/test", json=body)) for _ in range(40)]
        for _ in range(ladders.THREADS):
            await accepted(silent)
        times = []
        for _ in range(20):
            started = time.perf_counter()
            assert (await client.get(f"{CONNECTIONS}/")).status_code == 200
            assert (await client.get("/health")).status_code == 200
            times.append(time.perf_counter() - started)
        silent.close()
        answers = await asyncio.gather(*asking)
    assert max(times) < CHECK_SECONDS / 2, times  # whoever waits for a ladder waits for its whole budget
    assert [answer.status_code for answer in answers] == [200] * 40


@pytest.mark.parametrize("headers", [{}, EVENTS])
async def test_whom_too_many_wait_before_is_asked_to_come_back(
    http: httpx.AsyncClient, draft: Draft, silent: Silent, headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ladders, "_places", threading.BoundedSemaphore(ladders.THREADS + 3))
    body = draft(port=silent.port)
    asking = [
        asyncio.create_task(http.post(f"{CONNECTIONS}/test", json=body, headers=headers))
        for _ in range(ladders.THREADS + 5)
    ]
    ended = asyncio.as_completed(asking)
    for refused in [await next(ended) for _ in range(2)]:
        assert (refused.status_code, refused.json()["code"]) == (503, "throttled"), refused.text
        assert refused.headers["retry-after"].isdigit() and refused.json()["hint"]
    silent.close()
    assert [(await answer).status_code for answer in ended] == [200] * (ladders.THREADS + 3)
    again = await http.post(f"{CONNECTIONS}/test", json=body)
    assert again.status_code == 200, "a place is not given back"
