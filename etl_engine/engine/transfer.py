"""One copy from its order to its receipt: read, apply a write mode, and let rows, ledger and cursor commit together."""

import contextlib
import datetime as dt
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import stamina

from etl_engine.connectors.rows import (
    Claim,
    Destination,
    Entry,
    KeyRange,
    Look,
    Rows,
    Selection,
    Source,
    Totals,
    UnknownCommit,
    Window,
)
from etl_engine.engine import batches, planner, roads
from etl_engine.engine.planner import Planned
from etl_engine.engine.strategies.append import Append
from etl_engine.engine.strategies.merge import Merge
from etl_engine.engine.strategies.replace import Replace
from etl_engine.engine.strategies.strategy import VERSION_COLUMNS, Batch, Strategy
from etl_engine.engine.verifying import Verifier
from etl_engine.engine.watching import Progress, Stop
from etl_engine.errors import Cancelled, EtlError, Throttled, Unreachable
from etl_engine.faultpoints import faultpoint
from etl_engine.model.copies import CopyOrder, CopyPlan, CopyReceipt, Verification
from etl_engine.model.table import Table, TableName

STRATEGIES: dict[str, Strategy] = {"append": Append(), "replace": Replace(), "merge": Merge()}
_ATTEMPTS = 4
_PATIENCE_SECONDS = 120.0


@dataclass(frozen=True)
class Ends:
    """How to open the two sides; each attempt opens its own sessions."""

    source: Callable[[], Source]
    destination: Callable[[], Destination]


@dataclass
class Tally:
    """What a run has done so far, over all of its attempts."""

    started: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))
    clock: float = field(default_factory=time.monotonic)
    epoch: int = 0  # of the last attempt that could claim the stream
    rows: int = 0
    written: int = 0
    bytes: int = 0
    checksums: list[str] = field(default_factory=list)
    committed: set[str] = field(default_factory=set)
    pending: tuple[str, Totals, int] | None = None  # a commit whose end nobody saw

    def count(self, batch_id: str, totals: Totals, written: int) -> None:
        self.rows += totals.rows
        self.written += written
        self.bytes += totals.bytes
        self.checksums.append(totals.checksum)
        self.committed.add(batch_id)
        self.pending = None

    def settle(self, in_ledger: set[str]) -> None:
        """The ledger knows how the commit ended that nobody saw."""
        if self.pending and self.pending[0] in in_ledger:
            self.count(*self.pending)
        self.pending = None


def plan(order: CopyOrder, ends: Ends) -> CopyPlan:
    """What a copy would do; reads catalogues and the ledger, writes nothing."""
    with _opened(ends, Stop()) as (source, destination):
        table = source.describe(Selection(order.table, order.query, order.columns))
        target, _ = destination.resolve(order.target)
        before = None if order.restart else _last(destination, order, target)
        return planner.plan(order, source, destination, table, before.moment if before else None).plan


def run(order: CopyOrder, ends: Ends, progress: Progress, stop: Stop) -> CopyReceipt:
    """Copy, again where a failure was not the data's: what is committed stays, and is not written twice."""
    tally = Tally()
    attempts = stamina.retry_context(
        on=(Unreachable, Throttled, UnknownCommit), attempts=_ATTEMPTS, timeout=_PATIENCE_SECONDS, wait_max=10.0
    )
    try:
        for attempt in attempts:
            with attempt:
                if attempt.num > 1:
                    progress.again()
                return _attempt(order, ends, progress, stop, tally)
    except UnknownCommit as error:
        raise Unreachable(
            f"The connection broke while the last batch was committed, and the target cannot be asked: {error}",
            hint="Run the copy again: the ledger in the target knows what is written.",
        ) from error
    raise AssertionError("the attempts end with a receipt or an error")


def _attempt(order: CopyOrder, ends: Ends, progress: Progress, stop: Stop, tally: Tally) -> CopyReceipt:
    try:
        stop.check()
        with _opened(ends, stop) as (source, destination):
            return _Run(order, source, destination, progress, stop, tally).go()
    except (Cancelled, UnknownCommit):
        raise
    except Exception:
        stop.check()  # whatever broke after somebody wished to end broke because of that
        raise


@contextlib.contextmanager
def _opened(ends: Ends, stop: Stop) -> Iterator[tuple[Source, Destination]]:
    with contextlib.ExitStack() as stack:
        source = ends.source()
        stack.callback(source.close)
        destination = ends.destination()
        stack.callback(destination.close)
        stack.callback(stop.forget)
        stop.tell(source.stop)
        stop.tell(destination.stop)
        yield source, destination


def _last(destination: Destination, order: CopyOrder, target: TableName) -> Entry | None:
    """The ledger line that this run builds upon."""
    if not order.cursor:
        return None
    found = destination.entries(target, batches.stream_of(order, target))
    return next((entry for entry in found if entry.moment and entry.moment.column == order.cursor), None)


class _Run:
    """One attempt, with its two sessions."""

    def __init__(
        self,
        order: CopyOrder,
        source: Source,
        destination: Destination,
        progress: Progress,
        stop: Stop,
        tally: Tally,
    ) -> None:
        self._order = order
        self._source = source
        self._destination = destination
        self._progress = progress
        self._stop = stop
        self._tally = tally
        self._strategy = STRATEGIES[order.mode]
        self._versions = VERSION_COLUMNS if order.cursor and self._strategy.needs_versions else ()
        self._notes: list[str] = []
        self._verifier: Verifier | None = None
        self._reading: Rows | None = None

    def go(self) -> CopyReceipt:
        order, source, destination, tally = self._order, self._source, self._destination, self._tally
        self._progress.phase = "planning"
        selection = Selection(order.table, order.query, order.columns)
        table = source.describe(selection)
        planned, claim = self._alone(table)
        in_ledger = {entry.batch_id for entry in destination.entries(planned.target, claim.stream, claim.run_id)}
        tally.settle(in_ledger)
        before = _last(destination, order, planned.target)
        verifier = self._verifier = Verifier(planned, source, destination) if order.verify else None
        if verifier:
            verifier.look_before()
        window = source.begin(self._looking(selection, before))
        faultpoint("copy.snapshot")
        self._progress.rows_total, self._progress.bytes_total = (None, None) if before else (table.rows, table.bytes)
        self._notes += planned.plan.notes + ([window.covered] if window and window.covered else [])
        self._batches(planned, claim, window, before, in_ledger)
        self._end_of_reading()  # where there was nothing to do
        faultpoint("copy.finishing")
        destination.finished(claim)
        seconds = time.monotonic() - tally.clock - (verifier.seconds if verifier else 0.0)
        verification = verifier.compare() if verifier else None
        self._progress.phase = "done"
        return self._receipt(planned, claim, window, before, seconds, verification)

    def _alone(self, table: Table) -> tuple[Planned, Claim]:
        """Plan and claim. Whoever held the stream until now may have changed the target with its last commit."""
        planned = self._plan(table)
        claim = self._claim(planned)
        if self._destination.resolve(self._order.target) != (planned.target, planned.existing):
            planned = self._plan(table)
            if self._terms(planned) != claim.terms:
                claim = self._claim(planned)
        return planned, claim

    def _plan(self, table: Table) -> Planned:
        planned = planner.plan(self._order, self._source, self._destination, table, None)
        planner.refuse_losses(planned)
        return planned

    def _terms(self, planned: Planned) -> str:
        return batches.terms_of(self._order, planned.key, tuple(column.name for column in planned.columns))

    def _claim(self, planned: Planned) -> Claim:
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

    def _batches(
        self, planned: Planned, claim: Claim, window: Window | None, before: Entry | None, in_ledger: set[str]
    ) -> None:
        tally, order = self._tally, self._order
        if order.cursor and tally.committed:
            return  # the commit that nobody saw the end of was all there was to do
        pieces = self._pieces(planned, claim)
        for seq, piece in enumerate(pieces):
            batch_id = batches.batch_of(claim.stream, claim.run_id, before.batch_id if before else "", seq)
            if batch_id in tally.committed:
                continue
            if batch_id in in_ledger and order.mode == "append":
                self._notes.append(f"Part {seq + 1} of {len(pieces)} was committed by the run that was broken off.")
                continue
            if batch_id in in_ledger:  # doing it once more changes nothing, and brings what is new since then
                batch_id = batches.batch_of(claim.stream, claim.run_id, f"{batch_id} {claim.epoch}", seq)
            self._batch(planned, claim, window, before, piece, seq, batch_id, last=seq == len(pieces) - 1)

    def _pieces(self, planned: Planned, claim: Claim) -> list[KeyRange]:
        """One piece, unless the table is large and each piece may be committed on its own."""
        order, whole = self._order, [KeyRange(())]
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

    def _batch(
        self,
        planned: Planned,
        claim: Claim,
        window: Window | None,
        before: Entry | None,
        piece: KeyRange,
        seq: int,
        batch_id: str,
        *,
        last: bool,
    ) -> None:
        self._stop.check()
        unit = self._destination.unit(claim, planned.target)
        try:
            exists = planned.existing is not None or seq > 0
            batch = Batch(planned, lambda: self._read(planned, piece), window, exists, before is None)
            totals = self._strategy.load(unit, batch)
            self._progress.read(totals.rows)
            faultpoint("copy.loaded")
            if last:
                self._end_of_reading()
            self._progress.phase = "applying"
            written = self._strategy.apply(unit, batch, totals)
            faultpoint("copy.applied")
            unit.record(_entry(claim, seq, batch_id, totals, window, before))
            faultpoint("copy.recorded")
            self._stop.check()
            self._progress.phase = "committing"
            self._tally.pending = (batch_id, totals, written)
            unit.commit()
        except BaseException:
            self._stop_reading()
            unit.rollback()
            raise
        self._tally.count(batch_id, totals, written)
        faultpoint("copy.committed")

    def _stop_reading(self) -> None:
        if self._reading:
            with contextlib.suppress(EtlError):
                self._reading.close()

    def _end_of_reading(self) -> None:
        """Before locks are waited for at the target: a query may read the very table that is replaced."""
        if self._verifier and not self._verifier.looked:
            self._progress.phase = "verifying"
            self._verifier.look_at_source()
        self._source.end()

    def _read(self, planned: Planned, piece: KeyRange) -> Rows:
        order = self._order
        selection = Selection(
            order.table,
            order.query,
            order.columns,
            piece=piece if piece.key else None,
            version_columns=self._versions,
        )
        read = self._source.read(selection, planned.source, planned.plan.form)
        self._progress.reading(read)
        self._reading = roads.prepared(read, planned, self._source.stop)
        return self._reading

    def _receipt(
        self,
        planned: Planned,
        claim: Claim,
        window: Window | None,
        before: Entry | None,
        seconds: float,
        verification: Verification | None,
    ) -> CopyReceipt:
        tally = self._tally
        reached = window.after.reached if window else None
        return CopyReceipt(
            stream=claim.stream,
            run_id=claim.run_id,
            epoch=claim.epoch,
            resumed=claim.resumed,
            source=planned.plan.source,
            target=planned.plan.target,
            mode=self._order.mode,
            lane=planned.plan.lane,
            form=planned.plan.form,
            rows=tally.rows,
            written=tally.written,
            bytes=tally.bytes,
            seconds=round(seconds, 3),
            batches=len(tally.committed),
            checksum=batches.checksum_of(tally.checksums),
            columns=planned.plan.columns,
            cursor=self._order.cursor,
            cursor_from=before.cursor_out.text if before and before.cursor_out else None,
            cursor_to=reached.text if reached else None,
            notes=self._notes,
            verification=verification,
            started_at=tally.started,
            finished_at=dt.datetime.now(dt.UTC),
        )


def _entry(claim: Claim, seq: int, batch_id: str, totals: Totals, window: Window | None, before: Entry | None) -> Entry:
    moment = window.after if window else None
    return Entry(
        stream=claim.stream,
        batch_id=batch_id,
        run_id=claim.run_id,
        seq=seq,
        rows=totals.rows,
        bytes=totals.bytes,
        checksum=totals.checksum,
        epoch=claim.epoch,
        cursor_in=before.cursor_out if before else None,
        cursor_out=moment.reached if moment else None,
        moment=moment,
    )
