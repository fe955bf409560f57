"""One run per stream of a file, across processes: a lock on a file beside it, which the death of a process gives back.

The epoch in the ledger is what keeps a displaced run from writing; this only lets a second run know of the first.
"""

import contextlib
import fcntl
import hashlib
import os
from pathlib import Path

_NAME_DIGITS = 12


class Alone:
    """The right to be the only run of a stream. The file goes when its holder lets go."""

    def __init__(self, database: Path, stream: str) -> None:
        named = hashlib.sha256(stream.encode()).hexdigest()[:_NAME_DIGITS]
        self._path = database.with_name(f".{database.name}.{named}.etl-lock")
        self._handle = -1

    def take(self) -> bool:
        """Whether nobody else has it. OSError where the folder cannot be written."""
        while self._handle < 0:
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(handle)
                return False
            if self._is_there(handle):
                self._handle = handle
            else:  # its holder removed it between our two steps
                os.close(handle)
        return True

    def leave(self) -> None:
        if self._handle < 0:
            return
        with contextlib.suppress(OSError):
            self._path.unlink()
        os.close(self._handle)
        self._handle = -1

    def _is_there(self, handle: int) -> bool:
        try:
            return os.path.samestat(os.fstat(handle), self._path.stat())
        except FileNotFoundError:
            return False
