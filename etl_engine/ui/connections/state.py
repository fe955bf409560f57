"""The list as one browser sees it."""

import asyncio
import dataclasses

import reflex as rx
from reflex.event import EventSpec

from etl_engine.services import connection_overview
from etl_engine.services.connections import Query
from etl_engine.ui.connections.address import View
from etl_engine.ui.connections.bar import Bar, bar_of
from etl_engine.ui.connections.rows import Row, placed, row_of
from etl_engine.ui.props import event
from etl_engine.ui.session import AskError, Trouble, ask

FIRST_SCREEN = 9
SECONDS_TO_DRAW = 0.03


class Connections(rx.State):
    """One page of the connections, and what stands around it."""

    loaded: bool = False
    rows: rx.Field[list[Row]] = rx.field(default_factory=list)
    bar: Bar = Bar()
    trouble: Trouble = Trouble()
    _view: View = View()
    _shown: View | None = None
    _asked: int = 0

    @event(background=True)
    async def load(self) -> None:
        """The page was opened, or its address changed: search, filters, order and page are read from it."""
        async with self:
            view = View.of(self.router.url.query_parameters)
        await self._look(view)

    @event(background=True)
    async def refresh(self) -> None:
        """Connections changed, here or elsewhere: look again at the same view."""
        async with self:
            view, known = self._view, self.loaded or bool(self.trouble.message)
        if known:  # else the page is not open yet
            await self._look(view, quiet=True)

    async def _look(self, view: View, *, quiet: bool = False) -> None:
        async with self:
            self._asked += 1
            mine, self._view = self._asked, view
        query: Query = view.query()
        try:
            found = await ask(lambda ctx: connection_overview.look(ctx, query))
        except AskError as error:
            async with self:
                # An engine in trouble has its banner; what was read before stays to be looked at.
                if self._asked == mine and not (quiet and self.loaded):
                    self.trouble = error.trouble
            return
        rows, bar = [row_of(one) for one in found.items], bar_of(view, found)
        async with self:
            first = not self.rows
        if first and len(rows) > FIRST_SCREEN:  # what is in sight is drawn in a third of the time
            async with self:
                if self._asked == mine:
                    placed(rows, {})
                    self.rows, self.bar, self.loaded = rows[:FIRST_SCREEN], bar, True
            await asyncio.sleep(SECONDS_TO_DRAW)
        async with self:
            if self._asked == mine:
                self._show(view, rows, bar)

    def _show(self, view: View, rows: list[Row], bar: Bar) -> None:
        what = dataclasses.replace(view, table=False)  # cards and table show the same rows
        placed(rows, {row.id: row.slot for row in self.rows} if what == self._shown else {})
        self._shown = what
        # What stays the same is not sent again: a page of rows is the largest thing the browser gets.
        if self.rows != rows:
            self.rows = rows
        if self.bar != bar:
            self.bar = bar
        if self.trouble.message:
            self.trouble = Trouble()
        self.loaded = True

    @event
    def sort_by(self, order: str) -> EventSpec:
        """Another order, in the address: the page follows it."""
        view = View.of(self.router.url.query_parameters)
        wanted = View.of({"sort": str(order)}).sort
        return rx.redirect(dataclasses.replace(view, sort=wanted).address())
