"""INT96, Parquet's first type for moments: nanoseconds of a day, over more years than 64 bits of nanoseconds reach."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

_INT96 = "INT96"
_PER_MICROSECOND = 1000
_FINER_DIGITS = 3
_REPEATED = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
Cut = dict[int, dict[str, str]]  # rows that microseconds cannot hold, and what they have, by column


def has_any(file: pq.ParquetFile) -> bool:
    schema = file.schema
    return any(schema.column(number).physical_type == _INT96 for number in range(len(schema)))


def columns_of(coarse: pq.ParquetFile, fine: pq.ParquetFile, among: list[str]) -> list[str]:
    """The columns that are of this type, or have such values inside: nothing else depends on the unit."""
    one, other = coarse.schema_arrow, fine.schema_arrow
    return [name for name in among if one.field(name).type != other.field(name).type]


def cut(coarse: pa.RecordBatch, fine: pa.RecordBatch) -> Cut:
    """What was lost between the rows read as microseconds and the same rows read as nanoseconds."""
    found: Cut = {}
    for name in fine.schema.names:
        in_micros, in_nanos = coarse.column(name), fine.column(name)
        if not _differs(in_micros, in_nanos):
            continue
        for row in range(len(in_nanos)):
            one, other = in_micros.slice(row, 1), in_nanos.slice(row, 1)
            if _differs(one, other):
                found.setdefault(row, {})[name] = _exact(one, other)
    return found


def _differs(in_micros: pa.Array, in_nanos: pa.Array) -> bool:
    pairs = zip(_moments(in_micros), _moments(in_nanos), strict=True)
    return any(pc.any(pc.not_equal(_finer(*pair), 0)).as_py() for pair in pairs if pair[0].type != pair[1].type)


def _finer(in_micros: pa.Array, in_nanos: pa.Array) -> pa.Array:
    """The digits behind the microsecond. Nanoseconds wrap beyond 1677 and 2262; the product here wraps alike."""
    return pc.subtract(in_nanos.cast(pa.int64()), pc.multiply(in_micros.cast(pa.int64()), _PER_MICROSECOND))


def _moments(array: pa.Array) -> Iterator[pa.Array]:
    """The moments inside, wherever in the nesting."""
    kind = array.type
    if pa.types.is_timestamp(kind):
        yield array
    elif pa.types.is_struct(kind):
        for part in array.flatten():
            yield from _moments(part)
    elif pa.types.is_map(kind):
        for part in (array.keys, array.items):  # of all maps, also of those that a slice leaves out
            yield from _moments(pa.ListArray.from_arrays(array.offsets, part).flatten())
    elif any(is_one(kind) for is_one in _REPEATED):
        yield from _moments(array.flatten())


def _exact(in_micros: pa.Array, in_nanos: pa.Array) -> str:
    if not pa.types.is_timestamp(in_micros.type):
        return str(in_micros[0])
    digits = _finer(in_micros, in_nanos)[0].as_py()
    return f"{in_micros.cast(pa.string())[0].as_py()}{digits:0{_FINER_DIGITS}d}"
