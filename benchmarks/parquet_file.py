"""Makes and counts Parquet files, in a process of its own: what the benchmark itself holds counts as its children's.

parquet_file.py write CSV PARQUET | parquet_file.py count FOLDER
"""

import sys
from contextlib import ExitStack
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq


def write(text: str, into: str) -> None:
    """What a warehouse would have written: typed, zstd."""
    types = {"amount": pa.decimal128(12, 2), "customer_id": pa.int32(), "updated": pa.timestamp("us", "UTC")}
    truth = {"true_values": ["t"], "false_values": ["f"]}
    options = pc.ConvertOptions(column_types=types, strings_can_be_null=True, **truth)
    with ExitStack() as stack:
        reader = stack.enter_context(pc.open_csv(text, convert_options=options))
        writer = stack.enter_context(pq.ParquetWriter(into, reader.schema, compression="zstd"))
        for batch in reader:
            writer.write_batch(batch)


def count(folder: str) -> None:
    found = [str(path) for path in Path(folder).rglob("*.parquet") if path.is_file()]
    print(ds.dataset(found).count_rows())


if __name__ == "__main__":
    {"write": write, "count": count}[sys.argv[1]](*sys.argv[2:])
