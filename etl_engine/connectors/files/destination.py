"""Writing files: a table is a folder of them, with the manifest that says which ones count."""

from collections.abc import Sequence

from etl_engine.connectors.files.finding import clean
from etl_engine.connectors.files.folder import Folder
from etl_engine.connectors.files.formats import Shape, is_hidden, shape_to_write
from etl_engine.connectors.files.manifest import Ledger, read_manifest
from etl_engine.connectors.files.options import FileOptions
from etl_engine.connectors.files.prints import fingerprint
from etl_engine.connectors.files.stored import column, stored_type
from etl_engine.connectors.files.tables import Reader, raising
from etl_engine.connectors.files.unit import NO_MERGE, USE_THE_LAKE, FilesUnit
from etl_engine.connectors.rows import ARROW, Claim, Destination, Entry, Fingerprint, Unit
from etl_engine.errors import BadInput, Missing, NotCapable, Rejected
from etl_engine.model.table import Column, Table, TableName


class FilesDestination(Destination):
    """One session that writes into one folder."""

    def __init__(self, folder: Folder, options: FileOptions) -> None:
        self._folder = folder
        self._options = options
        self._ledger: Ledger | None = None
        self.identity = folder.identity

    def forms(self, table: Table) -> tuple[str, ...]:
        return (ARROW,)

    def resolve(self, target: str) -> tuple[TableName, Table | None]:
        name = clean(target)
        if any(mark in name for mark in "*?["):
            raise BadInput(f"{name} is a pattern, and rows are written into one table", hint="Use a name without * ? [")
        if is_hidden(name):
            raise BadInput(
                f"{name} begins with a dot or an underscore: readers of files would not see it",
                hint="Choose another name.",
            )
        self._shape(name)
        manifest = read_manifest(self._folder, name)
        if manifest is not None and manifest.exists:
            found = manifest.table(self._folder, name)
            return TableName("", name), Table(
                TableName("", name),
                found.columns,
                manifest.key,
                kind="files",
                rows=manifest.rows,
                bytes=found.found.size,
                incarnation=manifest.born,
            )
        self._refuse_strangers(name)
        return TableName("", name), None

    def may_write(self, name: TableName, existing: Table | None, mode: str) -> None:
        if mode == "merge":
            raise NotCapable(NO_MERGE, hint=USE_THE_LAKE)

    def natives(self, table: Table, *, same_engine: bool) -> tuple[Column, ...]:
        return tuple(column(one.name, stored_type(one.type), nullable=one.nullable) for one in table.columns)

    def ddl(self, name: TableName, columns: Sequence[Column], key: Sequence[str]) -> str:
        lines = [f"{one.name} {one.native}{'' if one.nullable else ' NOT NULL'}" for one in columns]
        inside = ",\n    ".join(lines)
        return f"{name}/*{self._shape(name.name).ending} (\n    {inside}\n)"

    def added(self, name: TableName, column: Column) -> str:
        return f"{name}: {column.name} {column.native}"

    def keyed(self, name: TableName, key: Sequence[str]) -> str:
        return USE_THE_LAKE

    def why_not_swapped(self, name: TableName) -> str:
        return ""

    def claim(self, name: TableName, stream: str, terms: str, *, fresh: bool, take_over: bool, mine: int = 0) -> Claim:
        ledger = self._ledger = self._ledger or Ledger(self._folder, clean(name.name))
        made = ledger.claim(stream, terms, fresh=fresh, take_over=take_over, mine=mine)
        ledger.clean(made, ledger.read())
        ledger.clean_beside(made)
        return made

    def keep_plan(self, claim: Claim, plan: str) -> None:
        self._claimed().keep_plan(claim, plan)

    def entries(self, name: TableName, stream: str, run_id: str = "") -> list[Entry]:
        return Ledger(self._folder, clean(name.name)).entries(stream, run_id)

    def finished(self, claim: Claim) -> None:
        self._claimed().finished(claim)

    def unit(self, claim: Claim, name: TableName) -> Unit:
        most = self._options.write_megabytes << 20
        return FilesUnit(self._folder, self._claimed(), claim, name, self._shape(name.name), most)

    def fingerprint(self, name: TableName, columns: Sequence[Column], *, each: bool) -> Fingerprint:
        manifest = read_manifest(self._folder, clean(name.name))
        if manifest is None or not manifest.exists:
            raise Missing(f"{name} is not there", kind=self._folder.kind)
        table = manifest.table(self._folder, clean(name.name))
        reader = Reader(table, tuple(columns), lambda: None, raising(self._folder.kind))
        return fingerprint(reader.batches(), columns, each=each)

    def stop(self) -> None:
        self._folder.stop()

    def close(self) -> None:
        if self._ledger:
            self._ledger.release()
        self._folder.close()

    def _claimed(self) -> Ledger:
        assert self._ledger is not None  # noqa: S101 - claimed first
        return self._ledger

    def _shape(self, name: str) -> Shape:
        return shape_to_write(clean(name), self._options)

    def _refuse_strangers(self, name: str) -> None:
        """A folder with files of somebody else is not ours to count, and a file is not a folder."""
        if self._folder.item(name) is not None:
            raise Rejected(
                f"{name} is a file, and a table is written as a folder of files",
                kind=self._folder.kind,
                hint="Choose another name, or take the file away.",
            )
        for item in self._folder.items(name):
            inner = item.path.removeprefix(f"{name}/")
            if not is_hidden(inner) and not inner.startswith("part-"):
                raise Rejected(
                    f"The folder {name} has files that this engine did not write, such as {inner}",
                    kind=self._folder.kind,
                    hint="Choose the name of a new folder.",
                )
