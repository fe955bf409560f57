"""The list of runs as one browser sees it."""

from dataclasses import dataclass, field
from typing import get_args

import reflex as rx

from etl_engine.model.execution import Execution, Status, SubjectKind
from etl_engine.services import run_listing
from etl_engine.services.run_listing import RunListing
from etl_engine.ui.props import event
from etl_engine.ui.runs.address import View, is_list
from etl_engine.ui.runs.looks import KINDS, RUN_STATUS
from etl_engine.ui.runs.rows import Row, row_of
from etl_engine.ui.session import AskError, Trouble, ask
from etl_engine.ui.words import counted

_NONE = "What moves rows shows up here while it runs, and stays to be looked at."


@dataclass
class Chip:
    """A filter, with the address that a click leads to."""

    key: str
    label: str
    count: str
    address: str
    active: bool = False
    tone: str = ""


@dataclass
class Bar:
    """What stands around the rows."""

    any: bool = False  # whether there is any run at all
    subtitle: str = _NONE
    filtered: bool = False
    narrowed: bool = False
    statuses: list[Chip] = field(default_factory=list)
    kinds: list[Chip] = field(default_factory=list)
    only: str = ""  # the mapping or schedule whose runs these are
    anybodys: str = ""  # the address without that
    everything: str = "/runs"
    newest: str = ""
    older: str = ""


class Runs(rx.State):
    """One page of the runs, and what stands around it."""

    loaded: bool = False
    rows: rx.Field[list[Row]] = rx.field(default_factory=list)
    bar: Bar = Bar()
    trouble: Trouble = Trouble()
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
        """Runs moved on: look again at the same view, if it is looked at."""
        async with self:
            view, seen = self._view, is_list(self.router.url.path) and (self.loaded or bool(self.trouble.message))
        if seen:
            await self._look(view, quiet=True)

    async def _look(self, view: View, *, quiet: bool = False) -> None:
        async with self:
            self._asked += 1
            mine, self._view = self._asked, view
        try:
            found = await ask(lambda ctx: run_listing.look(ctx, view.query()))
        except AskError as error:
            async with self:
                if self._asked == mine and not (quiet and self.loaded):
                    self.trouble = error.trouble
            return
        rows, bar = [row_of(one, found.now) for one in found.page.items], bar_of(view, found)
        async with self:
            if self._asked == mine:
                self._show(rows, bar)

    def _show(self, rows: list[Row], bar: Bar) -> None:
        if self.rows != rows:
            self.rows = rows
        if self.bar != bar:
            self.bar = bar
        if self.trouble.message:
            self.trouble = Trouble()
        self.loaded = True


def bar_of(view: View, found: RunListing) -> Bar:
    following = found.page.next
    return Bar(
        any=found.any,
        subtitle=_subtitle(found.counts) if found.counts else _NONE,
        filtered=view.filtered,
        narrowed=view.filtered or bool(view.text),
        statuses=_status_chips(view, found.counts),
        kinds=[
            Chip(kind, f"{KINDS[kind]} runs", "", view.with_kind(kind), kind in view.kinds)
            for kind in get_args(SubjectKind)
            if kind in ("mapping", "copy") or kind in view.kinds
        ],
        only=_named(view, found.page.items),
        anybodys=view.address(subject="", schedule=""),
        everything=view.address(statuses=(), kinds=(), subject="", schedule=""),
        newest=view.address() if view.after else "",
        older=view.address(after=following) if following else "",
    )


def _subtitle(counts: dict[Status, int]) -> str:
    total = counted(sum(counts.values()), "run")
    words = [f"{counts[one]:,} {RUN_STATUS[one.value].word.lower()}" for one in _ORDER if counts.get(one)]
    return f"{total} · {', '.join(words)}"


_ORDER = [status for name in RUN_STATUS for status in Status if status.value == name]


def _status_chips(view: View, counts: dict[Status, int]) -> list[Chip]:
    return [
        Chip(
            status.value,
            RUN_STATUS[status.value].word,
            f"{counts.get(status, 0):,}",
            view.with_status(status),
            status in view.statuses,
            RUN_STATUS[status.value].tone,
        )
        for status in _ORDER
        if counts.get(status) or status in view.statuses
    ]


def _named(view: View, items: list[Execution]) -> str:
    if view.schedule:
        name = next((one.trigger.name for one in items if one.trigger.name), "")
        return f"Only of the schedule “{name}”" if name else "Only of one schedule"
    if view.subject:
        return f"Only of “{items[0].subject.name}”" if items else "Only of one mapping"
    return ""
