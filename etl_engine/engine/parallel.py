"""One table read by several sessions at once, each in its ranges of the key, all in one snapshot."""

import hashlib
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from etl_engine.connectors.rows import KeyRange, Rows, Selection, Source, Totals
from etl_engine.engine.ahead import AHEAD_BYTES, Buffer, ended, pumped
from etl_engine.engine.planner import Planned

if TYPE_CHECKING:
    import pyarrow as pa

WORTH_ROWS = 2_000_000  # below that the other sessions' logins and the search for ranges cost more than they bring
_CORES_FOR_ONE = 4  # a reader keeps a core of the server and most of one here busy
_MOST = 4
_PIECES_FOR_ONE = 4  # ranges are never equally fast: who is ready takes the next one


def readers(planned: Planned) -> int:
    """How many sessions should read: what was ordered, or what this machine and this table are good for."""
    order, table = planned.order, planned.source
    if order.cursor or order.query or not table.key or order.on_reject == "quarantine" or planned.plan.lane == "relay":
        return 1
    if order.readers is not None:
        return order.readers
    cores = os.cpu_count() or 1
    if (table.rows or 0) < WORTH_ROWS or cores < _CORES_FOR_ONE:
        return 1
    return min(_MOST, cores // 2)


def told(count: int) -> list[str]:
    return [f"The source is read by {count} sessions at once, in one snapshot."]


def shared(source: Source, opening: Callable[[], Source], selection: Selection, count: int) -> list[Source]:
    """More sessions in the snapshot of this one; none where its kind cannot share one."""
    token = source.share() if count > 1 else ""
    others: list[Source] = []
    try:
        for _ in range(count - 1 if token else 0):
            other = opening()
            others.append(other)
            other.join(token, selection)
    except BaseException:
        for other in others:
            other.close()
        raise
    return others


class ParallelRows(Rows):
    """The batches of all ranges, in whatever order they come. Closes the other sessions, not the first."""

    numbered = False

    def __init__(self, sources: Sequence[Source], selection: Selection, planned: Planned) -> None:
        self.form = planned.plan.form
        self.told = told(len(sources))
        self._sources = sources
        self._selection = selection
        self._planned = planned
        wanted = max(1, (planned.source.rows or 0) // (len(sources) * _PIECES_FOR_ONE))
        pieces = sources[0].pieces(planned.source, wanted)
        self._left: deque[tuple[int, KeyRange]] = deque(enumerate(pieces))
        self._totals: dict[int, Totals] = {}
        self._reading: dict[int, Rows] = {}
        self._buffer = Buffer(AHEAD_BYTES * len(sources), len(sources))
        self._threads = [
            threading.Thread(target=self._pull, args=(number,), daemon=True, name="read ahead")
            for number in range(len(sources))
        ]
        for thread in self._threads:
            thread.start()

    @property
    def bytes_read(self) -> int:  # type: ignore[override] # of all that are read
        done = sum(one.bytes for one in list(self._totals.values()))
        return done + sum(rows.bytes_read for rows in list(self._reading.values()))

    def _pull(self, number: int) -> None:
        error: BaseException | None = None
        try:
            wanted = True
            while wanted and (taken := self._next_piece()) is not None:
                wanted = self._read_piece(number, *taken)
        except BaseException as raised:
            error = raised
        finally:
            self._buffer.ended(error)

    def _next_piece(self) -> tuple[int, KeyRange] | None:
        try:
            return self._left.popleft()
        except IndexError:
            return None

    def _read_piece(self, number: int, place: int, piece: KeyRange) -> bool:
        selection = replace(self._selection, piece=piece if piece.key else None)
        rows = self._sources[number].read(selection, self._planned.source, self.form)
        self._reading[number] = rows
        try:
            if not pumped(rows, self._buffer):
                return False
            self._totals[place] = rows.finish()
            return True
        finally:
            del self._reading[number]
            rows.close()

    def batches(self) -> "Iterator[pa.RecordBatch]":
        return self._buffer.taken()

    def check(self) -> None:
        if self._buffer.error is not None:
            raise self._buffer.error

    def finish(self) -> Totals:
        for thread in self._threads:
            thread.join()
        self.check()
        done = [self._totals[place] for place in sorted(self._totals)]
        checksum = hashlib.blake2b("".join(one.checksum for one in done).encode(), digest_size=16).hexdigest()
        self._close_others()
        return Totals(sum(one.rows for one in done), sum(one.bytes for one in done), checksum)

    def close(self) -> None:
        self._buffer.close()
        ended(self._threads, self._stop)
        self._close_others()

    def _stop(self) -> None:
        for source in self._sources:
            source.stop()

    def _close_others(self) -> None:
        for source in self._sources[1:]:
            source.close()
