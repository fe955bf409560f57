"""Append: every row once, beside what is there."""

from etl_engine.connectors.rows import Place, Totals, Unit
from etl_engine.engine.strategies.strategy import VERSION_COLUMNS, Batch, Strategy, counted, text_columns


class Append(Strategy):
    """Straight into the target; by a cursor over a stage, where rows that were appended before are taken out."""

    needs_versions = True

    def load(self, unit: Unit, batch: Batch) -> Totals:
        planned = batch.planned
        if not batch.target_exists:
            unit.create(Place.TARGET, planned.new_columns, planned.primary_key)
        elif planned.added:
            unit.add_columns(planned.added)
        place, names = Place.TARGET, batch.names
        if batch.window:
            place, names = Place.STAGE, batch.names + VERSION_COLUMNS
            unit.create(place, planned.columns + text_columns(VERSION_COLUMNS))
        rows = batch.read()
        return counted(rows, unit.load(rows, place, names))

    def apply(self, unit: Unit, batch: Batch, totals: Totals) -> int:
        if not batch.window:
            return totals.rows
        key = batch.planned.key
        if not batch.first_run:
            unit.drop_seen(key, VERSION_COLUMNS, versions_hold=batch.window.versions_hold)
        written = unit.append_staged(batch.names)
        unit.remember_seen(key, VERSION_COLUMNS)
        return written
