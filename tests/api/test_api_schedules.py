"""/schedules over HTTP: the specified five endpoints, preview of an expression, run now, and every refusal."""

from typing import Any

import httpx
import pytest

API = "/api/v1"
SCHEDULES = f"{API}/schedules"
Body = dict[str, Any]


async def posted(http: httpx.AsyncClient, path: str, body: Any, status: int = 201) -> Any:
    answer = await http.post(path, json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


@pytest.fixture
async def mapping(http: httpx.AsyncClient, stored: Body) -> str:
    column = {"name": "id", "data_type": "integer"}
    schema = await posted(http, f"{API}/schemas/", {"name": "Ids", "columns": [column]})
    values = {"name": "Ids", "source_connection_id": stored["_id"], "source_query": "SELECT 1 AS id"}
    made = await posted(http, f"{API}/mappings/", values | {"target_schema_id": schema["_id"]})
    rule = {"type": "direct", "source_columns": ["id"], "target_fields": ["id"]}
    await posted(http, f"{API}/mappings/{made['_id']}/column-mappings", rule)
    return str(made["_id"])


@pytest.fixture
async def schedule(http: httpx.AsyncClient, mapping: str) -> Body:
    values = {"name": "Mornings", "mapping_id": mapping, "cron_expression": "30 7 * * 1-5", "timezone": "Europe/Berlin"}
    made: Body = await posted(http, f"{SCHEDULES}/", values)
    return made


async def test_a_schedule_is_made_read_changed_and_deleted(http: httpx.AsyncClient, schedule: Body) -> None:
    path = f"{SCHEDULES}/{schedule['_id']}"
    assert (schedule["enabled"], schedule["last_run_at"], schedule["reading"]) == (
        True,
        None,
        "At 07:30 on weekdays (Monday to Friday)",
    )
    assert (await http.get(path)).json() == schedule
    listed = await http.get(f"{SCHEDULES}?mapping_id={schedule['mapping_id']}")
    assert listed.json() == [schedule]
    assert (await http.get(f"{SCHEDULES}?mapping_id={'0' * 24}")).json() == []
    paused = await http.put(path, json={"enabled": False, "pause_reason": "Holidays"})
    assert (paused.status_code, paused.json()["next_run_at"], paused.json()["pause_reason"]) == (200, None, "Holidays")
    assert (await http.delete(path)).status_code == 204
    assert (await http.get(path)).status_code == 404


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"cron_expression": "0 0 31 2 *"}, "/cron_expression"),
        ({"timezone": "Berlin"}, "/timezone"),
        ({"mapping_id": "0" * 24}, "/mapping_id"),
        ({"when": "now"}, "/when"),
    ],
)
async def test_what_cannot_be_scheduled_is_answered_422_with_its_place(
    http: httpx.AsyncClient, schedule: Body, change: Body, pointer: str
) -> None:
    answer = await http.put(f"{SCHEDULES}/{schedule['_id']}", json=change)
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


async def test_an_expression_is_read_before_it_is_saved(http: httpx.AsyncClient) -> None:
    asked = {"cron_expression": "0 12 * * 0", "timezone": "Europe/Berlin", "viewer": "Asia/Tokyo", "count": "60"}
    shown = (await http.get(f"{SCHEDULES}/preview", params=asked)).json()
    assert (shown["reading"], len(shown["next"])) == ("At 12:00 on Sunday", 60)
    assert shown["next"][0]["viewer"].endswith("+09:00")
    assert sum(fire["clock_changed"] for fire in shown["next"]) >= 2
    never = await http.get(f"{SCHEDULES}/preview", params={"cron_expression": "0 0 30 2 *"})
    assert (never.status_code, never.json()["errors"][0]["pointer"]) == (422, "/cron_expression")
    presets = (await http.get(f"{SCHEDULES}/presets")).json()
    assert {"id", "title", "cron_expression"} == presets[0].keys()


async def test_it_runs_now_and_says_when_it_fires_next(http: httpx.AsyncClient, schedule: Body) -> None:
    path = f"{SCHEDULES}/{schedule['_id']}"
    answer = await http.post(f"{path}/run")
    assert (answer.status_code, answer.json()["trigger"]["id"]) == (202, schedule["_id"])
    assert answer.headers["location"] == f"{API}/executions/{answer.json()['_id']}"
    for schedule_id, found in ((schedule["_id"], [answer.json()["_id"]]), ("0" * 24, [])):
        listed = await http.get(f"{API}/executions/?trigger_id={schedule_id}")
        assert [one["_id"] for one in listed.json()["items"]] == found
    following = (await http.get(f"{path}/next?count=3&viewer=UTC")).json()
    assert following["next"][0]["at"] == schedule["next_run_at"]
    assert (await http.get(f"{path}/fires")).json() == []


async def test_a_mapping_that_a_schedule_runs_is_not_deleted(http: httpx.AsyncClient, schedule: Body) -> None:
    refused = await http.delete(f"{API}/mappings/{schedule['mapping_id']}")
    assert (refused.status_code, "'Mornings'" in refused.json()["detail"]) == (409, True)
