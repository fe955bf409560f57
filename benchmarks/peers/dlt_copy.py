"""dlt by its fastest documented road: connectorx to Parquet, loaded by ADBC into PostgreSQL or kept as files.

dlt_copy.py SOURCE_URL TABLE TARGET_URL TABLE MODE FOLDER
"""

import sys
from typing import Any

import dlt
from dlt.sources.sql_database import sql_table


def main(source: str, table: str, target: str, into: str, mode: str, folder: str) -> None:
    schema, _, name = into.rpartition(".")
    destination: Any = (
        dlt.destinations.filesystem(bucket_url=target)
        if target.startswith("file:")
        else dlt.destinations.postgres(target)
    )
    backend = {"conn": source.replace("+pymysql", "").replace("+psycopg2", "")}
    disposition: Any = {"disposition": "merge", "strategy": "upsert"} if mode == "merge" else mode
    where, _, bare = table.rpartition(".")
    rows = sql_table(
        source,
        bare,
        schema=where or None,
        backend="connectorx",
        backend_kwargs={"return_type": "arrow_stream", **backend},
        reflection_level="full_with_precision",
        write_disposition=disposition,
        primary_key="id" if mode == "merge" else None,
    )
    pipeline = dlt.pipeline("benchmark", pipelines_dir=folder, destination=destination, dataset_name=schema or "out")
    pipeline.run(rows, table_name=name or "out", loader_file_format="parquet")


if __name__ == "__main__":
    main(*sys.argv[1:])
