"""Sends notices as long as a process runs. Any number of processes may do this at once."""

import threading
import time

import structlog

from etl_engine import wiring
from etl_engine.errors import EtlError
from etl_engine.services import notices

log = structlog.get_logger("etl_engine.worker")

SECONDS_BETWEEN_LOOKS = 2.0
_SECONDS_BETWEEN_PURGES = 3600.0


class Messenger:
    """Runs where a webhook is set, in a thread of its own."""

    def __init__(self) -> None:
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._work, name="messenger", daemon=True)
        self._purged = time.monotonic()
        self._news = notices.News()

    def start(self) -> None:
        if wiring.engine().notifier is not None:
            self._thread.start()

    def stop(self) -> None:
        self._end.set()
        if self._thread.is_alive():
            self._thread.join(5)

    def _work(self) -> None:
        while not self._end.wait(SECONDS_BETWEEN_LOOKS):
            try:
                self._look()
            except EtlError:  # a store that is away says so elsewhere
                continue
            except Exception:
                log.exception("the messenger failed")

    def _look(self) -> None:
        running = wiring.engine()
        if running.notifier is None:
            return
        ctx = running.context()
        self._news.decide(ctx)
        notices.deliver(ctx, running.notifier)
        if time.monotonic() - self._purged > _SECONDS_BETWEEN_PURGES:
            self._purged = time.monotonic()
            notices.forget(ctx)
