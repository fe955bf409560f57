"""Of several staged rows with one key the newest stays, whatever the order they came in."""

from collections.abc import Iterator, Sequence

import pyarrow as pa

from etl_engine.connectors.files.stage import Stage

_MEMORY = "256MB"  # beyond it DuckDB sorts on disk


def keep_newest(stage: Stage, key: Sequence[str], newest: str) -> int:
    """Answers how many are left. Rows of one cursor value are told apart by what the whole row says."""
    import duckdb

    names = [field.name for field in stage.schema_of_rows()]
    schema = pa.schema(
        [*stage.schema_of_rows(), pa.field("_etl_batch", pa.int64()), pa.field("_etl_place", pa.int64())]
    )

    def numbered() -> Iterator[pa.RecordBatch]:
        for number, batch in stage.numbered():
            places = pa.array(range(batch.num_rows), pa.int64())
            batches = pa.array([number] * batch.num_rows, pa.int64())
            yield pa.RecordBatch.from_arrays([*batch.columns, batches, places], schema=schema)

    rows = pa.RecordBatchReader.from_batches(schema, numbered())
    by = ", ".join(filter(None, [f"{_quoted(newest)} DESC NULLS LAST" if newest else "", *(
        f"CAST({_quoted(name)} AS VARCHAR) DESC NULLS LAST" for name in names
    )]))  # fmt: skip
    with duckdb.connect(config={"memory_limit": _MEMORY, "threads": 1}) as session:
        session.register("staged", rows)
        chosen = session.execute(
            f"SELECT _etl_batch, _etl_place FROM staged QUALIFY row_number() OVER "  # noqa: S608 - quoted names
            f"(PARTITION BY {', '.join(map(_quoted, key))} ORDER BY {by}) = 1"
        ).fetchall()
    kept: dict[int, set[int]] = {}
    for batch, place in chosen:
        kept.setdefault(batch, set()).add(place)
    for number, batch in stage.numbered():
        places = kept.get(number, set())
        stage.keep(number, pa.array([place in places for place in range(batch.num_rows)], pa.bool_()))
    return len(chosen)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
