"""Fires what is due. Any number of processes may do this at once: the store decides who is first."""

import threading

import structlog

from etl_engine import wiring
from etl_engine.errors import EtlError
from etl_engine.services import schedule_fires
from etl_engine.services.context import Actor

log = structlog.get_logger("etl_engine.worker")

SECONDS_BETWEEN_TICKS = 1.0
ACTOR = Actor("scheduler", frozenset({"schedule:fire", "execution:read", "execution:submit", "mapping:run"}))
_TICKS_BETWEEN_PURGES = 3600


class Scheduler:
    """One tick a second, in a thread of its own; the next one at once while there is more to do."""

    def __init__(self) -> None:
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._work, name="scheduler", daemon=True)
        self._ticks = 0

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """A tick that is under way is finished; one that is cut off is finished by whoever comes next."""
        self._end.set()
        self._thread.join(10)

    def _work(self) -> None:
        more = False
        while not self._end.wait(0 if more else SECONDS_BETWEEN_TICKS):
            more = False
            try:
                more = self._tick()
            except EtlError:  # a store that is away says so elsewhere
                continue
            except Exception:
                log.exception("the scheduler failed")

    def _tick(self) -> bool:
        ctx = wiring.context().for_request("", ACTOR)
        done = schedule_fires.tick(ctx)
        if done.delivered:
            log.info("schedules fired", fires=done.delivered)
        self._ticks += 1
        if self._ticks % _TICKS_BETWEEN_PURGES == 0:
            schedule_fires.purge(ctx)
        return done.more
