"""Following a cursor over rows that no server sorts for us: read, look, keep what is new."""

import datetime as dt
import decimal
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from etl_engine.connectors.rows import Look, Mark, Moment, Window
from etl_engine.errors import BadInput, Rejected
from etl_engine.model.table import Column, Family, Table

BACK_SECONDS = 0.0
_USEFUL = frozenset({Family.TIMESTAMP, Family.DATE, Family.INTEGER, Family.DECIMAL})
_TIMES = frozenset({Family.TIMESTAMP, Family.DATE})


def cursor_column(table: Table, look: Look) -> Column:
    """The column, if a cursor can be made of it."""
    found = table.column(look.column)
    if found is None:
        raise BadInput(
            f"There is no column {look.column!r} to follow", hint=f"The columns are: {', '.join(table.names)[:300]}"
        )
    if found.type.family not in _USEFUL:
        raise BadInput(
            f"The column {look.column!r} is of type {found.native}, which has no useful order",
            hint="Follow a column of time, date or number; of CSV, let types be inferred (csv_types).",
        )
    return found


class Follower:
    """One look of a cursor at one unchanging set of rows."""

    def __init__(self, look: Look, column: Column, kind: str) -> None:
        self.column = column
        self._look = look
        self._kind = kind
        self._back = BACK_SECONDS if look.back_seconds is None else look.back_seconds
        self.floor: Any = None
        self._again: Any = None
        self._reached: Any = None
        since = look.since
        if since and since.reached:
            if since.reached.native != column.native:
                raise BadInput(
                    f"The cursor {look.column} was of type {since.reached.native} and is {column.native} now",
                    hint="Begin anew with --restart.",
                )
            self.floor = self._behind(_value(since.reached.text, column))

    def window(self, values: Iterator[pa.Array]) -> Window:
        """From all values of the cursor column."""
        nulls = 0
        for array in values:
            nulls += array.null_count
            most = pc.max(_microseconds(array)).as_py()
            if most is not None and (self._reached is None or most > self._reached):
                self._reached = most
        if nulls and self._look.nulls == "raise":
            raise Rejected(
                f"{nulls} rows have no value in the cursor column {self._look.column}",
                kind=self._kind,
                hint="Say what to do with them: --null-cursor include or exclude.",
            )
        before = self._look.since.reached if self._look.since else None
        reached = before
        if self._reached is not None:
            reached = Mark(_text(self._reached), self.column.native)
            self._again = self._behind(self._reached)
            if before and self._reached < _value(before.text, self.column):
                reached = before  # what was read once is not read again because its newest rows are gone
        floor = Mark(_text(self.floor), self.column.native) if self.floor is not None else None
        covered = f"Rows that come in later are found if their {self._look.column} is not before the largest one read"
        if self._back and self.column.type.family in _TIMES:
            covered += f", less {self._back:g} seconds"
        return Window(Moment(self._look.column, reached, {}), floor, f"{covered}.")

    def condition(self) -> Any:
        """The same for a reader that leaves out what need not be read; None for all."""
        if self.floor is None:
            return None
        name = pc.field(self.column.name)
        wanted = name >= self.floor
        return wanted | name.is_null() if self._look.nulls == "include" else wanted

    def kept(self, batch: pa.RecordBatch, values: pa.Array) -> pa.RecordBatch:
        """The rows that are to be read, of a batch with these values of the cursor."""
        if self.floor is None:
            return batch.filter(pc.is_valid(values)) if self._look.nulls == "exclude" else batch
        wanted = pc.greater_equal(values, pa.scalar(self.floor, values.type))
        return batch.filter(pc.fill_null(wanted, self._look.nulls == "include"))

    def versions(self, values: pa.Array) -> list[pa.Array]:
        """No row has a version of its own; its cursor; whether a later run may read it again."""
        if self._again is None:
            again = pa.array(["false"] * len(values), pa.string())
        else:
            later = pc.greater_equal(values, pa.scalar(self._again, values.type))
            again = pc.if_else(pc.fill_null(later, True), "true", "false")
        return [pa.nulls(len(values), pa.string()), texts_of(values), again]

    def _behind(self, value: Any) -> Any:
        if not self._back or self.column.type.family not in _TIMES:
            return value
        try:
            if isinstance(value, dt.datetime):
                return value - dt.timedelta(seconds=self._back)
            return value - dt.timedelta(days=-(-self._back // 86_400))
        except OverflowError:
            return None


def _microseconds(array: pa.Array) -> pa.Array:
    """A little lower than it is, so that the rows between are read again."""
    if pa.types.is_timestamp(array.type) and array.type.unit == "ns":
        return pc.cast(array, pa.timestamp("us", array.type.tz), safe=False)
    return array


def texts_of(values: pa.Array) -> pa.Array:
    if pa.types.is_timestamp(values.type) and values.type.unit == "ns":
        return pc.cast(values, pa.string())
    return pa.array([None if value is None else _text(value) for value in values.to_pylist()], pa.string())


def _text(value: Any) -> str:
    if isinstance(value, decimal.Decimal):
        return f"{value:f}"
    return value.isoformat(" ") if isinstance(value, dt.datetime) else str(value)


def _value(text: str, column: Column) -> Any:
    family = column.type.family
    if family is Family.INTEGER:
        return int(text)
    if family is Family.DECIMAL:
        return decimal.Decimal(text)
    if family is Family.DATE:
        return dt.date.fromisoformat(text)
    return dt.datetime.fromisoformat(text)
