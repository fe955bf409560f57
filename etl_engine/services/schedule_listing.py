"""One page of the schedules with everything around it: how many there are, are active, are found, and what they run."""

import datetime as dt
from dataclasses import dataclass, replace

from etl_engine.model.collections import MAPPINGS, SCHEDULES
from etl_engine.model.schedule import Schedule
from etl_engine.services import access, schedules
from etl_engine.services.context import Context
from etl_engine.services.documents import Query


@dataclass(frozen=True)
class ScheduleListing:
    """What a list of schedules shows."""

    items: list[Schedule]
    total: int  # fit the search and the filter
    active: int  # fit the search alone
    paused: int
    any: bool  # whether there is any schedule at all
    mappings: dict[str, str]  # the names of those that the items run, by id; what is gone is missing
    now: dt.datetime


def look(ctx: Context, query: Query) -> ScheduleListing:
    """The page that a query asks for. A page behind the last one is the last one."""
    access.require(ctx, "schedule:read")
    access.require(ctx, "mapping:read")
    listing = schedules.list_(ctx, query)
    if not listing.items and listing.total and query.limit:
        query = replace(query, offset=(listing.total - 1) // query.limit * query.limit)
        listing = schedules.list_(ctx, query)
    active, paused = (_number(ctx, query.text, enabled) for enabled in (True, False))
    there = bool(active or paused) or ctx.store.count(SCHEDULES.name) > 0
    names = _mappings(ctx, listing.items)
    return ScheduleListing(listing.items, listing.total, active, paused, there, names, ctx.store.now())


def _number(ctx: Context, text: str, enabled: bool) -> int:
    return schedules.list_(ctx, Query(text=text, where={"enabled": enabled}, limit=1)).total


def _mappings(ctx: Context, items: list[Schedule]) -> dict[str, str]:
    wanted = sorted({one.mapping_id for one in items})
    found = ctx.store.find(MAPPINGS.name, {"_id": {"$in": wanted}}) if wanted else []
    return {one["_id"]: one["name"] for one in found}
