"""Rows that cannot be loaded: counted, kept for the ledger's side, and told when they are too many.

A row whose value does not fit its column is known before it is loaded. One that breaks a constraint of the target is
found by loading smaller and smaller parts, each of which may fail on its own.
"""

from collections.abc import Iterator, Sequence

import pyarrow as pa

from etl_engine.connectors.rows import ARROW, Place, Reject, Rows, Totals, Unit
from etl_engine.engine.conversion import Converted
from etl_engine.errors import Rejected
from etl_engine.model.copies import CopyOrder

_KEPT_BYTES = 64 << 20  # of the contents of rejected rows, in memory until the batch is committed


class Quarantine:
    """The rejected rows of one batch. Written by the thread that reads and by the one that loads."""

    def __init__(self, order: CopyOrder, before: int) -> None:
        self.rejects: list[Reject] = []
        self.full = False  # more than the order allows
        self._order = order
        self._before = before  # of earlier batches of this run
        self._bytes = 0

    def take(self, found: Reject) -> None:
        self._bytes += len(found.content)
        if self._bytes > _KEPT_BYTES:
            found = Reject(found.row, found.column, found.value, found.reason, "")
        self.rejects.append(found)
        most = self._order.reject_limit
        if most is not None and self._before + len(self.rejects) > most:
            self.full = True
            raise Rejected(
                f"More than {most} rows cannot be loaded; the last one, row {found.row}: "
                f"{found.column or 'the row'} {found.reason}",
                hint="Look at what is wrong with them, or allow more with --reject-limit.",
            )

    def insist_on_share(self, rows: int) -> None:
        """`rows` were loaded, of all that were read."""
        most, count = self._order.reject_percent, len(self.rejects)
        if most is None or not count:
            return
        share = 100 * count / (count + rows)
        if share > most:
            first = self.rejects[0]
            self.full = True
            raise Rejected(
                f"{count} of {count + rows} rows cannot be loaded, which is {share:.3g} %; the first one, "
                f"row {first.row}: {first.column or 'the row'} {first.reason}",
                hint="Look at what is wrong with them, or allow more with --reject-percent.",
            )


class Sifting:
    """A unit whose loads find the rows that the target refuses. Everything else is the unit's."""

    def __init__(self, unit: Unit, quarantine: Quarantine) -> None:
        self._unit = unit
        self._quarantine = quarantine

    def __getattr__(self, name: str) -> object:
        return getattr(self._unit, name)

    def load(self, rows: Rows, place: Place, columns: Sequence[str]) -> int:
        if place is Place.STAGE or not isinstance(rows, Converted):
            return self._unit.load(rows, place, columns)
        loaded = 0
        for batch in rows.batches():
            loaded += self._sift(rows, batch, rows.given - batch.num_rows, place, columns)
        return loaded

    def _sift(self, rows: Converted, batch: pa.RecordBatch, before: int, place: Place, columns: Sequence[str]) -> int:
        try:
            with self._unit.attempt():
                return self._unit.load(OneBatch(batch), place, columns)
        except Rejected as error:
            if self._quarantine.full:
                raise
            if batch.num_rows == 1:
                rows.leave_out(1)
                number = rows.number_of(before)
                column, value = _blamed(error, rows, batch, columns)
                reason = f"is refused: {error}"
                self._quarantine.take(Reject(number, column, value, reason, rows.conversion.content(batch, 0)))
                return 0
        middle = batch.num_rows // 2
        parts = ((batch.slice(0, middle), before), (batch.slice(middle), before + middle))
        return sum(self._sift(rows, part, at, place, columns) for part, at in parts)


def _blamed(error: Rejected, rows: Converted, batch: pa.RecordBatch, columns: Sequence[str]) -> tuple[str, str]:
    """The column that the target named, and what the one row has in it; nothing where it blames the whole row."""
    column = str(error.context.get("column", ""))
    if column not in columns:
        return "", ""
    return column, rows.conversion.shown(batch, columns.index(column))


class OneBatch(Rows):
    """A batch as a read of its own."""

    form = ARROW

    def __init__(self, batch: pa.RecordBatch) -> None:
        self._batch = batch

    def batches(self) -> Iterator[pa.RecordBatch]:
        yield self._batch

    def check(self) -> None:
        """It is all there."""

    def finish(self) -> Totals:
        return Totals(self._batch.num_rows, self._batch.nbytes, "")

    def close(self) -> None:
        """There is nothing to close."""
