"""A whole copy between two connections as one block: what is committed stays, and no attempt writes it twice."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any, cast

from etl_engine.connectors.rows import Claim, Destination, Entry, Reads, Source, Writes
from etl_engine.engine import transfer
from etl_engine.engine.block import Output, Work
from etl_engine.engine.transfer import Ends
from etl_engine.model.copies import CopyOrder, CopyReceipt
from etl_engine.model.execution import Counters, Level, Origin
from etl_engine.model.table import TableName


class Copy:
    """Runs a CopyOrder; its config is the order."""

    def run(self, work: Work) -> Output:
        return copied(work, CopyOrder.model_validate(work.node.config))


def copied(work: Work, order: CopyOrder, seen_as: Callable[[Source], Source] = lambda source: source) -> Output:
    """Run the order once for this task, however many attempts it takes; `seen_as` stands between source and copy."""
    if work.resumed or work.kept:
        order = order.model_copy(
            update={
                # An attempt that is given up for lost may still hold the stream.
                "take_over": order.take_over or work.resumed,
                # Beginning anew happens once: what an earlier attempt of this run committed must stay known.
                "restart": order.restart and "run_id" not in work.kept,
            }
        )
    journal = _Journal(work, order)
    with ExitStack() as stack:
        source = stack.enter_context(work.open(order.source_id, Reads))
        target = stack.enter_context(work.open(order.target_id, Writes))
        reader = target.open_source if isinstance(target, Reads) else None  # for --verify
        ends = Ends(lambda: seen_as(source.open_source()), lambda: journal.watching(target.open_destination()), reader)
        try:
            receipt = transfer.run(order, ends, work.progress, work.stop)
        except _DoneBefore:
            return journal.done_before()
    return journal.output(receipt)


class _DoneBefore(Exception):
    """An earlier attempt had committed everything, and its end in the ledger too."""


class _Journal:
    """Keeps with the task which run of the ledger is this execution's, and whether that run is complete.

    The ledger alone knows what is committed; but when it says that the last run is complete, it does not say whose run
    that was. A worker that dies between the end in the ledger and the end in the store would append everything again.
    """

    def __init__(self, work: Work, order: CopyOrder) -> None:
        self._work = work
        self._order = order
        self._kept: dict[str, Any] = dict(work.kept)
        self._before: list[Entry] | None = None  # what earlier attempts have committed, and this one leaves as it is

    def watching(self, destination: Destination) -> Destination:
        return cast(Destination, _Watched(destination, self))

    def claimed(self, claim: Claim, destination: Destination, entries: list[Entry]) -> None:
        if self._kept.get("complete") and claim.run_id != self._kept["run_id"]:
            destination.finished(claim)  # the new run that this claim began has nothing to do
            raise _DoneBefore("The copy was complete before")
        if claim.run_id != self._kept.get("run_id"):
            self._keep({"run_id": claim.run_id, "stream": claim.stream, "complete": False})
        if self._before is None:  # later claims are this attempt's own, after a connection broke
            self._before = _by_part(entries) if self._order.mode == "append" else []

    def finishing(self, claim: Claim, entries: list[Entry]) -> None:
        """Before the ledger hears of the end: whoever takes this up later must know whose end that was."""
        entries = _by_part(entries)
        self._keep(
            {
                "run_id": claim.run_id,
                "stream": claim.stream,
                "complete": True,
                "rows": sum(entry.rows for entry in entries),
                "rejected": sum(entry.rejected for entry in entries),
                "bytes": sum(entry.bytes for entry in entries),
                "batches": len(entries),
            }
        )

    def output(self, receipt: CopyReceipt) -> Output:
        note = self._work.note
        for text in receipt.notes:
            note(Level.INFO, Origin.ENGINE, text)
        before = self._before or []
        loaded_before, rejected_before = sum(one.rows for one in before), sum(one.rejected for one in before)
        written = receipt.written + loaded_before
        parts = "1 part" if receipt.batches == 1 else f"{receipt.batches} parts"
        note(
            Level.INFO,
            Origin.TARGET,
            f"{receipt.mode}: {written:,} rows from {receipt.source} into {receipt.target}, {receipt.bytes:,} bytes, "
            f"{parts} committed, lane {receipt.lane} ({receipt.form})",
        )
        found = receipt.reconciliation
        if found is not None:
            note(
                Level.INFO if found.equal or found.applied else Level.WARNING,
                Origin.TARGET,
                f"Reconciled: {found.missing:,} rows missing, {found.changed:,} with other values, {found.surplus:,} "
                f"only there; {found.inserted:,} inserted, {found.updated:,} updated, {found.deleted:,} deleted",
            )
        if receipt.verification is not None and not receipt.verification.equal:
            note(Level.ERROR, Origin.TARGET, "The two sides differ after the copy")
        return Output(
            counters=Counters(
                read=receipt.rows + loaded_before + rejected_before,
                loaded=written,
                rejected=receipt.rejected + rejected_before,
                bytes=receipt.bytes + sum(one.bytes for one in before),
            ),
            metadata={"type": "DB_TABLE", "connection_id": self._order.target_id, "table": receipt.target},
            result=receipt.model_dump(mode="json"),
        )

    def done_before(self) -> Output:
        kept, order = self._kept, self._order
        rows, rejected = kept.get("rows", 0), kept.get("rejected", 0)
        text = f"Everything was committed by an earlier attempt: {rows:,} rows in {kept.get('batches', 0)} parts"
        self._work.note(Level.INFO, Origin.TARGET, text)
        return Output(
            counters=Counters(read=rows + rejected, loaded=rows, rejected=rejected, bytes=kept.get("bytes", 0)),
            metadata={"type": "DB_TABLE", "connection_id": order.target_id, "table": order.target},
            result={
                "stream": kept["stream"],
                "run_id": kept["run_id"],
                "resumed": True,
                "rows": rows + rejected,
                "rejected": rejected,
                "notes": [text],
            },
        )

    def _keep(self, values: Mapping[str, Any]) -> None:
        self._work.keep(values)
        self._kept = dict(values)


def _by_part(entries: list[Entry]) -> list[Entry]:
    """The last word on each part: one that was done again has two lines."""
    return list({entry.seq: entry for entry in sorted(entries, key=lambda one: one.epoch)}.values())


class _Watched:
    """A destination whose claim and whose end the journal hears of; everything else is the destination's."""

    def __init__(self, inner: Destination, journal: _Journal) -> None:
        self._inner = inner
        self._journal = journal
        self._name: TableName | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def claim(self, name: TableName, stream: str, terms: str, **how: Any) -> Claim:
        self._name = name
        claim = self._inner.claim(name, stream, terms, **how)
        self._journal.claimed(claim, self._inner, self._inner.entries(name, stream, claim.run_id))
        return claim

    def finished(self, claim: Claim) -> None:
        if self._name is not None:
            self._journal.finishing(claim, self._inner.entries(self._name, claim.stream, claim.run_id))
        self._inner.finished(claim)
