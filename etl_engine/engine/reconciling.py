"""Reconciling: finds the rows in which a target differs from its source, whatever the reason, and repairs them.

Both sides are compared range by range of the key. Where one engine has both, its servers sum the hashes of a range,
and only ranges that differ are read; otherwise every row is read once. Each repaired range is a commit of its own, so
that a run that was killed has less to do when it is ordered again.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from etl_engine.connectors.rows import (
    ARROW,
    WHOLE,
    Claim,
    Fingerprint,
    KeyRange,
    Place,
    Reject,
    Rows,
    Selection,
    Source,
    Totals,
    Unit,
)
from etl_engine.engine import batches
from etl_engine.engine.lanes import same_engine
from etl_engine.engine.run import Run
from etl_engine.engine.tally import Pending, entry_of, receipt
from etl_engine.errors import BadInput, NotCapable
from etl_engine.faultpoints import faultpoint
from etl_engine.model.copies import CopyReceipt, Difference, Reconciliation
from etl_engine.model.table import Column, Family, Table

if TYPE_CHECKING:
    import pyarrow as pa

    from etl_engine.engine.differing import Differing
    from etl_engine.engine.planner import Planned

_RANGE_ROWS = 10_000
_MOST_AT_ONCE = 1_000_000  # rows whose keys and hashes are held, where the key cannot be cut into ranges
_EXAMPLES = 10
_DONE = ("inserted", "updated", "deleted")
# Of other families two engines, or two collations of one, may differ about which value comes first.
_SAME_ORDER = {Family.INTEGER}
_SAME_ORDER_WITHIN_ONE = {Family.INTEGER, Family.DECIMAL, Family.DATE, Family.TIMESTAMP}


class Reconciling(Run):
    """One attempt. Whoever writes the stream meanwhile is waited for; a mere report waits for nobody."""

    _reader: Source
    _there: Table

    def go(self) -> CopyReceipt:
        order, began = self._order, time.monotonic()
        self._progress.phase = "planning"
        table = self._source.describe(Selection(order.table, columns=order.columns))
        self._agree(table)
        planned, ends = self._planned, self._ends
        if ends.reader is None:
            raise NotCapable("This kind of target cannot be read again", hint="Copy it anew with --mode replace.")
        self._before = self._window = None
        self._seq = 0
        self._source.begin(Selection(order.table, columns=order.columns))
        faultpoint("copy.snapshot")
        self._progress.rows_total = table.rows
        self._reader = ends.reader()
        self._stop.tell(self._reader.stop)
        before = dict(self._tally.repaired)
        found = Reconciliation(applied=order.reconcile == "repair")
        try:
            self._there = self._reader.describe(self._target(None))
            self._reader.begin(self._target(None))
            for piece in self._ranges():
                self._look_at(piece, found)
        finally:
            self._reader.close()
        self._end_of_reading()
        faultpoint("copy.finishing")
        if found.applied:
            self._destination.finished(self._claim)
            done = self._tally.repaired
            found.inserted, found.updated, found.deleted = (done.get(one, 0) for one in _DONE)
            # What an earlier attempt of this run has repaired was found by that.
            found.missing += before.get("inserted", 0)
            found.changed += before.get("updated", 0)
            found.surplus += before.get("deleted", 0)
        if self._left_out:
            self._notes.append(
                f"{self._left_out} rows of the source do not fit the target and were not looked for; {self._doubtful} "
                "rows of the target that may be these were left alone."
            )
        found.seconds = round(time.monotonic() - began, 3)
        made = receipt(planned, self._claim, self._tally, None, None, self._notes)
        made.reconciliation = found
        self._progress.phase = "done"
        return made

    def _agree(self, table: Table) -> None:
        """The plan, and the right to write where something is to be written."""
        order = self._order
        self._left_out = self._doubtful = 0
        if order.reconcile == "repair":
            self._planned, self._claim = self._alone(table)
            entries = self._destination.entries(self._planned.target, self._claim.stream, self._claim.run_id)
            self._tally.settle({entry.batch_id for entry in entries})
        else:
            self._planned = self._plan(table)
            self._claim = Claim(batches.stream_of(order, self._planned.target), 0, "", False, "")
        planned = self._planned
        self._notes += planned.plan.notes
        if planned.existing is None or planned.added:
            lacking = ", ".join(one.name for one in planned.added)
            what = f"does not have {lacking}" if lacking else "is not there yet"
            raise BadInput(f"The target {planned.target} {what}", hint="Copy it first, without --reconcile.")
        if not planned.unique_in_source:
            raise BadInput(
                f"Several rows of {planned.plan.source} may have the same ({', '.join(planned.key)}): which of them is "
                "to be in the target cannot be said",
                hint="Name the columns of a primary or unique key of the source with --key.",
            )

    def _terms(self, planned: "Planned") -> str:
        return f"reconcile {super()._terms(planned)}"

    def _ranges(self) -> list[KeyRange]:
        """As the source cuts its key, where the target would find the same rows between the same bounds."""
        planned = self._planned
        within = same_engine(self._source.identity, self._destination.identity)
        if not (self._source.reads_pieces and self._reader.reads_pieces):
            return self._whole()
        orderly = _SAME_ORDER_WITHIN_ONE if within else _SAME_ORDER
        for side in (planned.source, self._there):
            types = [column.type.family for name in planned.key if (column := side.column(name))]
            if not set(types) <= orderly:
                return self._whole()
        return self._source.pieces(replace(planned.source, key=planned.key), _RANGE_ROWS)

    def _whole(self) -> list[KeyRange]:
        """One range of everything, as long as that is not much."""
        planned = self._planned
        rows = planned.source.rows
        if rows is not None and rows > _MOST_AT_ONCE:
            raise NotCapable(
                f"The two sides may not agree about the order of ({', '.join(planned.key)}), and {rows} rows are too "
                "many to be compared at once",
                hint="Copy it anew with --mode replace, or name another key with --key.",
            )
        return [KeyRange(())]

    def _look_at(self, piece: KeyRange, found: Reconciliation) -> None:
        self._stop.check()
        self._progress.phase = "verifying"
        found.ranges += 1
        if self._is_equal(piece):
            return
        from etl_engine.engine.differing import differing

        planned = self._planned
        source = self._rows(self._source, self._selected(piece), planned.source)
        target = self._rows(self._reader, self._target(piece), self._there)
        left_out = self._left_out
        differ = differing(source, target, planned.columns, planned.key)
        self._progress.read(differ.looked_at)
        if self._left_out > left_out and differ.surplus:  # one of these may be the row that does not fit
            self._doubtful += len(differ.surplus)
            differ.surplus.clear()
        if not differ:
            return
        found.different += 1
        found.missing += len(differ.missing)
        found.changed += len(differ.changed)
        found.surplus += len(differ.surplus)
        room = _EXAMPLES - len(found.examples)
        found.examples += [Difference(what=what, key=key) for what, key in differ.examples(room)]
        if found.applied:
            self._reader.end()  # a target that is a file waits for who reads it
            self._repair(differ)
            self._reader.begin(self._target(None))

    def _is_equal(self, piece: KeyRange) -> bool:
        """By sums that the servers make, where both make the same ones."""
        if not (self._source.compares_pieces and same_engine(self._source.identity, self._destination.identity)):
            return False
        columns = self._planned.columns

        def sums(side: Source, selection: Selection) -> Fingerprint:
            return side.fingerprint(selection, columns, each=False)

        one = sums(self._source, self._selected(piece))
        return one == sums(self._reader, self._target(piece)) and WHOLE in one.sums

    def _repair(self, differ: "Differing") -> None:
        """What is deleted goes first: it may hold a value that is unique, or the same key in another spelling."""
        planned = self._planned
        columns = planned.columns
        if differ.surplus and self._order.surplus == "delete":
            key = tuple(column for column in columns if column.name in planned.key)
            self._commit(
                key,
                differ.surplus_keys(),
                lambda unit: unit.delete_staged(planned.key),
                {"deleted": len(differ.surplus)},
            )
        rows = differ.rows()
        if rows:
            self._commit(
                columns,
                rows,
                lambda unit: unit.merge_staged([one.name for one in columns], planned.key, "", distinct=True),
                {"inserted": len(differ.missing), "updated": len(differ.changed)},
            )

    def _commit(
        self,
        columns: Sequence[Column],
        rows: "list[pa.RecordBatch]",
        act: Callable[[Unit], int],
        repaired: dict[str, int],
    ) -> None:
        batch_id = batches.batch_of(self._claim.stream, self._claim.run_id, f"reconcile {self._claim.epoch}", self._seq)
        unit = self._destination.unit(self._claim, self._planned.target)
        try:
            unit.create(Place.STAGE, columns)
            unit.load(_Found(rows), Place.STAGE, [column.name for column in columns])
            faultpoint("copy.loaded")
            written = act(unit)
            faultpoint("copy.applied")
            totals = Totals(sum(one.num_rows for one in rows), sum(one.nbytes for one in rows), "")
            done = Pending(batch_id, totals, written, [], repaired)
            unit.record(entry_of(self._claim, self._seq, done, None, None))
            faultpoint("copy.recorded")
            self._stop.check()
            self._progress.phase = "committing"
            self._tally.pending = done
            unit.commit()
        except BaseException:
            unit.rollback()
            raise
        self._tally.count(done)
        self._seq += 1
        faultpoint("copy.committed")

    def _selected(self, piece: KeyRange) -> Selection:
        return Selection(self._order.table, columns=self._planned.source.names, piece=piece if piece.key else None)

    def _target(self, piece: KeyRange | None) -> Selection:
        names = tuple(column.name for column in self._planned.columns)
        return Selection(str(self._planned.target), columns=names, piece=piece if piece and piece.key else None)

    def _rows(self, side: Source, selection: Selection, table: Table) -> "Iterator[pa.RecordBatch]":
        """In the carriers of the target's types, read to the end."""
        from etl_engine.engine.conversion import Conversion, Converted

        planned, order = self._planned, self._order
        rows = side.read(selection, replace(table, key=planned.key), ARROW)
        take = self._count_left_out if order.on_reject == "quarantine" else None
        rows.on_reject = take
        converted = Converted(rows, Conversion(table.columns, planned.columns, order.allow_lossy))
        converted.on_reject = take
        try:
            yield from converted.batches()
            rows.finish()
        finally:
            rows.close()

    def _count_left_out(self, _: Reject) -> None:
        self._left_out += 1


class _Found(Rows):
    """Rows that differ, as a read."""

    form = ARROW

    def __init__(self, found: "list[pa.RecordBatch]") -> None:
        self._found = found

    def batches(self) -> "Iterator[pa.RecordBatch]":
        yield from self._found

    def check(self) -> None:
        """They are all there."""

    def finish(self) -> Totals:
        return Totals(sum(one.num_rows for one in self._found), sum(one.nbytes for one in self._found), "")

    def close(self) -> None:
        """There is nothing to close."""
