"""Tests that are running for a browser: their steps as they come, and the way to stop them."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor

from etl_engine.model.connection import StepReport, TestResult
from etl_engine.services.connection_tests import OnStep
from etl_engine.services.context import Context
from etl_engine.ui.session import ask

Test = Callable[[Context, OnStep, threading.Event], TestResult]

# A test may wait five seconds for a silent server: many of them must not keep everybody's short questions waiting.
_LADDERS = ThreadPoolExecutor(32, thread_name_prefix="ladder")
_running: dict[str, threading.Event] = {}  # by browser tab: an Event cannot be kept in a State


def stop(tab: str) -> None:
    """Cancel the test of this tab, if one runs."""
    if event := _running.pop(tab, None):
        event.set()


async def climb(tab: str, test: Test) -> AsyncGenerator[list[StepReport] | TestResult, None]:
    """What changed since the last look, again and again, and at last the result. Stops an earlier test of the tab."""
    stop(tab)
    cancelled = _running[tab] = threading.Event()
    loop = asyncio.get_running_loop()
    steps: asyncio.Queue[StepReport | None] = asyncio.Queue()

    def on_step(step: StepReport) -> None:
        loop.call_soon_threadsafe(steps.put_nowait, step)

    answer = asyncio.create_task(ask(lambda ctx: test(ctx, on_step, cancelled), _LADDERS))
    answer.add_done_callback(lambda _: steps.put_nowait(None))
    answer.add_done_callback(lambda done: done.cancelled() or done.exception())  # read, even if nobody waits any more
    try:
        ended = False
        while not ended:
            came = [await steps.get()]
            while not steps.empty():
                came.append(steps.get_nowait())
            ended = None in came
            if reports := [step for step in came if step is not None]:
                yield reports
        yield await answer
    finally:
        cancelled.set()  # also when the browser went away
        if _running.get(tab) is cancelled:
            del _running[tab]
