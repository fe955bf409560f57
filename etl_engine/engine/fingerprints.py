"""What rows amount to, whichever engine they were read from: sums of hashes, of whole rows and of each column.

Sums know no order of rows. Those of columns say where a difference is, and that of rows that values stand together.
"""

import json
from collections.abc import Iterable, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from etl_engine.connectors.exact_text import as_text
from etl_engine.connectors.rows import WHOLE, Fingerprint
from etl_engine.model.table import Column, Family, Type

_JSON = (Family.JSON, Family.ARRAY)
_NUMBER = "\0{}".format  # digit by digit, and not the same as a text of these digits
_READ = json.JSONDecoder(parse_int=_NUMBER, parse_float=_NUMBER).decode
_WRITE = json.JSONEncoder(sort_keys=True).encode
_MOMENTS = (Family.DATE, Family.TIME, Family.TIMESTAMP)


def fingerprint(batches: Iterable[pa.RecordBatch], columns: Sequence[Column]) -> Fingerprint:
    """Of batches in the carriers of these columns. One batch is held at a time."""
    import duckdb

    names = [f"c{number}" for number in range(len(columns))]
    hashed = [*names, ", ".join(names)]
    query = f"SELECT count(*), {', '.join(f'coalesce(sum(hash({one})), 0)' for one in hashed)} FROM given"  # noqa: S608
    rows, sums = 0, [0] * len(hashed)
    with duckdb.connect(":memory:", config={"threads": 1}) as database:
        for batch in batches:
            arrays = [comparable(values, column.type) for values, column in zip(batch.columns, columns, strict=True)]
            database.register("given", pa.Table.from_arrays(arrays, names=names))
            (found,) = database.execute(query).fetchall()
            database.unregister("given")
            rows += found[0]
            sums = [one + int(more) for one, more in zip(sums, found[1:], strict=True)]
    keys = [*(column.name for column in columns), WHOLE]
    return Fingerprint(rows, dict(zip(keys, sums, strict=True)))


def comparable(values: pa.Array, type_: Type) -> pa.Array:
    """The same value always the same, though servers write it in different ways: 1.5 and 1.50, [1] and [ 1 ]."""
    family = type_.family
    if family is Family.DECIMAL:
        return _without_zeros(as_text(values, type_), r"(\.\d*?)0+$", r"^(-?\d+)\.$")
    if family in _MOMENTS:
        return _without_zeros(as_text(values, type_), r"(\.\d*?)0+($|[^\d])", r"^([^.]*)\.($|[^\d].*)")
    if family in _JSON:
        return pa.array([None if one is None else _settled(one) for one in values.to_pylist()], pa.string())
    if family is Family.TEXT and type_.fixed:
        return pc.utf8_rtrim(values, " ")
    return values


def _without_zeros(text: pa.Array, zeros: str, dot: str) -> pa.Array:
    if not pc.any(pc.match_substring(text, ".")).as_py():
        return text
    behind = r"\1\2" if "($" in zeros else r"\1"
    bare = pc.replace_substring_regex(text, zeros, behind)
    return pc.replace_substring_regex(bare, dot, behind)


def _settled(text: str) -> str:
    try:
        return _WRITE(_READ(text))
    except (ValueError, RecursionError):
        return text
