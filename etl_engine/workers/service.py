"""The separate execution service, `etl-engine worker`: worker processes, the reaper, and its figures."""

import signal
import threading

import structlog

from etl_engine import wiring
from etl_engine.workers.figures import FiguresServer
from etl_engine.workers.messenger import Messenger
from etl_engine.workers.reaper import Reaper
from etl_engine.workers.scheduler import Scheduler

log = structlog.get_logger("etl_engine.worker")

_GRACE_SECONDS = 25.0


def serve(running: wiring.Engine, slots: int, port: int) -> None:
    """Work until SIGTERM or Ctrl-C; then hand back what runs, and end."""
    ending = threading.Event()
    before = {number: signal.signal(number, lambda *_: ending.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    figures = FiguresServer(running, running.config.host, port)
    reaper, messenger, scheduler = Reaper(), Messenger(), Scheduler()
    try:
        reaper.start()
        messenger.start()
        scheduler.start()
        running.dispatch.start(slots)
        log.info("waiting for executions", slots=slots)
        ending.wait()
        log.info("the worker ends; what runs is handed back")
    finally:
        running.dispatch.stop(_GRACE_SECONDS)
        reaper.stop()
        messenger.stop()
        scheduler.stop()
        figures.close()
        running.close()
        for number, handler in before.items():
            signal.signal(number, handler)
