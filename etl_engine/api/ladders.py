"""Connection tests on their way: in threads of their own, shown step by step, ended when the caller leaves."""

import asyncio
import contextlib
import contextvars
import functools
import json
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

from fastapi import Request
from pydantic_core import to_json
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from etl_engine.api import problem
from etl_engine.api.deps import EVENTS, JSON
from etl_engine.api.documented import Responses
from etl_engine.errors import Cancelled, EtlError, Throttled
from etl_engine.model.connection import StepReport, TestResult
from etl_engine.services.connection_tests import OnStep

Cancelling = threading.Event
Climb = Callable[[OnStep, Cancelling], TestResult]

# A ladder takes five seconds at most. These threads are not FastAPI's: many black holes at once slow nothing else down.
THREADS = 32
# Each wave of them takes five seconds at most, so whoever waits has an answer within half a minute.
WAITING = 128
HEARTBEAT_SECONDS = 15.0

DOCUMENTED: Responses = {
    200: {
        "content": {
            EVENTS: {
                "schema": {"type": "string"},
                "example": 'event: step\ndata: {"key": "dns", "state": "pass", ...}\n\n'
                'event: result\ndata: {"success": true, ...}\n\n',
            }
        },
        "description": "How it ended; as server-sent events: every change of a step, then the result (or a problem).",
    }
}


_places = threading.BoundedSemaphore(THREADS + WAITING)


@functools.cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(THREADS, thread_name_prefix="ladder")


class Ladder:
    """One running test. `steps` brings its steps as they happen and None at the end; leaving the block ends it.

    Throttled where too many wait already.
    """

    def __init__(self, request: Request, climb: Climb) -> None:
        places = _places
        if not places.acquire(blocking=False):
            raise Throttled(f"{WAITING} connection tests are waiting already", hint="Test it again in a moment.")
        loop = asyncio.get_running_loop()
        self.steps: asyncio.Queue[StepReport | None] = asyncio.Queue()
        self._cancelled = threading.Event()

        def put(step: StepReport) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
                loop.call_soon_threadsafe(self.steps.put_nowait, step)

        def run() -> TestResult:
            if self._cancelled.is_set():
                raise Cancelled("The test was cancelled")
            return climb(put, self._cancelled)

        running = _threads().submit(contextvars.copy_context().run, run)
        running.add_done_callback(lambda _: places.release())
        self.result = asyncio.wrap_future(running)
        self.result.add_done_callback(self._ended)
        self._watch = asyncio.ensure_future(self._cancel_when_left(request.receive))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._cancelled.set()
        self._watch.cancel()

    def _ended(self, result: asyncio.Future[TestResult]) -> None:
        if not result.cancelled():
            result.exception()  # looked at here, since a caller who left will not
        self.steps.put_nowait(None)

    async def _cancel_when_left(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._cancelled.set()


async def answered(request: Request, media_type: str, climb: Climb) -> Response:
    """The test's result as JSON, or the whole climb as server-sent events."""
    if media_type == EVENTS:
        return await _streamed(request, climb)
    async with Ladder(request, climb) as ladder:
        return Response(to_json(await ladder.result), media_type=JSON, headers={"Cache-Control": "no-store"})


async def _streamed(request: Request, climb: Climb) -> Response:
    """What fails before the first step is answered like any other error, with its status."""
    ladder = Ladder(request, climb)
    first = await ladder.steps.get()
    if first is None and (error := ladder.result.exception()):
        async with ladder:
            raise error
    return LadderStream(ladder, first)


class LadderStream(Response):
    """Events: `step` for every change of a step, then `result`, or `problem` where the test did not come to an end."""

    media_type = EVENTS

    def __init__(self, ladder: Ladder, first: StepReport | None) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._ladder = ladder
        self._first = first

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def write(text: str, more: bool = True) -> None:
            await send({"type": "http.response.body", "body": text.encode(), "more_body": more})

        async with self._ladder as ladder:
            with contextlib.suppress(OSError):  # the caller left: the ladder ends with this block
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                step = self._first
                while step is not None:
                    await write(_event("step", step.model_dump(mode="json")))
                    step = await _next(ladder, write)
                await write(_end(ladder, scope), more=False)


async def _next(ladder: Ladder, write: Callable[[str], Any]) -> StepReport | None:
    """The next step; a comment now and then while there is none, so that no proxy takes the silence for the end."""
    while True:
        try:
            async with asyncio.timeout(HEARTBEAT_SECONDS):
                return await ladder.steps.get()
        except TimeoutError:
            await write(": still climbing\n\n")


def _end(ladder: Ladder, scope: Scope) -> str:
    error = ladder.result.exception()
    if error is None:
        return _event("result", ladder.result.result().model_dump(mode="json"))
    if isinstance(error, EtlError):
        return _event("problem", problem.document(error, scope["path"], scope[problem.REQUEST_ID]))
    raise error


def _event(name: str, data: Mapping[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"
