"""What a person wants to know first: what is broken, what runs, what is late, what comes next, and rows per day."""

import datetime as dt
import threading
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from etl_engine.model.collections import EXECUTIONS, SCHEDULES
from etl_engine.model.execution import ACTIVE, FINAL, Execution, Status
from etl_engine.model.schedule import Schedule
from etl_engine.services import access, executions
from etl_engine.services.context import Context
from etl_engine.store.contract import Document, Store

DAYS = 14
SHOWN = 6
LATE = dt.timedelta(seconds=90)  # a fire that nobody has decided by then
_FAILURES_LOOKED_AT = 60
# The time of an end is taken before it is visible: at most the store's own five seconds.
_SETTLED = dt.timedelta(seconds=10)
_PAGE = 500
_MOST = 10_000  # runs that are counted at the first look: half a second


@dataclass(frozen=True)
class Day:
    """What ended on one day, by UTC."""

    date: dt.date
    runs: int = 0
    failed: int = 0
    loaded: int = 0
    rejected: int = 0


@dataclass(frozen=True)
class RunOverview:
    """Everything the first page shows."""

    now: dt.datetime
    any: bool
    broken: list[Execution]  # the last run of something, where it failed
    running: list[Execution]
    active: int  # how many run or wait
    late: list[Schedule]
    coming: list[Schedule]
    days: list[Day]  # the last of them is today
    counted_from: dt.date  # of the days before it not every run is counted


def look(ctx: Context) -> RunOverview:
    """How things stand now."""
    access.require(ctx, "execution:read")
    access.require(ctx, "schedule:read")
    now = ctx.store.now()
    days, counted_from = _days(ctx.store, now)
    at_work = executions.Query(statuses=tuple(ACTIVE))
    return RunOverview(
        now=now,
        any=bool(executions.list_(ctx, executions.Query(limit=1)).items),
        broken=_broken(ctx),
        running=executions.list_(ctx, replace(at_work, limit=SHOWN)).items,
        active=sum(executions.counts(ctx, at_work).values()),
        late=_schedules(ctx, {"$lt": now - LATE}),
        coming=_schedules(ctx, {"$gte": now - LATE}),
        days=days,
        counted_from=counted_from,
    )


def _broken(ctx: Context) -> list[Execution]:
    """Newest first. What ran well since then, or runs again, is not broken."""
    found, seen = [], set()
    for run in executions.list_(ctx, executions.Query(statuses=(Status.FAILED,), limit=_FAILURES_LOOKED_AT)).items:
        if run.series in seen:
            continue
        seen.add(run.series)
        last = ctx.store.find(EXECUTIONS.name, {"series": run.series}, sort=[("created_at", -1)], limit=1)
        if last and last[0]["_id"] == run.id:
            found.append(run)
    return found


def _schedules(ctx: Context, when: dict[str, dt.datetime]) -> list[Schedule]:
    where = {"enabled": True, "next_run_at": when}
    found = ctx.store.find(SCHEDULES.name, where, sort=[("next_run_at", 1)], limit=SHOWN)
    return [Schedule.model_validate(one) for one in found]


@dataclass
class _Book:
    """Days as counted so far. What ended before `until` is in them and is not read again."""

    until: dt.datetime
    counted_from: dt.date
    days: dict[dt.date, Day] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


_books: "weakref.WeakKeyDictionary[Store, _Book]" = weakref.WeakKeyDictionary()
_opening = threading.Lock()


def _days(store: Store, now: dt.datetime) -> tuple[list[Day], dt.date]:
    first = now.date() - dt.timedelta(days=DAYS - 1)
    with _opening:
        begin = dt.datetime.combine(first, dt.time(), dt.UTC)
        book = _books.setdefault(store, _Book(begin, first))
    with book.lock:
        settled = max(now - _SETTLED, book.until)
        fresh: dict[dt.date, Day] = {}
        number, last = 0, now
        for document in _changed(store, book.until, now):
            number += 1
            last = document["changed_at"]
            if Status(document["status"]) in FINAL:
                _count(book.days if last < settled else fresh, document)
        if number == _MOST:
            book.counted_from = max(book.counted_from, last.date() + dt.timedelta(days=1))
        book.until = settled
        for date in [date for date in book.days if date < first]:
            del book.days[date]
        dates = [first + dt.timedelta(days=number) for number in range(DAYS)]
        sums = [_sum(date, book.days.get(date), fresh.get(date)) for date in dates]
        return sums, max(book.counted_from, first)


def _changed(store: Store, since: dt.datetime, now: dt.datetime) -> Iterator[Document]:
    """Newest first, so that a first look that is cut off has today whole."""
    last: Document | None = None
    where = {"changed_at": {"$gte": since, "$lte": now}}
    for _ in range(_MOST // _PAGE):
        page = store.find(EXECUTIONS.name, where, sort=[("changed_at", -1)], limit=_PAGE, after=last)
        yield from page
        if len(page) < _PAGE:
            return
        last = page[-1]


def _count(days: dict[dt.date, Day], document: Document) -> None:
    counters = document["counters"]
    date = document["changed_at"].astimezone(dt.UTC).date()
    failed = document["status"] == Status.FAILED.value
    days[date] = _sum(date, days.get(date), Day(date, 1, failed, counters["loaded"], counters["rejected"]))


def _sum(date: dt.date, *parts: Day | None) -> Day:
    given = [part for part in parts if part is not None]
    return Day(
        date,
        sum(part.runs for part in given),
        sum(part.failed for part in given),
        sum(part.loaded for part in given),
        sum(part.rejected for part in given),
    )
