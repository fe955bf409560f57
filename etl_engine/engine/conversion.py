"""Rows in the form `arrow`, from the carriers of the source's types to those of the target's.

Vectorised, column by column. A row with a value that does not fit is left out and handed on as a `Reject`, or, where
nobody takes it, stops the copy: `Rejected` names the row, the column and the value.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from etl_engine.connectors.carriers import carrier
from etl_engine.connectors.exact_text import exact
from etl_engine.connectors.rows import ARROW, Reject, Rows, Totals
from etl_engine.engine.converting import Convert, converter
from etl_engine.engine.reading_text import either
from etl_engine.engine.types import plainly
from etl_engine.errors import Rejected
from etl_engine.model.table import Column, Type

SHOWN_CHARACTERS = 200  # of a value in a message
_UNNUMBERED = -1
_KEPT_CHARACTERS = 100_000  # of a value in the content of a rejected row


@dataclass(frozen=True)
class _OneColumn:
    source: Column
    target: Column
    wanted: Type  # what of the target's type is needed for these values
    convert: Convert | None  # None: goes through as it is


class Conversion:
    """How rows of these columns become rows of those. Columns behind them go through as they are.

    `plain`: what is not special travels as such, though the target's column could hold more.
    """

    def __init__(
        self, source: Sequence[Column], target: Sequence[Column], lossy: Sequence[str] = (), *, plain: bool = False
    ) -> None:
        self._columns = [
            _one_column(one, other, one.name in lossy, plain=plain) for one, other in zip(source, target, strict=True)
        ]
        self._fields = [pa.field(one.target.name, carrier(one.wanted)) for one in self._columns]

    @property
    def changes(self) -> bool:
        return any(one.convert for one in self._columns)

    def batch(
        self, batch: pa.RecordBatch, before: int, reject: Callable[[Reject], None] | None
    ) -> tuple[pa.RecordBatch, pa.Array | None]:
        """The rows converted, and which of the batch's they are; None: all of them.

        `before`: how many rows of the read came before these.
        """
        if not batch.num_rows:
            return batch, None
        made, wrong, blamed = [], None, {}
        for number, one in enumerate(self._columns):
            values = batch.column(number)
            if one.convert is None:
                made.append(values)
                continue
            converted, bad = one.convert(values)
            made.append(converted)
            if bad is not None and pc.any(bad).as_py():
                blamed[number] = bad
                wrong = either(wrong, bad)
        extras = list(range(len(self._columns), batch.num_columns))
        fields = self._fields + [batch.schema.field(number) for number in extras]
        arrays = made + [batch.column(number) for number in extras]
        whole = pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))
        if wrong is None:
            return whole, None
        wrong = pc.fill_null(wrong, False)
        for row in pc.indices_nonzero(wrong).to_pylist():
            found = self._reject(batch, before, row, blamed)
            if reject is None:
                raise refused(found)
            reject(found)
        right = pc.invert(wrong)
        return whole.filter(right), pc.indices_nonzero(right)

    def content(self, batch: pa.RecordBatch, row: int) -> str:
        """The row, which is in the target's carriers, as a JSON object of exact texts."""
        return _content(batch, row, [one.target for one in self._columns])

    def shown(self, batch: pa.RecordBatch, number: int) -> str:
        """A column of the one row, which is in the target's carriers, as it is written in a message."""
        return (exact(batch.column(number)[0], self._columns[number].target.type) or "")[:SHOWN_CHARACTERS]

    def _reject(self, batch: pa.RecordBatch, before: int, row: int, blamed: dict[int, pa.Array]) -> Reject:
        number = next(number for number, bad in blamed.items() if bad[row].as_py())
        one = self._columns[number]
        value = exact(batch.column(number)[row], one.source.type) or ""
        return Reject(
            row=before + row + 1 if before >= 0 else 0,
            column=one.source.name,
            value=value[:SHOWN_CHARACTERS],
            reason=f"does not fit {one.target.native}",
            content=_content(batch, row, [each.source for each in self._columns]),
        )


def refused(found: Reject) -> Rejected:
    """The error for a row that nobody takes."""
    shown = f" {found.value!r}" if found.value else ""
    row = f"Row {found.row}" if found.row else "A row"
    where = f" in the column {found.column}" if found.column else ""
    return Rejected(
        f"{row}: the value{shown}{where} {found.reason}",
        hint="Repair it, widen the column of the target, or keep such rows apart with --on-reject quarantine.",
    )


def _one_column(source: Column, target: Column, lossy: bool, *, plain: bool) -> _OneColumn:
    wanted = plainly(source.type, target.type) if plain else target.type
    made = None if source.type == wanted else converter(source.type, wanted, loosely=lossy)
    return _OneColumn(source, target, wanted, made)


def _content(batch: pa.RecordBatch, row: int, columns: Sequence[Column]) -> str:
    texts = {column.name: _cut(exact(batch.column(number)[row], column.type)) for number, column in enumerate(columns)}
    return json.dumps(texts, ensure_ascii=False)


def _cut(text: str | None) -> str | None:
    if text is None or len(text) <= _KEPT_CHARACTERS:
        return text
    return f"{text[:_KEPT_CHARACTERS]}… ({len(text)} characters)"


class Converted(Rows):
    """Rows of another read, converted as they are taken."""

    form = ARROW

    def __init__(self, rows: Rows, conversion: Conversion) -> None:
        self.conversion = conversion
        self.given = 0  # rows so far, with those of the batch that was given last
        self._rows = rows
        self._left_out = 0
        self._read = 0
        self._last: tuple[int, int, pa.Array | None] = (0, 0, None)

    @property
    def bytes_read(self) -> int:  # type: ignore[override] # of what is read beneath
        return self._rows.bytes_read

    def batches(self) -> Iterator[pa.RecordBatch]:
        batches = self._rows.batches()
        while (batch := next(batches, None)) is not None:
            before = self._read if self._rows.numbered else _UNNUMBERED
            made, which = self.conversion.batch(batch, before, self.on_reject)
            self._last = (self.given, self._read, which)
            self._read += batch.num_rows
            self.given += made.num_rows
            given, batch, made = [made], None, None  # held by whoever takes it, and no longer here
            if given[0].num_rows:
                yield given.pop()

    def numbers(self) -> pa.Array:
        """Those of the rows in the batch that was given last."""
        given_before, read_before, which = self._last
        places = pa.array(range(self.given - given_before), pa.int64()) if which is None else which.cast(pa.int64())
        return pc.add(places, pa.scalar(read_before + 1, pa.int64()))

    def leave_out(self, rows: int) -> None:
        """Rows that were given and are not loaded after all."""
        self._left_out += rows

    def check(self) -> None:
        self._rows.check()

    def finish(self) -> Totals:
        totals = self._rows.finish()
        return Totals(self.given - self._left_out, totals.bytes, totals.checksum)

    def close(self) -> None:
        self._rows.close()
