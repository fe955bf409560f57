"""Looking around in a folder of files."""

from etl_engine.connectors.files import tables
from etl_engine.connectors.files.finding import clean, find
from etl_engine.connectors.files.folder import Folder
from etl_engine.connectors.files.formats import is_data, is_hidden
from etl_engine.connectors.files.manifest import LEDGER, read_manifest
from etl_engine.connectors.files.options import FileOptions
from etl_engine.connectors.files.source import first_texts
from etl_engine.connectors.files.tables import Reader, TableOfFiles, raising
from etl_engine.connectors.rows import Explorer
from etl_engine.model.table import Table, TableName

_MOST = 5_000


class FilesExplorer(Explorer):
    """Folders are schemas; a written table is one table, every other file is one by itself."""

    def __init__(self, folder: Folder, options: FileOptions) -> None:
        self._folder = folder
        self._options = options

    def schemas(self) -> list[str]:
        return [name for name in self._folder.folders("") if not is_hidden(name)]

    def tables(self, schema: str = "") -> list[Table]:
        under = clean(schema) if schema else ""
        found: dict[str, Table] = {}
        written: set[str] = set()
        for item in self._folder.items(under):
            above, _, name = item.path.rpartition("/")
            if name == "manifest.json" and above.endswith(f"/{LEDGER}"):
                path = above.removesuffix(f"/{LEDGER}")
                manifest = read_manifest(self._folder, path)
                if manifest is not None and manifest.exists:
                    written.add(path)
                    size = sum(one["size"] for one in manifest.files)
                    found[path] = Table(TableName("", path), (), kind="table", rows=manifest.rows, bytes=size)
            elif is_data(item.path, self._options):
                found[item.path] = Table(TableName("", item.path), (), kind="file", bytes=item.size)
            if len(found) >= _MOST:
                break
        parts = [path for path in found if path.rpartition("/")[0] in written]
        return [table for path, table in sorted(found.items()) if path not in parts]

    def describe(self, name: str) -> Table:
        return self._look(name).table

    def sample(self, name: str, rows: int) -> list[list[str | None]]:
        found = self._look(name)
        reader = Reader(found, found.columns, lambda: None, raising(self._folder.kind))
        return first_texts(reader.batches(), rows)

    def close(self) -> None:
        self._folder.close()

    def _look(self, name: str) -> TableOfFiles:
        manifest = read_manifest(self._folder, clean(name))
        if manifest is not None and manifest.exists:
            return manifest.table(self._folder, clean(name))
        return tables.describe(self._folder, find(self._folder, name, self._options), lambda: None)
