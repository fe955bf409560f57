"""Parquet: its own types, in batches of about a fixed number of bytes, whatever the size of its row groups."""

import contextlib
from collections.abc import Callable, Generator

import pyarrow as pa
import pyarrow.parquet as pq

from etl_engine.connectors.files import parquet_int96
from etl_engine.connectors.files.bytes_in import broken
from etl_engine.connectors.files.folder import Folder, Item
from etl_engine.errors import EtlError, Rejected

_MOST_ROWS = 1 << 16
_BATCH_BYTES = 2 << 20  # several of them are on their way at a time, and reading one takes four times as much
_BUFFER, _ALL_BUFFERS = 1 << 20, 6 << 20  # every column has one of its own
_PROBE_ROWS = 256


def opened(folder: Folder, item: Item, unit: str = "us", columns: int = 1) -> pq.ParquetFile:
    """So many columns are to be read. The caller closes it. Rejected where it is no Parquet file or was cut off."""
    if not item.size:
        raise Rejected(f"{item.path} is an empty file", kind=folder.kind, hint="Fetch it again, or take it away.")
    file = folder.open(item)
    try:
        # INT96 reaches further than nanoseconds do, which wrap beyond 1677 and 2262: microseconds hold every year.
        return pq.ParquetFile(
            pa.PythonFile(file, "r"),
            buffer_size=buffer_bytes(columns),
            pre_buffer=False,
            coerce_int96_timestamp_unit=unit,
        )
    except EtlError:
        raise
    except (pa.ArrowException, OSError) as error:
        file.close()
        raise broken(folder, item, error) from error


def batches(
    folder: Folder, item: Item, columns: list[str], look: Callable[[], None]
) -> Generator[tuple[pa.RecordBatch, parquet_int96.Cut], None, None]:
    """The rows, and which of them lost digits: columns of INT96 are read a second time, as nanoseconds."""
    with contextlib.ExitStack() as files:
        file = files.enter_context(opened(folder, item, columns=len(columns)))
        finer = files.enter_context(opened(folder, item, "ns", len(columns))) if parquet_int96.has_any(file) else None
        old = parquet_int96.columns_of(file, finer, columns) if finer else []
        for group in range(file.num_row_groups):
            look()
            try:
                rows = rows_at_once(file, group, columns)
                again = finer.iter_batches(rows, [group], old, use_threads=False) if finer and old else None
                for batch in file.iter_batches(rows, [group], columns, use_threads=False):
                    look()
                    yield batch, parquet_int96.cut(batch, next(again)) if again else {}
            except EtlError:
                raise
            except (pa.ArrowException, OSError) as error:
                raise broken(folder, item, error) from error


def buffer_bytes(columns: int) -> int:
    """For each of so many columns that are read side by side."""
    return max(1 << 14, min(_BUFFER, _ALL_BUFFERS // max(columns, 1)))


def group_batches(file: pq.ParquetFile, group: int, columns: list[str]) -> Generator[pa.RecordBatch, None, None]:
    """One row group in batches of a bounded size."""
    rows = rows_at_once(file, group, columns)
    yield from file.iter_batches(rows, [group], columns, use_threads=False)


def rows_at_once(file: pq.ParquetFile, group: int, columns: list[str]) -> int:
    """What lies there packed does not say how large it is: a few rows are read to see."""
    found = file.metadata.row_group(group)
    each = found.total_byte_size / max(found.num_rows, 1)
    few = max(1, min(_PROBE_ROWS, int(_BATCH_BYTES / max(each, 1))))
    probe = next(iter(file.iter_batches(few, [group], columns, use_threads=False)), None)
    if probe is not None and probe.num_rows:
        each = max(each, probe.nbytes / probe.num_rows)
    return max(1, min(_MOST_ROWS, int(_BATCH_BYTES / max(each, 1))))
