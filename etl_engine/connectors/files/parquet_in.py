"""Parquet: its own types, in batches of about a fixed number of bytes, whatever the size of its row groups."""

import contextlib
from collections.abc import Callable, Generator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from etl_engine.connectors.arrow_rows import BATCH_BYTES
from etl_engine.connectors.files import parquet_int96
from etl_engine.connectors.files.bytes_in import broken
from etl_engine.connectors.files.folder import Folder, Item
from etl_engine.errors import EtlError, Rejected

_MOST_ROWS = 1 << 16
_BUFFER = 1 << 20


def opened(folder: Folder, item: Item, unit: str = "us") -> pq.ParquetFile:
    """The caller closes it. Rejected where it is no Parquet file or was cut off."""
    if not item.size:
        raise Rejected(f"{item.path} is an empty file", kind=folder.kind, hint="Fetch it again, or take it away.")
    file = folder.open(item)
    try:
        # INT96 reaches further than nanoseconds do, which wrap beyond 1677 and 2262: microseconds hold every year.
        return pq.ParquetFile(
            pa.PythonFile(file, "r"), buffer_size=_BUFFER, pre_buffer=False, coerce_int96_timestamp_unit=unit
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
        file = files.enter_context(opened(folder, item))
        finer = files.enter_context(opened(folder, item, "ns")) if parquet_int96.has_any(file) else None
        old = parquet_int96.columns_of(file, finer, columns) if finer else []
        for group in range(file.num_row_groups):
            look()
            rows = _rows_at_once(file.metadata.row_group(group))
            try:
                again = finer.iter_batches(rows, [group], old, use_threads=False) if finer and old else None
                for batch in file.iter_batches(rows, [group], columns, use_threads=False):
                    look()
                    yield batch, parquet_int96.cut(batch, next(again)) if again else {}
            except EtlError:
                raise
            except (pa.ArrowException, OSError) as error:
                raise broken(folder, item, error) from error


def _rows_at_once(group: Any) -> int:
    each = group.total_byte_size / max(group.num_rows, 1)
    return max(1, min(_MOST_ROWS, int(BATCH_BYTES / max(each, 1))))
