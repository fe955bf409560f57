"""Every bad input has its own clear answer: a status, a code, a pointer, and how to repair it."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from api_server import CONNECTIONS, Body

Draft = Callable[..., Body]
JSON = {"content-type": "application/json"}
MEGABYTES = "x" * 10_000_000
ON_ONE = [("GET", ""), ("PUT", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/test")]
MALFORMED_IDS = [
    "1",
    "zzz",
    "507f1f77bcf86cd79943901",
    "507f1f77bcf86cd7994390111",
    "507F1F77BCF86CD799439011",
    "g" * 24,
    "%00",
    "..%2f..",
    "é" * 24,
    "x" * 2000,
]


@pytest.mark.parametrize(
    ("change", "pointer", "code", "says"),
    [
        ({"name": ""}, "/name", "empty", "must not be empty"),
        ({"name": "   "}, "/name", "empty", "must not be empty"),
        ({"username": "  "}, "/username", "empty", "must not be blank"),
        ({"host": "\t"}, "/host", "empty", "must not be empty"),
        ({"password": ""}, "/password", "empty", "must not be empty"),
        ({"name": ...}, "/name", "required", "is required"),
        ({"name": "x" * 121}, "/name", "too-long", "at most 120"),
        ({"host": "x" * 254}, "/host", "too-long", "at most 253"),
        ({"database": "x" * 900_000}, "/database", "too-long", "at most 255"),
        ({"password": "x" * 1025}, "/password", "too-long", "at most 1024"),
        ({"name": "a\0b"}, "/name", "invalid", "U+0000"),
        ({"database": "a\0b"}, "/database", "invalid", "U+0000"),
        ({"password": "a\0b"}, "/password", "invalid", "U+0000"),
        ({"host": "a\0b"}, "/host", "invalid", "U+0000"),
        ({"name": "safe\u202egnp.exe"}, "/name", "invalid", "U+202E"),
        ({"username": "\u2066root\u2069"}, "/username", "invalid", "U+2066"),
        ({"port": 0}, "/port", "out-of-range", "greater than or equal to 1"),
        ({"port": -1}, "/port", "out-of-range", "greater than or equal to 1"),
        ({"port": 65536}, "/port", "out-of-range", "less than or equal to 65535"),
        ({"port": 10**30}, "/port", "out-of-range", "less than or equal to 65535"),
        ({"port": "3306abc"}, "/port", "wrong-type", "must be a whole number"),
        ({"port": "3306"}, "/port", "wrong-type", "must be a whole number"),
        ({"port": 3306.5}, "/port", "wrong-type", "must be a whole number"),
        ({"port": True}, "/port", "wrong-type", "must be a whole number"),
        ({"port": None}, "/port", "wrong-type", "must be a whole number"),
        ({"host": ["a"]}, "/host", "wrong-type", "must be a text"),
        ({"name": 7}, "/name", "wrong-type", "must be a text"),
        ({"host": "postgres://db"}, "/host", "invalid", "without a scheme"),
        ({"host": "db1,db2"}, "/host", "invalid", "one host"),
        ({"host": "db:5432"}, "/host", "invalid", "own field"),
        ({"host": "/var/run/mysqld"}, "/host", "invalid", "path"),
        ({"host": "a..b"}, "/host", "invalid", "host name"),
        ({"host": "ü..b"}, "/host", "invalid", "host name"),
        ({"host": "-oProxyCommand=x"}, "/host", "invalid", "host name"),
        ({"tls_mode": "maybe"}, "/tls_mode", "not-a-choice", "none of the choices"),
        ({"tls_cert": "PEM"}, "", "invalid", "needs its key"),
        ({"db_type": "postgres"}, "/db_type", "unknown-kind", "is not a kind"),
        ({"db_type": "oracle"}, "/db_type", "unknown-kind", "is not a kind"),
        ({"db_type": ...}, "/db_type", "required", "is required"),
        ({"db_type": None}, "/db_type", "unknown-kind", "is not a kind"),
        ({"db_type": ["mysql"]}, "/db_type", "unknown-kind", "is not a kind"),
        ({"prot": 3306}, "/prot", "unknown-field", "is not a field"),
        ({"mysql": 1}, "/mysql", "unknown-field", "is not a field"),
        ({"": 1}, "/", "unknown-field", "is not a field"),
        ({"a/b~c": 1}, "/a~1b~0c", "unknown-field", "is not a field"),
        ({"x" * 5000: 1}, "/" + "x" * 100, "unknown-field", "is not a field"),
        ({"password": "********"}, "/password", "mask", "is the mask"),
        ({"test_receipt": 5}, "/test_receipt", "wrong-type", "must be a text"),
        ({"test_receipt": "made-up"}, "/test_receipt", "test-receipt", "not valid"),
        ({"test_receipt": "ünï"}, "/test_receipt", "test-receipt", "not valid"),
    ],
)  # fmt: skip
async def test_a_bad_value_is_named_with_where_it_is_and_how_to_repair_it(
    http: httpx.AsyncClient, draft: Draft, change: Body, pointer: str, code: str, says: str
) -> None:
    answer = await http.post(f"{CONNECTIONS}/", json=draft(**change))
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "bad-input"), problem
    [error] = problem["errors"]
    assert (error["pointer"], error["code"]) == (pointer, code)
    assert says in error["message"]
    assert error["message"].split(",")[0] in problem["detail"]
    assert problem["hint"] == error["fix"]
    assert error["fix"], "nothing says how to repair it"


@pytest.mark.parametrize(
    ("field", "meant"), [("prot", "port"), ("user_name", "username"), ("databse", "database"), ("tls", "tls_ca")]
)
async def test_an_unknown_field_is_answered_with_the_one_meant(
    http: httpx.AsyncClient, draft: Draft, field: str, meant: str
) -> None:
    answer = await http.post(f"{CONNECTIONS}/", json=draft(**{field: 1}))
    assert answer.json()["errors"][0]["fix"] == f"Did you mean {meant}?"


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("postgres", "postgresql"),
        (" PostgreSQL ", "postgresql"),
        ("psql", "postgresql"),
        ("PG", "postgresql"),
        ("MariaDB", "mysql"),
        ("mariadbb", "mysql"),
        ("sqlit", "sqlite"),
    ],
)
async def test_an_unknown_kind_is_answered_with_the_one_meant(
    http: httpx.AsyncClient, draft: Draft, stored: Body, given: str, meant: str
) -> None:
    created = await http.post(f"{CONNECTIONS}/", json=draft(db_type=given))
    updated = await http.put(f"{CONNECTIONS}/{stored['_id']}", json={"db_type": given})
    assert [answer.json()["hint"] for answer in (created, updated)] == [f"Did you mean {meant}?"] * 2


async def test_an_unknown_kind_that_is_like_none_is_answered_with_all_there_are(
    http: httpx.AsyncClient, draft: Draft
) -> None:
    far = await http.post(f"{CONNECTIONS}/", json=draft(db_type="oracle"))
    assert all(kind in far.json()["hint"] for kind in ("mysql", "postgresql", "sqlite"))


@pytest.mark.parametrize(
    "name", ["Größe 🚀", "متجر التجزئة", "商店", "a/b?c#d%", "'; DROP TABLE connections; --", "x" * 120]
)
async def test_names_in_every_script_are_kept_to_the_letter(http: httpx.AsyncClient, draft: Draft, name: str) -> None:
    answer = await http.post(f"{CONNECTIONS}/", json=draft(name=name))
    assert (answer.status_code, answer.json()["name"]) == (201, name)
    assert [c["name"] for c in (await http.get(CONNECTIONS, params={"q": name[:10]})).json()] == [name]


@pytest.mark.parametrize("field", ["name", "host", "password", "database"])
async def test_ten_megabytes_in_a_field_are_too_much_for_the_body(
    http: httpx.AsyncClient, draft: Draft, field: str
) -> None:
    answer = await http.post(f"{CONNECTIONS}/", json=draft(**{field: MEGABYTES}))
    assert (answer.status_code, answer.json()["code"]) == (413, "body-too-large")
    assert "1,000,000 bytes" in answer.json()["detail"]


async def test_a_body_that_does_not_announce_its_length_is_capped_too(http: httpx.AsyncClient) -> None:
    async def pieces() -> Any:
        for _ in range(40):
            yield b" " * 100_000

    answer = await http.post(f"{CONNECTIONS}/", content=pieces(), headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (413, "body-too-large")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"{", "The body is not JSON: Expecting property name"),
        (b"not json", "The body is not JSON: Expecting value at character 0"),
        (b'{"name": "x",}', "The body is not JSON: "),
        (b"\xef\xbb\xbf", "The body is not JSON"),
        (b'{"name": "\xff"}', "The body is not UTF-8: see byte 10"),
        (b'{"a":' * 100_000, "The JSON is nested too deeply"),
        (b"[" * 100_000, "The JSON is nested too deeply"),
        (b"1" * 5000, "The JSON has a number of more than 4,300 digits"),
        (b'{"port": -' + b"7" * 5000 + b"}", "The JSON has a number of more than 4,300 digits"),
    ],
)
async def test_a_body_that_is_not_json_is_400_and_told_why(http: httpx.AsyncClient, content: bytes, says: str) -> None:
    answer = await http.post(f"{CONNECTIONS}/", content=content, headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed-json"), answer.text
    assert says in answer.json()["detail"] and answer.json()["hint"]


@pytest.mark.parametrize(("method", "path"), [("POST", ""), ("POST", "/test"), ("PUT", f"/{'0' * 24}")])
async def test_an_empty_body_is_told_what_to_send(http: httpx.AsyncClient, method: str, path: str) -> None:
    for headers in ({}, JSON):
        answer = await http.request(method, f"{CONNECTIONS}{path}", headers=headers)
        assert (answer.status_code, answer.json()["detail"]) == (422, "The body is empty")
        assert answer.json()["hint"].startswith("Send a JSON object such as {")


@pytest.mark.parametrize("content", [b"[]", b'"text"', b"7", b"true", b"null", b""])
async def test_json_that_is_no_object_is_422(http: httpx.AsyncClient, content: bytes) -> None:
    answer = await http.post(f"{CONNECTIONS}/", content=content, headers=JSON)
    [error] = answer.json()["errors"]
    assert (answer.status_code, error["pointer"]) == (422, "")
    assert error["message"] in ("must be a JSON object", "is empty")


async def test_a_lone_surrogate_is_refused_wherever_it_stands(http: httpx.AsyncClient, draft: Draft) -> None:
    for content in (b'{"db_type":"mysql","\\ud800":1}', b'{"db_type":"mysql","name":"\\ud800"}', b'{"\\udfff":1}'):
        answer = await http.post(f"{CONNECTIONS}/", content=content, headers=JSON)
        assert answer.status_code == 422, answer.text


@pytest.mark.parametrize(
    "media_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/xml", ""],
)
async def test_another_content_type_is_415(http: httpx.AsyncClient, media_type: str) -> None:
    """A form or a text is what a foreign web page may send without asking: it must never be read as JSON."""
    headers = {"content-type": media_type} if media_type else {}
    for method, path in (("POST", CONNECTIONS), ("POST", f"{CONNECTIONS}/test"), ("PUT", f"{CONNECTIONS}/{'0' * 24}")):
        answer = await http.request(method, path, content=b'{"name": "x"}', headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (415, "unsupported-media-type")
        assert answer.json()["hint"] == "Send application/json."


async def test_a_charset_behind_the_content_type_is_fine(http: httpx.AsyncClient) -> None:
    headers = {"content-type": "Application/JSON; charset=utf-8"}
    assert (await http.post(CONNECTIONS, content=b"{}", headers=headers)).status_code == 422


@pytest.mark.parametrize("bad", MALFORMED_IDS)
@pytest.mark.parametrize(("method", "tail"), ON_ONE)
async def test_a_malformed_id_is_answered_with_what_an_id_looks_like(
    http: httpx.AsyncClient, bad: str, method: str, tail: str
) -> None:
    body = {"json": {}} if method in ("PUT", "PATCH") else {}
    answer = await http.request(method, f"{CONNECTIONS}/{bad}{tail}", **body)
    if "%2f" in bad:  # decodes to more than one segment: another path
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown-path")
        return
    assert (answer.status_code, answer.json()["code"]) == (422, "malformed-id")
    assert "24 hexadecimal digits" in answer.json()["hint"]
    assert len(answer.json()["detail"]) < 100


@pytest.mark.parametrize(("method", "tail"), ON_ONE)
async def test_an_unknown_id_is_404(http: httpx.AsyncClient, method: str, tail: str) -> None:
    body = {"json": {}} if method in ("PUT", "PATCH") else {}
    answer = await http.request(method, f"{CONNECTIONS}/{'0' * 24}{tail}", **body)
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
    assert answer.json()["hint"] == "List the connections to see which there are."


@pytest.mark.parametrize(
    ("query", "pointer", "code"),
    [
        ("limit=0", "/query/limit", "out-of-range"),
        ("limit=1001", "/query/limit", "out-of-range"),
        ("limit=ten", "/query/limit", "wrong-type"),
        ("limit=", "/query/limit", "wrong-type"),
        ("offset=-1", "/query/offset", "out-of-range"),
        ("offset=99999999999999999999", "/query/offset", "out-of-range"),
        ("sort=password", "/query/sort", "invalid"),
        ("status=broken", "/query/status/0", "not-a-choice"),
        ("db_type=oracle", "/query/db_type/0", "invalid"),
        ("q=" + "x" * 201, "/query/q", "too-long"),
        ("q=a%00b", "/query/q", "invalid"),
        ("limt=5", "/query/limt", "unknown-field"),
    ],
)
async def test_a_bad_query_is_named(http: httpx.AsyncClient, query: str, pointer: str, code: str) -> None:
    answer = await http.get(f"{CONNECTIONS}/?{query}")
    assert answer.status_code == 422
    assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == [(pointer, code)]


async def test_one_of_several_values_of_a_parameter_is_named_by_the_parameter(http: httpx.AsyncClient) -> None:
    answer = (await http.get(f"{CONNECTIONS}/?status=success&status=bad")).json()
    assert answer["errors"][0]["pointer"] == "/query/status/1"
    assert answer["detail"] == "The query cannot be used: status is none of the choices"
    assert all(choice in answer["hint"] for choice in ("success", "failed", "untested"))


async def test_a_partial_update_is_checked_like_a_new_connection(http: httpx.AsyncClient, stored: Body) -> None:
    path = f"{CONNECTIONS}/{stored['_id']}"
    wrong: list[tuple[Body, str]] = [
        ({"port": 0}, "out-of-range"),
        ({"prot": 1}, "unknown-field"),
        ({"prot": None}, "unknown-field"),
        ({"host": ""}, "empty"),
        ({"db_type": "oracle"}, "unknown-kind"),
        ({"db_type": 7}, "unknown-kind"),
    ]
    for change, code in wrong:
        answer = await http.put(path, json=change)
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, code)
    assert (await http.get(path)).json() == stored


async def test_wrong_paths_methods_and_accepts_have_answers_of_their_own(http: httpx.AsyncClient) -> None:
    nowhere = await http.get("/api/v1/nothing")
    assert (nowhere.status_code, nowhere.json()["code"]) == (404, "unknown-path")
    method = await http.delete(f"{CONNECTIONS}/")
    assert (method.status_code, method.json()["code"]) == (405, "method-not-allowed")
    assert method.headers["allow"] == "GET, HEAD, POST"
    one = await http.post(f"{CONNECTIONS}/{'0' * 24}", json={})
    assert one.headers["allow"] == "GET, HEAD, PUT, PATCH, DELETE"
    accept = await http.get(CONNECTIONS, headers={"accept": "text/csv"})
    assert (accept.status_code, accept.json()["code"]) == (406, "not-acceptable")
    assert accept.headers["content-type"] == "application/problem+json"
