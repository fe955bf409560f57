"""The API in the server that users start: one port for pages and API, told apart by path and by Accept."""

from collections.abc import Iterator

import httpx
import pytest
from running import Server

BROWSER = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
ORIGIN = "http://localhost:5173"


@pytest.fixture
def http(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=20) as client:
        yield client


def test_the_root_is_a_page_for_browsers_and_the_api_info_for_everyone_else(http: httpx.Client) -> None:
    assert http.get("/").json()["name"] == "ETL Engine"
    page = http.get("/", headers=BROWSER)
    assert page.headers["content-type"].startswith("text/html") and "<html" in page.text
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]


def test_the_api_answers_beside_the_pages(http: httpx.Client) -> None:
    body = {"name": "Behind the pages", "db_type": "postgresql", "host": "127.0.0.1", "port": 1}
    login = {"database": "d", "username": "u", "password": "p"}
    created = http.post("/api/v1/connections/", json=body | login)
    assert created.status_code == 201, created.text
    path = created.headers["location"]
    try:
        assert http.get(path, headers=BROWSER).json()["name"] == "Behind the pages"
        assert http.get("/api/v1/connections").json()
        streamed = http.post(f"{path}/test", headers={"accept": "text/event-stream"})
        assert "event: step" in streamed.text and "event: result" in streamed.text
        refused = http.put(path, json={"port": "3306abc"})
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/port")
    finally:
        assert http.delete(path).status_code == 204


def test_health_docs_and_unknown_paths_of_the_api_are_no_pages(http: httpx.Client) -> None:
    assert http.get("/health", headers=BROWSER).json()["status"] == "ok"
    assert http.get("/openapi.json", headers=BROWSER).json()["openapi"].startswith("3.1")
    assert "swagger-ui" in http.get("/docs", headers=BROWSER).text
    assert http.get("/api/v1/nothing", headers=BROWSER).json()["code"] == "unknown-path"


def test_cors_is_answered_once_for_configured_origins_only(http: httpx.Client) -> None:
    for path in ("/api/v1/connections", "/api/v1/connections/zzz", "/health"):
        answer = http.get(path, headers={"origin": ORIGIN})
        assert answer.headers.get_list("access-control-allow-origin") == [ORIGIN]
        assert answer.headers.get_list("vary") == ["Origin"]
        assert "access-control-allow-origin" not in http.get(path, headers={"origin": "https://evil.example"}).headers
    asked = {"origin": ORIGIN, "access-control-request-method": "PUT"}
    assert http.options("/api/v1/connections", headers=asked).headers["access-control-allow-origin"] == ORIGIN


def test_a_body_that_is_too_large_gets_its_answer_whole(http: httpx.Client) -> None:
    for size in (1_000_001, 10_000_000):
        answer = http.post(
            "/api/v1/connections", content=b'"' + b"x" * size, headers={"content-type": "application/json"}
        )
        assert (answer.status_code, answer.json()["code"]) == (413, "body-too-large")
