"""Beside the screen: which requests are the API's, which are a page's, and what pages get on their way."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from api_server import CONNECTIONS, ORIGIN
from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send

from etl_engine.api.app import beside_pages, create_api
from etl_engine.wiring import Engine

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


async def page(request: Request) -> HTMLResponse:
    return HTMLResponse(f"page {request.url.path}")


@pytest.fixture
async def mounted(engine: Engine) -> AsyncIterator[httpx.AsyncClient]:
    """As Reflex puts it together: pages, the API in front of them, and Reflex's own CORS around both."""
    pages = Starlette(routes=[Route("/{path:path}", page)])
    whole = Starlette(
        routes=[Mount("", beside_pages(create_api(engine.context, origins=[ORIGIN], answers_cors=False))(pages))]
    )
    every = ["*"]
    whole.add_middleware(
        CORSMiddleware, allow_origins=[ORIGIN], allow_credentials=True, allow_methods=every, allow_headers=every
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(whole), base_url="http://localhost") as client:
        yield client


@pytest.mark.parametrize("accept", [BROWSER, "text/html", "text/html;q=0.9,application/json;q=0.1"])
async def test_a_browser_gets_the_page(mounted: httpx.AsyncClient, accept: str) -> None:
    answer = await mounted.get("/", headers={"accept": accept})
    assert answer.text == "page /"
    assert "Accept" in answer.headers["vary"].split(", ")


@pytest.mark.parametrize("accept", [None, "*/*", "application/json", "application/json,text/html", "text/html;q=0,*/*"])
async def test_everyone_else_gets_the_api_info(mounted: httpx.AsyncClient, accept: str | None) -> None:
    mounted.headers.pop("accept")
    answer = await mounted.get("/", headers={"accept": accept} if accept else {})
    assert answer.json()["name"] == "ETL Engine"
    assert "Accept" in answer.headers["vary"].split(", ")


@pytest.mark.parametrize("path", [CONNECTIONS, f"{CONNECTIONS}/", "/health", "/docs", "/docs/errors", "/openapi.json"])
async def test_a_browser_reaches_the_api_under_its_own_paths(mounted: httpx.AsyncClient, path: str) -> None:
    answer = await mounted.get(path, headers={"accept": BROWSER})
    assert answer.status_code == 200 and not answer.text.startswith("page")


async def test_a_wrong_path_of_the_api_is_no_page(mounted: httpx.AsyncClient) -> None:
    for path in ("/api/v1/nothing", "/api/v2/connections", "/api", "/docs/nothing", "/health/nothing"):
        answer = await mounted.get(path, headers={"accept": BROWSER})
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown-path")


@pytest.mark.parametrize("path", ["/connections", "/apiary", "/docsy", "/ping", "/assets/app.js"])
async def test_everything_else_is_a_page_with_security_headers(mounted: httpx.AsyncClient, path: str) -> None:
    answer = await mounted.get(path)
    assert answer.text == f"page {path}"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert "x-request-id" not in answer.headers


async def test_cors_headers_are_not_doubled_behind_reflexs_own(mounted: httpx.AsyncClient) -> None:
    for path in (CONNECTIONS, f"{CONNECTIONS}/zzz"):
        answer = await mounted.get(path, headers={"origin": ORIGIN})
        for name in ("access-control-allow-origin", "access-control-allow-credentials", "vary"):
            assert len(answer.headers.get_list(name)) == 1
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        assert "ETag" in answer.headers["access-control-expose-headers"]
        assert answer.headers["vary"] == "Origin"
    asked = {"origin": ORIGIN, "access-control-request-method": "DELETE"}
    assert (await mounted.options(CONNECTIONS, headers=asked)).headers["access-control-allow-origin"] == ORIGIN
    assert "access-control-allow-origin" not in (await mounted.get("/", headers={"origin": "null"})).headers


async def test_the_socket_of_the_screen_passes_untouched(engine: Engine) -> None:
    seen: list[str] = []

    async def pages(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    front: Any = beside_pages(create_api(engine.context, origins=[ORIGIN], answers_cors=False))(pages)
    await front({"type": "websocket", "path": "/_event/"}, None, None)
    await front({"type": "lifespan"}, None, None)
    assert seen == ["websocket", "lifespan"]
