"""Pages hear of runs that move on: who moved is asked once for all browsers, a few times a second at most."""

import asyncio
from collections.abc import Sequence
from typing import Any

import reflex as rx
import structlog

from etl_engine import wiring
from etl_engine.errors import EtlError
from etl_engine.model.execution import ACTIVE
from etl_engine.services import executions
from etl_engine.services.context import Context
from etl_engine.ui.live import tell_everybody

log = structlog.get_logger("etl_engine.ui")

SECONDS_BETWEEN_LOOKS = 0.5
SECONDS_AT_REST = 1.0
_MOST = 50  # of those at work; behind them the newest runs tell


async def watch_runs(app: rx.App, listeners: Sequence[Any]) -> None:
    """Runs as long as the server: tells browsers when a run was ordered, moved on or ended."""
    last: object = None
    while True:
        seen, busy = last, False
        if app.event_namespace and app.event_namespace.token_to_sid:
            try:
                seen, busy = await asyncio.to_thread(lambda: traces(wiring.context()))
            except Exception as error:
                if not isinstance(error, EtlError):
                    log.exception("the watch over the runs failed")
        if seen != last:
            last = seen
            await tell_everybody(app, *listeners)
        await asyncio.sleep(SECONDS_BETWEEN_LOOKS if busy else SECONDS_AT_REST)


def traces(ctx: Context) -> tuple[object, bool]:
    """What changes whenever a run does, and whether any is at work. While one is, time itself is a change."""
    active = executions.list_(ctx, executions.Query(statuses=tuple(ACTIVE), limit=_MOST)).items
    newest = executions.list_(ctx, executions.Query(limit=1)).items
    counts = executions.counts(ctx, executions.Query())
    moving = [(one.id, one.status, one.epoch, one.counters, one.movement, one.log_lines) for one in active]
    second = int(ctx.store.now().timestamp()) if active else 0
    state = (tuple(moving), tuple(one.id for one in newest), tuple(sorted(counts.items())), second)
    return state, bool(active)
