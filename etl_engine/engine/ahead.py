"""Reading ahead: the source works while the destination does, and no further ahead than a few megabytes."""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from etl_engine.connectors.rows import Rows, Totals
from etl_engine.errors import Cancelled

if TYPE_CHECKING:
    import pyarrow as pa

AHEAD_BYTES = 4 << 20
_GRACE_SECONDS = 1.0
_ENDING_SECONDS = 30.0


class Buffer:
    """Batches between those who read and the one who loads, bounded by bytes."""

    def __init__(self, most: int, readers: int) -> None:
        self._most = most
        self._readers = readers  # who have not ended
        self._waiting: deque[pa.RecordBatch] = deque()
        self._bytes = 0
        self._held = 0  # of the batch that was taken last, until the next one is asked for
        self._closed = False
        self._changed = threading.Condition()
        self.error: BaseException | None = None

    def put(self, batch: "pa.RecordBatch") -> bool:
        """False: nobody wants it any more. Behind a batch that is larger than the room nothing is read ahead."""
        size = batch.nbytes
        with self._changed:
            self._changed.wait_for(lambda: self._closed or not self._waiting or self._bytes + size <= self._most)
            self._waiting.append(batch)
            del batch
            self._bytes += size
            self._changed.notify_all()
            if size > self._most:
                self._changed.wait_for(lambda: self._closed or not (self._bytes or self._held))
            return not self._closed

    def ended(self, error: BaseException | None) -> None:
        """One reader has come to its end; the first error ends them all."""
        with self._changed:
            self._readers -= 1
            if error is not None and self.error is None:
                self.error = error
                self._closed = True
            self._changed.notify_all()

    def taken(self) -> "Iterator[pa.RecordBatch]":
        while self._next():
            yield self._waiting.popleft()  # and not held here: it may be large

    def _next(self) -> bool:
        with self._changed:
            self._held = 0
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._waiting or not self._readers or self._closed)
            if self.error is not None:
                raise self.error
            if self._closed:
                raise Cancelled("The read was given up")
            if not self._waiting:
                return False
            self._held = self._waiting[0].nbytes
            self._bytes -= self._held
            return True

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()


class ReadAhead(Rows):
    """Takes the batches of another read in a thread of its own. What that raises is raised where they are taken."""

    def __init__(self, rows: Rows, stop: Callable[[], None], most: int = AHEAD_BYTES) -> None:
        self.form = rows.form
        self._rows = rows
        self._stop = stop
        self._buffer = Buffer(most, 1)
        self._thread = threading.Thread(target=self._pull, daemon=True, name="read ahead")
        self._thread.start()

    @property
    def bytes_read(self) -> int:  # type: ignore[override] # of what is read beneath
        return self._rows.bytes_read

    def _pull(self) -> None:
        error: BaseException | None = None
        try:
            if not pumped(self._rows, self._buffer):
                self._rows.close()
        except BaseException as raised:
            error = raised
        finally:
            self._buffer.ended(error)

    def batches(self) -> "Iterator[pa.RecordBatch]":
        return self._buffer.taken()

    def check(self) -> None:
        if self._buffer.error is not None:
            raise self._buffer.error
        self._rows.check()

    def finish(self) -> Totals:
        self._thread.join()
        self.check()
        return self._rows.finish()

    def close(self) -> None:
        self._buffer.close()
        if ended([self._thread], self._stop):
            self._rows.close()


def pumped(rows: Rows, buffer: Buffer) -> bool:
    """Read to the end; False where nobody wanted all of it."""
    batches = rows.batches()
    while (batch := next(batches, None)) is not None:
        given, batch = [batch], None  # held by the buffer, and no longer here
        if given[0].num_rows and not buffer.put(given.pop()):
            return False
    return True


def ended(threads: list[threading.Thread], stop: Callable[[], None]) -> bool:
    """Wait for threads that nobody needs any more; `stop` tells the source that one of them waits for."""
    for thread in threads:
        thread.join(_GRACE_SECONDS)
    if any(thread.is_alive() for thread in threads):
        stop()
        for thread in threads:
            thread.join(_ENDING_SECONDS)
    return not any(thread.is_alive() for thread in threads)
