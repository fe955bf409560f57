"""What COPY sends, in blocks of whole rows: read by a thread of its own, and no further ahead than one block."""

import contextlib
import hashlib
import queue
import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import psycopg2

from etl_engine.connectors.pg.refusals import translated
from etl_engine.connectors.pg.session import Session
from etl_engine.connectors.rows import Rows, Totals
from etl_engine.errors import Cancelled, Unreachable
from etl_engine.faultpoints import faultpoint

BLOCK_BYTES = 1 << 20
LARGE_BYTES = 16 << 20  # a row that is taken alone: nothing is read behind it until it is gone
_LOOK_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Block:
    """Rows as the server wrote them."""

    data: bytes | bytearray
    num_rows: int

    @property
    def nbytes(self) -> int:
        return len(self.data)


_Blocks: TypeAlias = "queue.Queue[Block | None]"  # None: there are no more


class CopyBlocks:
    """One COPY TO STDOUT. `counted` is what the server says of its rows, once it has come to the end."""

    def __init__(self, session: Session, statement: str, what: str) -> None:
        self.counted = -1
        self._session = session
        self._statement = statement
        self._what = what
        self._error: BaseException | None = None
        self._blocks: _Blocks = queue.Queue(maxsize=1)
        self._given_up = threading.Event()
        self._taken = threading.Event()
        self._thread: threading.Thread | None = None

    def blocks(self) -> Generator[Block, None, None]:
        """To be closed by whoever does not take them all."""
        self._thread = threading.Thread(target=self._pump, daemon=True, name="copy out")
        self._thread.start()
        try:
            while (block := self._blocks.get()) is not None:
                given, block = [block], None  # held by whoever takes it, and no longer here
                yield given.pop()
                self._taken.set()
            self._thread.join()
            self.check()
        finally:
            self._give_up()

    def check(self) -> None:
        error = self._error
        if isinstance(error, psycopg2.Error):
            raise translated(error, self._session, f"reading {self._what}") from error
        if error is not None:
            raise error

    def _pump(self) -> None:
        try:
            sink = _Sink(self._blocks, self._given_up, self._taken)
            with self._session.connection.cursor() as cursor:
                cursor.copy_expert(self._statement, sink)
                sink.flush()
                self.counted = cursor.rowcount
        except BaseException as error:
            self._error = error
        finally:
            _put(self._blocks, None, self._given_up)

    def _give_up(self) -> None:
        self._given_up.set()
        thread = self._thread
        if thread is None:
            return
        if thread.is_alive():
            with contextlib.suppress(psycopg2.Error, OSError):
                self._session.connection.cancel()
        thread.join()


class _Sink:
    """What COPY writes to: the protocol brings one row at a time, and rows are collected to blocks."""

    def __init__(self, blocks: _Blocks, given_up: threading.Event, taken: threading.Event) -> None:
        self._blocks = blocks
        self._given_up = given_up
        self._taken = taken
        self._data = bytearray()
        self._rows = 0

    def write(self, row: bytes) -> None:
        if len(row) > LARGE_BYTES:  # not copied once more
            self.flush()
            self._give(Block(row, 1))
            return
        self._data += row
        self._rows += 1
        if len(self._data) >= BLOCK_BYTES:
            self.flush()

    def flush(self) -> None:
        if self._rows:
            block = Block(self._data, self._rows)
            self._data, self._rows = bytearray(), 0
            self._give(block)

    def _give(self, block: Block) -> None:
        large = block.nbytes > LARGE_BYTES
        self._taken.clear()
        if not _put(self._blocks, block, self._given_up):
            raise Cancelled("The read was given up")
        while large and not self._taken.wait(_LOOK_SECONDS):
            if self._given_up.is_set():
                raise Cancelled("The read was given up")


def _put(blocks: _Blocks, block: Block | None, given_up: threading.Event) -> bool:
    while not given_up.is_set():
        with contextlib.suppress(queue.Full):
            blocks.put(block, timeout=_LOOK_SECONDS)
            return True
    return False


class TextBlocks(Rows):
    """Rows as their server writes them, for another of its kind: nobody looks into them, and nothing can change."""

    def __init__(self, session: Session, query: str, form: str, what: str) -> None:
        self.form = form
        self.bytes_read = 0
        self._what = what
        self._copy = CopyBlocks(session, f"COPY (\n{query}\n) TO STDOUT", what)
        self._hash = hashlib.blake2b(digest_size=16)
        self._reading: Generator[Block, None, None] | None = None
        self._ended = False

    def batches(self) -> Iterator[Any]:
        self._reading = self._copy.blocks()
        while (block := next(self._reading, None)) is not None:
            self.bytes_read += block.nbytes
            self._hash.update(block.data)
            given, block = [block], None
            yield given.pop()
        self._ended = True

    def check(self) -> None:
        self._copy.check()

    def finish(self) -> Totals:
        if not self._ended:
            raise Unreachable(f"Reading {self._what} ended before its end", hint="Run it again.")
        return Totals(self._copy.counted, self.bytes_read, self._hash.hexdigest())

    def close(self) -> None:
        if self._reading is not None:
            try:
                self._reading.close()
            except ValueError as error:  # another thread is inside it: it ends when its session does
                raise Cancelled("The read was given up") from error


class BlockFeed:
    """Blocks, as the driver wants them."""

    def __init__(self, rows: Rows) -> None:
        self.error: BaseException | None = None  # what ended it, of which the server only tells that it ended
        self._pieces = self._made(rows.batches())

    def read(self, _size: int = -1) -> bytes:
        try:
            return next(self._pieces, b"")
        except BaseException as error:
            self.error = error
            raise

    def _made(self, blocks: Iterator[Any]) -> Iterator[bytes]:
        while (block := next(blocks, None)) is not None:
            data, block = memoryview(block.data), None
            for start in range(0, len(data), BLOCK_BYTES):
                yield bytes(data[start : start + BLOCK_BYTES])
            del data
            faultpoint("copy.loading")
