"""Reading ahead: the source works while the destination does, and no further ahead than a few megabytes."""

import threading
from collections import deque
from collections.abc import Callable, Iterator

import pyarrow as pa

from etl_engine.connectors.rows import Rows, Totals
from etl_engine.errors import Cancelled

AHEAD_BYTES = 4 << 20
_GRACE_SECONDS = 1.0
_ENDING_SECONDS = 30.0


class ReadAhead(Rows):
    """Takes the batches of another read in a thread of its own. What that raises is raised where they are taken."""

    def __init__(self, rows: Rows, stop: Callable[[], None], most: int = AHEAD_BYTES) -> None:
        self.form = rows.form
        self._rows = rows
        self._stop = stop
        self._most = most
        self._waiting: deque[pa.RecordBatch] = deque()
        self._bytes = 0
        self._held = 0  # of the batch that was taken last, until the next one is asked for
        self._error: BaseException | None = None
        self._ended = False
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._pull, daemon=True, name="read ahead")
        self._thread.start()

    @property
    def bytes_read(self) -> int:  # type: ignore[override] # of what is read beneath
        return self._rows.bytes_read

    def _pull(self) -> None:
        try:
            batches = self._rows.batches()
            while (batch := next(batches, None)) is not None:
                wanted = self._put(batch) if batch.num_rows else True
                if not wanted:
                    self._rows.close()
                    return
        except BaseException as error:
            self._error = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _put(self, batch: pa.RecordBatch) -> bool:
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

    def batches(self) -> Iterator[pa.RecordBatch]:
        while True:
            with self._changed:
                self._held = 0
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._waiting or self._ended or self._closed)
                if self._closed:
                    raise Cancelled("The read was given up")
                if self._waiting:
                    self._held = self._waiting[0].nbytes
                    self._bytes -= self._held
            if not self._held:
                self._raise()
                return
            yield self._waiting.popleft()  # and not held here: it may be large

    def check(self) -> None:
        self._raise()
        self._rows.check()

    def finish(self) -> Totals:
        self._thread.join()
        self._raise()
        return self._rows.finish()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._changed.notify_all()
        self._thread.join(_GRACE_SECONDS)
        if self._thread.is_alive():  # it waits for the source, which has to be told
            self._stop()
            self._thread.join(_ENDING_SECONDS)
        if not self._thread.is_alive():
            self._rows.close()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error
