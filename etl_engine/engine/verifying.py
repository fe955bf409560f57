"""After a copy: both sides read again, each by its own server, and compared."""

import time
from dataclasses import dataclass, field

from etl_engine.connectors.rows import Destination, Fingerprint, Look, Selection, Source
from etl_engine.engine.planner import Planned
from etl_engine.model.copies import Verification


@dataclass
class Verifier:
    """Looks at the target before, at the source inside the snapshot it was read from, and at the target after."""

    planned: Planned
    source: Source
    destination: Destination
    seconds: float = 0.0
    _before: Fingerprint | None = None
    _source: Fingerprint | None = field(default=None)

    def look_before(self) -> None:
        """Appending adds to what is there: only the difference can be compared."""
        planned = self.planned
        if planned.order.mode == "append" and planned.existing is not None and not planned.added:
            began = time.monotonic()
            self._before = self.destination.fingerprint(planned.target, planned.columns, each=True)
            self.seconds += time.monotonic() - began

    @property
    def looked(self) -> bool:
        return self._source is not None

    def look_at_source(self) -> None:
        order, began = self.planned.order, time.monotonic()
        look = Look(order.cursor, nulls=order.null_cursor) if order.cursor else None
        selection = Selection(order.table, order.query, order.columns, look)
        self._source = self.source.fingerprint(selection, self.planned.columns, each=True)
        self.seconds += time.monotonic() - began

    def compare(self) -> Verification | None:
        if self._source is None:
            return None
        began = time.monotonic()
        target = self.destination.fingerprint(self.planned.target, self.planned.columns, each=True)
        if self._before:
            rows, sums = self._before.rows, self._before.sums
            target = Fingerprint(target.rows - rows, {name: total - sums[name] for name, total in target.sums.items()})
        self.seconds += time.monotonic() - began
        return compared(self._source, target, self.seconds)


def compared(source: Fingerprint, target: Fingerprint, seconds: float) -> Verification:
    differing = [name for name, total in source.sums.items() if target.sums.get(name) != total]
    same_rows = source.rows == target.rows
    return Verification(
        equal=same_rows and not differing,
        source_rows=source.rows,
        target_rows=target.rows,
        columns=differing if same_rows else [],
        seconds=round(seconds, 3),
    )
