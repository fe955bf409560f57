"""Events: every change of status and of a document, once for a feed, under ids that stay."""

import datetime as dt
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import time_machine
from executing import scripted_blocks, submitted, worked
from scripted_kind import at_once, opened_context

from etl_engine.errors import BadInput, Denied
from etl_engine.model.collections import AUDIT
from etl_engine.services import audit, events, execution_claims, executions
from etl_engine.services.context import Actor, Context
from etl_engine.services.events import Event, EventFeed

NOON = dt.datetime(2031, 5, 6, 12, tzinfo=dt.UTC)


@pytest.fixture
def ctx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Context]:
    with opened_context(tmp_path) as context, scripted_blocks(monkeypatch, "one"):
        yield context


@pytest.fixture
def feed(ctx: Context) -> EventFeed:
    """A feed that has begun."""
    made = EventFeed()
    assert made.poll(ctx) == []
    return made


def types(found: list[Event]) -> list[str]:
    return [event.type for event in found]


def change(ctx: Context, name: str = "x") -> None:
    with audit.recorded(ctx, "thing:change", name, name):
        pass


def test_a_run_is_told_step_by_step_once_and_in_order(ctx: Context, feed: EventFeed) -> None:
    made = submitted(ctx)
    assert types(feed.poll(ctx)) == ["execution.pending"]
    worked(ctx)
    found = feed.poll(ctx)
    assert types(found) == ["execution.running", "execution.success"]
    assert found[1].data["execution_id"] == made.id
    assert found[1].data["counters"] == {"read": 0, "loaded": 0, "rejected": 0, "bytes": 0}
    assert feed.poll(ctx) == []


def test_what_passed_between_two_looks_is_told_too(ctx: Context, feed: EventFeed) -> None:
    """Lost, pending and running again within one look: none of them is left out."""
    with time_machine.travel(NOON, tick=False) as clock:
        feed.poll(ctx)
        submitted(ctx)
        assert execution_claims.claim(ctx, "dies")
        clock.shift(16)
        assert execution_claims.reap(ctx)
        assert execution_claims.claim(ctx, "second")
        assert types(feed.poll(ctx)) == [
            "execution.pending",
            "execution.running",
            "execution.lost",
            "execution.pending",
            "execution.running",
        ]


def test_documents_are_told_and_what_failed_is_not(ctx: Context, feed: EventFeed) -> None:
    change(ctx, "a")
    with pytest.raises(BadInput), audit.recorded(ctx, "thing:change", "b", "b"):
        raise BadInput
    made = submitted(ctx)
    executions.cancel(ctx, made.id)
    found = feed.poll(ctx)
    assert types(found) == ["thing.change", "execution.pending", "execution.cancelled"]
    assert dict(found[0].data) == {"id": "a", "name": "a", "actor": "anonymous"}


def test_an_outcome_that_becomes_visible_late_is_told(ctx: Context, feed: EventFeed) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        feed.poll(ctx)
        change(ctx, "first")
        [entry] = ctx.store.find(AUDIT.name, {"subject_id": "first"})
        ctx.store.delete(AUDIT.name, {"_id": entry["_id"]})  # its write is under way
        clock.shift(5)
        change(ctx, "second")
        assert [event.data["id"] for event in feed.poll(ctx)] == ["second"]
        ctx.store.insert(AUDIT.name, entry)
        assert [event.data["id"] for event in feed.poll(ctx)] == ["first"]
        assert feed.poll(ctx) == []


def test_a_clock_that_is_set_back_repeats_nothing(ctx: Context, feed: EventFeed) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        feed.poll(ctx)
        change(ctx, "before")
        assert len(feed.poll(ctx)) == 1
        clock.shift(-3600)
        change(ctx, "after")
        assert [event.data["id"] for event in feed.poll(ctx)] == ["after"]
        clock.shift(60)
        assert feed.poll(ctx) == []


def test_four_writers_are_heard_exactly_once(ctx: Context, feed: EventFeed) -> None:
    heard: list[str] = []
    done = threading.Event()

    def listen() -> None:
        while not done.is_set():
            heard.extend(event.id for event in feed.poll(ctx))
        heard.extend(event.id for event in feed.poll(ctx))

    listener = threading.Thread(target=listen)
    listener.start()
    made = at_once(4, lambda _: [submitted(ctx).id for _ in range(10)])
    done.set()
    listener.join(30)
    assert sorted(one.split(".")[1] for one in heard) == sorted(one for ids in made for one in ids)


def test_a_reader_that_comes_back_misses_nothing(ctx: Context) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        for number in range(6):
            change(ctx, str(number))
            clock.shift(5)
        every = events.since(ctx)
        assert [event.data["id"] for event in every] == list("012345")
        assert [event.data["id"] for event in events.since(ctx, every[2].id)] == list("345")
        assert [event.data["id"] for event in events.since(ctx, every[2].id, 2)] == list("34")
        change(ctx, "in the same moment")
        change(ctx, "and another")
        last = events.since(ctx)[-1]
        again = events.since(ctx, last.id)
        assert [event.data["id"] for event in again] == ["in the same moment"], "once more, rather than never"


@pytest.mark.parametrize("wrong", ["x", "-5.a.b", "9" * 15, "1e9", "٣"])
def test_an_id_that_is_none_is_refused(ctx: Context, wrong: str) -> None:
    with pytest.raises(BadInput, match="no event"):
        events.since(ctx, wrong)


def test_events_need_a_right(ctx: Context) -> None:
    bob = ctx.for_request("", Actor("bob", frozenset({"connection:*"})))
    for ask in (lambda: events.since(bob), lambda: EventFeed().poll(bob)):
        with pytest.raises(Denied, match="event:read"):
            ask()
