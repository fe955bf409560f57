"""ETag, If-Match, If-None-Match: nobody overwrites what they have not seen, or reads what did not change again."""

import asyncio
from collections.abc import Callable

import httpx
import pytest
from api_server import CONNECTIONS, Body

STALE = ['"0-00"', '"2-00"', '"x"', 'W/"1-00"', '"999999999999-0"', "1", ""]


async def tag(http: httpx.AsyncClient, path: str) -> str:
    etag: str = (await http.get(path)).headers["etag"]
    return etag


async def test_the_same_tag_comes_with_get_create_and_update(
    http: httpx.AsyncClient, draft: Callable[..., Body]
) -> None:
    created = await http.post(f"{CONNECTIONS}/", json=draft())
    path = created.headers["location"]
    assert created.headers["etag"] == await tag(http, path)
    updated = await http.put(path, json={"port": 3307})
    assert updated.headers["etag"] == await tag(http, path) != created.headers["etag"]


async def test_what_did_not_change_is_304(http: httpx.AsyncClient, stored: Body) -> None:
    path = f"{CONNECTIONS}/{stored['_id']}"
    etag = await tag(http, path)
    for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        answer = await http.get(path, headers={"if-none-match": known})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)
    assert (await http.get(path, headers={"if-none-match": '"other"'})).status_code == 200
    await http.put(path, json={"port": 1})
    assert (await http.get(path, headers={"if-none-match": etag})).status_code == 200


async def test_a_test_changes_the_tag_but_not_what_if_match_protects(http: httpx.AsyncClient, stored: Body) -> None:
    path = f"{CONNECTIONS}/{stored['_id']}"
    await http.put(path, json={"port": 1})
    etag = await tag(http, path)
    await http.post(f"{path}/test")
    assert await tag(http, path) != etag
    assert (await http.put(path, json={"port": 2}, headers={"if-match": etag})).status_code == 200


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("given", STALE)
async def test_a_change_of_what_was_not_read_is_412(
    http: httpx.AsyncClient, stored: Body, method: str, given: str
) -> None:
    path = f"{CONNECTIONS}/{stored['_id']}"
    body = {} if method == "DELETE" else {"json": {"port": 3307}}
    answer = await http.request(method, path, headers={"if-match": given}, **body)
    assert (answer.status_code, answer.json()["code"]) == (412, "stale")
    assert (await http.get(path)).json() == stored


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
async def test_a_change_of_what_was_read_happens(http: httpx.AsyncClient, stored: Body, method: str) -> None:
    path = f"{CONNECTIONS}/{stored['_id']}"
    etag = await tag(http, path)
    body = {} if method == "DELETE" else {"json": {"port": 3307}}
    answer = await http.request(method, path, headers={"if-match": f'"7-other", {etag}'}, **body)
    assert answer.status_code in (200, 204)


async def test_any_version_will_do_for_a_star(http: httpx.AsyncClient, stored: Body) -> None:
    path = f"{CONNECTIONS}/{stored['_id']}"
    assert (await http.put(path, json={"port": 1}, headers={"if-match": "*"})).status_code == 200
    assert (await http.delete(f"{CONNECTIONS}/{'0' * 24}", headers={"if-match": "*"})).status_code == 404


async def test_of_two_updates_at_once_with_one_tag_exactly_one_happens(http: httpx.AsyncClient, stored: Body) -> None:
    path = f"{CONNECTIONS}/{stored['_id']}"
    headers = {"if-match": await tag(http, path)}
    answers = await asyncio.gather(*(http.put(path, json={"port": n}, headers=headers) for n in range(1, 9)))
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 7
    [won] = [answer.json() for answer in answers if answer.status_code == 200]
    assert (await http.get(path)).json() == won


async def test_a_list_has_a_tag_too(http: httpx.AsyncClient, stored: Body) -> None:
    etag = await tag(http, CONNECTIONS)
    assert (await http.get(CONNECTIONS, headers={"if-none-match": etag})).status_code == 304
    await http.put(f"{CONNECTIONS}/{stored['_id']}", json={"port": 1})
    assert (await http.get(CONNECTIONS, headers={"if-none-match": etag})).status_code == 200
