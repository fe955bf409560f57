"""What a run has done so far, over all of its attempts, and the receipt that is made of it."""

import datetime as dt
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from etl_engine.connectors.rows import Claim, Entry, Reject, Totals, Window
from etl_engine.engine import batches
from etl_engine.engine.planner import Planned
from etl_engine.model.copies import CopyReceipt, KeptRow

_EXAMPLES = 10


@dataclass
class Tally:
    """Counts of what is committed."""

    started: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))
    clock: float = field(default_factory=time.monotonic)
    epoch: int = 0  # of the last attempt that could claim the stream
    rows: int = 0
    written: int = 0
    bytes: int = 0
    rejected: int = 0
    examples: list[Reject] = field(default_factory=list)
    checksums: list[str] = field(default_factory=list)
    repaired: dict[str, int] = field(default_factory=dict)  # rows of a reconciliation, by what was done to them
    committed: set[str] = field(default_factory=set)
    pending: "Pending | None" = None  # a commit whose end nobody saw

    def count(self, done: "Pending") -> None:
        self.rows += done.totals.rows + len(done.rejects)
        self.written += done.written
        self.bytes += done.totals.bytes
        self.rejected += len(done.rejects)
        self.examples = (self.examples + done.rejects)[:_EXAMPLES]
        self.checksums.append(done.totals.checksum)
        for what, rows in done.repaired.items():
            self.repaired[what] = self.repaired.get(what, 0) + rows
        self.committed.add(done.batch_id)
        self.pending = None

    def settle(self, in_ledger: set[str]) -> None:
        """The ledger knows how the commit ended that nobody saw."""
        if self.pending and self.pending.batch_id in in_ledger:
            self.count(self.pending)
        self.pending = None


@dataclass(frozen=True)
class Pending:
    """One batch, as it is committed."""

    batch_id: str
    totals: Totals
    written: int
    rejects: list[Reject]
    repaired: Mapping[str, int] = field(default_factory=dict)


def receipt(
    planned: Planned, claim: Claim, tally: Tally, window: Window | None, before: Entry | None, notes: list[str]
) -> CopyReceipt:
    reached = window.after.reached if window else None
    now = time.monotonic()
    return CopyReceipt(
        stream=claim.stream,
        run_id=claim.run_id,
        epoch=claim.epoch,
        resumed=claim.resumed,
        source=planned.plan.source,
        target=planned.plan.target,
        mode=planned.order.mode,
        lane=planned.plan.lane,
        form=planned.plan.form,
        rows=tally.rows,
        written=tally.written,
        rejected=tally.rejected,
        rejects=[KeptRow(row=one.row, column=one.column, value=one.value, reason=one.reason) for one in tally.examples],
        bytes=tally.bytes,
        seconds=round(now - tally.clock, 3),
        batches=len(tally.committed),
        checksum=batches.checksum_of(tally.checksums),
        columns=planned.plan.columns,
        cursor=planned.order.cursor,
        cursor_from=before.cursor_out.text if before and before.cursor_out else None,
        cursor_to=reached.text if reached else None,
        notes=notes,
        started_at=tally.started,
        finished_at=dt.datetime.now(dt.UTC),
    )


def entry_of(claim: Claim, seq: int, done: Pending, window: Window | None, before: Entry | None) -> Entry:
    """The ledger line of a batch."""
    moment = window.after if window else None
    return Entry(
        stream=claim.stream,
        batch_id=done.batch_id,
        run_id=claim.run_id,
        seq=seq,
        rows=done.totals.rows,
        bytes=done.totals.bytes,
        checksum=done.totals.checksum,
        epoch=claim.epoch,
        cursor_in=before.cursor_out if before else None,
        cursor_out=moment.reached if moment else None,
        moment=moment,
        rejected=len(done.rejects),
    )
