"""The worker processes that the web server brings along."""

import contextlib
import json
import os
import signal
import socket
import sqlite3
import urllib.request
from pathlib import Path
from typing import Any

from running import Server, eventually, running

Body = dict[str, Any]


def call(server: Server, method: str, path: str, body: Body | None = None) -> Any:
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.port}/api/v1{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
        method=method,
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())


def shop(server: Server) -> Body:
    """The order of a copy between two small databases."""
    files = server.folder / "data" / "files"
    files.mkdir(parents=True, exist_ok=True)
    ids = []
    for name in ("from", "into"):
        with contextlib.closing(sqlite3.connect(files / f"{name}.db")) as database:
            if name == "from":
                database.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, v TEXT)")
                database.executemany("INSERT INTO orders VALUES (?, ?)", [(n, f"v{n}") for n in range(500)])
            database.commit()
        ids.append(
            call(server, "POST", "/connections/", {"name": name, "db_type": "sqlite", "database": f"{name}.db"})["_id"]
        )
    return {"source_id": ids[0], "target_id": ids[1], "table": "orders", "target": "orders", "mode": "replace"}


def test_a_copy_ordered_at_the_web_server_runs_beside_it_and_nothing_outlives_it(tmp_path: Path) -> None:
    with running(Server(tmp_path)) as server:
        order = shop(server)
        made = call(server, "POST", "/copies/", order)
        seen: list[Body] = []

        def ended() -> bool:
            seen.append(call(server, "GET", f"/executions/{made['_id']}"))
            return seen[-1]["status"] not in ("pending", "running")

        eventually(ended, lambda: f"the end of {seen[-1]}; the log:\n{server.log[-2000:]}", 60)
        assert seen[-1]["status"] == "success", seen[-1]["error"]
        with contextlib.closing(sqlite3.connect(server.folder / "data" / "files" / "into.db")) as database:
            assert database.execute("SELECT count(*), count(DISTINCT v) FROM orders").fetchone() == (500, 500)
        worker = int(seen[-1]["owner"].split(":")[1])
        assert worker in server.processes(), "it is a process of its own, beside the server"
        for pid in server.processes():
            if pid != worker:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        eventually(lambda: not server.processes(), lambda: f"left behind: {server.processes()}", 25)


def opened(server: Server, path: str, **headers: str) -> socket.socket:
    """A connection on which that path was asked for."""
    connection = socket.create_connection(("127.0.0.1", server.port), 15)
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    connection.sendall(f"GET /api/v1{path} HTTP/1.1\r\nHost: localhost:{server.port}\r\n{lines}\r\n".encode())
    return connection


def heard(connection: socket.socket, words: bytes) -> bytes:
    said = b""
    while words not in said:
        piece = connection.recv(4096)
        assert piece, said
        said += piece
    return said


def test_whoever_follows_events_keeps_the_server_neither_from_telling_nor_from_ending(tmp_path: Path) -> None:
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec_WebSocket_Version": "13",
        "Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    with running(Server(tmp_path)) as server:
        with (
            opened(server, "/events/", Accept="text/event-stream") as stream,
            opened(server, "/events/ws", **upgrade) as frames,
            opened(server, "/events/ws", Origin="https://evil.example", **upgrade) as foreign,
        ):
            heard(stream, b"retry: ")
            assert b" 101 " in heard(frames, b"\r\n\r\n").splitlines()[0]
            assert b" 403 " in heard(foreign, b"\r\n").splitlines()[0]
            # The feed begins with its first look; what is written until then may be before it.
            told = 0
            for number in range(40):
                draft = {"name": f"shop {number}", "db_type": "sqlite", "database": "shop.db"}
                call(server, "POST", "/connections/", draft)
                stream.settimeout(0.5)
                with contextlib.suppress(TimeoutError):
                    told = len(heard(stream, b"event: connection.create"))
                    break
            assert told
            heard(frames, b"connection.create")
            assert server.terminate() in (0, -signal.SIGTERM)
        eventually(lambda: not server.processes(), lambda: f"left behind: {server.processes()}", 5)
