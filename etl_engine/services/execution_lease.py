"""How long an attempt may believe that it holds its execution, and why it is to end before its end."""

import time
from collections.abc import Callable
from enum import StrEnum
from typing import TypeVar

from etl_engine.engine.watching import Stop
from etl_engine.errors import StoreUnavailable
from etl_engine.services import execution_claims

_PAUSE_SECONDS = 0.5
T = TypeVar("T")


class Why(StrEnum):
    """Why an attempt is to end early."""

    CANCELLED = "cancelled"
    HANDED_BACK = "handed back"
    LOST = "lost"
    STALLED = "stalled"


class Lease(Stop):
    """The wish to end, and the fence: past its own idea of the lease's end an attempt commits nothing any more."""

    def __init__(self, asked: float) -> None:
        super().__init__()
        self._until = asked + execution_claims.LEASE_SECONDS
        self.why: Why | None = None
        self.since = 0.0

    def renew(self, asked: float) -> None:
        """`asked` is when the store was asked: its answer may have been on its way for long."""
        self._until = asked + execution_claims.LEASE_SECONDS

    @property
    def over(self) -> bool:
        return clock() >= self._until

    @property
    def wished(self) -> bool:
        return super().wished or self.over

    def end(self, why: Why) -> None:
        """The first reason counts, but for the loss: what is lost is lost."""
        if self.why is None:
            self.since = clock()
        if self.why is None or why is Why.LOST:
            self.why = why
        self.wish()

    def patiently(self, call: Callable[[], T]) -> T | None:
        """A store that is away is waited for, as long as the lease lasts; None where it did not come back."""
        while True:
            try:
                return call()
            except StoreUnavailable:
                if self.over:
                    return None
                time.sleep(_PAUSE_SECONDS)


def clock() -> float:
    """Seconds that count on while the process, or the machine, is stopped."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()
