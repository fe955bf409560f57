"""Closes what nobody will finish any more. Any number of processes may do this at once."""

import asyncio
import contextlib
import threading
import time

import structlog

from etl_engine import wiring
from etl_engine.errors import EtlError
from etl_engine.services import audit, execution_claims, execution_logs, replies

log = structlog.get_logger("etl_engine.worker")

SECONDS_BETWEEN_ROUNDS = 60.0
SECONDS_BETWEEN_LOOKS = 2.0  # for executions whose worker is gone: with the lease of 15 s they are lost within 20 s
_SECONDS_BETWEEN_PURGES = 3600.0


async def reap() -> None:
    """Lifespan task: a round a minute; a store that cannot be reached is the next round's business."""
    while True:
        with contextlib.suppress(EtlError):
            await asyncio.to_thread(_round)
        await asyncio.sleep(SECONDS_BETWEEN_ROUNDS)


def _round() -> None:
    ctx = wiring.context()
    audit.close_abandoned(ctx)
    replies.purge(ctx)


class Reaper:
    """Gives up executions whose worker is gone, and deletes old log lines; in a thread of its own."""

    def __init__(self) -> None:
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._work, name="reaper", daemon=True)
        self._purged: float | None = None

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._end.set()
        self._thread.join(10)

    def _work(self) -> None:
        while not self._end.wait(SECONDS_BETWEEN_LOOKS):
            try:
                self._look()
            except EtlError:  # a store that is away says so elsewhere
                continue
            except Exception:
                log.exception("the reaper failed")

    def _look(self) -> None:
        running = wiring.engine()
        for lost in execution_claims.reap(running.context()):
            log.warning("an execution was lost: its worker does not answer", execution=lost)
        if self._purged is None or time.monotonic() - self._purged > _SECONDS_BETWEEN_PURGES:
            self._purged = time.monotonic()
            gone = execution_logs.purge(running.context(), running.config.log_retention_days)
            if gone:
                log.info("old log lines were deleted", segments=gone)
