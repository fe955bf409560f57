"""Copies between databases that are files. What came out is judged by the libraries themselves."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from etl_engine.connectors import registry
from etl_engine.connectors.contract import Surroundings
from etl_engine.engine import transfer
from etl_engine.engine.transfer import Ends
from etl_engine.engine.watching import Progress, Stop
from etl_engine.model.copies import CopyOrder, CopyPlan, CopyReceipt


@dataclass
class Files:
    """A folder with a source and a target file, of the kinds that their endings say."""

    folder: Path
    source: str
    target: str
    options: dict[str, Any] = field(default_factory=dict)
    made: bool = False

    def __post_init__(self) -> None:
        for name in () if self.made else (self.source, self.target):
            self.sql(name, "SELECT 1")

    def sql(self, name: str, *statements: str) -> list[tuple[Any, ...]]:
        """What the last statement answers, asked of the library."""
        if name.endswith(".duckdb"):
            import duckdb

            with duckdb.connect(self.folder / name) as database:
                for statement in statements:
                    answer = database.execute(statement).fetchall()
            return list(answer)
        with closing(sqlite3.connect(self.folder / name, isolation_level=None, timeout=10)) as database:
            if not (self.folder / name).exists():
                database.execute("VACUUM")
            for statement in statements:
                found = database.execute(statement).fetchall()
        (self.folder / name).touch()
        return list(found)

    def s(self, *statements: str) -> list[tuple[Any, ...]]:
        return self.sql(self.source, *statements)

    def t(self, *statements: str) -> list[tuple[Any, ...]]:
        return self.sql(self.target, *statements)

    def connector(self, name: str, **values: Any) -> Any:
        kind = registry.kind("duckdb" if name.endswith(".duckdb") else "sqlite")
        config = kind.config.model_validate({"name": name, "db_type": kind.name, "database": name, **values})
        return kind.make(config, Surroundings(file_roots=(self.folder,)))

    @property
    def ends(self) -> Ends:
        target = self.connector(self.target)
        return Ends(self.connector(self.source).open_source, target.open_destination, target.open_source)

    def order(self, table: str = "", target: str = "", **options: Any) -> CopyOrder:
        values = {"source_id": self.source, "target_id": self.target, "table": table, "target": target or table}
        return CopyOrder.model_validate({**values, **self.options, **options})

    def copy(self, table: str = "", target: str = "", **options: Any) -> CopyReceipt:
        return transfer.run(self.order(table, target, **options), self.ends, Progress(), Stop())

    def plan(self, table: str = "", target: str = "", **options: Any) -> CopyPlan:
        return transfer.plan(self.order(table, target, **options), self.ends)

    def tidy(self) -> None:
        """Nothing is left beside the two files, nor in the target but the ledger."""
        assert sorted(path.name for path in self.folder.iterdir()) == sorted({self.source, self.target})


def rows(found: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """With the class of every value: 1 is not 1.0, and not True."""
    return [tuple((type(value).__name__, value) for value in row) for row in found]
