"""Cells as the server writes them, into the carriers of their types; what is no value of its type is kept back."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from etl_engine.connectors.carriers import carrier
from etl_engine.connectors.hexadecimal import to_hexadecimal
from etl_engine.connectors.mysql.refusals import KIND
from etl_engine.connectors.mysql.types import as_hex
from etl_engine.connectors.rows import Reject
from etl_engine.errors import Rejected
from etl_engine.model.table import Column, Family, Type

_SHOWN = 200
_NO_VALUE = (pa.ArrowInvalid, pa.ArrowNotImplementedError)
_VERSION = Type(Family.TEXT)


@dataclass
class Decoder:
    """Turns blocks of raw cells into rows, and counts them."""

    columns: Sequence[Column]
    what: str
    row: int = 0

    def batch(
        self, raw: pa.RecordBatch, schema: pa.Schema, on_reject: Callable[[Reject], None] | None
    ) -> pa.RecordBatch:
        """`schema` may go on behind the columns with plain texts."""
        types = [column.type for column in self.columns]
        types += [_VERSION] * (len(schema) - len(types))
        try:
            made = [decoded(cells, type_) for cells, type_ in zip(raw.columns, types, strict=True)]
        except _NO_VALUE:
            raw = self._readable(raw, types, on_reject)
            made = [decoded(cells, type_) for cells, type_ in zip(raw.columns, types, strict=True)]
        self.row += raw.num_rows
        return pa.RecordBatch.from_arrays(made, schema=schema)

    def _readable(
        self, raw: pa.RecordBatch, types: Sequence[Type], on_reject: Callable[[Reject], None] | None
    ) -> pa.RecordBatch:
        """The rows without those that have something in them that is no value."""
        bad: dict[int, int] = {}
        for place, type_ in enumerate(types):
            for number in _unreadable(raw.column(place), type_):
                bad.setdefault(number, place)
        for number, place in sorted(bad.items()):
            reject = self._reject(raw, number, place)
            if on_reject is None:
                raise Rejected(
                    f"Row {reject.row} of {self.what} has in the column {reject.column} {reject.value!r}, "
                    f"which {reject.reason}",
                    kind=KIND,
                    hint="Repair it in the source, or read the column as bytes with --query.",
                )
            on_reject(reject)
        self.row += len(bad)
        return raw.take(pa.array([number for number in range(raw.num_rows) if number not in bad], pa.int64()))

    def _reject(self, raw: pa.RecordBatch, number: int, place: int) -> Reject:
        texts = [_text(cells[number].as_py()) for cells in raw.columns]
        content = {column.name: text for column, text in zip(self.columns, texts, strict=False)}
        column = self.columns[place]
        return Reject(
            self.row + number + 1,
            column.name,
            (texts[place] or "")[:_SHOWN],
            f"is no value of the type {column.native}",
            json.dumps(content, ensure_ascii=False),
        )


def decoded(cells: pa.Array, type_: Type) -> pa.Array:
    """Raw cells of one column as values; ArrowInvalid where one of them is none."""
    wanted = carrier(type_)
    if pa.types.is_binary(wanted):
        return cells
    if as_hex(type_):
        return to_hexadecimal(cells)
    text = cells.cast(pa.string())
    if pa.types.is_string(wanted):
        return _moments(text, type_) if type_.family in (Family.TIMESTAMP, Family.INTERVAL) else text
    if pa.types.is_float32(wanted):  # asked for as a double, since the server writes a float with six digits only
        return text.cast(pa.float64()).cast(wanted)
    return text.cast(wanted)


def _moments(text: pa.Array, type_: Type) -> pa.Array:
    if type_.precision:
        trimmed = pc.ascii_rtrim(pc.ascii_rtrim(text, "0"), ".")
        fraction = pc.match_substring(text, ".")
        text = trimmed if pc.all(fraction).as_py() else pc.if_else(fraction, trimmed, text)
    return pc.binary_join_element_wise(text, "+00", "") if type_.zoned else text


def _unreadable(cells: pa.Array, type_: Type, start: int = 0) -> list[int]:
    """Which of these are no values, found by halving."""
    try:
        decoded(cells, type_)
    except _NO_VALUE:
        if len(cells) == 1:
            return [start]
        middle = len(cells) // 2
        left = _unreadable(cells.slice(0, middle), type_, start)
        return left + _unreadable(cells.slice(middle), type_, start + middle)
    return []


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "backslashreplace")
