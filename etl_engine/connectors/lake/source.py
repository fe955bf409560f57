"""Reading the lake: one version of a table, whatever is written meanwhile."""

import contextlib
from collections.abc import Generator, Iterator, Sequence

import pyarrow as pa

from etl_engine.connectors.arrow_rows import ArrowRows
from etl_engine.connectors.carriers import carried
from etl_engine.connectors.files.arrow_in import carried_array
from etl_engine.connectors.files.looking import Follower, cursor_column
from etl_engine.connectors.files.prints import fingerprint
from etl_engine.connectors.files.source import only, shown
from etl_engine.connectors.lake.place import Lake, LakeTable
from etl_engine.connectors.lake.reading import scanned
from etl_engine.connectors.lake.refusals import KIND, told
from etl_engine.connectors.rows import ARROW, Fingerprint, KeyRange, Rows, Selection, Source, Window
from etl_engine.errors import BadInput, Cancelled
from etl_engine.model.table import Column, Table


class LakeSource(Source):
    """One session that reads."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._table: LakeTable | None = None
        self._follower: Follower | None = None
        self._rows: LakeRows | None = None
        self._stopped = False
        self.identity = lake.identity

    def describe(self, selection: Selection) -> Table:
        if selection.query:
            raise BadInput("The lake is read by table", hint="Name a table, such as orders, or orders@7 for a version.")
        return only(self._lake.find(selection.table).table(), selection.columns, KIND)

    def forms(self, table: Table) -> tuple[str, ...]:
        return (ARROW,)

    def begin(self, selection: Selection) -> Window | None:
        self._table = self._lake.find(selection.table)
        self._follower = None
        if not selection.look:
            return None
        column = cursor_column(only(self._table.table(), selection.columns, KIND), selection.look)
        follower = Follower(selection.look, column, KIND)
        window = follower.window(batch.column(0) for batch in self._batches((column,)))
        self._follower = follower
        return window

    def pieces(self, table: Table, rows: int) -> list[KeyRange]:
        return [KeyRange(())]

    def read(self, selection: Selection, table: Table, form: str) -> Rows:
        self._rows = LakeRows(self, table, selection.version_columns, self._follower)
        return self._rows

    def fingerprint(self, selection: Selection, columns: Sequence[Column], *, each: bool) -> Fingerprint:
        if self._table is None:
            self._table = self._lake.find(selection.table)
        return fingerprint(self._batches(tuple(columns)), columns, each=each)

    def end(self) -> None:
        self._table, self._follower = None, None

    def stop(self) -> None:
        self._stopped = True

    def close(self) -> None:
        if self._rows:
            self._rows.close()
        self._lake.folder.close()

    def _batches(self, columns: tuple[Column, ...], follower: Follower | None = None) -> Iterator[pa.RecordBatch]:
        assert self._table is not None  # noqa: S101 - begin() found it
        return table_batches(self._table, columns, follower, self._check)

    def _check(self) -> None:
        if self._stopped:
            raise Cancelled("The copy was stopped")


def table_batches(
    table: LakeTable, columns: tuple[Column, ...], follower: Follower | None = None, check: object = None
) -> Generator[pa.RecordBatch, None, None]:
    """Rows of these columns in their carriers; a cursor lets whole row groups be left out."""
    dataset = table.dataset()
    schema = carried(columns)
    condition = follower.condition() if follower else None
    names = [one.name for one in columns]
    with (
        told(table.name, "reading its files", table.lake.secret),
        contextlib.closing(scanned(dataset, names, condition)) as reading,
    ):
        for batch in reading:
            if callable(check):
                check()
            arrays = [carried_array(values, one.type) for values, one in zip(batch.columns, columns, strict=True)]
            if batch.num_rows:
                yield pa.RecordBatch.from_arrays(arrays, schema=schema)


class LakeRows(ArrowRows):
    """The rows of one version, of a cursor run those that are new."""

    def __init__(
        self, source: LakeSource, table: Table, version_columns: tuple[str, ...], follower: Follower | None
    ) -> None:
        super().__init__(str(table.name))
        self._source = source
        self._columns = table.columns
        self._versions = version_columns
        self._follower = follower

    def _make(self) -> Generator[pa.RecordBatch, None, None]:
        follower = self._follower
        read = self._columns
        if follower and follower.column.name not in {column.name for column in read}:
            read = (*read, follower.column)
        for batch in self._source._batches(read, follower):
            yield shown(batch, self._columns, self._versions, follower)
