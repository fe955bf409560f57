"""The list of mappings as one browser sees it, and what is done to one of them."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import reflex as rx

from etl_engine.services import mapping_drafts, mappings
from etl_engine.services.context import Context
from etl_engine.services.documents import Query
from etl_engine.services.mapping_drafts import Opened, Overview
from etl_engine.ui.components.pagination import Step
from etl_engine.ui.live import nudge
from etl_engine.ui.mappings.address import NEW, PATH, mapping_address
from etl_engine.ui.mappings.rows import Row, row_of
from etl_engine.ui.offers import Offer
from etl_engine.ui.props import event
from etl_engine.ui.runs.address import run_address
from etl_engine.ui.session import AskError, Trouble, ask
from etl_engine.ui.theme import Tone
from etl_engine.ui.toasts import Toasts
from etl_engine.ui.words import counted

PAGE_SIZE = 30
_NONE = "A mapping reads one query, and says how its columns become the fields of a schema."


@dataclass(frozen=True)
class View:
    """One way to look at the mappings."""

    text: str = ""
    page: int = 1

    @classmethod
    def of(cls, parameters: Mapping[str, str]) -> "View":
        page = parameters.get("page", "")
        number = int(page) if page.isascii() and page.isdigit() and len(page) < 7 else 1
        return cls(parameters.get("q", "")[:200], max(number, 1))

    def query(self) -> Query:
        return Query(self.text, {}, "name", False, PAGE_SIZE, (self.page - 1) * PAGE_SIZE)

    def address(self, page: int) -> str:
        said = {"q": self.text, "page": str(page) if page > 1 else ""}
        query = urlencode({name: value for name, value in said.items() if value})
        return f"{PATH}?{query}" if query else PATH


@dataclass(frozen=True)
class Doomed:
    """What would be deleted, as the question names it."""

    id: str = ""
    name: str = ""
    rules: str = ""


@dataclass
class Bar:
    """What stands around the rows."""

    any: bool = False
    subtitle: str = _NONE
    before: str = ""
    after: str = ""
    extent: str = ""


class Mappings(rx.State):
    """One page of the mappings."""

    loaded: bool = False
    rows: rx.Field[list[Row]] = rx.field(default_factory=list)
    pages: rx.Field[list[Step]] = rx.field(default_factory=list)
    bar: Bar = Bar()
    trouble: Trouble = Trouble()
    doomed: Doomed = Doomed()
    busy: bool = False
    _view: View = View()
    _asked: int = 0

    @event(background=True)
    async def load(self) -> None:
        """The page was opened, or its address changed."""
        async with self:
            view = View.of(self.router.url.query_parameters)
        await self._look(view)

    @event(background=True)
    async def refresh(self) -> None:
        """Mappings, what they name, or their runs changed: look again, if they are looked at."""
        async with self:
            here = self.router.url.path.rstrip("/") == PATH
            view, seen = self._view, here and (self.loaded or bool(self.trouble.message))
        if seen:
            await self._look(view, quiet=True)

    @event
    def make(self) -> Any:
        """An empty editor."""
        return rx.redirect(mapping_address(NEW))

    @event(background=True)
    async def run(self, mapping_id: str) -> AsyncIterator[Any]:
        """Order its run, and go there."""
        try:
            made = await ask(lambda ctx: mappings.run(ctx, str(mapping_id)))
        except AskError as error:
            await self._refused(error)
            return
        nudge()
        yield rx.redirect(run_address(made.id))

    @event(background=True)
    async def duplicate(self, mapping_id: str) -> AsyncIterator[Any]:
        """A copy of it, opened."""
        try:
            made = await ask(lambda ctx: mapping_drafts.duplicate(ctx, str(mapping_id)))
        except AskError as error:
            await self._refused(error)
            return
        nudge()
        await self._say("ok", f"Made {made.name}")
        yield rx.redirect(mapping_address(made.id))

    @event
    def ask_to_delete(self, mapping_id: str) -> None:
        """Name what would go."""
        found = next((row for row in self.rows if row.id == str(mapping_id)), None)
        if found is not None:
            self.doomed = Doomed(found.id, found.name, found.rules)

    @event
    def keep(self) -> None:
        """The question is answered with no."""
        if not self.busy:
            self.doomed = Doomed()

    @event(background=True)
    async def delete(self) -> None:
        """The question is answered with yes. For two minutes the message has a way back."""
        async with self:
            doomed = self.doomed
            if not doomed.id or self.busy:
                return
            self.busy = True
        try:
            gone = await ask(lambda ctx: mapping_drafts.delete(ctx, doomed.id))
        except AskError as error:
            await self._refused(error)
            return
        async with self:
            self.doomed, self.busy = Doomed(), False
        await self._say("ok", f"Deleted {doomed.name}", "", Offer("Undo", _back(gone)))
        nudge()

    async def _look(self, view: View, *, quiet: bool = False) -> None:
        async with self:
            self._asked += 1
            mine, self._view = self._asked, view
        try:
            found = await ask(lambda ctx: mapping_drafts.overview(ctx, view.query()))
        except AskError as error:
            async with self:
                if self._asked == mine and not (quiet and self.loaded):
                    self.trouble = error.trouble
            return
        rows = [row_of(one) for one in found.items]
        async with self:
            if self._asked != mine:
                return
            if self.rows != rows:
                self.rows = rows
            self.pages, self.bar = _around(view, found)
            self.loaded, self.trouble = True, Trouble()

    async def _say(self, tone: Tone, title: str, text: str = "", offer: Offer | None = None) -> None:
        async with self:
            toasts = await self.get_state(Toasts)
            toasts._say(tone, title, text, offer)

    async def _refused(self, error: AskError) -> None:
        async with self:
            self.doomed, self.busy = Doomed(), False
        await self._say("bad", error.trouble.message, error.trouble.hint)


def _back(gone: Opened) -> Any:
    def undo(ctx: Context) -> str:
        return f"Restored {mapping_drafts.restore(ctx, gone).name}"

    return undo


def _around(view: View, found: Overview) -> tuple[list[Step], Bar]:
    last = max(-(-found.total // PAGE_SIZE), 1)
    page = min(view.page, last)
    first = (page - 1) * PAGE_SIZE
    there = found.any
    bar = Bar(
        any=there,
        subtitle=f"{counted(found.total, 'mapping')}{' found' if view.text else ''}" if there else _NONE,
        before=view.address(page - 1) if page > 1 else "",
        after=view.address(page + 1) if page < last else "",
        extent=f"{first + 1:,}–{first + len(found.items):,} of {found.total:,}" if found.items else "",
    )
    return list(_steps(view, page, last)) if last > 1 else [], bar


def _steps(view: View, page: int, last: int) -> list[Step]:
    """The first, the last, and those around this one; a gap for the others."""
    shown = sorted({1, last, *range(max(page - 1, 1), min(page + 1, last) + 1)})
    steps = []
    for before, number in zip([0, *shown], shown, strict=False):
        if number - before > 1:
            steps.append(Step(0))
        steps.append(Step(number, view.address(number), number == page))
    return steps
