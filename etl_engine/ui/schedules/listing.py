"""The list of schedules as one browser sees it."""

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

import reflex as rx

from etl_engine.services import schedule_listing
from etl_engine.services.documents import Query
from etl_engine.services.schedule_listing import ScheduleListing
from etl_engine.ui.components.pagination import Step
from etl_engine.ui.props import event
from etl_engine.ui.schedules.form import PATH, ScheduleForm
from etl_engine.ui.schedules.rows import Row, row_of
from etl_engine.ui.session import AskError, Trouble, ask
from etl_engine.ui.words import counted

PAGE_SIZE = 30
_STATES = {"active": ("Active", True), "paused": ("Paused", False)}
_NONE = "A schedule runs a mapping at the times that you say, in the time zone that you mean."


@dataclass(frozen=True)
class View:
    """One way to look at the schedules."""

    text: str = ""
    state: str = ""
    page: int = 1

    @classmethod
    def of(cls, parameters: Mapping[str, str]) -> "View":
        page, state = parameters.get("page", ""), parameters.get("state", "")
        number = int(page) if page.isascii() and page.isdigit() and len(page) < 7 else 1
        return cls(parameters.get("q", "")[:200], state if state in _STATES else "", max(number, 1))

    def query(self) -> Query:
        where = {"enabled": _STATES[self.state][1]} if self.state else {}
        return Query(self.text, where, "name", False, PAGE_SIZE, (self.page - 1) * PAGE_SIZE)

    def address(self, **changes: Any) -> str:
        view = replace(self, **({"page": 1} | changes))
        said = {"q": view.text, "state": view.state, "page": str(view.page) if view.page > 1 else ""}
        query = urlencode({name: value for name, value in said.items() if value})
        return f"{PATH}?{query}" if query else PATH


@dataclass
class Chip:
    """A filter."""

    key: str
    label: str
    count: str
    address: str
    active: bool = False


@dataclass
class Bar:
    """What stands around the rows."""

    any: bool = False
    subtitle: str = _NONE
    filtered: bool = False
    states: list[Chip] = field(default_factory=list)
    everything: str = PATH
    pages: list[Step] = field(default_factory=list)
    before: str = ""
    after: str = ""
    extent: str = ""


class Schedules(rx.State):
    """One page of the schedules."""

    loaded: bool = False
    rows: rx.Field[list[Row]] = rx.field(default_factory=list)
    bar: Bar = Bar()
    trouble: Trouble = Trouble()
    _view: View = View()
    _asked: int = 0

    @event(background=True)
    async def load(self) -> AsyncIterator[Any]:
        """The page was opened, or its address changed. `?new=<mapping>` opens the form."""
        async with self:
            parameters = self.router.url.query_parameters
            view, new = View.of(parameters), parameters.get("new", "")
        await self._look(view)
        if new:
            yield ScheduleForm.open_new(new)

    @event(background=True)
    async def refresh(self) -> None:
        """Schedules or their runs changed: look again, if they are looked at."""
        async with self:
            here = self.router.url.path.rstrip("/") == PATH
            view, seen = self._view, here and (self.loaded or bool(self.trouble.message))
        if seen:
            await self._look(view, quiet=True)

    async def _look(self, view: View, *, quiet: bool = False) -> None:
        async with self:
            self._asked += 1
            mine, self._view = self._asked, view
        try:
            found = await ask(lambda ctx: schedule_listing.look(ctx, view.query()))
        except AskError as error:
            async with self:
                if self._asked == mine and not (quiet and self.loaded):
                    self.trouble = error.trouble
            return
        rows, bar = [row_of(one, found.mappings, found.now) for one in found.items], bar_of(view, found)
        async with self:
            if self._asked != mine:
                return
            if self.rows != rows:
                self.rows = rows
            if self.bar != bar:
                self.bar = bar
            if self.trouble.message:
                self.trouble = Trouble()
            self.loaded = True


def bar_of(view: View, found: ScheduleListing) -> Bar:
    last = max(-(-found.total // PAGE_SIZE), 1)
    page = min(view.page, last)
    first = (page - 1) * PAGE_SIZE
    counts = {"active": found.active, "paused": found.paused}
    return Bar(
        any=found.any,
        subtitle=f"{counted(sum(counts.values()), 'schedule')} · {found.paused:,} paused" if found.any else _NONE,
        filtered=bool(view.state),
        states=[
            Chip(
                key,
                word,
                f"{counts[key]:,}",
                view.address(state="" if view.state == key else key),
                view.state == key,
            )
            for key, (word, _) in _STATES.items()
        ],
        everything=view.address(state=""),
        pages=list(_pages(view, page, last)) if last > 1 else [],
        before=view.address(page=page - 1) if page > 1 else "",
        after=view.address(page=page + 1) if page < last else "",
        extent=f"{first + 1:,}–{first + len(found.items):,} of {found.total:,}" if found.items else "",
    )


def _pages(view: View, page: int, last: int) -> Iterator[Step]:
    """The first, the last, and those around this one; a gap for the others."""
    shown = sorted({1, last, *range(max(page - 1, 1), min(page + 1, last) + 1)})
    for before, number in zip([0, *shown], shown, strict=False):
        if number - before > 1:
            yield Step(0)
        yield Step(number, view.address(page=number), number == page)
