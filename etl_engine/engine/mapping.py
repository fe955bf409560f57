"""Column rules on record batches: whole columns at a time, rows that do not fit kept aside with the reason."""

import functools
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from etl_engine.connectors.carriers import carried, carrier
from etl_engine.connectors.rows import Reject
from etl_engine.engine.mapping_casts import Cells, converted, from_text
from etl_engine.engine.mapping_steps import stepped
from etl_engine.engine.mapping_texts import in_text
from etl_engine.errors import BadInput
from etl_engine.model.mapping import Constant, Direct, Join, Rule, Split
from etl_engine.model.table import Column, Family

FEWER, MORE = "rows with fewer parts than fields", "rows with more parts than fields"
SHOWN_CHARACTERS = 200
REJECTS_TOLD = 1000  # of one batch, in full; the others are counted
_NO_VALUE = "has no value, and the field needs one"


@dataclass(frozen=True)
class Mapped:
    """What became of one batch."""

    batch: pa.RecordBatch
    rejects: list[Reject]  # one for each value that does not fit; a row may have several
    rejected: int  # rows
    counts: Counter[str] = field(default_factory=Counter)


@dataclass
class _Field:
    """One field of the target on its way: its values, and what speaks against them."""

    cells: Cells
    shown: pa.Array | None = None  # the text it was made of


class Mapper:
    """The rules of one mapping, for rows of these source columns and a target of these columns.

    BadInput where a rule names a column that neither has; the other checks are in `mapping_check.py`. Rows of the
    source travel as `carried(source)`, rows of the target leave as `carried(target)`. A field that no rule fills is
    NULL. Used by one thread at a time.
    """

    def __init__(self, rules: Sequence[Rule], source: Sequence[Column], target: Sequence[Column]) -> None:
        self._rules = list(rules)
        self._source = {column.name: column for column in source}
        self.target = tuple(target)
        self._targets = {column.name: column for column in target}
        self.schema = carried(self.target)
        self.source_columns = tuple(dict.fromkeys(name for rule in rules for name in rule.source_columns))
        for rule in rules:
            for name, there, what in (
                *((name, self._source, "The source") for name in rule.source_columns),
                *((name, self._targets, "The target schema") for name in rule.target_fields),
            ):
                if name not in there:
                    raise BadInput(f"{what} has no column {name!r}", hint="Correct the column mapping.")

    def apply(self, batch: pa.RecordBatch, *, first_row: int = 1, told: int = REJECTS_TOLD) -> Mapped:
        """The batch as the target wants it. `first_row` is the number of its first row; `told` caps the rejects."""
        counts: Counter[str] = Counter()
        made: dict[str, _Field] = {}
        for rule in self._rules:
            made |= _BY_TYPE[type(rule)](self, batch, rule, counts)
        fields = [self._finished(made.get(column.name), column, batch.num_rows) for column in self.target]
        marks = [mark for one in fields for mark in one.cells.marks]
        if not marks:
            whole = pa.RecordBatch.from_arrays([one.cells.array for one in fields], schema=self.schema)
            return Mapped(whole, [], 0, counts)
        bad = functools.reduce(pc.or_, [rows for rows, _ in marks])
        good = pc.invert(bad)
        arrays = [one.cells.array.filter(good) for one in fields]
        kept = pa.RecordBatch.from_arrays(arrays, schema=self.schema)
        return Mapped(kept, self._told(batch, fields, first_row, told), pc.sum(bad).as_py(), counts)

    def _finished(self, made: _Field | None, column: Column, rows: int) -> _Field:
        if made is None:
            made = _Field(Cells(pa.nulls(rows, carrier(column.type))))
        if column.nullable:
            return made
        empty = pc.is_null(made.cells.array)
        for rows_marked, _ in made.cells.marks:
            empty = pc.and_(empty, pc.invert(rows_marked))
        made.cells.marked(empty, _NO_VALUE)
        return made

    def _direct(self, batch: pa.RecordBatch, rule: Direct, _counts: Counter[str]) -> dict[str, _Field]:
        [name], [target] = rule.source_columns, rule.target_fields
        source, column = self._source[name], self._targets[target]
        array = batch.column(name)
        if not rule.config.steps:
            return {target: _Field(converted(array, source.type, column.type, rule.config.zone), array)}
        text = stepped(_text_of(array, source), rule.config.steps)
        return {target: _Field(from_text(text, column.type, rule.config.zone), array)}

    def _split(self, batch: pa.RecordBatch, rule: Split, counts: Counter[str]) -> dict[str, _Field]:
        [name], config, wanted = rule.source_columns, rule.config, len(rule.target_fields)
        array = batch.column(name)
        text = stepped(_text_of(array, self._source[name]), config.steps)
        number = pc.add(pc.count_substring(text, config.delimiter), 1)
        fewer, more = pc.less(number, wanted), pc.greater(number, wanted)
        counts[FEWER] += pc.sum(fewer).as_py() or 0
        counts[MORE] += pc.sum(more).as_py() or 0
        most = wanted - 1 if config.more == "rest" else None
        if most == 0:
            parts = [text]
        else:
            pieces = pc.split_pattern(text, config.delimiter, max_splits=most)
            padded = pc.list_slice(pieces, 0, wanted, return_fixed_size_list=True)
            parts = [pc.list_element(padded, place) for place in range(wanted)]
        fields = {
            target: _Field(from_text(part, self._targets[target].type, config.zone), array)
            for target, part in zip(rule.target_fields, parts, strict=True)
        }
        first = fields[rule.target_fields[0]]
        if config.fewer == "reject":
            first.cells.marked(fewer, f"has fewer parts than the {wanted} fields")
        if config.more == "reject":
            first.cells.marked(more, f"has more parts than the {wanted} fields")
        return fields

    def _join(self, batch: pa.RecordBatch, rule: Join, _counts: Counter[str]) -> dict[str, _Field]:
        [target], config = rule.target_fields, rule.config
        texts = [
            stepped(_text_of(batch.column(name), self._source[name]), config.steps) for name in rule.source_columns
        ]
        some = functools.reduce(pc.or_, [pc.is_valid(text) for text in texts])
        if config.nulls == "skip":
            texts[0] = pc.if_else(some, texts[0], "")  # Arrow 26 loses a row whose texts are all skipped
        handling = {"skip": "skip", "empty": "replace", "null": "emit_null"}[config.nulls]
        joined = pc.binary_join_element_wise(*texts, config.separator or "", null_handling=handling)
        if config.nulls == "skip":  # nothing at all is no value, not an empty one
            joined = pc.if_else(some, joined, pa.scalar(None, pa.string()))
        return {target: _Field(from_text(joined, self._targets[target].type, config.zone), joined)}

    def _constant(self, batch: pa.RecordBatch, rule: Constant, _counts: Counter[str]) -> dict[str, _Field]:
        [target], config = rule.target_fields, rule.config
        type_ = self._targets[target].type
        one = from_text(pa.array([config.value], pa.string()), type_, config.zone)
        if one.marks:
            raise BadInput(f"The constant of the field {target!r} {one.marks[0][1]}", hint="Correct the constant.")
        return {target: _Field(Cells(pa.repeat(one.array[0], batch.num_rows)))}

    def _told(self, batch: pa.RecordBatch, fields: list[_Field], first_row: int, most: int) -> list[Reject]:
        """The first rejects in the order of their rows."""
        found: list[tuple[int, str, pa.Array | None, str]] = []
        for column, one in zip(self.target, fields, strict=True):
            for rows, reason in one.cells.marks:
                places = pc.indices_nonzero(rows)[:most].to_pylist()
                found += [(place, column.name, one.shown, reason) for place in places]
        found.sort(key=lambda each: each[0])
        contents: dict[int, str] = {}
        rejects = []
        for place, name, shown, reason in found[:most]:
            if place not in contents:
                contents[place] = self._content(batch, place)
            value = _shown(shown[place]) if shown is not None else ""
            rejects.append(Reject(first_row + place, name, value, reason, contents[place]))
        return rejects

    def _content(self, batch: pa.RecordBatch, place: int) -> str:
        row = batch.slice(place, 1)
        texts = {
            name: _shown(_readable(row.column(name), self._source.get(name))[0], most=100_000)
            if row.column(name)[0].is_valid
            else None
            for name in row.schema.names
        }
        return json.dumps(texts, ensure_ascii=False)


def _readable(array: pa.Array, column: Column | None) -> pa.Array:
    return array if column is None or column.type.family is Family.BYTES else in_text(array, column.type)


def _text_of(array: pa.Array, column: Column) -> pa.Array:
    if column.type.family is Family.BYTES:
        raise BadInput(
            f"The column {column.name!r} holds bytes, which are not text", hint="Map it directly, without steps."
        )
    return in_text(array, column.type)


def _shown(value: pa.Scalar, most: int = SHOWN_CHARACTERS) -> str:
    if not value.is_valid:
        return ""
    text: str = value.as_py().hex() if pa.types.is_binary(value.type) else value.cast(pa.string()).as_py()
    return text if len(text) <= most else text[: most - 1] + "…"


_BY_TYPE: dict[type, Callable[[Mapper, pa.RecordBatch, Any, Counter[str]], dict[str, _Field]]] = {
    Direct: Mapper._direct,
    Split: Mapper._split,
    Join: Mapper._join,
    Constant: Mapper._constant,
}
