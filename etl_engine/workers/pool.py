"""The workers that the web server brings along: processes beside it, so that a heavy run does not slow the screen."""

import asyncio
import contextlib
import fcntl
import os
from collections.abc import AsyncIterator
from pathlib import Path

from etl_engine import wiring
from etl_engine.workers.messenger import Messenger
from etl_engine.workers.reaper import Reaper
from etl_engine.workers.scheduler import Scheduler

LOCK_FILE = "workers.lock"
_SECONDS_BETWEEN_TRIES = 2.0
_GRACE_SECONDS = 6.0


@contextlib.asynccontextmanager
async def local_workers() -> AsyncIterator[None]:
    """Lifespan of one server process. Of several on one DATA_DIR, one has the workers; the next takes over from it."""
    running = wiring.engine()
    reaper, messenger, scheduler = Reaper(), Messenger(), Scheduler()
    reaper.start()
    messenger.start()
    scheduler.start()
    taking = asyncio.create_task(_take_turn(running))
    try:
        yield
    finally:
        taking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await taking
        await asyncio.to_thread(running.dispatch.stop, _GRACE_SECONDS)
        await asyncio.to_thread(reaper.stop)
        await asyncio.to_thread(messenger.stop)
        await asyncio.to_thread(scheduler.stop)


async def _take_turn(running: wiring.Engine) -> None:
    slots = running.config.worker_slots
    if not slots:
        return
    with Turn(running.config.data_dir / LOCK_FILE) as turn:
        while not turn.mine():
            await asyncio.sleep(_SECONDS_BETWEEN_TRIES)
        running.dispatch.start(slots)
        await asyncio.Event().wait()  # the turn lasts as long as this


class Turn:
    """A lock on a file; it ends with the process, however that ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = -1

    def __enter__(self) -> "Turn":
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # Not inherited: a worker process must not hold the turn when the server is gone.
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    def mine(self) -> bool:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
