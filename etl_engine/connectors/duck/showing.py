"""Batches that the library reads under a name, for as long as it is asked."""

import contextlib
from collections.abc import Iterator

import duckdb
import pyarrow as pa


class _Held:
    """The library holds what it was shown until its transaction ends, and all batches of a copy are one transaction.

    It is therefore shown this, which lets its batch go.
    """

    def __init__(self, table: pa.Table) -> None:
        self.table: pa.Table | None = table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        assert self.table is not None  # noqa: S101 - nobody asks for the name any more
        return self.table.__arrow_c_stream__(requested_schema)


@contextlib.contextmanager
def shown(connection: duckdb.DuckDBPyConnection, name: str, table: pa.Table) -> Iterator[None]:
    held = _Held(table)
    connection.register(name, held)
    try:
        yield
    finally:
        with contextlib.suppress(duckdb.Error):
            connection.unregister(name)
        held.table = None
