"""Looking around in a lake."""

from etl_engine.connectors.files.formats import is_hidden
from etl_engine.connectors.files.source import first_texts
from etl_engine.connectors.lake.place import LOG, Lake
from etl_engine.connectors.lake.source import table_batches
from etl_engine.connectors.rows import Explorer
from etl_engine.model.table import Table


class LakeExplorer(Explorer):
    """Folders above tables are schemas."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake

    def schemas(self) -> list[str]:
        folder = self._lake.folder
        return [name for name in folder.folders("") if not is_hidden(name) and LOG not in folder.folders(name)]

    def tables(self, schema: str = "") -> list[Table]:
        names = [name for name in self._lake.names() if not schema or name.startswith(f"{schema}/")]
        made = []
        for name in names:
            found = self._lake.find(name).table()
            made.append(Table(found.name, (), kind="table", rows=found.rows, bytes=found.bytes))
        return made

    def describe(self, name: str) -> Table:
        return self._lake.find(name).table()

    def sample(self, name: str, rows: int) -> list[list[str | None]]:
        found = self._lake.find(name)
        return first_texts(table_batches(found, found.table().columns), rows)

    def close(self) -> None:
        self._lake.folder.close()
