"""One run as one browser sees it, and what can be done with it."""

from collections.abc import AsyncIterator
from typing import Any

import reflex as rx

from etl_engine.errors import NotFound
from etl_engine.services import executions, run_detail
from etl_engine.ui.live import nudge
from etl_engine.ui.props import event
from etl_engine.ui.runs.address import run_address, run_of
from etl_engine.ui.runs.detail import Shown, shown
from etl_engine.ui.session import AskError, Trouble, ask
from etl_engine.ui.toasts import Toasts


class Run(rx.State):
    """The run that the address names."""

    loaded: bool = False
    missing: bool = False
    run: Shown = Shown()
    cancelling: bool = False
    retrying: bool = False
    trouble: Trouble = Trouble()

    @event(background=True)
    async def load(self) -> None:
        """The page was opened."""
        async with self:
            wanted = run_of(self.router.url.path)
            if wanted != self.run.id:
                self.run, self.loaded, self.trouble = Shown(), False, Trouble()
            self.missing = not wanted
        if wanted:
            await self._look(wanted)

    @event(background=True)
    async def refresh(self) -> None:
        """Runs moved on: look again at this one, if it is looked at and has not ended."""
        async with self:
            wanted = run_of(self.router.url.path)
            stale = wanted and (not self.loaded or self.run.live or bool(self.trouble.message))
        if stale and not self.missing:
            await self._look(wanted)

    @event(background=True)
    async def cancel(self) -> AsyncIterator[Any]:
        """Ask for its end, and look what came of it."""
        async with self:
            wanted = run_of(self.router.url.path)
            if not wanted or self.cancelling:
                return
            self.cancelling = True
        try:
            await ask(lambda ctx: executions.cancel(ctx, wanted))
        except AskError as error:
            await self._refused(error)
        finally:
            async with self:
                self.cancelling = False
        nudge()
        yield Run.refresh

    @event(background=True)
    async def retry(self) -> AsyncIterator[Any]:
        """Order it again, and go there."""
        async with self:
            wanted = run_of(self.router.url.path)
            if not wanted or self.retrying:
                return
            self.retrying = True
        try:
            made = await ask(lambda ctx: executions.retry(ctx, wanted))
        except AskError as error:
            await self._refused(error)
            return
        finally:
            async with self:
                self.retrying = False
        nudge()
        yield rx.redirect(run_address(made.id))

    async def _look(self, wanted: str) -> None:
        try:
            detail = await ask(lambda ctx: run_detail.look(ctx, wanted))
        except AskError as error:
            async with self:
                if run_of(self.router.url.path) != wanted:
                    return
                if isinstance(error.__cause__, NotFound):
                    self.missing = True
                elif not self.loaded:
                    self.trouble = error.trouble
            return
        found = shown(detail.execution, detail.tasks, detail.now)
        async with self:
            if run_of(self.router.url.path) != wanted:
                return
            if self.run != found:
                self.run = found
            if self.trouble.message:
                self.trouble = Trouble()
            self.loaded = True

    async def _refused(self, error: AskError) -> None:
        async with self:
            toasts = await self.get_state(Toasts)
            toasts._say("bad", error.trouble.message, error.trouble.hint)
