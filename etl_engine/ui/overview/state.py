"""The overview as one browser sees it."""

import datetime as dt
from dataclasses import dataclass, field

import reflex as rx

from etl_engine.model.execution import Execution
from etl_engine.model.schedule import Schedule
from etl_engine.services import run_overview
from etl_engine.services.run_overview import Day, RunOverview
from etl_engine.ui.props import event
from etl_engine.ui.runs.address import PATH as RUNS
from etl_engine.ui.runs.address import run_address
from etl_engine.ui.runs.detail import Tile
from etl_engine.ui.runs.rows import Row, row_of
from etl_engine.ui.runs.words import sentence, short
from etl_engine.ui.session import AskError, Trouble, ask
from etl_engine.ui.words import counted

PATH = "/overview"


@dataclass
class Broken:
    """Something whose last run failed."""

    id: str
    address: str
    name: str
    said: str
    hint: str
    at: str


@dataclass
class Coming:
    """A schedule with its next fire."""

    id: str
    name: str
    at: str
    address: str


@dataclass
class Column:
    """A day of the chart."""

    date: str
    label: str
    height: str
    words: str
    today: bool = False
    failed: bool = False


@dataclass
class Shown:
    """The whole page."""

    any: bool = False
    subtitle: str = ""
    tiles: list[Tile] = field(default_factory=list)
    broken: list[Broken] = field(default_factory=list)
    more_broken: str = ""
    running: list[Row] = field(default_factory=list)
    late: list[Coming] = field(default_factory=list)
    coming: list[Coming] = field(default_factory=list)
    columns: list[Column] = field(default_factory=list)
    chart: str = ""  # the same in words


class Overview(rx.State):
    """How things stand."""

    loaded: bool = False
    page: Shown = Shown()
    trouble: Trouble = Trouble()

    @event(background=True)
    async def load(self) -> None:
        """The page was opened."""
        await self._look()

    @event(background=True)
    async def refresh(self) -> None:
        """Something moved on: look again, if this page is looked at."""
        async with self:
            seen = self.router.url.path.rstrip("/") == PATH
        if seen:
            await self._look()

    async def _look(self) -> None:
        try:
            found = await ask(run_overview.look)
        except AskError as error:
            async with self:
                if not self.loaded:
                    self.trouble = error.trouble
            return
        page = shown(found)
        async with self:
            if self.page != page:
                self.page = page
            if self.trouble.message:
                self.trouble = Trouble()
            self.loaded = True


_MOST_BROKEN = 5


def shown(found: RunOverview) -> Shown:
    return Shown(
        any=found.any or bool(found.coming or found.late),
        subtitle=_subtitle(found),
        tiles=_tiles(found),
        broken=[_broken(run, found.now) for run in found.broken[:_MOST_BROKEN]],
        more_broken=f"{len(found.broken) - _MOST_BROKEN:,} more" if len(found.broken) > _MOST_BROKEN else "",
        running=[row_of(run, found.now) for run in found.running],
        late=[_coming(one) for one in found.late],
        coming=[_coming(one) for one in found.coming],
        columns=_columns(found.days),
        chart=_chart(found),
    )


def _subtitle(found: RunOverview) -> str:
    broken, late = len(found.broken), len(found.late)
    said = []
    if broken:
        said.append(f"{counted(broken, 'thing')} {'needs' if broken == 1 else 'need'} you")
    if late:
        said.append(f"{counted(late, 'schedule')} {'is' if late == 1 else 'are'} late")
    if not said:
        return "Nothing is broken, and nothing is late."
    return f"{' and '.join(said)}."


def _tiles(found: RunOverview) -> list[Tile]:
    today, before = found.days[-1], found.days[:-1]
    usual = [day.loaded for day in before if day.runs]
    mean = sum(usual) / len(usual) if usual else 0
    note = f"{short(mean)} on a usual day" if usual else f"in {counted(today.runs, 'run')}"
    broken, late = len(found.broken), len(found.late)
    worst = found.broken[0].subject.name if found.broken else "every last run ended well"
    return [
        Tile("Rows loaded today", short(today.loaded), note, f"{today.loaded:,}"),
        Tile("At work", f"{found.active:,}", "running or queued"),
        Tile("Broken", f"{broken:,}", worst, "", "bad" if broken else ""),
        Tile("Late", f"{late:,}", found.late[0].name if late else "every fire on time", "", "warn" if late else ""),
    ]


def _broken(run: Execution, now: dt.datetime) -> Broken:
    return Broken(
        run.id,
        run_address(run.id),
        run.subject.name or run.subject.kind,
        sentence(run, now),
        run.error.hint if run.error else "",
        (run.finished_at or run.created_at).isoformat(),
    )


def _coming(schedule: Schedule) -> Coming:
    at = schedule.next_run_at.isoformat() if schedule.next_run_at else ""
    return Coming(schedule.id, schedule.name, at, f"{RUNS}?schedule={schedule.id}")


def _columns(days: list[Day]) -> list[Column]:
    most = max((day.loaded for day in days), default=0) or 1
    columns = []
    for day in days:
        failed = f", {day.failed:,} failed" if day.failed else ""
        columns.append(
            Column(
                day.date.isoformat(),
                f"{day.date:%d}",
                f"{max(100 * day.loaded / most, 1.5 if day.runs else 0):.1f}%",
                f"{day.date:%a %d %b}: {counted(day.loaded, 'row')} in {counted(day.runs, 'run')}{failed}",
                day is days[-1],
                bool(day.failed),
            )
        )
    return columns


def _chart(found: RunOverview) -> str:
    days = found.days
    total, best = sum(day.loaded for day in days), max(days, key=lambda day: day.loaded)
    said = f"{counted(total, 'row')} in {len(days)} days; the most, {best.loaded:,}, on {best.date:%d %b}"
    if found.counted_from > days[0].date:
        said += f"; of the days before {found.counted_from:%d %b} not all is counted"
    return said
