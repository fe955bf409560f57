"""Testing stored connections: one, or all that the list shows, a few at a time."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import reflex as rx

from etl_engine.model.connection import TestResult
from etl_engine.services import connection_overview, connection_tests
from etl_engine.services.context import Context
from etl_engine.ui.connections.address import View
from etl_engine.ui.connections.state import Connections
from etl_engine.ui.live import nudge
from etl_engine.ui.props import event
from etl_engine.ui.session import AskError, ask
from etl_engine.ui.theme import TEST_STATUS, Tone
from etl_engine.ui.toasts import Toasts
from etl_engine.ui.words import counted, duration

AT_ONCE = 8
# A test may wait five seconds for a silent server. Tests of many have threads of their own, so that a test of one
# starts at once beside them.
_ONE = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="test-one")
_ALL = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="test-all")
_cancel: dict[str, threading.Event] = {}  # by browser tab: an Event cannot be kept in a State


class ConnectionTests(rx.State):
    """What is being tested for this browser, and how far it is."""

    running: rx.Field[list[str]] = rx.field(default_factory=list)
    all_running: bool = False
    stopping: bool = False
    done: int = 0
    failed: int = 0
    total: int = 0
    said: str = ""  # to screen readers
    _waiting: list[str] | None = None  # what is to be tested, as long as nobody has begun

    @event(background=True)
    async def test(self, connection_id: str) -> None:
        """Test one connection; the card shows how it ends."""
        mine = str(connection_id)
        async with self:
            if mine in self.running:
                return
            self.running = [*self.running, mine]
        try:
            result = await ask(lambda ctx: connection_tests.test_saved(ctx, mine), _ONE)
        except AskError as error:
            await self._say("bad", error.trouble.message, error.trouble.hint)
        else:
            nudge()
            async with self:
                self.said = _outcome(result)
        finally:
            await self._ended(mine)

    @event(background=True)
    async def test_all(self, everything: bool = False) -> AsyncIterator[Any]:
        """Find what search and filters show, or everything there is, and then test it."""
        async with self:
            tab = self.router.session.client_token
            if self.all_running and tab in _cancel:  # what another process began has ended with it
                return
            view = View() if everything is True else (await self.get_state(Connections))._view
            query = view.query()
            self.all_running, self.stopping = True, False
            self.done = self.failed = self.total = 0
            self._waiting = None
            cancelled = _cancel[tab] = threading.Event()
        try:
            names = await ask(lambda ctx: connection_overview.ids(ctx, query))
        except AskError as error:
            await self._say("bad", error.trouble.message, error.trouble.hint)
            await self._all_ended(tab, cancelled)
            return
        async with self:
            self.total, self._waiting = len(names), list(names)
        yield ConnectionTests.test_waiting

    @event(background=True)
    async def test_waiting(self) -> None:
        """Test what was found, a few at a time, with a summary at the end."""
        async with self:
            tab = self.router.session.client_token
            waiting, cancelled = self._waiting, _cancel.get(tab)
            if waiting is None or cancelled is None:
                return
            self._waiting = None
        turns = asyncio.Semaphore(AT_ONCE)
        try:
            await asyncio.gather(*(self._turn(one, turns, cancelled) for one in waiting))
            await self._summary(cancelled.is_set())
        finally:
            await self._all_ended(tab, cancelled)

    @event
    def stop(self) -> None:
        """No further tests; those that run are cancelled."""
        if running := _cancel.get(self.router.session.client_token):
            self.stopping = True
            running.set()

    async def _turn(self, connection_id: str, turns: asyncio.Semaphore, cancelled: threading.Event) -> None:
        async with turns:
            if cancelled.is_set():
                return
            async with self:
                self.running = [*self.running, connection_id]
            good = False
            try:
                result = await ask(_tested(connection_id, cancelled), _ALL)
                good = result.success
            except AskError:
                pass  # deleted meanwhile, or the store is away: counted as failed
            finally:
                await self._ended(connection_id)
                async with self:
                    if not cancelled.is_set():
                        self.done += 1
                        self.failed += not good
            nudge()

    async def _all_ended(self, tab: str, cancelled: threading.Event) -> None:
        cancelled.set()  # also when the browser went away
        if _cancel.get(tab) is cancelled:
            del _cancel[tab]
        async with self:
            self.all_running = self.stopping = False

    async def _ended(self, connection_id: str) -> None:
        async with self:
            self.running = [one for one in self.running if one != connection_id]

    async def _summary(self, cancelled: bool) -> None:
        async with self:
            done, failed = self.done, self.failed
        said = f"Tested {counted(done, 'connection')}"
        if cancelled:
            await self._say("idle", f"Stopped: {said.lower()}", _failed(failed) if done else "")
        else:
            await self._say("bad" if failed else "ok", said, _failed(failed))

    async def _say(self, tone: Tone, title: str, text: str = "") -> None:
        async with self:
            toasts = await self.get_state(Toasts)
            toasts._say(tone, title, text)


def _tested(connection_id: str, cancelled: threading.Event) -> Callable[[Context], TestResult]:
    return lambda ctx: connection_tests.test_saved(ctx, connection_id, cancelled=cancelled)


def _outcome(result: TestResult) -> str:
    return f"{TEST_STATUS['success'].word}, {duration(result.details.ms)}" if result.success else result.message


def _failed(number: int) -> str:
    return f"{number:,} failed." if number else "All of them are connected."
