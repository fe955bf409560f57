"""Pages hear of runs that move on: who moved is asked once for all browsers, a few times a second at most."""

import asyncio
from collections.abc import Sequence
from typing import Any

import reflex as rx
import structlog

from etl_engine import wiring
from etl_engine.errors import EtlError
from etl_engine.services import run_listing
from etl_engine.ui.live import tell_everybody

log = structlog.get_logger("etl_engine.ui")

SECONDS_BETWEEN_LOOKS = 0.5
SECONDS_AT_REST = 1.0


async def watch_runs(app: rx.App, listeners: Sequence[Any]) -> None:
    """Runs as long as the server: tells browsers when a run was ordered, moved on or ended."""
    last: object = None
    while True:
        seen, busy = last, False
        if app.event_namespace and app.event_namespace.token_to_sid:
            try:
                seen, busy = await asyncio.to_thread(lambda: run_listing.traces(wiring.context()))
            except Exception as error:
                if not isinstance(error, EtlError):
                    log.exception("the watch over the runs failed")
        if seen != last:
            last = seen
            await tell_everybody(app, *listeners)
        await asyncio.sleep(SECONDS_BETWEEN_LOOKS if busy else SECONDS_AT_REST)
