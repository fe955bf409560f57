"""After a copy: both sides read again, each by its own server, and compared."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from etl_engine.connectors.rows import ARROW, WHOLE, Destination, Fingerprint, Look, Reject, Selection, Source
from etl_engine.engine.lanes import same_engine
from etl_engine.engine.planner import Planned
from etl_engine.errors import NotCapable
from etl_engine.model.copies import Verification
from etl_engine.model.table import Table


@dataclass
class Verifier:
    """Looks at the target before, at the source inside the snapshot it was read from, and at the target after.

    Two ends of one engine are asked for their own hashes. Otherwise both are read again, the source through the same
    conversion as the copy, the target by a session of its own, and the engine hashes what comes.
    """

    planned: Planned
    source: Source
    destination: Destination
    reader: Callable[[], Source] | None  # of the target
    seconds: float = 0.0
    _before: Fingerprint | None = None
    _source: Fingerprint | None = field(default=None)

    def look_before(self) -> None:
        """Appending adds to what is there: only the difference can be compared."""
        planned = self.planned
        if self._across and self.reader is None:
            raise NotCapable("This kind of target cannot be read again", hint="Copy without --verify.")
        if planned.order.mode == "append" and planned.existing is not None and not planned.added:
            began = time.monotonic()
            self._before = self._look_at_target()
            self.seconds += time.monotonic() - began

    @property
    def looked(self) -> bool:
        return self._source is not None

    @property
    def _across(self) -> bool:
        return not same_engine(self.source.identity, self.destination.identity)

    def look_at_source(self) -> None:
        order, began = self.planned.order, time.monotonic()
        look = Look(order.cursor, nulls=order.null_cursor) if order.cursor else None
        selection = Selection(order.table, order.query, order.columns, look)
        if self._across:
            self._source = self._read_source()
        else:
            columns = self.planned.columns
            self._source = _both(lambda each: self.source.fingerprint(selection, columns, each=each))
        self.seconds += time.monotonic() - began

    def compare(self) -> Verification | None:
        if self._source is None:
            return None
        began = time.monotonic()
        target = self._look_at_target()
        if self._before:
            rows, sums = self._before.rows, self._before.sums
            target = Fingerprint(target.rows - rows, {name: total - sums[name] for name, total in target.sums.items()})
        self.seconds += time.monotonic() - began
        return compared(self._source, target, self.seconds)

    def _look_at_target(self) -> Fingerprint:
        if self._across:
            return self._read_target()
        target, columns = self.planned.target, self.planned.columns
        return _both(lambda each: self.destination.fingerprint(target, columns, each=each))

    def _read_source(self) -> Fingerprint:
        planned, order = self.planned, self.planned.order
        whole = Selection(order.table, order.query, order.columns)
        if order.cursor:  # what the cursor reads is not all there is: another snapshot, of everything
            self.source.end()
            self.source.begin(whole)
        return self._read(self.source, whole, planned.source)

    def _read_target(self) -> Fingerprint:
        assert self.reader is not None  # noqa: S101 - look_before() has insisted on it
        reader = self.reader()
        try:
            selection = Selection(str(self.planned.target), columns=tuple(one.name for one in self.planned.columns))
            table = reader.describe(selection)
            reader.begin(selection)
            try:
                return self._read(reader, selection, table)
            finally:
                reader.end()
        finally:
            reader.close()

    def _read(self, source: Source, selection: Selection, table: Table) -> Fingerprint:
        from etl_engine.engine.conversion import Conversion, Converted
        from etl_engine.engine.fingerprints import fingerprint

        planned = self.planned
        rows = source.read(selection, table, ARROW)
        if planned.order.on_reject == "quarantine":
            rows.on_reject = _ignored
        converted = Converted(rows, Conversion(table.columns, planned.columns, planned.order.allow_lossy))
        converted.on_reject = rows.on_reject
        try:
            found = fingerprint(converted.batches(), planned.columns)
            rows.finish()
        finally:
            rows.close()
        return found


def _both(look: Callable[[bool], Fingerprint]) -> Fingerprint:
    """Of the rows and of every column: two values that have changed places leave the sum of their column as it was."""
    whole, each = look(False), look(True)
    (of_rows,) = whole.sums.values()
    return Fingerprint(whole.rows, {**each.sums, WHOLE: of_rows})


def _ignored(_found: Reject) -> None:
    """It was kept apart by the copy, and is told there."""


def compared(source: Fingerprint, target: Fingerprint, seconds: float) -> Verification:
    differing = [name for name, total in source.sums.items() if target.sums.get(name) != total]
    same_rows = source.rows == target.rows
    return Verification(
        equal=same_rows and not differing,
        source_rows=source.rows,
        target_rows=target.rows,
        columns=[name for name in differing if name != WHOLE] if same_rows else [],
        seconds=round(seconds, 3),
    )
