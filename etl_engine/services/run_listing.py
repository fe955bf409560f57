"""One page of the runs with everything around it, and what changes whenever a run does."""

import datetime as dt
from dataclasses import dataclass, replace

from etl_engine.model.execution import ACTIVE, Status
from etl_engine.services import access, executions
from etl_engine.services.context import Context
from etl_engine.services.executions import Page, Query

_MOST_AT_WORK = 50  # behind them the newest run and the counts tell


@dataclass(frozen=True)
class RunListing:
    """What a list of runs shows."""

    page: Page
    counts: dict[Status, int]  # of what the search and the other filters find
    any: bool  # whether there is any run at all
    now: dt.datetime


def look(ctx: Context, query: Query) -> RunListing:
    """The page that a query asks for."""
    access.require(ctx, "execution:read")
    counts = executions.counts(ctx, replace(query, statuses=(), after=None))
    there = bool(counts) or bool(executions.list_(ctx, Query(limit=1)).items)
    return RunListing(executions.list_(ctx, query), counts, there, ctx.store.now())


def traces(ctx: Context) -> tuple[object, bool]:
    """What changes whenever a run does, and whether any is at work. While one is, time itself is a change."""
    access.require(ctx, "execution:read")
    active = executions.list_(ctx, Query(statuses=tuple(ACTIVE), limit=_MOST_AT_WORK)).items
    newest = executions.list_(ctx, Query(limit=1)).items
    counts = executions.counts(ctx, Query())
    moving = [(one.id, one.status, one.epoch, one.counters, one.movement, one.log_lines) for one in active]
    second = int(ctx.store.now().timestamp()) if active else 0
    state = (tuple(moving), tuple(one.id for one in newest), tuple(sorted(counts.items())), second)
    return state, bool(active)
