"""What a write mode is: two steps inside one transaction of the destination."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from etl_engine.connectors.rows import Rows, Totals, Unit, Window
from etl_engine.engine.planner import Planned
from etl_engine.errors import Rejected
from etl_engine.model.table import Column, Family, Type

# Columns that a cursor run carries beside the rows; the engine's own prefix keeps them apart from the user's.
VERSION_COLUMNS = ("_etl_version", "_etl_cursor", "_etl_again")


@dataclass
class Batch:
    """One slice of a run: how to read it, and what is known about it."""

    planned: Planned
    read: Callable[[], Rows]
    window: Window | None
    target_exists: bool
    first_run: bool  # nothing of this stream was ever written

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.planned.columns)


class Strategy(ABC):
    """One write mode. `load` moves the rows; `apply` makes them count, when the source is no longer needed."""

    needs_versions = False

    @abstractmethod
    def load(self, unit: Unit, batch: Batch) -> Totals: ...

    @abstractmethod
    def apply(self, unit: Unit, batch: Batch, totals: Totals) -> int:
        """How many rows were inserted or updated."""


def text_columns(names: tuple[str, ...]) -> tuple[Column, ...]:
    return tuple(Column(name, "text", Type(Family.TEXT)) for name in names)


def counted(rows: Rows, loaded: int) -> Totals:
    """What was read, if the destination took all of it."""
    totals = rows.finish()
    if totals.rows != loaded:
        raise Rejected(
            f"The source gave {totals.rows} rows, and the target took {loaded}: something there drops rows",
            hint="Look for a trigger on the target that answers NULL, and for rules.",
        )
    return totals
