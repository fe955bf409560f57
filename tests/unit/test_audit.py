"""Intents that nobody finished are closed, and never as something they may not be."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
import time_machine
from scripted_kind import opened_context

from etl_engine.errors import Denied, StoreUnavailable
from etl_engine.model.collections import AUDIT
from etl_engine.services import audit
from etl_engine.services.changes import ChangeFeed
from etl_engine.services.context import Actor, Context

NOON = dt.datetime(2031, 5, 6, 12, tzinfo=dt.UTC)


@pytest.fixture
def ctx(tmp_path: Path) -> Iterator[Context]:
    with opened_context(tmp_path) as context:
        yield context


def abandon(ctx: Context, name: str) -> None:
    with pytest.raises(StoreUnavailable), audit.recorded(ctx, "thing:change", name, name):
        raise StoreUnavailable


def outcomes(ctx: Context) -> dict[str, str]:
    return {entry["subject_id"]: entry["outcome"] for entry in ctx.store.find(AUDIT.name)}


def test_an_abandoned_intent_is_closed_as_unknown_after_ten_minutes(ctx: Context) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        abandon(ctx, "old")
        clock.shift(dt.timedelta(minutes=10))
        abandon(ctx, "young")
        assert audit.close_abandoned(ctx) == 0
        clock.shift(dt.timedelta(seconds=1))
        assert audit.close_abandoned(ctx) == 1
        assert outcomes(ctx) == {"old": "unknown", "young": "pending"}
        assert audit.close_abandoned(ctx) == 0


def test_a_change_that_ends_after_all_writes_its_own_outcome(ctx: Context) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        with audit.recorded(ctx, "thing:change", "slow", "slow"):
            clock.shift(dt.timedelta(hours=1))
            assert audit.close_abandoned(ctx) == 1
        assert outcomes(ctx) == {"slow": "done"}


def test_the_feed_hears_of_a_change_whose_process_died(ctx: Context) -> None:
    feed = ChangeFeed()
    with time_machine.travel(NOON, tick=False) as clock:
        feed.poll(ctx)
        abandon(ctx, "lost")
        clock.shift(dt.timedelta(minutes=11))
        assert feed.poll(ctx) == []
        audit.close_abandoned(ctx)
        assert [change.subject_id for change in feed.poll(ctx)] == ["lost"]


def test_closing_needs_a_right(ctx: Context) -> None:
    with pytest.raises(Denied):
        audit.close_abandoned(ctx.for_request("r", Actor("nobody")))
