"""Searching, filtering, sorting and paging the list."""

import re
from collections.abc import Callable

import httpx
import pytest
from api_server import CONNECTIONS, Body

NAMES = ["alpha", "Bravo", "charlie", "Delta", "echo"]


@pytest.fixture
async def five(http: httpx.AsyncClient, draft: Callable[..., Body]) -> list[Body]:
    answers = []
    for number, name in enumerate(NAMES):
        db_type = "postgresql" if number % 2 else "mysql"
        body = draft(name=name, db_type=db_type, host=f"db{number}.example", port=1)
        answers.append((await http.post(f"{CONNECTIONS}/", json=body)).json())
    return answers


async def names(http: httpx.AsyncClient, query: str) -> list[str]:
    answer = await http.get(f"{CONNECTIONS}/?{query}")
    assert answer.status_code == 200, answer.text
    return [connection["name"] for connection in answer.json()]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", NAMES[::-1]),
        ("sort=name", NAMES),
        ("sort=-name", NAMES[::-1]),
        ("sort=created_at", NAMES),
        ("sort=-updated_at", NAMES[::-1]),
        ("q=CHAR", ["charlie"]),
        ("q=db3.example", ["Delta"]),
        ("q=%25", []),
        ("q=nothing", []),
        ("db_type=postgresql&sort=name", ["Bravo", "Delta"]),
        ("db_type=postgresql&db_type=mysql&sort=name", NAMES),
        ("db_type=sqlite", []),
        ("status=untested&sort=name", NAMES),
        ("status=success&status=failed", []),
        ("sort=name&limit=2", ["alpha", "Bravo"]),
        ("sort=name&limit=2&offset=4", ["echo"]),
        ("sort=name&offset=3", ["Delta", "echo"]),
        ("limit=2&offset=99", []),
    ],
)
async def test_a_list_answers_what_is_asked_for(
    http: httpx.AsyncClient, five: list[Body], query: str, expected: list[str]
) -> None:
    assert await names(http, query) == expected


async def test_following_the_links_meets_every_connection_once(http: httpx.AsyncClient, five: list[Body]) -> None:
    seen, path = [], f"{CONNECTIONS}/?limit=2&sort=name&db_type=mysql&db_type=postgresql"
    for _ in range(4):
        answer = await http.get(path)
        assert answer.headers["x-total-count"] == "5"
        seen += [connection["name"] for connection in answer.json()]
        links = dict(re.findall(r'<([^>]*)>; rel="(next)"', answer.headers.get("link", "")))
        if not links:
            break
        [path] = links
    assert seen == NAMES


async def test_the_middle_page_links_to_first_prev_and_next(http: httpx.AsyncClient, five: list[Body]) -> None:
    link = (await http.get(f"{CONNECTIONS}/?limit=2&offset=2")).headers["link"]
    assert re.findall(r'offset=(\d+)>; rel="(\w+)"', link) == [("0", "first"), ("0", "prev"), ("4", "next")]


async def test_a_tested_connection_is_found_by_its_status(http: httpx.AsyncClient, five: list[Body]) -> None:
    await http.post(f"{CONNECTIONS}/{five[0]['_id']}/test")
    assert await names(http, "status=failed") == ["alpha"]
    assert await names(http, "status=untested&sort=name") == NAMES[1:]
