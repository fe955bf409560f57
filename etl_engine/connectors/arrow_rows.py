"""Rows in the form `arrow`, counted and summed up as they go by. A kind says how its batches are made."""

import hashlib
from abc import abstractmethod
from collections import deque
from collections.abc import Generator, Iterator

import pyarrow as pa

from etl_engine.connectors.rows import ARROW, Rows, Totals
from etl_engine.errors import Cancelled, Unreachable

BATCH_BYTES = 8 << 20


class ArrowRows(Rows):
    """One read in batches. `_make` is closed, and so comes to its `finally`, when the read ends in whatever way."""

    form = ARROW

    def __init__(self, what: str) -> None:
        self.bytes_read = 0
        self._what = what
        self._rows = 0
        self._hash = hashlib.blake2b(digest_size=16)
        self._making: Generator[pa.RecordBatch, None, None] | None = None
        self._ended = False

    @abstractmethod
    def _make(self) -> Generator[pa.RecordBatch, None, None]:
        """The batches, of whatever size is natural; raises translated errors."""

    def batches(self) -> Iterator[pa.RecordBatch]:
        self._making = self._make()
        parts: deque[pa.RecordBatch] = deque()
        for made in self._making:
            parts.extend(bounded(made))
            del made  # from here on only whoever takes a part holds it: it may be a cell of a hundred megabytes
            while parts:
                self._count(parts[0])
                yield parts.popleft()
        self._ended = True

    def _count(self, batch: pa.RecordBatch) -> None:
        self._rows += batch.num_rows
        self.bytes_read += batch.nbytes
        if batch.nbytes <= BATCH_BYTES:
            self._hash.update(batch.serialize())
            return
        for column in batch.columns:  # one row, too large to be copied for this
            value = column[0]
            self._hash.update(b"-" if not value.is_valid else memoryview(_bytes_of(value)))

    def check(self) -> None:
        """Whatever is wrong was raised where the batches are taken."""

    def finish(self) -> Totals:
        if not self._ended:
            raise Unreachable(f"Reading {self._what} ended before its end", hint="Run it again.")
        return Totals(self._rows, self.bytes_read, self._hash.hexdigest())

    def close(self) -> None:
        if self._making is not None:
            try:
                self._making.close()
            except ValueError as error:  # another thread is inside it: it ends when its session does
                raise Cancelled("The read was given up") from error


def _bytes_of(value: pa.Scalar) -> pa.Buffer:
    return value.as_buffer() if hasattr(value, "as_buffer") else pa.py_buffer(str(value).encode())


def bounded(batch: pa.RecordBatch, most: int = BATCH_BYTES) -> Iterator[pa.RecordBatch]:
    """The batch in slices of about so many bytes; a row that is larger comes alone."""
    if not batch.num_rows:
        return
    if batch.nbytes <= most or batch.num_rows == 1:
        yield batch
        return
    middle = batch.num_rows // 2
    yield from bounded(batch.slice(0, middle), most)
    yield from bounded(batch.slice(middle), most)
