"""The loop that tells open browsers what changed: when it asks, what it tells, and what it does in trouble."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from etl_engine.errors import StoreUnavailable
from etl_engine.services.changes import Change
from etl_engine.ui import live

AT = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
CHANGE = Change("connection", "1", "connection:update", AT)


class Stage:
    """Plays the feed and the browsers."""

    def __init__(self) -> None:
        self.browsers = 1
        self.polls = 0
        self.answers: list[list[Change] | Exception] = []
        self.told: list[tuple[Any, ...]] = []

    def poll(self, feed: object) -> list[Change]:
        self.polls += 1
        answer = self.answers.pop(0) if self.answers else []
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def tell(self, app: object, *events: Any) -> int:
        self.told.append(events)
        return self.browsers

    async def until(self, polls: int) -> None:
        async with asyncio.timeout(5):
            while self.polls < polls:
                await asyncio.sleep(0.001)
        await asyncio.sleep(0.01)


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    stage = Stage()
    monkeypatch.setattr(live, "_poll", stage.poll)
    monkeypatch.setattr(live, "tell_everybody", stage.tell)
    monkeypatch.setattr(live, "_connected", lambda app: ["a tab"] * stage.browsers)
    monkeypatch.setattr(live, "SECONDS_BETWEEN_POLLS", 0.005)
    monkeypatch.setattr(live, "SECONDS_AFTER_NEWS", 0.005)
    return stage


@asynccontextmanager
async def watching(**listeners: list[Any]) -> AsyncIterator[None]:
    task = asyncio.create_task(live.watch_changes(None, listeners))  # type: ignore[arg-type]
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_browsers_are_told_of_what_they_listen_to(stage: Stage) -> None:
    other = Change("key", "2", "key:rotate", AT)
    stage.answers = [[], [CHANGE, CHANGE, other], [other]]
    async with watching(connection=["refresh"]):
        await stage.until(4)
    assert stage.told == [("refresh",)]


async def test_the_feed_starts_before_the_first_browser(stage: Stage) -> None:
    stage.browsers = 0
    async with watching(connection=["refresh"]):
        await stage.until(1)


async def test_without_browsers_it_asks_rarely(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.browsers = 0
    monkeypatch.setattr(live, "SECONDS_WITHOUT_BROWSERS", 1.0)
    async with watching(connection=["refresh"]):
        await asyncio.sleep(0.1)
    assert stage.polls == 1


async def test_a_nudge_does_not_wait_for_the_next_poll(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "SECONDS_BETWEEN_POLLS", 60.0)
    async with watching(connection=["refresh"]):
        await stage.until(1)
        stage.answers = [[CHANGE]]
        await asyncio.to_thread(live.nudge)  # from whichever thread
        await stage.until(2)
    assert stage.told == [("refresh",)]


@pytest.mark.parametrize("error", [StoreUnavailable("away"), RuntimeError("a mistake")])
async def test_after_trouble_everybody_looks_again(stage: Stage, error: Exception) -> None:
    stage.answers = [[], error, error, []]
    async with watching(connection=["refresh"], key=["keys"]):
        await stage.until(6)
    assert stage.told == [("refresh", "keys")]


def test_a_nudge_without_a_server_is_nothing() -> None:
    live._Bell().ring()
