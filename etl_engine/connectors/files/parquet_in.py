"""Parquet: its own types, in batches of about a fixed number of bytes, whatever the size of its row groups."""

from collections.abc import Callable, Generator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from etl_engine.connectors.arrow_rows import BATCH_BYTES
from etl_engine.connectors.files.bytes_in import broken
from etl_engine.connectors.files.folder import Folder, Item
from etl_engine.errors import EtlError, Rejected

_MOST_ROWS = 1 << 16
_BUFFER = 1 << 20


def opened(folder: Folder, item: Item) -> pq.ParquetFile:
    """The caller closes it. Rejected where it is no Parquet file or was cut off."""
    if not item.size:
        raise Rejected(f"{item.path} is an empty file", kind=folder.kind, hint="Fetch it again, or take it away.")
    file = folder.open(item)
    try:
        # INT96 counts nanoseconds in a way that wraps beyond 1677 and 2262: microseconds hold what writers put there.
        return pq.ParquetFile(
            pa.PythonFile(file, "r"), buffer_size=_BUFFER, pre_buffer=False, coerce_int96_timestamp_unit="us"
        )
    except EtlError:
        raise
    except (pa.ArrowException, OSError) as error:
        file.close()
        raise broken(folder, item, error) from error


def batches(
    folder: Folder, item: Item, columns: list[str], look: Callable[[], None]
) -> Generator[pa.RecordBatch, None, None]:
    with opened(folder, item) as file:
        for group in range(file.num_row_groups):
            look()
            try:
                for batch in file.iter_batches(
                    _rows_at_once(file.metadata.row_group(group)), [group], columns, use_threads=False
                ):
                    look()
                    yield batch
            except EtlError:
                raise
            except (pa.ArrowException, OSError) as error:
                raise broken(folder, item, error) from error


def _rows_at_once(group: Any) -> int:
    each = group.total_byte_size / max(group.num_rows, 1)
    return max(1, min(_MOST_ROWS, int(BATCH_BYTES / max(each, 1))))
