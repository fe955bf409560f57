"""Finds the rows that the target refuses, and loads the others.

Some targets know beforehand what they would refuse. With the rest it is found by writing smaller and smaller parts,
each of which may fail on its own: on their way into the target, or on their way from the stage into it.
"""

import bisect
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from etl_engine.connectors.rows import ARROW, ROW, Place, Reject, Rows, Totals, Unit
from etl_engine.engine.conversion import Conversion, Converted
from etl_engine.engine.quarantine import Quarantine
from etl_engine.errors import Rejected
from etl_engine.model.table import Column, Family, Type

_NUMBER = Column(ROW, "bigint", Type(Family.INTEGER, size=64), nullable=False)


class Sifting:
    """A unit that keeps apart what the target refuses. Everything else is the unit's. `key`: that of a merge."""

    def __init__(self, unit: Unit, quarantine: Quarantine, key: Sequence[str]) -> None:
        self._unit = unit
        self._quarantine = quarantine
        self._key = key
        self._staged: _Staged | None = None

    def __getattr__(self, name: str) -> object:
        return getattr(self._unit, name)

    def create(self, place: Place, columns: Sequence[Column], key: Sequence[str] = ()) -> None:
        if place is Place.STAGE:
            loose = (replace(one, nullable=True) for one in columns)  # the target says what it wants, not the stage
            columns, key = (*loose, _NUMBER), (ROW,)
        self._unit.create(place, columns, key)

    def load(self, rows: Rows, place: Place, columns: Sequence[str]) -> int:
        if not isinstance(rows, Converted):
            return self._unit.load(rows, place, columns)
        if place is Place.STAGE:
            self._staged = _Staged(rows.conversion)
        coming = self._coming(rows, place, columns)
        names = (*columns, ROW) if place is Place.STAGE else tuple(columns)
        if self._unit.foresees:
            return self._unit.load(_Given(self._foreseen(rows, coming, place, names)), place, names)
        return sum(self._sift(rows, batch, 0, place, names) for batch in coming)

    def append_staged(self, columns: Sequence[str]) -> int:
        return self._apply(lambda: self._unit.append_staged(columns), columns, ())

    def merge_staged(self, columns: Sequence[str], key: Sequence[str], newest: str, *, distinct: bool) -> int:
        if not distinct:
            self._unit.settle_staged(columns, key, newest)
        return self._apply(lambda: self._unit.merge_staged(columns, key, newest, distinct=True), columns, key)

    def close(self) -> None:
        if self._staged:
            self._staged.close()

    def _coming(self, rows: Converted, place: Place, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """What is to be loaded: into the stage with its numbers, and without rows whose key has a NULL."""
        keys = [columns.index(name) for name in self._key] if place is Place.STAGE else []
        for batch in rows.batches():
            if self._staged is None:
                yield batch
                continue
            numbered = batch.append_column(_NUMBER.name, rows.numbers())
            for number in keys:
                missing = numbered.column(number).is_null()
                if pc.any(missing).as_py():
                    for place_of in pc.indices_nonzero(missing).to_pylist():
                        self._leave_out(
                            rows, numbered, place_of, (columns[number], "is NULL, and it is part of the key")
                        )
                    numbered = numbered.filter(pc.invert(missing))
            if numbered.num_rows:
                self._staged.keep(numbered)
                yield numbered

    def _foreseen(
        self, rows: Converted, coming: Iterator[pa.RecordBatch], place: Place, columns: Sequence[str]
    ) -> Iterator[pa.RecordBatch]:
        for batch in coming:
            found = self._unit.foresee(_Given(iter([batch])), place, columns, self._key)
            if not found:
                yield batch
                continue
            for at, why in sorted(found.items()):
                self._leave_out(rows, batch, at, why)
            left = batch.filter(pa.array([at not in found for at in range(batch.num_rows)], pa.bool_()))
            if left.num_rows:
                yield left

    def _leave_out(self, rows: Converted, batch: pa.RecordBatch, at: int, why: tuple[str, str]) -> None:
        """A row of the batch that was given last."""
        rows.leave_out(1)
        number = batch.column(ROW)[at].as_py() if ROW in batch.schema.names else int(rows.numbers()[at].as_py())
        self._take(rows.conversion, number, batch.slice(at, 1), *why)

    def _take(self, conversion: Conversion, number: int, row: pa.RecordBatch, column: str, reason: str) -> None:
        names = row.schema.names
        value = conversion.shown(row, names.index(column)) if column in names else ""
        self._quarantine.take(Reject(number, column, value, reason, conversion.content(row, 0)))

    def _sift(self, rows: Converted, batch: pa.RecordBatch, before: int, place: Place, columns: Sequence[str]) -> int:
        """`before`: how many rows of the batch that was given last come before these."""
        try:
            with self._unit.attempt():
                return self._unit.load(_Given(iter([batch])), place, columns)
        except Rejected as error:
            if self._quarantine.full or not self._unit.blames_a_row(error):
                raise
            if batch.num_rows == 1:
                rows.leave_out(1)
                at = batch.column(ROW)[0] if ROW in batch.schema.names else rows.numbers()[before]
                self._take(rows.conversion, int(at.as_py()), batch, *_blamed(error, columns))
                return 0
        middle = batch.num_rows // 2
        parts = ((batch.slice(0, middle), before), (batch.slice(middle), before + middle))
        return sum(self._sift(rows, part, at, place, columns) for part, at in parts)

    def _apply(self, act: Callable[[], int], columns: Sequence[str], key: Sequence[str]) -> int:
        staged = self._staged
        if staged is None or not staged.numbers:
            return act()
        if self._unit.foresees:
            for number, (column, reason) in sorted(self._unit.foresee(None, Place.STAGE, columns, key).items()):
                self._take(staged.conversion, number, staged.row(number), column, reason)
            return act()
        refused: dict[int, Rejected] = {}
        done = self._part(act, *staged.numbers, refused)
        tried = len(refused) + 1
        while len(refused) < tried:  # one may refer to another that came behind it
            tried, again = len(refused), refused
            refused = {}
            done += sum(self._part(act, number, number, refused) for number in sorted(again))
        self._unit.narrow(None)
        self._keep_apart(refused, columns)
        return done

    def _part(self, act: Callable[[], int], first: int, last: int, refused: dict[int, Rejected]) -> int:
        self._unit.narrow((first, last))
        try:
            with self._unit.attempt():
                return act()
        except Rejected as error:
            if not self._unit.blames_a_row(error):
                raise
            if first == last:
                refused[first] = error
                if not self._quarantine.has_room_for(len(refused)):
                    self._keep_apart(refused, ())
                return 0
        middle = (first + last) // 2
        return self._part(act, first, middle, refused) + self._part(act, middle + 1, last, refused)

    def _keep_apart(self, refused: dict[int, Rejected], columns: Sequence[str]) -> None:
        assert self._staged is not None  # noqa: S101 - it is staged rows that were refused
        for number, error in sorted(refused.items()):
            self._take(self._staged.conversion, number, self._staged.row(number), *_blamed(error, columns))


def _blamed(error: Rejected, columns: Sequence[str]) -> tuple[str, str]:
    """The column that the target named, if it is one of these, and why; no column where it blames the whole row."""
    column = str(error.context.get("column", ""))
    return column if column in columns else "", f"is refused: {error}"


class _Staged:
    """The rows of a stage once more, in a file without a name: to write down what one of them says."""

    def __init__(self, conversion: Conversion) -> None:
        self.conversion = conversion
        self._file = tempfile.TemporaryFile(prefix="etl-engine-")  # noqa: SIM115 - closed by close()
        self._writer: pa.RecordBatchFileWriter | None = None
        self._reader: pa.RecordBatchFileReader | None = None
        self._first: list[int] = []  # the number of the first row, by batch
        self._last = 0

    @property
    def numbers(self) -> tuple[int, int] | None:
        """The first and the last; rows that were left out leave gaps."""
        return (self._first[0], self._last) if self._first else None

    def keep(self, batch: pa.RecordBatch) -> None:
        if self._writer is None:
            options = pa.ipc.IpcWriteOptions(compression="zstd")
            self._writer = pa.ipc.new_file(pa.PythonFile(self._file, "w"), batch.schema, options=options)
        try:
            self._writer.write_batch(batch)
        except OSError as error:
            raise Rejected(
                f"The rows that wait to be written do not fit into {tempfile.gettempdir()}: {error}",
                hint="Free space there, or set TMPDIR to a larger disk.",
            ) from error
        self._first.append(batch.column(ROW)[0].as_py())
        self._last = batch.column(ROW)[-1].as_py()

    def row(self, number: int) -> pa.RecordBatch:
        if self._reader is None:
            assert self._writer is not None  # noqa: S101 - there are rows
            self._writer.close()
            self._reader = pa.ipc.open_file(pa.PythonFile(self._file, "r"))
        batch = self._reader.get_batch(bisect.bisect_right(self._first, number) - 1)
        return batch.slice(pc.index(batch.column(ROW), number).as_py(), 1)

    def close(self) -> None:
        self._file.close()


class _Given(Rows):
    """Batches as a read of their own."""

    form = ARROW

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        self._batches = batches

    def batches(self) -> Iterator[pa.RecordBatch]:
        return self._batches

    def check(self) -> None:
        """They are all there."""

    def finish(self) -> Totals:
        raise NotImplementedError("whoever gives them counts them")

    def close(self) -> None:
        """There is nothing to close."""
