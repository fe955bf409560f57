"""Server-sent events: async from end to end; short questions to the store in threads of their own."""

import asyncio
import contextlib
import functools
import json
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from types import FrameType
from typing import Any, TypeVar

import anyio
from anyio import CapacityLimiter
from starlette.responses import StreamingResponse

from etl_engine.api.deps import EVENTS

HEARTBEAT_SECONDS = 15.0
THREADS = 8
T = TypeVar("T")


@dataclass(frozen=True)
class Message:
    """One event as it goes over the wire; without an id it cannot be resumed from."""

    name: str
    data: Mapping[str, Any]
    id: str = ""

    def __str__(self) -> str:
        head = f"id: {self.id}\n" if self.id else ""
        return f"{head}event: {self.name}\ndata: {json.dumps(self.data, default=str)}\n\n"


@functools.cache
def _threads() -> CapacityLimiter:
    return CapacityLimiter(THREADS)


async def asked(call: Callable[[], T]) -> T:
    """The answer of the store, without holding up anybody else's request."""
    return await anyio.to_thread.run_sync(call, limiter=_threads())


def streamed(messages: AsyncIterator[Message]) -> StreamingResponse:
    """The messages, with a comment now and then, so that no proxy takes silence for the end."""
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_with_heartbeats(messages), media_type=EVENTS, headers=headers)


async def _with_heartbeats(messages: AsyncIterator[Message]) -> AsyncIterator[str]:
    yield "retry: 2000\n\n"
    following = asyncio.ensure_future(anext(messages, None))
    ending = asyncio.ensure_future(_the_end())
    try:
        while True:
            done, _ = await asyncio.wait(
                {following, ending}, timeout=HEARTBEAT_SECONDS, return_when=asyncio.FIRST_COMPLETED
            )
            if ending in done:
                return
            if not done:
                yield ": still here\n\n"
                continue
            message = following.result()
            if message is None:
                return
            yield str(message)
            following = asyncio.ensure_future(anext(messages, None))
    finally:
        following.cancel()
        ending.cancel()


@contextlib.asynccontextmanager
async def end_with_the_server() -> AsyncIterator[None]:
    """Lifespan of a server. It waits for every open answer before it ends, and a stream would never be one.

    The loop's own handlers hear of signals by another way (the wakeup descriptor), so that both hear of them.
    """
    global _ending  # noqa: PLW0603 - a process has one server
    loop, ending = asyncio.get_running_loop(), asyncio.Event()

    def told(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(ending.set)
        if callable(before[number]):
            before[number](number, frame)

    before: dict[int, Any] = {}
    with contextlib.suppress(ValueError):  # only the main thread may
        for number in (signal.SIGTERM, signal.SIGINT):
            before[number] = signal.getsignal(number)
            signal.signal(number, told)
    _ending = ending
    try:
        yield
    finally:
        _ending = None
        ending.set()


_ending: asyncio.Event | None = None


async def _the_end() -> None:
    if _ending is None:
        await asyncio.Event().wait()
    else:
        await _ending.wait()
