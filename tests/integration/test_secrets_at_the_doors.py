"""The same planted password, brought through the doors: HTTP answers, event streams, the command line, its process."""

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from canary import CANARY, Surfaces
from log_state import everything_as_it_was
from scripted import Scripted, pg_error, pg_password, pg_start, silent

from etl_engine import logs, masking, settings
from etl_engine.api.app import create_api
from etl_engine.masking import Secrets
from etl_engine.model.collections import CONNECTIONS
from etl_engine.services import connection_tests, connections
from etl_engine.wiring import Engine

API = "/api/v1/connections"
UNKNOWN_ID = "0123456789abcdef01234567"
DRIVERS = ("postgresql", "mysql")
Send = Callable[..., httpx.Response]


@pytest.fixture(params=DRIVERS)
def db_type(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def body(db_type: str) -> dict[str, Any]:
    return {
        "name": "planted",
        "db_type": db_type,
        "host": "127.0.0.1",
        "port": 9,
        "database": "d",
        "username": "u",
        "password": CANARY,
    }


@pytest.fixture
def surfaces(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Surfaces]:
    monkeypatch.setattr(masking, "_hidden", Secrets())
    found = Surfaces()
    with everything_as_it_was():
        logs.configure("debug", "json")
        yield found
    written = capsys.readouterr()
    found.add("standard output", written.out)
    found.add("standard error", written.err)
    found.assert_clean()


@pytest.fixture
def engine(tmp_path: Path, surfaces: Surfaces) -> Iterator[Engine]:
    engine = Engine(settings.load(_env_file=None, data_dir=tmp_path / "data", log_level="debug"))
    yield engine
    surfaces.add_store(engine.context(), tmp_path / "data")
    engine.close()


@pytest.fixture
def send(engine: Engine, surfaces: Surfaces) -> Iterator[Send]:
    """One request; everything in its answer is looked at."""
    import asyncio

    app = create_api(engine.context)

    async def sent(method: str, path: str, **options: Any) -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.request(method, path, **options)

    def send(method: str, path: str, *, expect: int, **options: Any) -> httpx.Response:
        answer = asyncio.run(sent(method, path, **options))
        surfaces.add(f"headers of {method} {path}", answer.headers)
        surfaces.add(f"body of {method} {path}", answer.content)
        assert answer.status_code == expect, answer.text
        return answer

    yield send


def stored(send: Send, body: dict[str, Any]) -> str:
    return str(send("POST", f"{API}/", expect=201, json=body).json()["_id"])


def test_everything_that_goes_well(send: Send, body: dict[str, Any]) -> None:
    made = stored(send, body)
    send("GET", f"{API}/", expect=200)
    send("GET", f"{API}/{made}", expect=200)
    send("PUT", f"{API}/{made}", expect=200, json={"password": CANARY + "2"})
    send("PATCH", f"{API}/{made}", expect=200, json={"password": CANARY + "3"})
    send("DELETE", f"{API}/{made}", expect=204)


def test_a_password_where_it_does_not_belong(send: Send, body: dict[str, Any]) -> None:
    for field in ("host", "port", "db_type", "tls_mode", "passwort", "test_receipt", "tls_server_name"):
        send("POST", f"{API}/", expect=422, json=body | {field: CANARY})
        send("POST", f"{API}/test", expect=422, json=body | {field: CANARY})


def test_a_password_that_cannot_be_one(send: Send, body: dict[str, Any]) -> None:
    for value in ([CANARY], {"is": CANARY}, CANARY * 100, CANARY + "\0", None):
        send("POST", f"{API}/", expect=422, json=body | {"password": value})
        send("POST", f"{API}/test", expect=422, json=body | {"password": value})


def test_bodies_that_are_not_what_they_say(send: Send, body: dict[str, Any]) -> None:
    as_json = {"Content-Type": "application/json"}
    text = json.dumps(body, ensure_ascii=False)
    for broken in (text[:-1], text + "}", text.replace('"', "'"), CANARY, f'"{CANARY}', "[" + text):
        send("POST", f"{API}/", expect=400, content=broken.encode(), headers=as_json)
    for other in (json.dumps(CANARY), json.dumps([body]), "7"):
        send("POST", f"{API}/", expect=422, content=other.encode(), headers=as_json)
    send("POST", f"{API}/", expect=400, content=text.encode("latin-1", "replace"), headers=as_json)
    send("POST", f"{API}/", expect=415, content=text.encode(), headers={"Content-Type": "text/plain"})
    send("POST", f"{API}/", expect=415, data={"password": CANARY})
    send("POST", f"{API}/", expect=413, json=body | {"password": CANARY * 50_000})


def test_the_third_shape_of_a_connection(send: Send, db_type: str) -> None:
    config = {"host": "127.0.0.1", "port": 9, "user": "u", "password": CANARY, "db": "d"}
    type_ = {"postgresql": "POSTGRES", "mysql": "MYSQL"}[db_type]
    send("POST", f"{API}/", expect=201, json={"name": "planted", "type": type_, "config": config})
    send("POST", f"{API}/", expect=422, json={"name": "x", "type": type_, "config": config | {"port": CANARY}})
    send("POST", f"{API}/", expect=422, json={"name": "x", "type": CANARY, "config": config})


def test_paths_queries_and_headers_with_the_password(send: Send) -> None:
    send("GET", f"{API}/", expect=422, params={"password": CANARY})
    send("GET", f"{API}/", expect=200, headers={"Authorization": "Bearer PL4NTED1", "Cookie": "s=PL4NTED2"})
    send("GET", f"{API}/", expect=200, headers={"X-Request-ID": "PL4NTED1 with spaces is not sane"})


def test_conflicts_and_things_that_are_gone(send: Send, body: dict[str, Any]) -> None:
    made = stored(send, body)
    send("POST", f"{API}/", expect=409, json=body | {"name": " PLANTED"})
    send("PUT", f"{API}/{made}", expect=412, json={"password": CANARY}, headers={"If-Match": '"7"'})
    send("PUT", f"{API}/{made}", expect=422, json={"password": CANARY, "nonsense": CANARY})
    send("PUT", f"{API}/{UNKNOWN_ID}", expect=404, json={"password": CANARY})
    send("POST", f"{API}/{UNKNOWN_ID}/test", expect=404, json={"password": CANARY})
    send("DELETE", f"{API}/{UNKNOWN_ID}", expect=404)
    send("PUT", f"{API}/short", expect=422, json={"password": CANARY})


def test_a_test_that_fails_in_json_and_in_events(send: Send, body: dict[str, Any]) -> None:
    made = stored(send, body)
    for accept in ("application/json", "text/event-stream"):
        headers = {"Accept": accept}
        send("POST", f"{API}/test", expect=200, json=body, headers=headers)
        send("POST", f"{API}/{made}/test", expect=200, headers=headers)
        send("POST", f"{API}/{made}/test", expect=200, json={"password": CANARY + "2"}, headers=headers)
    send("GET", f"{API}/{made}", expect=200)


def test_a_sealed_value_that_does_not_open(send: Send, body: dict[str, Any], engine: Engine) -> None:
    made = stored(send, body)
    engine.context().store.update(CONNECTIONS.name, {"_id": made}, {"password": "gAAAAA-broken"})
    for method, path, options in (
        ("POST", f"{API}/{made}/test", {}),
        ("PUT", f"{API}/{made}", {"json": {"database": "x"}}),
    ):
        send(method, path, expect=423, **options)


def test_a_defect_with_the_password_in_its_message(
    send: Send, body: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = stored(send, body)

    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError(f"could not {CANARY} {body}")

    for module, name in (
        (connections, "create"),
        (connections, "update"),
        (connections, "delete"),
        (connections, "get"),
        (connections, "list_"),
        (connection_tests, "test_new"),
        (connection_tests, "test_saved"),
    ):
        monkeypatch.setattr(module, name, broken)
    send("POST", f"{API}/", expect=500, json=body)
    send("PUT", f"{API}/{made}", expect=500, json={"password": CANARY})
    send("GET", f"{API}/{made}", expect=500)
    send("GET", f"{API}/", expect=500)
    send("DELETE", f"{API}/{made}", expect=500)
    for headers in ({}, {"Accept": "text/event-stream"}):
        send("POST", f"{API}/test", expect=500, json=body, headers=headers)
        send("POST", f"{API}/{made}/test", expect=500, headers=headers)


def test_a_defect_in_the_very_first_request(send: Send, body: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was sealed or opened yet: the password must be known as one from the moment it came in."""

    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError(f"could not {CANARY} {body}")

    for module, name in ((connections, "create"), (connection_tests, "test_new")):
        monkeypatch.setattr(module, name, broken)
    for path, headers in (("/", {}), ("/test", {}), ("/test", {"Accept": "text/event-stream"})):
        monkeypatch.setattr(masking, "_hidden", Secrets())
        send("POST", f"{API}{path}", expect=500, json=body, headers=headers)


# The command line


class Command:
    """`etl-engine` in a process of its own, looked at from outside while it runs and after it ended."""

    def __init__(self, folder: Path, surfaces: Surfaces) -> None:
        self.folder, self.surfaces = folder, surfaces
        self.environment = {
            "PATH": os.environ["PATH"],
            "DATA_DIR": str(folder / "data"),
            "LOG_LEVEL": "debug",
            "TMPDIR": str(folder / "t"),
        }
        (folder / "t").mkdir()

    def __call__(self, *arguments: str, expect: int, stdin: str = "") -> str:
        process = subprocess.Popen(
            [sys.executable, "-m", "etl_engine.cli", *arguments], cwd=self.folder, env=self.environment,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        ended = threading.Event()
        watcher = threading.Thread(target=self._watch, args=(process.pid, ended))
        watcher.start()
        out, err = process.communicate(stdin.encode(), timeout=60)
        ended.set()
        watcher.join()
        self.surfaces.add(f"output of {arguments}", out)
        self.surfaces.add(f"errors of {arguments}", err)
        assert process.returncode == expect, (out, err)
        return out.decode()

    def _watch(self, pid: int, ended: threading.Event) -> None:
        """Arguments and environment, as every other user of the machine may see the first."""
        deadline = time.monotonic() + 60
        while not ended.wait(0.05) and time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                self.surfaces.add_process(pid)


@pytest.fixture
def command(tmp_path: Path, surfaces: Surfaces) -> Iterator[Command]:
    command = Command(tmp_path, surfaces)
    yield command
    surfaces.add_folder("file", tmp_path)
    assert list((tmp_path / "t").iterdir()) == []


def test_the_command_line_from_adding_to_deleting(command: Command, db_type: str) -> None:
    server = ("--type", db_type, "--host", "127.0.0.1", "--port", "9", "--database", "d", "--username", "u")
    secret = ("--password-stdin",)
    command("connections", "add", "planted", *server, *secret, expect=1, stdin=CANARY)
    command("connections", "add", "planted", *server, *secret, "--json", expect=1, stdin=CANARY)
    command("connections", "add", "planted", *server, *secret, "--untested", "--json", expect=0, stdin=CANARY)
    command("connections", "add", " Planted", *server, *secret, "--untested", expect=1, stdin=CANARY)
    command("connections", "add", "x", *server, *secret, "--tls-mode", "x", expect=1, stdin=CANARY)
    command("connections", "add", "x", *server, *secret, expect=1, stdin=CANARY * 100)
    command("connections", "list", expect=0)
    command("connections", "list", "--json", expect=0)
    command("connections", "test", "planted", expect=1)
    command("connections", "test", "planted", "--json", expect=1)
    command("keys", "rotate", "--reseal", expect=0)
    command("check", "--json", expect=0)
    command("connections", "delete", "planted", "--yes", expect=0)


def test_a_command_that_dies_of_a_key_that_does_not_fit(command: Command, db_type: str) -> None:
    server = ("--type", db_type, "--host", "127.0.0.1", "--database", "d", "--username", "u")
    command("connections", "add", "planted", *server, "--password-stdin", "--untested", expect=0, stdin=CANARY)
    key = command.folder / "data" / "encryption.key"
    key.rename(command.folder / "away")
    command("connections", "test", "planted", expect=1)
    command("connections", "add", "x", *server, "--password-stdin", "--untested", expect=1, stdin=CANARY)


def test_a_command_whose_server_repeats_the_password_and_one_that_is_killed(command: Command) -> None:
    def repeats(client: Any) -> None:
        client, _ = pg_start(client)
        client.sendall(pg_error("28P01", f"wrong: {pg_password(client)}"))
        client.recv(1)

    login = (
        "--type",
        "postgresql",
        "--host",
        "127.0.0.1",
        "--database",
        "d",
        "--username",
        "u",
        "--tls-mode",
        "disable",
    )
    with Scripted(repeats) as server:
        where = (*login, "--port", str(server.port))
        command("connections", "add", "x", *where, "--password-stdin", expect=1, stdin=CANARY)
        command("connections", "add", "x", *where, "--password-stdin", "--json", expect=1, stdin=CANARY)
    with Scripted(silent) as server:
        where = (*login, "--port", str(server.port))
        command.environment["PYTHONFAULTHANDLER"] = "1"
        process = subprocess.Popen(
            [sys.executable, "-m", "etl_engine.cli", "connections", "add", "x", *where, "--password-stdin"],
            cwd=command.folder, env=command.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(CANARY.encode())
        process.stdin.close()
        command.surfaces.add("first step", process.stdout.readline())
        command.surfaces.add_process(process.pid)
        process.send_signal(6)  # SIGABRT: the fault handler prints every thread
        process.wait(30)
        command.surfaces.add("left behind", process.stdout.read() + (process.stderr.read() if process.stderr else b""))
        process.stdout.close()
        if process.stderr:
            process.stderr.close()
