"""One attempt at a copy, with its two sessions: plan, claim, then batch after batch, each in one transaction."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from etl_engine.connectors.rows import (
    Claim,
    Destination,
    Entry,
    KeyRange,
    Look,
    Reject,
    Rows,
    Selection,
    Source,
    Totals,
    Unit,
    Window,
)
from etl_engine.engine import batches, planner, roads
from etl_engine.engine.planner import Planned
from etl_engine.engine.roads import Take
from etl_engine.engine.strategies.append import Append
from etl_engine.engine.strategies.merge import Merge
from etl_engine.engine.strategies.replace import Replace
from etl_engine.engine.strategies.strategy import VERSION_COLUMNS, Batch, Strategy
from etl_engine.engine.tally import Pending, Tally, entry_of, receipt
from etl_engine.engine.verifying import Verifier
from etl_engine.engine.watching import Progress, Stop
from etl_engine.errors import EtlError, Rejected
from etl_engine.faultpoints import faultpoint
from etl_engine.model.copies import CopyOrder, CopyReceipt
from etl_engine.model.table import Table, TableName

if TYPE_CHECKING:
    from etl_engine.engine.quarantine import Quarantine

STRATEGIES: dict[str, Strategy] = {"append": Append(), "replace": Replace(), "merge": Merge()}


@dataclass(frozen=True)
class Ends:
    """How to open the two sides; each attempt opens its own sessions."""

    source: Callable[[], Source]
    destination: Callable[[], Destination]
    reader: Callable[[], Source] | None = None  # of the target, where it can be read


def last_entry(destination: Destination, order: CopyOrder, target: TableName) -> Entry | None:
    """The ledger line that this run builds upon."""
    if not order.cursor:
        return None
    found = destination.entries(target, batches.stream_of(order, target))
    return next((entry for entry in found if entry.moment and entry.moment.column == order.cursor), None)


class Run:
    """What is known of the attempt grows from step to step of `go`."""

    _planned: Planned
    _claim: Claim
    _window: Window | None
    _before: Entry | None

    def __init__(
        self,
        order: CopyOrder,
        source: Source,
        destination: Destination,
        ends: Ends,
        progress: Progress,
        stop: Stop,
        tally: Tally,
    ) -> None:
        self._order = order
        self._source = source
        self._destination = destination
        self._ends = ends
        self._progress = progress
        self._stop = stop
        self._tally = tally
        self._strategy = STRATEGIES[order.mode]
        self._versions = VERSION_COLUMNS if order.cursor and self._strategy.needs_versions else ()
        self._notes: list[str] = []
        self._verifier: Verifier | None = None
        self._reading: Rows | None = None
        self._ended = False  # the snapshot of the source is given back

    def go(self) -> CopyReceipt:
        order, source, destination, tally = self._order, self._source, self._destination, self._tally
        self._progress.phase = "planning"
        selection = Selection(order.table, order.query, order.columns)
        table = source.describe(selection)
        self._planned, self._claim = planned, claim = self._alone(table)
        in_ledger = {entry.batch_id for entry in destination.entries(planned.target, claim.stream, claim.run_id)}
        tally.settle(in_ledger)
        self._before = before = last_entry(destination, order, planned.target)
        verifier = self._verifier = Verifier(planned, source, destination, self._ends.reader) if order.verify else None
        if verifier:
            verifier.look_before()
        self._window = window = source.begin(self._looking(selection, before))
        faultpoint("copy.snapshot")
        self._progress.rows_total, self._progress.bytes_total = (None, None) if before else (table.rows, table.bytes)
        self._notes += planned.plan.notes + ([window.covered] if window and window.covered else [])
        self._batches(in_ledger)
        self._end_of_reading()  # where there was nothing to do
        faultpoint("copy.finishing")
        destination.finished(claim)
        made = receipt(planned, claim, tally, window, before, self._notes)
        if verifier:
            made.seconds = round(made.seconds - verifier.seconds, 3)
            made.verification = verifier.compare()
        self._progress.phase = "done"
        return made

    def _alone(self, table: Table) -> tuple[Planned, Claim]:
        """Plan and claim. Whoever held the stream until now may have changed the target with its last commit."""
        planned = self._plan(table)
        claim = self._claimed(planned)
        if self._destination.resolve(self._order.target) != (planned.target, planned.existing):
            planned = self._plan(table)
            if self._terms(planned) != claim.terms:
                claim = self._claimed(planned)
        return planned, claim

    def _plan(self, table: Table) -> Planned:
        planned = planner.plan(self._order, self._source, self._destination, table, None)
        planner.refuse_losses(planned)
        return planned

    def _terms(self, planned: Planned) -> str:
        return batches.terms_of(self._order, planned.key, tuple(column.name for column in planned.columns))

    def _claimed(self, planned: Planned) -> Claim:
        order, tally = self._order, self._tally
        claim = self._destination.claim(
            planned.target,
            batches.stream_of(order, planned.target),
            self._terms(planned),
            fresh=order.restart and not tally.epoch,
            take_over=order.take_over,
            mine=tally.epoch,
        )
        tally.epoch = claim.epoch
        faultpoint("copy.claimed")
        return claim

    def _looking(self, selection: Selection, before: Entry | None) -> Selection:
        order = self._order
        if not order.cursor:
            return selection
        look = Look(order.cursor, before.moment if before else None, order.look_back, order.null_cursor)
        return Selection(order.table, order.query, order.columns, look)

    def _batches(self, in_ledger: set[str]) -> None:
        tally, order, claim = self._tally, self._order, self._claim
        if order.cursor and tally.committed:
            return  # the commit that nobody saw the end of was all there was to do
        pieces = self._pieces()
        built_on = self._before.batch_id if self._before else ""
        for seq, piece in enumerate(pieces):
            batch_id = batches.batch_of(claim.stream, claim.run_id, built_on, seq)
            if batch_id in tally.committed:
                continue
            if batch_id in in_ledger and order.mode == "append":
                self._notes.append(f"Part {seq + 1} of {len(pieces)} was committed by the run that was broken off.")
                continue
            if batch_id in in_ledger:  # doing it once more changes nothing, and brings what is new since then
                batch_id = batches.batch_of(claim.stream, claim.run_id, f"{batch_id} {claim.epoch}", seq)
            self._batch(piece, seq, batch_id, last=seq == len(pieces) - 1)

    def _pieces(self) -> list[KeyRange]:
        """One piece, unless the table is large and each piece may be committed on its own."""
        order, planned, claim, whole = self._order, self._planned, self._claim, [KeyRange(())]
        if order.mode == "replace" or order.cursor or order.query or not planned.source.key:
            return whole
        if claim.resumed and claim.plan:
            self._notes.append("The run that was broken off was taken up again, from a new snapshot of the source.")
            return batches.pieces_of(claim.plan)
        if planned.source.rows is None or planned.source.rows <= order.slice_rows:
            return whole
        pieces = self._source.pieces(planned.source, order.slice_rows)
        self._destination.keep_plan(claim, batches.pieces_text(pieces))
        faultpoint("copy.planned")
        return pieces

    def _batch(self, piece: KeyRange, seq: int, batch_id: str, *, last: bool) -> None:
        self._stop.check()
        unit = self._destination.unit(self._claim, self._planned.target)
        try:
            unit, done = self._filled(unit, piece, seq, batch_id, last=last)
            if done.rejects:
                unit.keep_apart(batch_id, done.rejects)
            unit.record(entry_of(self._claim, seq, done, self._window, self._before))
            faultpoint("copy.recorded")
            self._stop.check()
            self._progress.phase = "committing"
            self._tally.pending = done
            unit.commit()
        except BaseException:
            self._stop_reading()
            unit.rollback()
            raise
        self._tally.count(done)
        self._planned = replace(self._planned, added=())  # the target has them now
        faultpoint("copy.committed")

    def _filled(self, unit: Unit, piece: KeyRange, seq: int, batch_id: str, *, last: bool) -> tuple[Unit, Pending]:
        """The unit with everything in it that can be, and what was kept apart."""
        planned, exists = self._planned, self._planned.existing is not None or seq > 0

        def batch(take: Take | None) -> Batch:
            return Batch(planned, lambda: self._read(piece, take), self._window, exists, self._before is None)

        if self._order.on_reject == "stop":
            return unit, Pending(batch_id, *self._through(unit, batch(None), None, last=last))
        from etl_engine.engine.quarantine import Quarantine
        from etl_engine.engine.sifting import Sifting

        kept = Quarantine(self._order, self._tally.rejected)
        try:
            return unit, Pending(batch_id, *self._through(unit, batch(kept.take), kept, last=last))
        except Rejected as error:
            if kept.full or self._ended or self._source_failed() or not unit.blames_a_row(error):
                raise
        # Something in it breaks a rule of the target: once more, in parts that may fail on their own.
        self._stop_reading()
        unit.rollback()
        kept = Quarantine(self._order, self._tally.rejected)
        again = self._destination.unit(self._claim, planned.target)
        sifting = Sifting(again, kept, planned.key if self._order.mode == "merge" else ())
        try:
            return again, Pending(batch_id, *self._through(cast(Unit, sifting), batch(kept.take), kept, last=last))
        except BaseException:
            self._stop_reading()
            again.rollback()
            raise
        finally:
            sifting.close()

    def _through(
        self, unit: Unit, batch: Batch, kept: "Quarantine | None", *, last: bool
    ) -> tuple[Totals, int, list[Reject]]:
        """Load and apply. Where rows may be kept apart the source stays, as it may have to be read once more."""
        totals = self._strategy.load(unit, batch)
        stays = kept is not None and self._order.mode != "replace"
        if not stays:
            self._progress.read(totals.rows)
        faultpoint("copy.loaded")
        if last and not stays:
            self._end_of_reading()
        self._progress.phase = "applying"
        before = len(kept.rejects) if kept else 0
        written = self._strategy.apply(unit, batch, totals)
        if kept:
            totals = replace(totals, rows=totals.rows - len(kept.rejects) + before)
            kept.insist_on_share(totals.rows)
        if stays:
            self._progress.read(totals.rows)
        if last and stays:
            self._end_of_reading()
        faultpoint("copy.applied")
        return totals, written, kept.rejects if kept else []

    def _source_failed(self) -> bool:
        """Whether it was the source that broke: then another try at the target finds nothing."""
        try:
            if self._reading:
                self._reading.check()
        except EtlError:
            return True
        return False

    def _stop_reading(self) -> None:
        if self._reading:
            with contextlib.suppress(EtlError):
                self._reading.close()
            self._reading = None

    def _end_of_reading(self) -> None:
        """Before locks are waited for at the target: a query may read the very table that is replaced."""
        if self._verifier and not self._verifier.looked:
            self._progress.phase = "verifying"
            self._verifier.look_at_source()
        self._ended = True
        self._source.end()

    def _more_source(self) -> Source:
        opened = self._ends.source()
        self._stop.tell(opened.stop)
        return opened

    def _read(self, piece: KeyRange, take: Take | None) -> Rows:
        order, planned = self._order, self._planned
        selection = Selection(
            order.table,
            order.query,
            order.columns,
            piece=piece if piece.key else None,
            version_columns=self._versions,
        )
        several = None
        if not piece.key:
            several = roads.several(self._source, self._more_source, selection, planned)
        if several is not None:
            self._notes += several.told
            self._progress.reading(several)
            self._reading = roads.converted(several, planned)
            return self._reading
        read = self._source.read(selection, planned.source, planned.plan.form)
        self._progress.reading(read)
        self._reading = roads.prepared(read, planned, self._source.stop, take)
        return self._reading
