"""Replace: readers see the old rows or the new ones; a source that fails leaves the old."""

from etl_engine.connectors.rows import Place, Totals, Unit
from etl_engine.engine.strategies.strategy import Batch, Strategy, counted


class Replace(Strategy):
    """A successor is loaded and takes the target's place. No rows at all are as good as any, if the read succeeded."""

    def load(self, unit: Unit, batch: Batch) -> Totals:
        planned = batch.planned
        if planned.added:
            unit.add_columns(planned.added)
        unit.create(Place.SUCCESSOR, planned.new_columns, planned.primary_key)
        rows = batch.read()
        return counted(rows, unit.load(rows, Place.SUCCESSOR, batch.names))

    def apply(self, unit: Unit, batch: Batch, totals: Totals) -> int:
        unit.succeed(batch.planned.primary_key)
        return totals.rows
