"""The seven endpoints as the first specification has them, and what it leaves open."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from api_server import CONNECTIONS, Body

SPECIFIED = [
    "_id",
    "name",
    "db_type",
    "host",
    "port",
    "database",
    "username",
    "password",
    "created_at",
    "updated_at",
    "last_tested_at",
    "last_test_status",
]
Draft = Callable[..., Body]
JSON = {"content-type": "application/json"}


async def test_a_connection_is_created_as_specified(http: httpx.AsyncClient, draft: Draft) -> None:
    answer = await http.post(f"{CONNECTIONS}/", json=draft())
    body = answer.json()
    assert answer.status_code == 201
    assert answer.headers["content-type"] == "application/json"
    assert set(SPECIFIED) <= body.keys()
    assert {field: body[field] for field in draft() if field != "password"} == draft(password=...)
    assert len(body["_id"]) == 24 and set(body["_id"]) <= set("0123456789abcdef")
    assert body["created_at"] == body["updated_at"] and body["created_at"].endswith("Z")
    assert body["last_tested_at"] is body["last_test_status"] is None
    assert answer.headers["location"] == f"{CONNECTIONS}/{body['_id']}"
    assert (await http.get(answer.headers["location"])).json() == body


@pytest.mark.parametrize(("db_type", "port"), [("mysql", 3306), ("postgresql", 5432)])
async def test_the_port_defaults_to_the_kinds_own(
    http: httpx.AsyncClient, draft: Draft, db_type: str, port: int
) -> None:
    answer = await http.post(f"{CONNECTIONS}/", json=draft(db_type=db_type, port=...))
    assert (answer.status_code, answer.json()["port"]) == (201, port)


async def test_a_list_is_a_plain_array_of_everything(http: httpx.AsyncClient, stored: Body, draft: Draft) -> None:
    second = (await http.post(f"{CONNECTIONS}/", json=draft(name="Second"))).json()
    answer = await http.get(f"{CONNECTIONS}/")
    assert answer.status_code == 200
    assert answer.json() == [second, stored]
    assert answer.headers["x-total-count"] == "2"
    assert "link" not in answer.headers


async def test_put_changes_only_what_is_sent(http: httpx.AsyncClient, stored: Body) -> None:
    answer = await http.put(f"{CONNECTIONS}/{stored['_id']}", json={"host": "new-host.com", "port": 3307})
    body = answer.json()
    assert answer.status_code == 200
    assert body == stored | {"host": "new-host.com", "port": 3307, "updated_at": body["updated_at"]}
    assert body["updated_at"] > stored["updated_at"]


async def test_patch_is_a_merge_patch_and_null_sets_back_to_the_default(http: httpx.AsyncClient, stored: Body) -> None:
    path, merge = f"{CONNECTIONS}/{stored['_id']}", {"content-type": "application/merge-patch+json"}
    assert (await http.patch(path, content=b'{"port": 3399}', headers=merge)).json()["port"] == 3399
    assert (await http.patch(path, content=b'{"port": null}', headers=merge)).json()["port"] == 3306
    refused = await http.patch(path, content=b'{"host": null}', headers=merge)
    assert refused.status_code == 422
    assert refused.json()["errors"] == [
        {"pointer": "/host", "code": "required", "message": "is required", "fix": "Add this field."}
    ]


async def test_delete_answers_nothing_and_a_second_one_404(http: httpx.AsyncClient, stored: Body) -> None:
    path = f"{CONNECTIONS}/{stored['_id']}"
    first, second = await http.delete(path), await http.delete(path)
    assert (first.status_code, first.content) == (204, b"")
    assert (second.status_code, second.json()["code"]) == (404, "not-found")
    assert (await http.get(path)).status_code == 404


@pytest.mark.parametrize("slash", ["", "/"])
async def test_both_slash_forms_answer_without_a_redirect(http: httpx.AsyncClient, draft: Draft, slash: str) -> None:
    assert (await http.get(CONNECTIONS + slash)).status_code == 200
    created = await http.post(CONNECTIONS + slash, json=draft())
    assert created.status_code == 201
    assert created.headers["location"] == f"{CONNECTIONS}/{created.json()['_id']}"
    one = created.headers["location"] + slash
    assert (await http.get(one)).status_code == 200
    assert (await http.put(one, json={"port": 3308})).status_code == 200
    assert (await http.patch(one, json={"port": 3309})).status_code == 200
    assert (await http.delete(one)).status_code == 204
    assert (await http.post(f"{CONNECTIONS}/test{slash}", json=draft(port=1))).status_code == 200
    assert (await http.get(f"/api/v1/connectors{slash}")).status_code == 200
    assert (await http.get(f"/api/v1/connectors/mysql{slash}")).status_code == 200
    assert (await http.get(f"/health{slash}")).status_code == 200


async def test_the_third_specifications_shape_is_accepted_and_answered_in_the_first_ones(
    http: httpx.AsyncClient,
) -> None:
    config = {"host": "db.example.com", "port": 5433, "user": "etl", "password": "p", "db": "shop"}
    answer = await http.post(f"{CONNECTIONS}/", json={"name": "Shop", "type": "POSTGRES", "config": config})
    body = answer.json()
    assert answer.status_code == 201
    assert [body[f] for f in ("name", "db_type", "host", "port", "username", "database")] == [
        "Shop",
        "postgresql",
        "db.example.com",
        5433,
        "etl",
        "shop",
    ]


@pytest.mark.parametrize(
    ("change", "pointer", "code"),
    [
        ({"type": "ORACLE7"}, "/type", "unknown-kind"),
        ({"config": "host=db"}, "/config", "wrong-type"),
        ({"config": {"host": "h", "password": "p", "db": "d"}}, "/config/user", "required"),
        ({"config": {"host": "h", "user": "u", "password": "p", "db": ""}}, "/config/db", "empty"),
        ({"config": {"host": "h", "user": "u", "db": "d", "name": 1}}, "/config/name", "unknown-field"),
        ({"hots": 1}, "/hots", "unknown-field"),
        ({"name": ""}, "/name", "empty"),
    ],
)  # fmt: skip
async def test_an_error_in_the_third_specifications_shape_points_at_what_was_sent(
    http: httpx.AsyncClient, change: Body, pointer: str, code: str
) -> None:
    config = {"host": "h", "user": "u", "password": "p", "db": "d"}
    answer = await http.post(f"{CONNECTIONS}/", json={"name": "Shop", "type": "POSTGRES", "config": config} | change)
    assert answer.status_code == 422
    assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == [(pointer, code)]


async def test_no_answer_ever_holds_the_password(http: httpx.AsyncClient, draft: Draft) -> None:
    secret = 'p@ss/w?rd#%: "ünï"'
    answers = [await http.post(f"{CONNECTIONS}/", json=draft(password=secret, port=1))]
    path = f"{CONNECTIONS}/{answers[0].json()['_id']}"
    answers += [
        await http.get(path),
        await http.get(CONNECTIONS),
        await http.put(path, json={"port": 2, "password": secret + "2"}),
        await http.put(path, json={"port": 0, "password": secret + "3"}),
        await http.put(path, json={"password": [secret]}),
        await http.post(f"{path}/test"),
        await http.post(f"{path}/test", json={"password": secret}),
        await http.post(f"{CONNECTIONS}/test", json=draft(password=secret, port=1)),
        await http.post(f"{CONNECTIONS}/", json=draft(password=secret)),
        await http.post(f"{CONNECTIONS}/", json=draft(name="x", password=secret, prot=1)),
        await http.post(f"{CONNECTIONS}/", content=f'{{"password": "{secret}"', headers=JSON),
        await http.post(f"{CONNECTIONS}/", content=secret, headers={"content-type": "text/plain"}),
    ]  # fmt: skip
    for answer in answers:
        assert "p@ss" not in answer.text and "w?rd" not in answer.text, answer.text
        assert "gAAAA" not in answer.text.replace('"receipt":"gAAAA', "")  # nor the sealed token
    assert answers[1].json()["password"] == "********"


@pytest.mark.parametrize("sent", [{"password": "********"}, {}])
async def test_a_secret_sent_back_as_its_mask_or_left_out_stays(
    http: httpx.AsyncClient, stored: Body, engine: Any, sent: Body
) -> None:
    before = engine.context().store.get("connections", stored["_id"])
    answer = await http.put(f"{CONNECTIONS}/{stored['_id']}", json=sent | {"name": "Renamed"})
    assert answer.status_code == 200
    after = engine.context().store.get("connections", stored["_id"])
    vault = engine.context().keyring.vault()
    assert vault.unseal(after["password"], after["_id"], "password") == "secret123"
    assert vault.unseal(before["password"], before["_id"], "password") == "secret123"


async def test_a_password_of_the_longest_length_is_kept(http: httpx.AsyncClient, draft: Draft) -> None:
    assert (await http.post(f"{CONNECTIONS}/", json=draft(password="x" * 1024))).status_code == 201
    assert (await http.get(CONNECTIONS)).status_code == 200


async def test_twenty_creates_of_one_name_at_once_make_one_connection(http: httpx.AsyncClient, draft: Draft) -> None:
    answers = await asyncio.gather(*(http.post(f"{CONNECTIONS}/", json=draft()) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 19
    assert len((await http.get(CONNECTIONS)).json()) == 1


async def test_updates_at_once_all_happen_when_nobody_insists_on_a_revision(
    http: httpx.AsyncClient, stored: Body
) -> None:
    path = f"{CONNECTIONS}/{stored['_id']}"
    changes: list[Body] = [{"host": "a.example"}, {"database": "b"}, {"username": "c"}]
    answers = await asyncio.gather(*(http.put(path, json=change) for change in changes))
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    now = (await http.get(path)).json()
    assert (now["host"], now["database"], now["username"]) == ("a.example", "b", "c")


async def test_a_name_is_taken_without_regard_to_case_and_spaces(
    http: httpx.AsyncClient, stored: Body, draft: Draft
) -> None:
    answer = await http.post(f"{CONNECTIONS}/", json=draft(name="  production MYSQL "))
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (409, "conflict")
    assert stored["_id"] in problem["detail"] and "Production MySQL" in problem["detail"]
    assert [(e["pointer"], e["code"]) for e in problem["errors"]] == [("/name", "taken")]
