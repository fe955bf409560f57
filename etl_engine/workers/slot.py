"""One worker process: warm, waits for work, does one execution at a time, ends when its parent does.

Started by `dispatch/local.py` as `python -m etl_engine.workers.slot FD`, with its end of the link to its parent.
"""

import contextlib
import os
import secrets
import signal
import socket
import sys
import threading

import structlog

from etl_engine import logs, wiring
from etl_engine.errors import BadSetting, EtlError, Locked, StoreUnavailable

log = structlog.get_logger("etl_engine.worker")

_NICE = 10  # the screen and the API come first
_LOOK_SECONDS = 5.0  # without being told
_PAUSE_SECONDS = 1.0
# A run that does not let go: past this the process ends all the same, and the run is lost and taken up again.
_LEAVE_SECONDS = 20.0


class Link:
    """This process's end of the line to its parent."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self.ending = threading.Event()
        self.told = threading.Event()
        self.at_work = False

    def listen(self) -> None:
        """In a thread of its own, until the parent wants this process to end, or is gone."""
        while True:
            try:
                words = self._end.recv(64)
            except OSError:
                words = b""
            if not words or b"q" in words:
                self.leave()
                return
            self.told.set()

    def leave(self) -> None:
        """Who is idle, or not warm yet, has nothing to hand back."""
        if not self.at_work:
            os._exit(0)
        self.ending.set()
        self.told.set()
        threading.Timer(_LEAVE_SECONDS, os._exit, (1,)).start()

    def say(self, word: bytes) -> None:
        with contextlib.suppress(OSError):  # the parent is gone; the other thread hears it too
            self._end.send(word)


def main(descriptor: int) -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal; the parent decides
    link = Link(socket.socket(fileno=descriptor))
    signal.signal(signal.SIGTERM, lambda *_: link.leave())
    with contextlib.suppress(OSError):
        os.nice(_NICE)
    threading.Thread(target=link.listen, name="link", daemon=True).start()
    try:
        running = wiring.engine()
        config = running.config
        logs.configure(config.log_level, config.log_format)
        _warm_up(running)
    except (BadSetting, Locked) as error:
        log.critical(f"this worker cannot start: {error.message}", hint=error.hint)
        return 1
    owner = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"
    work(running, link, owner)
    running.close()
    os._exit(0)  # threads that wait for servers must not keep it


def work(running: wiring.Engine, link: Link, owner: str) -> None:
    """Executions, one after the other, until this process is to end."""
    from etl_engine.services.execution_attempts import claim_and_run

    stall = running.config.stall_minutes * 60.0
    while not link.ending.is_set():
        link.at_work = True
        link.say(b"b")
        try:
            while not link.ending.is_set() and claim_and_run(
                running.context(), owner, ending=link.ending, stall_seconds=stall
            ):
                pass
        except StoreUnavailable:
            link.ending.wait(_PAUSE_SECONDS)
        except EtlError as error:
            log.warning("a worker could not work", error=error.message)
            link.ending.wait(_PAUSE_SECONDS)
        except Exception:
            log.exception("a worker could not work")
            link.ending.wait(_PAUSE_SECONDS)
        link.at_work = False
        link.say(b"i")
        if link.ending.is_set():
            return
        link.told.wait(_LOOK_SECONDS)
        link.told.clear()


def _warm_up(running: wiring.Engine) -> None:
    """Whatever the first execution would have to load."""
    from etl_engine.engine import runner
    from etl_engine.services import drivers

    runner.blocks()
    drivers.all_drivers()
    with contextlib.suppress(StoreUnavailable):
        running.context()


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
