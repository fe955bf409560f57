"""Rows of one range on both sides, matched by their key and compared by a hash of all their values."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from etl_engine.connectors.exact_text import as_text
from etl_engine.engine.fingerprints import comparable
from etl_engine.model.table import Column

Key = tuple[str | None, ...]


@dataclass
class Differing:
    """What one side has and the other has not, or has otherwise."""

    columns: Sequence[Column]
    key: Sequence[str]
    looked_at: int = 0  # rows of the source
    missing: set[Key] = field(default_factory=set)  # only in the source
    changed: set[Key] = field(default_factory=set)
    surplus: dict[Key, tuple[int, int]] = field(default_factory=dict)  # only in the target: batch and place
    source: list[pa.RecordBatch] = field(default_factory=list)
    target: list[pa.RecordBatch] = field(default_factory=list)  # the columns of the key
    places: dict[Key, tuple[int, int]] = field(default_factory=dict)  # in the source

    def __bool__(self) -> bool:
        return bool(self.missing or self.changed or self.surplus)

    def rows(self) -> list[pa.RecordBatch]:
        """Of the source, that are to be written."""
        return _taken(self.source, (self.places[one] for one in (*self.missing, *self.changed)))

    def surplus_keys(self) -> list[pa.RecordBatch]:
        return _taken(self.target, self.surplus.values())

    def examples(self, most: int) -> list[tuple[str, str]]:
        made = [("missing", one) for one in self.missing]
        made += [("changed", one) for one in self.changed]
        made += [("surplus", one) for one in self.surplus]
        return [
            (what, ", ".join("NULL" if part is None else part for part in key)) for what, key in sorted(made)[:most]
        ]


def differing(
    source: Iterable[pa.RecordBatch], target: Iterable[pa.RecordBatch], columns: Sequence[Column], key: Sequence[str]
) -> Differing:
    """Both in the carriers of these columns, which have those of the key. Of the target only hashes are held."""
    found = Differing(columns, key)
    hashes: dict[Key, int] = {}
    for number, batch in enumerate(source):
        found.source.append(batch)
        found.looked_at += batch.num_rows
        for place, (one, hashed) in enumerate(_hashed(batch, columns, key)):
            hashes[one] = hashed
            found.places[one] = (number, place)
    found.missing = set(hashes)
    names = [column.name for column in columns]
    of_key = [names.index(column.name) for column in columns if column.name in key]
    for number, batch in enumerate(target):
        found.target.append(batch.select(of_key))
        for place, (one, hashed) in enumerate(_hashed(batch, columns, key)):
            there = hashes.get(one)
            if there is None:
                found.surplus[one] = (number, place)
                continue
            found.missing.discard(one)
            if there != hashed:
                found.changed.add(one)
    return found


def _hashed(batch: pa.RecordBatch, columns: Sequence[Column], key: Sequence[str]) -> Iterator[tuple[Key, int]]:
    import duckdb

    arrays = [comparable(values, column.type) for values, column in zip(batch.columns, columns, strict=True)]
    names = [f"c{number}" for number in range(len(arrays))]
    by_name = {column.name: number for number, column in enumerate(columns)}
    keys = [_text(arrays[by_name[name]], columns[by_name[name]]) for name in key]
    with duckdb.connect(":memory:", config={"threads": 1, "preserve_insertion_order": True}) as database:
        database.register("given", pa.Table.from_arrays(arrays, names=names))
        hashed = database.execute(f"SELECT hash({', '.join(names)}) FROM given").fetchall()  # noqa: S608
    yield from zip(zip(*keys, strict=True), (one for (one,) in hashed), strict=True)


def _text(values: pa.Array, column: Column) -> list[str | None]:
    text = values if pa.types.is_string(values.type) else as_text(values, column.type)
    return list(text.to_pylist())


def _taken(held: list[pa.RecordBatch], places: Iterable[tuple[int, int]]) -> list[pa.RecordBatch]:
    wanted: dict[int, list[int]] = {}
    for number, place in places:
        wanted.setdefault(number, []).append(place)
    return [held[number].take(pa.array(sorted(rows))) for number, rows in sorted(wanted.items())]
