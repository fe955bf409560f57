"""OpenAPI 3.1 and /docs: complete, true, and without any other host."""

import json
import re
from typing import Any

import httpx
import jsonschema_rs
import pytest
from api_server import CONNECTIONS, Body, Served

from etl_engine import __version__
from etl_engine.api.app import create_api
from etl_engine.wiring import Engine

METHODS = ("get", "post", "put", "patch", "delete")


@pytest.fixture
async def document(http: httpx.AsyncClient) -> Body:
    body: Body = (await http.get("/openapi.json")).json()
    return body


def operations(document: Body) -> list[tuple[str, str, Body]]:
    return [(m, path, one[m]) for path, one in document["paths"].items() for m in METHODS if m in one]


async def test_the_document_is_openapi_3_1_of_this_version(document: Body) -> None:
    assert document["openapi"].startswith("3.1.")
    assert document["info"]["version"] == __version__
    assert {tag["name"] for tag in document["tags"]} >= {"connections", "executions", "events", "system"}


async def test_the_paths_are_the_specified_ones(document: Body) -> None:
    assert {f"{method.upper()} {path}" for method, path, _ in operations(document)} == {
        "GET /",
        "GET /health",
        "GET /api/v1/connectors/",
        "GET /api/v1/connectors/{db_type}",
        "POST /api/v1/connections/",
        "GET /api/v1/connections/",
        "GET /api/v1/connections/{connection_id}",
        "PUT /api/v1/connections/{connection_id}",
        "PATCH /api/v1/connections/{connection_id}",
        "DELETE /api/v1/connections/{connection_id}",
        "POST /api/v1/connections/test",
        "POST /api/v1/connections/{connection_id}/test",
        "POST /api/v1/copies/",
        "GET /api/v1/executions/",
        "GET /api/v1/executions/{execution_id}",
        "GET /api/v1/executions/{execution_id}/tasks",
        "GET /api/v1/executions/{execution_id}/logs",
        "POST /api/v1/executions/{execution_id}/cancel",
        "POST /api/v1/executions/{execution_id}/retry",
        "GET /api/v1/events/",
        "POST /api/v1/schemas/",
        "GET /api/v1/schemas/",
        "GET /api/v1/schemas/{schema_id}",
        "GET /api/v1/schemas/{schema_id}/versions",
        "PUT /api/v1/schemas/{schema_id}",
        "DELETE /api/v1/schemas/{schema_id}",
        "POST /api/v1/mappings/",
        "GET /api/v1/mappings/",
        "GET /api/v1/mappings/{mapping_id}",
        "PUT /api/v1/mappings/{mapping_id}",
        "DELETE /api/v1/mappings/{mapping_id}",
        "POST /api/v1/mappings/preview",
        "GET /api/v1/mappings/{mapping_id}/problems",
        "POST /api/v1/mappings/{mapping_id}/run",
        "POST /api/v1/mappings/{mapping_id}/column-mappings",
        "GET /api/v1/mappings/{mapping_id}/column-mappings",
        "PUT /api/v1/mappings/{mapping_id}/column-mappings",
        "GET /api/v1/mappings/{mapping_id}/column-mappings/{column_mapping_id}",
        "PUT /api/v1/mappings/{mapping_id}/column-mappings/{column_mapping_id}",
        "DELETE /api/v1/mappings/{mapping_id}/column-mappings/{column_mapping_id}",
        "POST /api/v1/schedules/",
        "GET /api/v1/schedules/",
        "GET /api/v1/schedules/{schedule_id}",
        "PUT /api/v1/schedules/{schedule_id}",
        "DELETE /api/v1/schedules/{schedule_id}",
        "POST /api/v1/schedules/{schedule_id}/run",
        "GET /api/v1/schedules/{schedule_id}/next",
        "GET /api/v1/schedules/{schedule_id}/fires",
        "GET /api/v1/schedules/presets",
        "GET /api/v1/schedules/preview",
    }


async def test_every_operation_has_an_id_a_tag_a_text_and_its_errors(document: Body) -> None:
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(set(ids)) == len(ids)
    for method, path, operation in operations(document):
        assert re.fullmatch(r"[a-z]+[A-Z]\w+", operation["operationId"])
        assert operation["tags"] and operation["description"] and operation["summary"]
        if not path.startswith("/api/"):
            continue
        wanted = {"403", "406", "422", "423", "500", "503"}
        wanted |= {"400", "413", "415"} if "requestBody" in operation else set()
        wanted |= {"404"} if "{" in path else set()
        assert wanted <= operation["responses"].keys(), f"{method} {path}"
        for status, answer in operation["responses"].items():
            if int(status) >= 400:
                [media_type] = answer["content"]
                assert media_type == "application/problem+json"


async def test_requests_say_exactly_which_fields_they_take(document: Body) -> None:
    schemas = document["components"]["schemas"]
    asked = {name for name in schemas if re.search("(Draft|Config|Changes|Patch)$", name)}
    assert {"MysqlDraft", "PostgresqlConfig", "SqlitePatch", "MysqlChanges", "AliasDraft"} <= asked
    for name in asked:
        assert schemas[name]["additionalProperties"] is False, name
        secrets = {field for field in schemas[name]["properties"] if field in ("password", "tls_key")}
        for field in secrets:
            assert '"writeOnly": true' in json.dumps(schemas[name]["properties"][field])
    answer = schemas["MysqlConnection"]["properties"]
    assert all(answer[field]["readOnly"] for field in ("_id", "created_at", "last_test_status"))
    assert "revision" not in answer


async def test_kinds_are_told_apart_by_db_type(document: Body) -> None:
    text = json.dumps(document["paths"][f"{CONNECTIONS}/"]["get"]["responses"]["200"])
    assert '"propertyName": "db_type"' in text and "#/components/schemas/PostgresqlConnection" in text


async def test_every_schema_is_one_and_fits_the_answers(http: httpx.AsyncClient, stored: Body, document: Body) -> None:
    for schema in document["components"]["schemas"].values():
        jsonschema_rs.meta.validate(schema)
    root: dict[str, Any] = {"$ref": "#/components/schemas/MysqlConnection", "components": document["components"]}
    jsonschema_rs.validator_for(root).validate(stored)


async def test_another_prefix_moves_the_api_and_its_documentation(engine: Engine) -> None:
    transport = httpx.ASGITransport(create_api(engine.context, prefix="/engine/v2"))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        assert (await client.get("/engine/v2/connections")).status_code == 200
        assert (await client.get("/api/v1/connections")).status_code == 404
        assert "/engine/v2/connections/" in (await client.get("/openapi.json")).json()["paths"]
        assert (await client.get("/")).json()["api"] == "/engine/v2"


async def test_the_kinds_are_what_forms_are_made_of(http: httpx.AsyncClient) -> None:
    kinds = {kind["db_type"]: kind for kind in (await http.get("/api/v1/connectors")).json()}
    assert {"mysql", "postgresql", "sqlite"} <= kinds.keys()
    for db_type, kind in kinds.items():
        jsonschema_rs.meta.validate(kind["schema"])
        assert kind["title"] and kind["summary"] and "name" in kind["schema"]["properties"]
        assert (await http.get(f"/api/v1/connectors/{db_type}")).json() == kind
    assert "password" in kinds["mysql"]["secret_fields"]
    assert kinds["mysql"]["schema"]["properties"]["port"]["default"] == 3306
    unknown = await http.get("/api/v1/connectors/oracle")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "not-found")


async def test_the_pages_and_their_files_name_no_other_host(http: httpx.AsyncClient) -> None:
    for page in ("/docs", "/docs/", "/docs/errors"):
        answer = await http.get(page)
        assert answer.status_code == 200
        assert not re.search(r"(src|href)=[\"'](https?:)?//", answer.text)
        for path in re.findall(r"(?:src|href)=\"(/docs/assets/[^\"]+)\"", answer.text):
            assert (await http.get(path)).status_code == 200
        assert "script-src 'self';" in answer.headers["content-security-policy"]
    assert (await http.get("/docs/assets/..%2Fapp.py")).status_code == 404
    assert (await http.get("/docs/assets/other.js")).status_code == 404


@pytest.mark.browser
def test_docs_work_in_a_browser_that_reaches_nobody_else(served: Served) -> None:
    import shutil

    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("needs Chromium (Debian package chromium)")
    said: list[str] = []
    hosts: set[str] = set()
    with sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
        browser = playwright.chromium.launch(executable_path=chromium, args=options)
        page = browser.new_page()
        page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: said.append(f"error: {error}"))
        page.on("request", lambda request: hosts.add(request.url.split("/")[2] if "://" in request.url else "data"))
        page.goto(f"{served.url}/docs")
        page.locator("#operations-connections-updateConnection").wait_for()
        page.locator("#operations-system-getHealth button").first.click()
        page.get_by_role("button", name="Try it out").click()
        page.get_by_role("button", name="Execute").click()
        page.locator(".live-responses-table .response-col_status", has_text="200").wait_for()
        page.goto(f"{served.url}/docs/errors#malformed-id")
        page.get_by_role("link", name="malformed-id").wait_for()
        browser.close()
    assert said == []
    assert hosts <= {served.url.removeprefix("http://"), "data"}
