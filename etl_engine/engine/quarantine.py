"""Rows that cannot be loaded: counted, kept for the ledger's side, and told when they are too many.

A row whose value does not fit its column is known before it is loaded; `sifting` finds those that the target refuses.
"""

from etl_engine.connectors.rows import Reject
from etl_engine.errors import Rejected
from etl_engine.model.copies import CopyOrder

_KEPT_BYTES = 64 << 20  # of the contents of rejected rows, in memory until the batch is committed


class Quarantine:
    """The rejected rows of one batch. Written by the thread that reads and by the one that loads."""

    def __init__(self, order: CopyOrder, before: int) -> None:
        self.rejects: list[Reject] = []
        self.full = False  # more than the order allows
        self._order = order
        self._before = before  # of earlier batches of this run
        self._bytes = 0

    def take(self, found: Reject) -> None:
        self._bytes += len(found.content)
        if self._bytes > _KEPT_BYTES:
            found = Reject(found.row, found.column, found.value, found.reason, "")
        self.rejects.append(found)
        most = self._order.reject_limit
        if most is not None and self._before + len(self.rejects) > most:
            self.full = True
            raise Rejected(
                f"More than {most} rows cannot be loaded; the last one, row {found.row}: "
                f"{found.column or 'the row'} {found.reason}",
                hint="Look at what is wrong with them, or allow more with --reject-limit.",
            )

    def has_room_for(self, more: int) -> bool:
        most = self._order.reject_limit
        return most is None or self._before + len(self.rejects) + more <= most

    def insist_on_share(self, rows: int) -> None:
        """`rows` were loaded, of all that were read."""
        most, count = self._order.reject_percent, len(self.rejects)
        if most is None or not count:
            return
        share = 100 * count / (count + rows)
        if share > most:
            first = self.rejects[0]
            self.full = True
            raise Rejected(
                f"{count} of {count + rows} rows cannot be loaded, which is {share:.3g} %; the first one, "
                f"row {first.row}: {first.column or 'the row'} {first.reason}",
                hint="Look at what is wrong with them, or allow more with --reject-percent.",
            )
