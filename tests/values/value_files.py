"""Ends that are folders of files: read by pyarrow, by hand and by the module json."""

import datetime as dt
import json
import re
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import file_tables
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from value_cases import CORPUS, rows
from value_ends import End, Found, Kept, found_rows, kept_rows, python_text
from value_rows import MEANINGS

from etl_engine.model.copies import CopyReceipt


class _Files(End):
    """A folder; tables are written in one format."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(exist_ok=True)

    @property
    def connector(self) -> Any:
        return file_tables.folder(self._folder, write_format=self.kind).connector

    def _parts(self, table: str) -> list[Path]:
        return sorted((self._folder / table).glob(f"*.{self.kind}"))

    def kept(self, table: str, receipt: CopyReceipt) -> list[Kept]:
        return _kept_in(self._folder / table)


def _kept_in(table: Path) -> list[Kept]:
    """What lies beside a table of files."""
    files = [one for one in sorted((table / "_etl").glob("*")) if "reject" in one.name]
    lines = [line for one in files for line in one.read_text().split("\n") if line]
    return kept_rows((told["column"], told["value"], told["content"]) for told in map(json.loads, lines))


class Parquet(_Files):
    """By pyarrow."""

    kind = "parquet"

    def fill(self, table: str) -> str:
        cases, flat = CORPUS[self.kind], rows(self.kind)
        columns: dict[str, pa.Array] = {"id": pa.array([n for n, _, _ in flat], pa.int32())}
        for name, case in cases.items():
            values = [_evaluated(value) if one == name else None for _, one, value in flat]
            columns[name] = pa.array(values, _arrow_type(case.native))
        pq.write_table(pa.table(columns), self._folder / f"{table}.parquet")
        return f"{table}.parquet"

    def give(self, table: str, natives: Sequence[Any], rows: Sequence[tuple[Any, ...]]) -> str:
        types = {"id": pa.int32(), **dict(zip(MEANINGS, natives, strict=True))}
        arrays = [
            pa.array(values, type_) for values, type_ in zip(zip(*rows, strict=True), types.values(), strict=True)
        ]
        pq.write_table(pa.table(arrays, names=list(types)), self._folder / f"{table}.parquet")
        return f"{table}.parquet"

    def read(self, table: str) -> Found:
        single = self._folder / f"{table}"
        parts = [single] if single.is_file() else self._parts(table)
        return read_arrow([pq.read_table(part, partitioning=None) for part in parts])


def _evaluated(value: str) -> Any:
    return eval(value, {"dt": dt, "Decimal": Decimal, "float": float})


def _arrow_type(name: str) -> pa.DataType:
    digits = re.fullmatch(r"(decimal\d+)\((\d+),(\d+)\)", name)
    if digits:
        return getattr(pa, digits[1])(int(digits[2]), int(digits[3]))
    special = {
        "instant": pa.timestamp("us", "Europe/Berlin"),
        "fixed": pa.binary(4),
        "dictionary": pa.dictionary(pa.int8(), pa.string()),
        "list": pa.list_(pa.int32()),
        "struct": pa.struct([("a", pa.int32()), ("b", pa.string())]),
        "float16": pa.float16(),
    }
    return special.get(name) or pa.type_for_alias(name)


def read_arrow(tables: Sequence[pa.Table]) -> Found:
    made: Found = {}
    for table in tables:
        columns = [_arrow_texts(column.combine_chunks()) for column in table.columns]
        made |= found_rows(table.column_names, zip(*columns, strict=True))
    return made


def _arrow_texts(array: pa.Array) -> list[str | None]:
    given = array.type
    if pa.types.is_timestamp(given):
        zone = "+00" if given.tz else ""
        texts = pc.cast(pc.cast(array, pa.timestamp(given.unit)), pa.string()).to_pylist()
        return [None if text is None else f"{text}{zone}" for text in texts]
    if pa.types.is_date(given) or pa.types.is_time(given):
        return pc.cast(array, pa.string()).to_pylist()
    if pa.types.is_float16(given):
        array = pc.cast(array, pa.float32())
    if pa.types.is_nested(given):
        return [None if value is None else json.dumps(value) for value in array.to_pylist()]
    return [python_text(value) for value in array.to_pylist()]


class Csv(_Files):
    """By hand: a reader of twenty lines that tells NULL and the empty text apart."""

    kind = "csv"
    _CELL = re.compile(r'(?:"((?:[^"]|"")*)"|([^",\n]*))(,|\n|$)')

    def fill(self, table: str) -> str:
        lines = ["id,note"] + [f"{n}," + '"' + value.replace('"', '""') + '"' for n, _, value in rows(self.kind)]
        (self._folder / f"{table}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8", newline="")
        return f"{table}.csv"

    def read(self, table: str) -> Found:
        single = self._folder / table
        made: Found = {}
        for part in [single] if single.is_file() else self._parts(table):
            names, *values = self._cells(part.read_bytes().decode())
            made |= found_rows([name or "" for name in names], values)
        return made

    def _cells(self, text: str) -> list[list[str | None]]:
        lines: list[list[str | None]] = [[]]
        place = 0
        while place < len(text):
            cell = self._CELL.match(text, place)
            assert cell, f"no CSV: {text[place : place + 80]!r}"
            lines[-1].append(cell[2] or None if cell[1] is None else cell[1].replace('""', '"'))
            place = cell.end()
            if cell[3] == "\n":
                lines.append([])
        return [line for line in lines if line]


class Jsonl(_Files):
    """By the module json."""

    kind = "jsonl"

    def fill(self, table: str) -> str:
        lines = [f'{{"id": {n}, "{name}": {value}}}' for n, name, value in rows(self.kind)]
        (self._folder / f"{table}.jsonl").write_text("\n".join(lines) + "\n")
        return f"{table}.jsonl"

    def read(self, table: str) -> Found:
        single = self._folder / table
        made: Found = {}
        for part in [single] if single.is_file() else self._parts(table):
            for line in part.read_text().split("\n"):
                if line:
                    row = json.loads(line, parse_float=_Digits, parse_int=_Digits)
                    there = {name: _json_text(value) for name, value in row.items() if value is not None}
                    made |= found_rows(list(there), [list(there.values())])
        return made


class _Digits(str):
    """A number, as it was written."""


def _json_text(value: Any) -> str:
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bool):
        return str(value).lower()
    return _written(value)


def _written(value: Any) -> str:
    if isinstance(value, _Digits):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{_written(each)}" for key, each in value.items()) + "}"
    return "[" + ",".join(map(_written, value)) + "]" if isinstance(value, list) else json.dumps(value)


class Lake(End):
    """By pyarrow, over the files that the table's own log leads to."""

    kind = "lake"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def connector(self) -> Any:
        return file_tables.lake(self._folder).connector

    def read(self, table: str) -> Found:
        where = self._folder / table
        return read_arrow([pq.read_table(where / name, partitioning=None) for name in file_tables.live(where)])

    def kept(self, table: str, receipt: CopyReceipt) -> list[Kept]:
        return _kept_in(self._folder / table)
