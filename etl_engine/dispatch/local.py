"""Worker processes on this machine: warm, as many as there is work for, gone when their parent is.

Each process is linked to this one by a socket pair, a byte at a time: `w` look for work, `q` end (from here);
`i` idle, `b` busy (from there). Either side takes the end of the socket for the end of the other one.
"""

import contextlib
import os
import selectors
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

log = structlog.get_logger("etl_engine.dispatch")

# Work that other processes ordered is found by looking; what this one orders wakes a worker at once.
LOOK_SECONDS = 0.25
SPARE_SECONDS = 60.0  # a second idle process is kept for so long
_STOP_SECONDS = 12.0
_SLOWEST_RESPAWN = 30.0
_STEADY_SECONDS = 10.0  # who lives this long did not die of its start


@dataclass
class _Worker:
    process: subprocess.Popen[bytes]
    link: socket.socket
    started: float = field(default_factory=time.monotonic)
    warm: bool = False
    busy: bool = True
    since: float = field(default_factory=time.monotonic)
    leaving: bool = False


class LocalDispatch:
    """Nothing runs before `start`. Every method may be called from any thread."""

    def __init__(
        self, command: Sequence[str], look: Callable[[], bool], environment: Mapping[str, str] | None = None
    ) -> None:
        self._command = tuple(command)
        self._look = look
        self._environment = environment
        self._slots = 0
        self._workers: dict[socket.socket, _Worker] = {}
        self._thread: threading.Thread | None = None
        self._bell: tuple[socket.socket, socket.socket] | None = None
        self._stopping = False
        self._grace = _STOP_SECONDS
        self._pause = 0.0  # before the next start, where starts fail
        self._not_before = 0.0
        self.deaths = 0

    @property
    def slots(self) -> int:
        return self._slots

    @property
    def busy(self) -> int:
        """How many processes are at work, or still warming up."""
        return sum(worker.busy for worker in list(self._workers.values()))

    @property
    def pids(self) -> list[int]:
        return [worker.process.pid for worker in list(self._workers.values())]

    def start(self, slots: int) -> None:
        """Begin with one warm process, and keep one more than there is work for, up to `slots`."""
        if self._thread is not None or slots < 1:
            return
        self._slots, self._stopping = slots, False
        self._bell = socket.socketpair()
        self._thread = threading.Thread(target=self._tend, name="dispatch", daemon=True)
        self._thread.start()

    def stop(self, grace: float = _STOP_SECONDS) -> None:
        """End every process: what runs is handed back; who does not end in time is killed, and its run is lost."""
        thread, self._stopping, self._grace = self._thread, True, grace
        if thread is None:
            return
        self.wake()
        thread.join(grace + 5)
        self._thread = None

    def wake(self) -> None:
        bell = self._bell
        if bell is not None:
            with contextlib.suppress(OSError):
                bell[1].send(b"w", socket.MSG_DONTWAIT)

    def _tend(self) -> None:
        bell = self._bell
        if bell is None:
            return
        with selectors.DefaultSelector() as selector:
            selector.register(bell[0], selectors.EVENT_READ)
            try:
                while not self._stopping:
                    self._keep_one_idle(selector)
                    rung = self._hear(selector, LOOK_SECONDS)
                    if rung or self._there_is_work():
                        self._poke()
                    self._let_spare_ones_go()
            finally:
                self._end_all(selector)
                self._bell = None
                for end in bell:
                    end.close()

    def _hear(self, selector: selectors.BaseSelector, seconds: float) -> bool:
        """Listen to the processes for a moment; whether the bell rang."""
        rung = False
        for key, _ in selector.select(seconds):
            end = key.fileobj
            if not isinstance(end, socket.socket):
                continue
            worker = self._workers.get(end)
            try:
                said = end.recv(64)
            except OSError:
                said = b""
            if worker is None:
                rung = True
            elif not said:
                self._buried(selector, worker)
            else:
                worker.warm, worker.busy, worker.since = True, said.endswith(b"b"), time.monotonic()
                if not worker.busy:
                    self._pause = 0.0
        return rung

    def _there_is_work(self) -> bool:
        try:
            return self._look()
        except Exception:  # a store that is away is the next look's business; it has said so in the log
            return False

    def _poke(self) -> None:
        for worker in list(self._workers.values()):
            if not worker.leaving:
                self._tell(worker, b"w")

    def _tell(self, worker: _Worker, word: bytes) -> None:
        with contextlib.suppress(OSError):  # full: it has been told already; broken: its end is heard in a moment
            worker.link.send(word, socket.MSG_DONTWAIT)

    def _keep_one_idle(self, selector: selectors.BaseSelector) -> None:
        now = time.monotonic()
        staying = [worker for worker in self._workers.values() if not worker.leaving]
        if len(staying) >= self._slots or now < self._not_before:
            return
        # A run that is over within a moment needs no second process.
        if all(worker.warm and worker.busy and now - worker.since > LOOK_SECONDS for worker in staying):
            self._spawn(selector)

    def _spawn(self, selector: selectors.BaseSelector) -> None:
        ours, theirs = socket.socketpair()
        try:
            process = subprocess.Popen(  # noqa: S603 - our own module, no shell
                [*self._command, str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                env=None if self._environment is None else {**os.environ, **self._environment},
            )
        except OSError as error:
            log.exception("a worker process cannot be started", error=type(error).__name__)
            self._slow_down()
            ours.close()
            return
        finally:
            theirs.close()
        self._workers[ours] = _Worker(process, ours)
        selector.register(ours, selectors.EVENT_READ)

    def _slow_down(self) -> None:
        self._pause = min(_SLOWEST_RESPAWN, max(0.5, self._pause * 2))
        self._not_before = time.monotonic() + self._pause

    def _buried(self, selector: selectors.BaseSelector, worker: _Worker) -> None:
        selector.unregister(worker.link)
        worker.link.close()
        del self._workers[worker.link]
        code = _ended(worker.process, 5.0)
        if worker.leaving:
            return
        self.deaths += 1
        log.warning("a worker process died", pid=worker.process.pid, code=code)
        if time.monotonic() - worker.started < _STEADY_SECONDS and worker.busy:
            self._slow_down()

    def _let_spare_ones_go(self) -> None:
        idle = [worker for worker in self._workers.values() if not worker.busy and not worker.leaving]
        for worker in idle[1:]:
            if time.monotonic() - worker.since > SPARE_SECONDS:
                worker.leaving = True
                self._tell(worker, b"q")

    def _end_all(self, selector: selectors.BaseSelector) -> None:
        for worker in self._workers.values():
            worker.leaving = True
            if worker.warm:
                self._tell(worker, b"q")
            else:  # it is still loading, and has nothing to hand back
                worker.process.kill()
        deadline = time.monotonic() + self._grace
        while self._workers and time.monotonic() < deadline:
            self._hear(selector, 0.1)
        for worker in list(self._workers.values()):
            worker.process.kill()
            self._buried(selector, worker)


def _ended(process: subprocess.Popen[bytes], seconds: float) -> int:
    """Its exit code. Who has closed its link and lives on is killed: nobody would hear of it any more."""
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
