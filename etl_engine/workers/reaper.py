"""Closes what nobody will finish any more. Any number of servers may do this at once."""

import asyncio
import contextlib

from etl_engine import wiring
from etl_engine.errors import EtlError
from etl_engine.services import audit

SECONDS_BETWEEN_ROUNDS = 60.0


async def reap() -> None:
    """Lifespan task: a round a minute; a store that cannot be reached is the next round's business."""
    while True:
        with contextlib.suppress(EtlError):
            await asyncio.to_thread(_round)
        await asyncio.sleep(SECONDS_BETWEEN_ROUNDS)


def _round() -> None:
    audit.close_abandoned(wiring.context())
