"""Merge: insert or update by key; after it the target has every row of the source in its newest version."""

from etl_engine.connectors.rows import Place, Totals, Unit
from etl_engine.engine.strategies.strategy import Batch, Strategy, counted


class Merge(Strategy):
    """Over a stage, so that one statement applies all rows and a key that comes twice is settled first."""

    def load(self, unit: Unit, batch: Batch) -> Totals:
        planned = batch.planned
        if not batch.target_exists:
            unit.create(Place.TARGET, planned.new_columns, planned.primary_key)
        elif planned.added:
            unit.add_columns(planned.added)
        unit.create(Place.STAGE, planned.columns)
        rows = batch.read()
        return counted(rows, unit.load(rows, Place.STAGE, batch.names))

    def apply(self, unit: Unit, batch: Batch, totals: Totals) -> int:
        planned = batch.planned
        if not totals.rows:
            return 0
        return unit.merge_staged(batch.names, planned.key, planned.order.cursor, distinct=planned.unique_in_source)
