"""/schemas over HTTP: the specified five endpoints, versions, and every refusal."""

from typing import Any

import httpx

SCHEMAS = "/api/v1/schemas"
ORDERS: dict[str, Any] = {
    "name": "Orders",
    "description": None,
    "columns": [{"name": "id", "data_type": "integer", "nullable": False, "key": True}],
}
TOTAL = {"name": "total", "data_type": "decimal(12,2)", "nullable": True, "key": False}


async def made(http: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:
    answer = await http.post(f"{SCHEMAS}/", json=ORDERS | changes)
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def test_a_schema_is_made_read_changed_and_deleted(http: httpx.AsyncClient) -> None:
    answer = await http.post(f"{SCHEMAS}/", json=ORDERS)
    body = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"{SCHEMAS}/{body['_id']}"
    assert body == ORDERS | {field: body[field] for field in ("_id", "created_at", "updated_at")} | {"version": 1}
    assert (await http.get(f"{SCHEMAS}/{body['_id']}")).json() == body
    assert (await http.get(f"{SCHEMAS}/")).json() == [body]
    changed = await http.put(f"{SCHEMAS}/{body['_id']}", json={"columns": [*ORDERS["columns"], TOTAL]})
    assert (changed.status_code, changed.json()["version"]) == (200, 2)
    kept = (await http.get(f"{SCHEMAS}/{body['_id']}/versions")).json()
    assert [one["version"] for one in kept] == [2, 1]
    assert (await http.delete(f"{SCHEMAS}/{body['_id']}")).status_code == 204
    assert (await http.get(f"{SCHEMAS}/{body['_id']}")).status_code == 404


async def test_a_type_that_would_change_is_answered_409_with_the_place(http: httpx.AsyncClient) -> None:
    body = await made(http)
    wrong = [ORDERS["columns"][0] | {"data_type": "string"}]
    answer = await http.put(f"{SCHEMAS}/{body['_id']}", json={"columns": wrong})
    assert answer.status_code == 409
    assert answer.json()["errors"][0]["pointer"] == "/columns/0/data_type"


async def test_conditions_are_kept(http: httpx.AsyncClient) -> None:
    body = await made(http)
    path = f"{SCHEMAS}/{body['_id']}"
    tag = (await http.get(path)).headers["etag"]
    assert (await http.get(path, headers={"If-None-Match": tag})).status_code == 304
    assert (await http.put(path, json={"name": "A"}, headers={"If-Match": tag})).status_code == 200
    assert (await http.put(path, json={"name": "B"}, headers={"If-Match": tag})).status_code == 412
    assert (await http.delete(path, headers={"If-Match": tag})).status_code == 412


async def test_pages_have_links_and_a_total(http: httpx.AsyncClient) -> None:
    for name in "ABC":
        await made(http, name=name)
    page = await http.get(f"{SCHEMAS}?sort=name&limit=1&offset=1")
    assert [one["name"] for one in page.json()] == ["B"]
    assert page.headers["x-total-count"] == "3"
    assert [rel in page.headers["link"] for rel in ('rel="first"', 'rel="prev"', 'rel="next"')] == [True] * 3
    assert (await http.get(f"{SCHEMAS}?size=1")).status_code == 422


async def test_what_is_wrong_is_named_field_by_field(http: httpx.AsyncClient) -> None:
    answer = await http.post(f"{SCHEMAS}/", json={"name": "", "columns": [{"name": "a", "data_type": "text"}]})
    assert answer.status_code == 422
    assert {error["pointer"] for error in answer.json()["errors"]} == {"/name", "/columns/0/data_type"}
