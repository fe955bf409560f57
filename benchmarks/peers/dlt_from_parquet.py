"""dlt from a Parquet file into PostgreSQL: Arrow batches in, Parquet load files, ADBC out.

dlt_from_parquet.py FILE_URL - TARGET_URL TABLE MODE FOLDER
"""

import sys
from collections.abc import Iterator
from typing import Any

import dlt
import pyarrow.parquet as pq


def main(source: str, _table: str, target: str, into: str, mode: str, folder: str) -> None:
    schema, _, name = into.rpartition(".")

    @dlt.resource(name=name, write_disposition=mode)
    def rows() -> Iterator[Any]:
        yield from pq.ParquetFile(source.removeprefix("file://")).iter_batches(100_000)

    pipeline = dlt.pipeline(
        "benchmark", pipelines_dir=folder, destination=dlt.destinations.postgres(target), dataset_name=schema
    )
    pipeline.run(rows(), loader_file_format="parquet")


if __name__ == "__main__":
    main(*sys.argv[1:])
