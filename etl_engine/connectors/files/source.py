"""Reading files: the list of them is taken once, and every one must still be what it was when its turn comes."""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace

import pyarrow as pa

from etl_engine.connectors.arrow_rows import ArrowRows
from etl_engine.connectors.carriers import carried
from etl_engine.connectors.files import tables
from etl_engine.connectors.files.finding import clean, find
from etl_engine.connectors.files.folder import Folder
from etl_engine.connectors.files.looking import Follower, cursor_column
from etl_engine.connectors.files.manifest import read_manifest
from etl_engine.connectors.files.options import FileOptions
from etl_engine.connectors.files.prints import fingerprint
from etl_engine.connectors.files.tables import Reader, TableOfFiles, raising
from etl_engine.connectors.names import instead
from etl_engine.connectors.rows import ARROW, Fingerprint, KeyRange, Reject, Rows, Selection, Source, Window
from etl_engine.errors import BadInput, Cancelled, Missing
from etl_engine.model.table import Column, Table


class FilesSource(Source):
    """One look at a folder."""

    def __init__(self, folder: Folder, options: FileOptions) -> None:
        self._folder = folder
        self._options = options
        self._stopped = False
        self._table: TableOfFiles | None = None
        self._name = ""
        self._follower: Follower | None = None
        self._rows: FileRows | None = None
        self.identity = folder.identity

    def describe(self, selection: Selection) -> Table:
        if selection.query:
            raise BadInput(
                "Files are not asked by a query", hint="Name a file, a folder or a pattern such as orders/*.csv."
            )
        self._table, self._name = self._look(selection.table), selection.table
        return only(self._table.table, selection.columns, self._folder.kind)

    def forms(self, table: Table) -> tuple[str, ...]:
        return (ARROW,)

    def begin(self, selection: Selection) -> Window | None:
        if self._table is None or self._name != selection.table:
            self.describe(selection)
        assert self._table is not None  # noqa: S101 - described
        self._follower = None
        if not selection.look:
            return None
        column = cursor_column(only(self._table.table, selection.columns, self._folder.kind), selection.look)
        follower = Follower(selection.look, column, self._folder.kind)
        window = follower.window(batch.column(0) for batch in self._reader((column,)).batches())
        self._follower = follower
        return window

    def pieces(self, table: Table, rows: int) -> list[KeyRange]:
        return [KeyRange(())]

    def read(self, selection: Selection, table: Table, form: str) -> Rows:
        assert self._table is not None  # noqa: S101 - begin() found it
        self._rows = FileRows(self, table, selection.version_columns, self._follower)
        return self._rows

    def fingerprint(self, selection: Selection, columns: Sequence[Column], *, each: bool) -> Fingerprint:
        table = replace(self.describe(selection), columns=tuple(columns))
        return fingerprint(self._reader(table.columns).batches(), columns, each=each)

    def end(self) -> None:
        self._table, self._follower = None, None

    def stop(self) -> None:
        self._stopped = True
        self._folder.stop()

    def close(self) -> None:
        if self._rows:
            self._rows.close()
        self._folder.close()

    def _look(self, table: str) -> TableOfFiles:
        name = clean(table)
        manifest = read_manifest(self._folder, name)
        if manifest is not None and manifest.exists:
            return manifest.table(self._folder, name)
        return tables.describe(self._folder, find(self._folder, table, self._options), self._check)

    def _reader(self, columns: tuple[Column, ...], rows: Rows | None = None) -> Reader:
        assert self._table is not None  # noqa: S101 - begin() found it
        refuse = raising(self._folder.kind)

        def reject(one: Reject) -> None:
            (rows.on_reject if rows and rows.on_reject else refuse)(one)

        return Reader(self._table, columns, self._check, reject)

    def _check(self) -> None:
        if self._stopped:
            raise Cancelled("The copy was stopped")


class FileRows(ArrowRows):
    """The rows of a table of files, of a cursor run those that are new."""

    def __init__(
        self, source: FilesSource, table: Table, version_columns: tuple[str, ...], follower: Follower | None
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
        for batch in self._source._reader(read, self).batches():
            yield shown(batch, self._columns, self._versions, follower)


def shown(
    batch: pa.RecordBatch, columns: tuple[Column, ...], versions: tuple[str, ...], follower: Follower | None
) -> pa.RecordBatch:
    """The rows that are to be read, with the columns by which they are known again."""
    if follower is None:
        return batch
    kept = follower.kept(batch, batch.column(follower.column.name))
    arrays = [kept.column(column.name) for column in columns]
    schema = carried(columns)
    if versions:
        arrays += follower.versions(kept.column(follower.column.name))
        for name in versions:
            schema = schema.append(pa.field(name, pa.string()))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def only(table: Table, names: tuple[str, ...], kind: str) -> Table:
    """The table with these columns alone, in this order; all if none are named."""
    if not names:
        return table
    found = [table.column(name) for name in names]
    for name, column in zip(names, found, strict=True):
        if column is None:
            raise Missing(
                f"{table.name} has no column {name!r}{instead(name, table.names)}",
                kind=kind,
                hint="Correct the name of the column.",
            )
    return replace(table, columns=tuple(column for column in found if column))


def first_texts(batches: Iterator[pa.RecordBatch], rows: int) -> list[list[str | None]]:
    """The first rows as people read them."""
    from etl_engine.connectors.files.out import texts

    made: list[list[str | None]] = []
    for batch in batches:
        part = batch.slice(0, rows - len(made))
        made += [list(row) for row in zip(*(texts(column).to_pylist() for column in part.columns), strict=True)]
        if len(made) >= rows:
            break
    return made
