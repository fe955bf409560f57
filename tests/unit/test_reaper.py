"""The reaper's loop."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from scripted_kind import opened_context

from etl_engine import wiring
from etl_engine.errors import StoreUnavailable
from etl_engine.services import audit
from etl_engine.services.context import Context
from etl_engine.workers import reaper


@pytest.fixture
def ctx(tmp_path: Path) -> Iterator[Context]:
    with opened_context(tmp_path) as context:
        yield context


async def test_a_store_that_is_away_for_a_round_does_not_end_the_loop(
    ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    closed = asyncio.Event()
    loop = asyncio.get_running_loop()

    def context() -> Context:
        asked.append("store")
        if len(asked) == 1:
            raise StoreUnavailable
        return ctx

    def close_abandoned(given: Context) -> int:
        assert given is ctx
        loop.call_soon_threadsafe(closed.set)
        return 0

    monkeypatch.setattr(wiring, "context", context)
    monkeypatch.setattr(audit, "close_abandoned", close_abandoned)
    monkeypatch.setattr(reaper, "SECONDS_BETWEEN_ROUNDS", 0.01)
    task = asyncio.create_task(reaper.reap())
    await asyncio.wait_for(closed.wait(), 10)
    task.cancel()
    assert len(asked) >= 2
