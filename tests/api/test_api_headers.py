"""What comes around every answer, errors included: request id, security headers, CORS, HEAD."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_server import CONNECTIONS, ORIGIN, ROOT, Body
from fastapi import FastAPI

from etl_engine.api.app import create_api
from etl_engine.wiring import Engine

EVERYWHERE = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
}
REQUESTS: list[tuple[str, str, int, dict[str, Any]]] = [
    ("GET", "/", 200, {}),
    ("GET", "/health", 200, {}),
    ("GET", "/docs", 200, {}),
    ("GET", "/docs/errors", 200, {}),
    ("GET", "/docs/assets/docs.js", 200, {}),
    ("GET", "/openapi.json", 200, {}),
    ("GET", "/api/v1/connectors/", 200, {}),
    ("GET", f"{CONNECTIONS}/", 200, {}),
    ("GET", f"{CONNECTIONS}/zzz", 422, {}),
    ("GET", f"{CONNECTIONS}/{'0' * 24}", 404, {}),
    ("DELETE", f"{CONNECTIONS}/", 405, {}),
    ("POST", f"{CONNECTIONS}/", 400, {"content": b"{", "headers": {"content-type": "application/json"}}),
    ("POST", f"{CONNECTIONS}/", 413, {"json": "x" * 2_000_000}),
    ("POST", f"{CONNECTIONS}/", 415, {"content": b"{}", "headers": {"content-type": "text/plain"}}),
    ("GET", "/nowhere", 404, {}),
    ("GET", f"{CONNECTIONS}/", 406, {"headers": {"accept": "text/csv"}}),
    ("OPTIONS", f"{CONNECTIONS}/", 405, {}),
    ("BREW", f"{CONNECTIONS}/", 405, {}),
]


@pytest.mark.parametrize(("method", "path", "status", "options"), REQUESTS)
async def test_every_answer_is_named_and_guarded(
    http: httpx.AsyncClient, method: str, path: str, status: int, options: dict[str, Any]
) -> None:
    answer = await http.request(method, path, **options)
    assert answer.status_code == status
    assert {name: answer.headers.get(name) for name in EVERYWHERE} == EVERYWHERE
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert "cache-control" in answer.headers
    assert re.fullmatch(r"[0-9a-f]{16}", answer.headers["x-request-id"])
    if status >= 400:
        problem = answer.json()
        assert answer.headers["content-type"] == "application/problem+json"
        assert problem["request_id"] == answer.headers["x-request-id"]
        assert (problem["status"], problem["instance"]) == (status, path)
        assert problem["detail"] and problem["hint"] and problem["title"]


async def test_what_nobody_expected_is_500_without_details_and_in_the_log(
    app: FastAPI, http: httpx.AsyncClient, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> None:
        local_secret = "hunter2-in-a-local"  # noqa: F841 - must not be printed
        raise RuntimeError("the reason")

    app.state.open_context = broken
    answer = await http.get(CONNECTIONS, headers={"x-request-id": "find-me"})
    assert (answer.status_code, answer.json()["code"]) == (500, "internal-error")
    assert {name: answer.headers.get(name) for name in EVERYWHERE} == EVERYWHERE
    assert "the reason" not in answer.text and "find-me" in answer.text
    log = capsys.readouterr().err
    [failed] = [line for line in map(json.loads, log.splitlines()) if line["event"] == "request failed"]
    assert failed["request_id"] == "find-me" and "the reason" in json.dumps(failed)
    assert "hunter2" not in log


@pytest.mark.parametrize(
    ("given", "kept"),
    [("trace-1.2:3_4", True), ("a" * 64, True), ("a" * 65, False), ("two words", False), ("né", False), ("a;b", False)],
)
async def test_a_sane_request_id_is_kept(http: httpx.AsyncClient, given: str, kept: bool) -> None:
    answer = await http.get("/", headers={"x-request-id": given.encode()})
    assert (answer.headers["x-request-id"] == given) is kept


async def test_the_access_log_has_one_line_a_request_without_query_and_body(
    http: httpx.AsyncClient, capsys: pytest.CaptureFixture[str]
) -> None:
    await http.get(f"{CONNECTIONS}/?q=planted-query", headers={"x-request-id": "r1"})
    await http.post(f"{CONNECTIONS}/", json={"name": "planted-body"})
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    requests = [line for line in lines if line["event"] == "request"]
    assert [(r["method"], r["path"], r["status"]) for r in requests] == [
        ("GET", f"{CONNECTIONS}/", 200),
        ("POST", f"{CONNECTIONS}/", 422),
    ]
    assert requests[0]["request_id"] == "r1" and requests[0]["ms"] > 0
    assert "planted" not in json.dumps([line for line in lines if line.get("logger") != "httpx"])


@pytest.mark.parametrize("path", ["/", "/health", CONNECTIONS, "/docs", "/openapi.json", "/nowhere"])
async def test_head_is_get_without_the_body(http: httpx.AsyncClient, path: str) -> None:
    got, head = await http.get(path), await http.head(path)
    assert (head.status_code, head.content) == (got.status_code, b"")
    assert head.headers["content-type"] == got.headers["content-type"]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
async def test_a_configured_origin_may_do_everything_with_credentials(http: httpx.AsyncClient, method: str) -> None:
    asked = {"origin": ORIGIN, "access-control-request-method": method, "access-control-request-headers": "x-anything"}
    answer = await http.options(f"{CONNECTIONS}/", headers=asked)
    assert answer.status_code == 200
    assert answer.headers.get_list("access-control-allow-origin") == [ORIGIN]
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert method in answer.headers["access-control-allow-methods"]
    assert "x-anything" in answer.headers["access-control-allow-headers"]


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost:5173.evil.example", "http://LOCALHOST:5173"]
)
async def test_another_origin_may_nothing(http: httpx.AsyncClient, origin: str) -> None:
    asked = {"origin": origin, "access-control-request-method": "POST"}
    preflight = await http.options(f"{CONNECTIONS}/", headers=asked)
    plain = await http.get(CONNECTIONS, headers={"origin": origin})
    assert preflight.status_code == 400
    assert "access-control-allow-origin" not in preflight.headers
    assert "access-control-allow-origin" not in plain.headers


async def test_a_page_of_a_configured_origin_can_read_our_headers_on_errors_too(
    http: httpx.AsyncClient, stored: Body
) -> None:
    for path, status in ((f"{CONNECTIONS}/{stored['_id']}", 200), (f"{CONNECTIONS}/zzz", 422)):
        answer = await http.get(path, headers={"origin": ORIGIN})
        assert answer.status_code == status
        assert answer.headers.get_list("access-control-allow-origin") == [ORIGIN]
        assert {"ETag", "X-Request-ID", "X-Total-Count", "Link"} <= set(
            answer.headers["access-control-expose-headers"].split(", ")
        )
        assert answer.headers["vary"] == "Origin"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "http://localhost.evil.example",
        "http://localhost:1",
        "http://[",
        "http://[x]",
        "",
    ],
)
async def test_a_foreign_page_changes_nothing(http: httpx.AsyncClient, stored: Body, method: str, origin: str) -> None:
    """A form of any page may be posted here, and a test needs no body: only the Origin gives it away."""
    path = f"{CONNECTIONS}/{stored['_id']}" + ("/test" if method == "POST" else "")
    answer = await http.request(method, path, headers={"origin": origin, "content-type": "text/plain"})
    assert (answer.status_code, answer.json()["code"]) == (403, "foreign-origin")
    assert (await http.get(f"{CONNECTIONS}/{stored['_id']}")).json() == stored


@pytest.mark.parametrize("origin", [ORIGIN, "http://localhost", None])
async def test_our_own_pages_and_programs_may_change_things(
    http: httpx.AsyncClient, stored: Body, origin: str | None
) -> None:
    headers = {"origin": origin} if origin else {}
    answer = await http.put(f"{CONNECTIONS}/{stored['_id']}", json={"port": 1}, headers=headers)
    assert answer.status_code == 200


FOREIGN_HOSTS = [
    "evil.example",
    "evil.example:8000",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "",
    "[",
    "[x]",
]


@pytest.mark.parametrize("host", FOREIGN_HOSTS)
async def test_a_name_made_to_point_here_is_not_ours(http: httpx.AsyncClient, host: str) -> None:
    """DNS rebinding: to the browser the page at evil.example and this server are one origin."""
    for path in (CONNECTIONS, "/", "/health"):
        answer = await http.get(path, headers={"host": host})
        assert (answer.status_code, answer.json()["code"]) == (403, "foreign-host")


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8000", "127.0.0.1:3000", "127.0.0.2", "[::1]:8000", "10.1.2.3", "[2001:db8::1]"]
)
async def test_the_server_goes_by_its_addresses_and_localhost(http: httpx.AsyncClient, host: str) -> None:
    assert (await http.get(CONNECTIONS, headers={"host": host})).status_code == 200


async def test_the_server_goes_by_the_hosts_of_its_origins(engine: Engine) -> None:
    """Behind a proxy, or in a network of containers: whoever gives it a name says so in CORS_ORIGINS."""
    api = create_api(engine.context, origins=["https://etl.example.com", "http://backend:8000", "http://:80"])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://localhost") as client:
        for host, status in {"etl.example.com": 200, "ETL.example.com:443": 200, "backend:8000": 200, "": 403}.items():
            assert (await client.get(CONNECTIONS, headers={"host": host})).status_code == status


@pytest.mark.parametrize("bound_to", ["127.0.0.2", "0.0.0.0"])
def test_what_the_server_is_bound_to_opens_no_other_name(bound_to: str, tmp_path: Path) -> None:
    """The app itself: published by Docker on 127.0.0.1 alone, it is bound to every address of its container."""
    asked = """
import asyncio, httpx
from etl_engine.etl_engine import api
async def ask():
    async with httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://evil.example") as client:
        print((await client.get("/")).status_code)
asyncio.run(ask())
"""
    variables = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "HOST": bound_to, "DATA_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", asked], cwd=ROOT, env=variables, capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines()[-1:] == ["403"], done.stderr
