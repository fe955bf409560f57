"""/mappings over HTTP: the specified endpoints, column mappings one by one, preview of a real file, and refusals."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

API = "/api/v1"
MAPPINGS = f"{API}/mappings"
DIRECT = {"type": "direct", "source_columns": ["id"], "target_fields": ["id"]}
SPLIT = {
    "type": "split",
    "source_columns": ["name"],
    "target_fields": ["first", "last"],
    "config": {"delimiter": " ", "separator": None},
}
COLUMNS = [{"name": name, "data_type": "string"} for name in ("first", "last")]
Body = dict[str, Any]
Make = Callable[[str, Body], Any]


async def posted(http: httpx.AsyncClient, path: str, body: Any, status: int = 201) -> Any:
    answer = await http.post(path, json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


@pytest.fixture
async def references(http: httpx.AsyncClient, tmp_path: Path) -> Body:
    """A file with two customers, a schema for them, and what a mapping needs to name."""
    folder = tmp_path / "data" / "files"
    folder.mkdir(parents=True)
    with sqlite3.connect(folder / "shop.db") as shop:
        shop.execute("CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT)")
        shop.execute("INSERT INTO customers VALUES (1, 'Ada Lovelace'), (2, 'Grace Hopper')")
    shop.close()
    source = await posted(http, f"{API}/connections/", {"name": "Shop", "db_type": "sqlite", "database": "shop.db"})
    columns = [{"name": "id", "data_type": "integer", "nullable": False}, *COLUMNS]
    schema = await posted(http, f"{API}/schemas/", {"name": "Customers", "columns": columns})
    return {
        "source_connection_id": source["_id"],
        "target_schema_id": schema["_id"],
        "source_query": "SELECT id, name FROM customers ORDER BY id",
    }


@pytest.fixture
async def mapping(http: httpx.AsyncClient, references: Body) -> Body:
    made: Body = await posted(http, f"{MAPPINGS}/", {"name": "Customers", **references})
    return made


async def test_a_mapping_is_made_read_changed_and_deleted(http: httpx.AsyncClient, mapping: Body) -> None:
    path = f"{MAPPINGS}/{mapping['_id']}"
    assert mapping["description"] is None
    assert (await http.get(path)).json() == mapping
    assert (await http.get(f"{MAPPINGS}?q=cust")).json() == [mapping]
    tag = (await http.get(path)).headers["etag"]
    changed = await http.put(path, json={"description": "All of them"}, headers={"If-Match": tag})
    assert (changed.status_code, changed.json()["description"]) == (200, "All of them")
    assert (await http.put(path, json={"name": "x"}, headers={"If-Match": tag})).status_code == 412
    assert (await http.delete(path)).status_code == 204
    assert (await http.get(path)).status_code == 404


async def test_column_mappings_are_appended_one_or_many_replaced_changed_and_deleted(
    http: httpx.AsyncClient, mapping: Body
) -> None:
    path = f"{MAPPINGS}/{mapping['_id']}/column-mappings"
    direct = await posted(http, path, DIRECT)
    assert direct["mapping_id"] == mapping["_id"]
    assert direct["config"]["delimiter"] is None and direct["config"]["separator"] is None
    [split] = await posted(http, path, [SPLIT])
    assert [one["_id"] for one in (await http.get(path)).json()] == [direct["_id"], split["_id"]]
    changed = await http.put(f"{path}/{split['_id']}", json=SPLIT | {"config": {"delimiter": ","}})
    assert (changed.status_code, changed.json()["config"]["delimiter"]) == (200, ",")
    replaced = await http.put(path, json=[SPLIT])
    assert [one["type"] for one in replaced.json()] == ["split"]
    assert (await http.delete(f"{path}/{replaced.json()[0]['_id']}")).status_code == 204
    assert (await http.get(path)).json() == []


async def test_a_column_mapping_that_somebody_else_changed_is_not_overwritten(
    http: httpx.AsyncClient, mapping: Body
) -> None:
    path = f"{MAPPINGS}/{mapping['_id']}/column-mappings"
    direct, split = await posted(http, path, [DIRECT, SPLIT])
    one = f"{path}/{split['_id']}"
    of_all, of_one = {"If-Match": (await http.get(path)).headers["etag"]}, {"If-Match": ""}
    of_one["If-Match"] = (await http.get(one)).headers["etag"]
    assert (await http.get(one)).json() == split
    changed = await http.put(one, json=SPLIT | {"config": {"delimiter": ","}}, headers=of_one)
    assert changed.status_code == 200
    for refused in (
        await http.put(one, json=SPLIT, headers=of_one),
        await http.delete(one, headers=of_one),
        await http.put(path, json=[DIRECT], headers=of_all),
    ):
        assert (refused.status_code, refused.json()["code"]) == (412, "stale")
    assert (await http.get(path)).json() == [direct, changed.json()]
    of_all = {"If-Match": (await http.get(path)).headers["etag"]}
    assert (await http.put(path, json=[DIRECT], headers=of_all)).status_code == 200
    assert (await http.put(one, json=SPLIT, headers={"If-Match": changed.headers["etag"]})).status_code == 404
    assert (await http.get(one)).status_code == 404


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (DIRECT | {"target_fields": ["nobody"]}, "/column_mappings/0/target_fields/0"),
        (SPLIT | {"config": {"delimiter": None}}, "/config/delimiter"),
        ([DIRECT, SPLIT | {"config": {}}], "/1/config/delimiter"),
        ([DIRECT, DIRECT], "/column_mappings/1/target_fields/0"),
        (DIRECT | {"type": "guess"}, "/type"),
    ],
)
async def test_a_wrong_column_mapping_is_answered_422_with_its_place(
    http: httpx.AsyncClient, mapping: Body, body: Any, pointer: str
) -> None:
    answer = await http.post(f"{MAPPINGS}/{mapping['_id']}/column-mappings", json=body)
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


async def test_a_preview_shows_the_source_beside_the_result(http: httpx.AsyncClient, references: Body) -> None:
    order = {name: references[name] for name in ("source_connection_id", "source_query", "target_schema_id")}
    shown = await posted(http, f"{MAPPINGS}/preview", order | {"column_mappings": [DIRECT, SPLIT], "limit": 1}, 200)
    assert ([one["name"] for one in shown["columns"]], shown["rows"], shown["more"]) == (
        ["id", "name"],
        [["1", "Ada Lovelace"]],
        True,
    )
    assert shown["result"]["rows"] == [["1", "Ada", "Lovelace"]]
    refused = await http.post(f"{MAPPINGS}/preview", json=order | {"source_query": "DELETE FROM customers"})
    assert (refused.status_code, refused.json()["detail"]) == (422, "The query changes data: it has DELETE")


async def test_what_keeps_it_from_running_is_listed_and_refuses_the_run(http: httpx.AsyncClient, mapping: Body) -> None:
    path = f"{MAPPINGS}/{mapping['_id']}"
    await posted(http, f"{path}/column-mappings", SPLIT | {"source_columns": ["nom"]})
    assert [one["code"] for one in (await http.get(f"{path}/problems")).json()] == ["required-unmapped"]
    looked = (await http.get(f"{path}/problems?look=true")).json()
    assert {one["code"] for one in looked} == {"required-unmapped", "unknown-source-column"}
    refused = await http.post(f"{path}/run")
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, "required-unmapped")


async def test_a_run_is_accepted_and_keeps_the_mapping_from_being_deleted(
    http: httpx.AsyncClient, mapping: Body
) -> None:
    path = f"{MAPPINGS}/{mapping['_id']}"
    await posted(http, f"{path}/column-mappings", [DIRECT, SPLIT])
    answer = await http.post(f"{path}/run", headers={"Idempotency-Key": "once"})
    execution = answer.json()
    assert (answer.status_code, execution["subject"]["id"]) == (202, mapping["_id"])
    assert answer.headers["location"] == f"{API}/executions/{execution['_id']}"
    again = await http.post(f"{path}/run", headers={"Idempotency-Key": "once"})
    assert again.json()["_id"] == execution["_id"]
    refused = await http.delete(path)
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    used = await http.delete(f"{API}/connections/{mapping['source_connection_id']}")
    assert (used.status_code, "'Customers'" in used.json()["detail"]) == (409, True)
