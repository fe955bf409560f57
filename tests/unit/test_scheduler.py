"""The scheduler's thread: it fires what is due, outlives a store that is away, and ends when it is told to."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from scripted_kind import opened_context

from etl_engine import wiring
from etl_engine.errors import StoreUnavailable
from etl_engine.services import schedule_fires
from etl_engine.services.context import Context
from etl_engine.services.schedule_fires import Ticked
from etl_engine.workers import scheduler
from etl_engine.workers.scheduler import ACTOR, Scheduler

Tick = Callable[[Context], Ticked]


@pytest.fixture
def ticks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Tick]]:
    """What the next ticks do; when there is nothing left to do, the last of them is done again."""
    queue: list[Tick] = []
    with opened_context(tmp_path) as ctx:
        monkeypatch.setattr(wiring, "context", lambda: ctx)
        monkeypatch.setattr(scheduler, "SECONDS_BETWEEN_TICKS", 0.01)

        def tick(given: Context) -> Ticked:
            return (queue.pop(0) if len(queue) > 1 else queue[0])(given)

        monkeypatch.setattr(schedule_fires, "tick", tick)
        yield queue


def run_until(done: threading.Event) -> Scheduler:
    running = Scheduler()
    running.start()
    assert done.wait(20), "the scheduler did not come that far"
    return running


def failing(error: Exception) -> Tick:
    def tick(_ctx: Context) -> Ticked:
        raise error

    return tick


def test_it_ticks_with_its_own_rights_and_again_at_once_while_there_is_more(ticks: list[Tick]) -> None:
    seen: list[Any] = []
    done = threading.Event()

    def first(ctx: Context) -> Ticked:
        seen.append(ctx.actor)
        return Ticked(1, 1, True)

    def last(ctx: Context) -> Ticked:
        done.set()
        return Ticked(0, 0, False)

    ticks += [first, first, last]
    run_until(done).stop()
    assert seen == [ACTOR, ACTOR]


@pytest.mark.parametrize("error", [StoreUnavailable("The store is away"), RuntimeError("a mistake of ours")])
def test_a_tick_that_fails_does_not_end_it(ticks: list[Tick], error: Exception) -> None:
    done = threading.Event()

    def last(ctx: Context) -> Ticked:
        done.set()
        return Ticked(0, 0, False)

    ticks += [failing(error), failing(error), last]
    run_until(done).stop()


def test_it_ends_when_it_is_told_to(ticks: list[Tick]) -> None:
    done = threading.Event()

    def tick(_ctx: Context) -> Ticked:
        done.set()
        return Ticked(0, 0, False)

    ticks.append(tick)
    running = run_until(done)
    begun = time.monotonic()
    running.stop()
    assert time.monotonic() - begun < 5
    assert not running._thread.is_alive()
