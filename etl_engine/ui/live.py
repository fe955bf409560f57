"""Open browsers show what is: when something changed, ordinary handlers run for each of them."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

import reflex as rx
import structlog
from reflex.event import Event

from etl_engine import wiring
from etl_engine.errors import EtlError
from etl_engine.services.changes import Change, ChangeFeed

log = structlog.get_logger("etl_engine.ui")

SECONDS_BETWEEN_POLLS = 0.25
SECONDS_WITHOUT_BROWSERS = 5.0  # the feed stays warm: whoever opens a page misses nothing from then on
SECONDS_AFTER_NEWS = 0.15  # a hundred changes at once are a few refreshes, not a hundred


class _Bell:
    """Wakes the loop below from any thread."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._rung = asyncio.Event()

    def hang(self) -> None:
        self._loop, self._rung = asyncio.get_running_loop(), asyncio.Event()

    def ring(self) -> None:
        if self._loop and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._rung.set)

    async def wait(self, seconds: float) -> bool:
        """Whether it rang before the time was over."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._rung.wait(), seconds)
        rang = self._rung.is_set()
        self._rung.clear()
        return rang


_bell = _Bell()


def nudge() -> None:
    """This process changed something just now: do not wait for the next poll."""
    _bell.ring()


async def tell_everybody(app: rx.App, *events: Any) -> int:
    """Run these handlers for every browser connected to this process; answers how many there are."""
    tokens = _connected(app)
    with app.set_contexts():
        for token in tokens:
            for event in Event.from_event_type(list(events)):
                await app.event_processor.enqueue(token, event)
    return len(tokens)


async def watch_changes(app: rx.App, listeners: Mapping[str, Sequence[Any]]) -> None:
    """Runs as long as the server: tells browsers when things changed, by the noun of what changed."""
    _bell.hang()
    feed, lost, slept = ChangeFeed(), False, 0.0
    soon = True  # the feed starts with its first poll: before the first page can be opened
    while True:
        rang = soon or await _bell.wait(SECONDS_BETWEEN_POLLS)
        slept += SECONDS_BETWEEN_POLLS
        if not (rang or _connected(app) or slept >= SECONDS_WITHOUT_BROWSERS):
            continue
        soon, slept = False, 0.0
        try:
            news = await asyncio.to_thread(_poll, feed)
        except Exception as error:
            if not isinstance(error, EtlError):
                log.exception("the feed of changes failed")
            lost = True  # and what was missed meanwhile is not known
            continue
        nouns = set(listeners) if lost else {change.kind for change in news} & set(listeners)
        lost = False
        if nouns:
            await tell_everybody(app, *(event for noun in sorted(nouns) for event in listeners[noun]))
            await asyncio.sleep(SECONDS_AFTER_NEWS)


def _poll(feed: ChangeFeed) -> list[Change]:
    return feed.poll(wiring.context())


def _connected(app: rx.App) -> list[str]:
    namespace = app.event_namespace
    return list(namespace.token_to_sid) if namespace else []
