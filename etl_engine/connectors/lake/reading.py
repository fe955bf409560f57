"""The files of one version, row group by row group and within each in batches: memory stays flat whatever their size.

Arrow's own scanner reads whole row groups, and those ahead of it: 250 MB more with groups of 16 MB.
"""

from collections.abc import Generator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from etl_engine.connectors.files.parquet_in import buffer_bytes, group_batches


def scanned(dataset: Any, names: list[str], condition: Any) -> Generator[pa.RecordBatch, None, None]:
    """These columns of the dataset in its types; row groups in which no row can meet the condition are left out."""
    from pyarrow.dataset import get_partition_keys  # six megabytes, which who only writes does without

    schema = pa.schema([dataset.schema.field(name) for name in names])
    for fragment in dataset.get_fragments(filter=condition):
        wanted = fragment if condition is None else fragment.subset(filter=condition, schema=dataset.schema)
        groups = [group.id for group in wanted.row_groups]
        known = get_partition_keys(fragment.partition_expression)
        there = [name for name in names if name in set(fragment.physical_schema.names)]
        with (
            fragment.open() as opened,
            pq.ParquetFile(
                opened, metadata=fragment.metadata, buffer_size=buffer_bytes(len(there)), pre_buffer=False
            ) as file,
        ):
            for group in groups:
                for batch in group_batches(file, group, there):
                    yield _whole(batch, schema, known)


def _whole(batch: pa.RecordBatch, schema: pa.Schema, known: dict[str, Any]) -> pa.RecordBatch:
    """With the columns that a file does not have: of its partition, or newer than the file."""
    there = set(batch.schema.names)
    arrays = []
    for field in schema:
        if field.name in there:
            values = batch.column(field.name)
            arrays.append(values if values.type == field.type else values.cast(field.type))
        else:
            arrays.append(pa.repeat(pa.scalar(known.get(field.name), field.type), batch.num_rows))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
