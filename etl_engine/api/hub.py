"""One look at the store for everybody who follows events in this process."""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

import structlog

from etl_engine.api.streams import asked
from etl_engine.errors import EtlError
from etl_engine.services.context import Context
from etl_engine.services.events import Event, EventFeed

log = structlog.get_logger("etl_engine.api")

LOOK_SECONDS = 0.3
_LONGEST_QUEUE = 2_000


class TooSlow(Exception):
    """The reader did not keep up."""


class Listener:
    """What one reader has not read yet."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Event] = asyncio.Queue(_LONGEST_QUEUE)
        self._overrun = False

    def put(self, event: Event) -> None:
        try:
            self._queue.put_nowait(event)
        except asyncio.QueueFull:
            self._overrun = True

    async def next(self) -> Event:
        if self._overrun and self._queue.empty():
            raise TooSlow
        return await self._queue.get()


class Hub:
    """Looks as long as somebody listens."""

    def __init__(self) -> None:
        self._listeners: set[Listener] = set()
        self._looking: asyncio.Task[None] | None = None

    @contextlib.contextmanager
    def listening(self, ctx: Context) -> Iterator[Listener]:
        listener = Listener()
        self._listeners.add(listener)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.get_running_loop().create_task(self._look(ctx))
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    async def _look(self, ctx: Context) -> None:
        feed = EventFeed()
        while self._listeners:
            try:
                news = await asked(lambda: feed.poll(ctx))
            except EtlError:  # a store that is away: the feed knows where it stood
                news = []
            except Exception:
                log.exception("the feed of events failed")
                news = []
            for event in news:
                for listener in list(self._listeners):
                    listener.put(event)
            await asyncio.sleep(LOOK_SECONDS)


def hub_of(app: Any) -> Hub:
    """Of this process."""
    if getattr(app.state, "hub", None) is None:
        app.state.hub = Hub()
    hub: Hub = app.state.hub
    return hub
