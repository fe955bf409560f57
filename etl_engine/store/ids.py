"""Ids: 24 hexadecimal digits, valid as MongoDB ObjectIds, that sort by time.

Four bytes of seconds, as in every ObjectId; then 10 bits of milliseconds and 14 bits of counter, so that ids of one
process never go back, not even when the clock does; then five bytes that are random per process.
"""

import os
import re
import secrets
import threading
import time

_ID = re.compile("[0-9a-f]{24}")


class _Sequence:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process = secrets.token_hex(5)
        self._last = 0

    def next(self) -> str:
        seconds, milliseconds = divmod(time.time_ns() // 1_000_000, 1000)
        with self._lock:
            self._last = max(self._last + 1, (seconds << 10 | milliseconds) << 14)
            return f"{self._last:014x}{self._process}"


_sequence = _Sequence()


def new_id() -> str:
    return _sequence.next()


def is_id(value: object) -> bool:
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def _renew() -> None:
    global _sequence  # noqa: PLW0603 - a forked child must not continue its parent's sequence
    _sequence = _Sequence()


os.register_at_fork(after_in_child=_renew)
