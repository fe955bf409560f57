"""What a table of files is: its columns, exactly, and its rows, batch by batch."""

import functools
import json
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import pyarrow as pa

from etl_engine.connectors.carriers import carried, carrier
from etl_engine.connectors.files import csv_in, jsonl_in, parquet_in
from etl_engine.connectors.files.arrow_in import carried_array, house_type
from etl_engine.connectors.files.finding import Found
from etl_engine.connectors.files.folder import Folder, Item
from etl_engine.connectors.files.stored import column
from etl_engine.connectors.files.texts import TEXT, Guess, typed
from etl_engine.connectors.rows import Reject
from etl_engine.errors import Rejected
from etl_engine.model.table import Column, Table, Type

_SHOWN = 120
Rejecting = Callable[[Reject], None]


@dataclass(frozen=True)
class TableOfFiles:
    """Files, and the columns that they were found to have or are known to have."""

    folder: Folder
    found: Found
    columns: tuple[Column, ...]
    rows: int | None = None
    declared: bool = False  # by a manifest: a file of an older run may lack columns

    @property
    def table(self) -> Table:
        return Table(
            self.found.name,
            self.columns,
            kind="files",
            rows=self.rows,
            bytes=self.found.size,
            incarnation=str(self.found.items[0].version) if self.declared and self.found.items else "",
        )


def describe(folder: Folder, found: Found, look: Callable[[], None]) -> TableOfFiles:
    """Reads what it must: the ends of Parquet files, the first row of CSV, all of JSONL and of inferred CSV."""
    columns, rows = _DESCRIBED[found.shape.format](folder, found, look)
    if not columns:
        paths = ", ".join(item.path for item in found.items[:3])
        raise Rejected(
            f"{found.name} has no columns: {paths} {'is' if len(found.items) == 1 else 'are'} empty",
            kind=folder.kind,
            hint="Name files with at least a row of names.",
        )
    return TableOfFiles(folder, found, columns, rows)


def _parquet(folder: Folder, found: Found, look: Callable[[], None]) -> tuple[tuple[Column, ...], int | None]:
    first: dict[str, pa.Field] = {}
    nullable: dict[str, bool] = {}
    rows = 0
    for item in found.items:
        look()
        with parquet_in.opened(folder, item) as file:
            schema, rows = file.schema_arrow, rows + file.metadata.num_rows
        if len(set(schema.names)) < len(schema.names):
            twice = next(name for name in schema.names if schema.names.count(name) > 1)
            raise Rejected(f"{item.path} has two columns named {twice!r}", kind=folder.kind)
        fields = {one.name: one for one in schema}
        first = first or fields
        _insist_on_one_shape(folder, found.items[0], item, first, fields)
        for name, one in fields.items():
            nullable[name] = nullable.get(name, False) or one.nullable
    made = []
    for name, one in first.items():
        type_ = house_type(one.type)
        made.append(Column(name, str(one.type), type_, nullable[name]))
    return tuple(made), rows


def _insist_on_one_shape(
    folder: Folder, one: Item, other: Item, expected: dict[str, pa.Field], found: dict[str, pa.Field]
) -> None:
    differences = [f"{name} is not there" for name in expected if name not in found]
    differences += [f"{name} is there beside the others" for name in found if name not in expected]
    differences += [
        f"{name} is {found[name].type} and not {expected[name].type}"
        for name in expected
        if name in found and found[name].type != expected[name].type
    ]
    _refuse_differences(folder, one, other, differences)


def _refuse_differences(folder: Folder, one: Item, other: Item, differences: list[str]) -> None:
    if differences:
        more = f"; and {len(differences) - 3} more" if len(differences) > 3 else ""
        raise Rejected(
            f"{other.path} is shaped differently from {one.path}: {'; '.join(differences[:3])}{more}",
            kind=folder.kind,
            hint="Copy files of one shape at a time: name them by a narrower pattern.",
        )


def _csv(folder: Folder, found: Found, look: Callable[[], None]) -> tuple[tuple[Column, ...], int | None]:
    names: tuple[str, ...] = ()
    base = found.items[0]
    for item in found.items:
        look()
        there = csv_in.header(folder, item, found.shape)
        if not there:
            continue  # an empty file has no rows either
        if not names:
            names, base = there, item
        if set(there) != set(names) or (not found.shape.header and len(there) != len(names)):
            differences = [f"{name!r} is not there" for name in names if name not in there]
            differences += [f"{name!r} is there beside the others" for name in there if name not in names]
            _refuse_differences(folder, base, item, differences)
    if not names:
        return (), None
    if found.shape.types == "text":
        return tuple(column(name, TEXT) for name in names), None
    guesses = {name: Guess() for name in names}
    rows = 0
    for item in found.items:
        for part in csv_in.texts(folder, item, found.shape, csv_in.header(folder, item, found.shape), look):
            rows += part.batch.num_rows
            for name, guess in guesses.items():
                guess.look(part.batch.column(part.batch.schema.get_field_index(name)))
    return tuple(column(name, guess.type()) for name, guess in guesses.items()), rows


def _jsonl(folder: Folder, found: Found, look: Callable[[], None]) -> tuple[tuple[Column, ...], int | None]:
    seen: dict[str, jsonl_in.Seen] = {}
    rows = 0
    for item in found.items:
        for number, line in jsonl_in.lines(folder, item, found.shape, look):
            rows += 1
            try:
                row = jsonl_in.row_of(folder, item, number, line)
            except jsonl_in.NoRow:
                continue  # told when the rows are read
            for name, value in row.items():
                seen.setdefault(name, jsonl_in.Seen()).look(value)
    if not seen and rows:
        item = found.items[0]
        number, line = next(jsonl_in.lines(folder, item, found.shape, look))
        try:
            jsonl_in.row_of(folder, item, number, line)
        except jsonl_in.NoRow as error:
            raise Rejected(f"{item.path}, line {number} {error}", kind=folder.kind) from error
    return tuple(column(name, one.type()) for name, one in seen.items()), rows


_DESCRIBED: dict[str, Callable[[Folder, Found, Callable[[], None]], tuple[tuple[Column, ...], int | None]]] = {
    "parquet": _parquet,
    "csv": _csv,
    "jsonl": _jsonl,
}


class Reader:
    """Rows of a table, one file after the other; what does not fit its column is told, and left out."""

    def __init__(
        self, table: TableOfFiles, columns: tuple[Column, ...], look: Callable[[], None], reject: Rejecting
    ) -> None:
        self._table = table
        self._folder = table.folder
        self._shape = table.found.shape
        self._columns = columns
        self._schema = carried(columns)
        self._look = look
        self._reject = reject

    def batches(self) -> Generator[pa.RecordBatch, None, None]:
        read = {"parquet": self._of_parquet, "csv": self._of_csv, "jsonl": self._of_jsonl}[self._shape.format]
        for item in self._table.found.items:
            yield from read(item)

    def _of_parquet(self, item: Item) -> Iterator[pa.RecordBatch]:
        names = self._there(item)
        if not names and not self._table.declared:
            return
        row = 0
        for batch, cut in parquet_in.batches(self._folder, item, list(names), self._look):
            places = {name: at for at, name in enumerate(batch.schema.names)}
            arrays: list[pa.Array] = []
            wrong = {place: next(iter(exact.items())) for place, exact in cut.items()}
            for one in self._columns:
                if one.name not in places:
                    arrays.append(pa.nulls(batch.num_rows, carrier(one.type)))
                    continue
                given = batch.column(places[one.name])
                made, bad = _converted(given, one.type)
                arrays.append(made)
                for place in bad:
                    wrong[place] = (one.name, str(given[place].as_py()))
            yield self._without(arrays, batch.num_rows, wrong, functools.partial(_numbered, row), item, batch, cut)
            row += batch.num_rows

    def _there(self, item: Item) -> tuple[str, ...]:
        if not self._table.declared:
            return tuple(one.name for one in self._columns)
        with parquet_in.opened(self._folder, item) as file:
            there = set(file.schema_arrow.names)
        return tuple(one.name for one in self._columns if one.name in there)

    def _of_csv(self, item: Item) -> Iterator[pa.RecordBatch]:
        names = csv_in.header(self._folder, item, self._shape)
        for part in csv_in.texts(self._folder, item, self._shape, names, self._look):
            for one in part.ragged:
                self._tell(
                    item, one.row, "", one.text, f"has {one.found} values where the first row has {one.expected}",
                    one.text,
                )  # fmt: skip
            yield self._typed(item, part.batch, part.numbers)

    def _of_jsonl(self, item: Item) -> Iterator[pa.RecordBatch]:
        wanted = [(one.name, one.type) for one in self._columns]
        for numbers, rows in jsonl_in.chunks(self._rows_of(item)):
            yield self._typed(item, jsonl_in.arrays(wanted, rows, declared=self._table.declared), numbers.__getitem__)

    def _rows_of(self, item: Item) -> Iterator[tuple[int, dict[str, Any], int]]:
        for number, line in jsonl_in.lines(self._folder, item, self._shape, self._look):
            try:
                yield number, jsonl_in.row_of(self._folder, item, number, line), len(line)
            except jsonl_in.NoRow as error:
                text = line.decode(errors="replace").strip()
                self._tell(item, number, "", text, str(error), text)

    def _typed(self, item: Item, texts: pa.RecordBatch, numbers: Callable[[int], int]) -> pa.RecordBatch:
        arrays: list[pa.Array] = []
        wrong: dict[int, tuple[str, str]] = {}
        for one in self._columns:
            at = texts.schema.get_field_index(one.name)
            if at < 0:
                arrays.append(pa.nulls(texts.num_rows, carrier(one.type)))
                continue
            made, bad = typed(texts.column(at), one.type)
            arrays.append(made)
            for place in bad:
                wrong.setdefault(place, (one.name, texts.column(at)[place].as_py()))
        return self._without(arrays, texts.num_rows, wrong, numbers, item, texts)

    def _without(
        self,
        arrays: list[pa.Array],
        rows: int,
        wrong: dict[int, tuple[str, str]],
        numbers: Callable[[int], int],
        item: Item,
        given: pa.RecordBatch,
        exact: Mapping[int, dict[str, str]] = MappingProxyType({}),  # what `given` has not exactly
    ) -> pa.RecordBatch:
        for place in sorted(wrong):
            name, value = wrong[place]
            row = given.slice(place, 1).to_pylist()[0] | exact.get(place, {})
            content = json.dumps(row, ensure_ascii=False, default=str)
            type_ = next(one.native for one in self._columns if one.name == name)
            self._tell(item, numbers(place), name, value, f"is no {type_}", content)
        for one, array in zip(self._columns, arrays, strict=True):
            if not one.nullable and array.null_count > sum(1 for name, _ in wrong.values() if name == one.name):
                raise Rejected(
                    f"{item.path} has NULL in {one.name}, which is said to have none", kind=self._folder.kind
                )
        batch = pa.RecordBatch.from_arrays(arrays, schema=self._schema) if arrays else given
        if not wrong:
            return batch
        return batch.filter(pa.array([place not in wrong for place in range(rows)]))

    def _tell(self, item: Item, row: int, name: str, value: str, reason: str, content: str) -> None:
        self._reject(Reject(row, name, value[:_SHOWN], f"{item.path}, row {row}: {reason}", content))


def _numbered(before: int, place: int) -> int:
    return before + place + 1


def _converted(given: pa.Array, type_: Type) -> tuple[pa.Array, list[int]]:
    try:
        return carried_array(given, type_), []
    except pa.ArrowInvalid:
        wrong, made = [], []
        for place in range(len(given)):
            try:
                made.append(carried_array(given.slice(place, 1), type_))
            except pa.ArrowInvalid:
                wrong.append(place)
                made.append(pa.nulls(1, carrier(type_)))
        return pa.concat_arrays(made), wrong


def raising(kind: str) -> Rejecting:
    """What happens to a row that does not fit while nobody collects them."""

    def refuse(one: Reject) -> None:
        what = f"column {one.column}: {one.value!r} " if one.column else f"{one.value!r} "
        place, _, reason = one.reason.rpartition(": ")
        raise Rejected(
            f"{place}, {what}{reason}",
            kind=kind,
            hint="Repair the file, or have such rows set aside: --on-reject quarantine.",
        )

    return refuse
