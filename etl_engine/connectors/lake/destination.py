"""Writing to the lake: what stands at the target, and units of work."""

import json
from collections.abc import Sequence

from etl_engine.connectors.files.finding import clean
from etl_engine.connectors.files.prints import fingerprint
from etl_engine.connectors.lake.place import KEY, Lake, only_plain
from etl_engine.connectors.lake.refusals import KIND
from etl_engine.connectors.lake.source import table_batches
from etl_engine.connectors.lake.streams import LakeLedger
from etl_engine.connectors.lake.types import column_of
from etl_engine.connectors.lake.unit import LakeUnit
from etl_engine.connectors.names import text_literal
from etl_engine.connectors.rows import ARROW, Claim, Destination, Entry, Fingerprint, Unit
from etl_engine.errors import Rejected
from etl_engine.model.table import Column, Table, TableName


class LakeDestination(Destination):
    """One session that writes."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._ledger: LakeLedger | None = None
        self.identity = lake.identity

    def forms(self, table: Table) -> tuple[str, ...]:
        return (ARROW,)

    def resolve(self, target: str) -> tuple[TableName, Table | None]:
        name = only_plain(target)
        if not self._lake.stands(name):
            self._refuse_strangers(name)
            return TableName("", name), None
        found = self._lake.find(name).table()
        unique = (found.key,) if found.key else ()
        return TableName("", name), Table(
            found.name,
            found.columns,
            found.key,
            unique,
            rows=found.rows,
            bytes=found.bytes,
            incarnation=found.incarnation,
        )

    def may_write(self, name: TableName, existing: Table | None, mode: str) -> None:
        """Rights are those of the folder or of the bucket, which say so themselves when they are used."""

    def natives(self, table: Table, *, same_engine: bool) -> tuple[Column, ...]:
        return tuple(map(column_of, table.columns))

    def ddl(self, name: TableName, columns: Sequence[Column], key: Sequence[str]) -> str:
        lines = [f'"{one.name}" {one.native}{"" if one.nullable else " NOT NULL"}' for one in columns]
        inside = ",\n    ".join(lines)
        return f"CREATE TABLE {name} (\n    {inside}\n) USING DELTA"

    def added(self, name: TableName, column: Column) -> str:
        return f'ALTER TABLE {name} ADD COLUMNS ("{column.name}" {column.native})'

    def keyed(self, name: TableName, key: Sequence[str]) -> str:
        noted = text_literal(json.dumps(list(key), ensure_ascii=False))
        return f"Note its key in the table: ALTER TABLE {name} SET TBLPROPERTIES ('{KEY}' = {noted});"

    def why_not_swapped(self, name: TableName) -> str:
        return ""

    def claim(self, name: TableName, stream: str, terms: str, *, fresh: bool, take_over: bool, mine: int = 0) -> Claim:
        ledger = self._ledger = self._ledger or LakeLedger(self._lake, clean(name.name), stream)
        return ledger.claim(terms, fresh=fresh, take_over=take_over, mine=mine)

    def keep_plan(self, claim: Claim, plan: str) -> None:
        self._claimed().keep_plan(claim, plan)

    def entries(self, name: TableName, stream: str, run_id: str = "") -> list[Entry]:
        return LakeLedger(self._lake, clean(name.name), stream).entries(run_id)

    def finished(self, claim: Claim) -> None:
        self._claimed().finished(claim)

    def unit(self, claim: Claim, name: TableName) -> Unit:
        return LakeUnit(self._lake, self._claimed(), claim, name)

    def fingerprint(self, name: TableName, columns: Sequence[Column], *, each: bool) -> Fingerprint:
        return fingerprint(table_batches(self._lake.find(name.name), tuple(columns)), columns, each=each)

    def stop(self) -> None:
        self._lake.folder.stop()

    def close(self) -> None:
        if self._ledger:
            self._ledger.release()
        self._lake.folder.close()

    def _claimed(self) -> LakeLedger:
        assert self._ledger is not None  # noqa: S101 - claimed first
        return self._ledger

    def _refuse_strangers(self, name: str) -> None:
        for item in self._lake.folder.items(name):
            inner = item.path.removeprefix(f"{name}/")
            if not inner.startswith(("_", ".", "part-")):
                raise Rejected(
                    f"The folder {name} has files and is no table of the lake: {inner}",
                    kind=KIND,
                    hint="Choose the name of a new folder.",
                )
