"""What a process opens once: on first use, again in a forked child, and again after every failure."""

import os
import threading
import time
import weakref
from collections.abc import Callable
from typing import Generic, TypeVar

from etl_engine.errors import StoreUnavailable

T = TypeVar("T")
PATIENCE = 4.5  # seconds; every call of the store answers within 5


class Opening(Generic[T]):
    """Thread-safe. Callers that waited while an attempt failed share its failure instead of queueing for their own."""

    def __init__(self, attempt: Callable[[], T]) -> None:
        self._attempt = attempt
        self._inherited: list[T | None] = []
        self._reset()
        self_or_gone = weakref.ref(self)
        os.register_at_fork(after_in_child=lambda: _leave_to_parent(self_or_gone()))

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._opened: T | None = None
        self._failure: StoreUnavailable | None = None
        self._failed_at = 0.0

    def get(self) -> T:
        if self._opened is not None:
            return self._opened
        asked = time.monotonic()
        if not self._lock.acquire(timeout=PATIENCE):
            raise StoreUnavailable("The metadata store is still being opened", hint="Try again in a moment.")
        try:
            return self._open(asked)
        finally:
            self._lock.release()

    def _open(self, asked: float) -> T:
        if self._opened is None:
            if self._failure is not None and self._failed_at > asked:
                raise StoreUnavailable(self._failure.message, hint=self._failure.hint) from self._failure
            try:
                self._opened = self._attempt()
            except StoreUnavailable as failure:
                self._failure, self._failed_at = failure, time.monotonic()
                raise
            self._failure = None
        return self._opened

    def forget(self) -> T | None:
        """What was opened, if anything; the next `get` opens anew."""
        with self._lock:
            opened, self._opened = self._opened, None
            return opened

    def leave_to_parent(self) -> None:
        """In a forked child: what is open has the parent's sockets and locks, so it is kept and never touched."""
        self._inherited.append(self._opened)
        self._reset()


def _leave_to_parent(opening: Opening[T] | None) -> None:
    if opening is not None:
        opening.leave_to_parent()
