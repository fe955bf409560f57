"""How a run is watched and stopped from another thread."""

import threading
import time
from collections.abc import Callable
from typing import Literal

from etl_engine.connectors.rows import Rows
from etl_engine.errors import Cancelled

Phase = Literal["connecting", "planning", "copying", "applying", "committing", "verifying", "waiting", "done"]


class Progress:
    """Where a run stands. Written by the run, read by whoever shows it; single values, so no lock."""

    def __init__(self) -> None:
        self.phase: Phase = "connecting"
        self.rows_total: int | None = None
        self.bytes_total: int | None = None
        self.rows_done = 0
        self.started = time.monotonic()
        self._bytes_before = 0
        self._reading: Rows | None = None

    @property
    def bytes_done(self) -> int:
        reading = self._reading
        return self._bytes_before + (reading.bytes_read if reading else 0)

    @property
    def fraction(self) -> float | None:
        """How much of the bytes expected is through; None where nothing is known to expect."""
        if self.phase == "done":
            return 1.0
        return min(0.99, self.bytes_done / self.bytes_total) if self.bytes_total else None

    def reading(self, rows: Rows) -> Rows:
        self._bytes_before, self._reading = self.bytes_done, rows
        self.phase = "copying"
        return rows

    def read(self, rows: int) -> None:
        self._bytes_before, self._reading = self.bytes_done, None
        self.rows_done += rows

    def again(self) -> None:
        """A run that is tried again begins to count anew."""
        self._bytes_before, self._reading, self.rows_done = 0, None, 0
        self.phase = "waiting"


class Stop:
    """One wish to end, and those who must hear of it at once because they wait for somebody else."""

    def __init__(self) -> None:
        self._wished = threading.Event()
        self._lock = threading.Lock()
        self._told: list[Callable[[], None]] = []

    @property
    def wished(self) -> bool:
        return self._wished.is_set()

    def tell(self, callback: Callable[[], None]) -> None:
        """Call this when the wish comes, or now if it is there already."""
        with self._lock:
            self._told.append(callback)
        if self.wished:
            callback()

    def forget(self) -> None:
        """Those told so far have ended."""
        with self._lock:
            self._told.clear()

    def wish(self) -> None:
        self._wished.set()
        with self._lock:
            told = list(self._told)
        for callback in told:
            callback()

    def check(self) -> None:
        if self.wished:
            raise Cancelled("The copy was stopped")
