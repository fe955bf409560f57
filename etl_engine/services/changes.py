"""What changed lately, whoever changed it: this process, another server, the command line."""

import datetime as dt
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

from etl_engine.model.audit import Outcome
from etl_engine.model.collections import AUDIT
from etl_engine.services import access
from etl_engine.services.context import Context
from etl_engine.store.contract import Document

# Between taking the time of an outcome and its being visible lies one write: at most the store's own five seconds.
_OVERLAP = dt.timedelta(seconds=10)
_PAGE = 500
_REMEMBERED = 20_000  # ids of about 100 bytes; reached by 2,000 changes a second only


@dataclass(frozen=True)
class Change:
    """One finished change."""

    kind: str  # the noun: "connection"
    subject_id: str
    action: str  # "connection:update"
    at: dt.datetime


class ChangeFeed:
    """Reports every finished change once, in the order of their ends. For one loop of one process; starts with now.

    The audit is the source: an intent becomes a change when its outcome is written. Outcomes are read by the time they
    were written, and the last ten seconds are read again each time, because an outcome can become visible after a
    later one; what was reported already is remembered. A change whose process died before the outcome is not reported.
    """

    def __init__(self) -> None:
        self._read_until: dt.datetime | None = None
        self._reported: OrderedDict[str, dt.datetime] = OrderedDict()

    def poll(self, ctx: Context) -> list[Change]:
        """What was finished since the last poll. Costs one look at an index while nothing happens."""
        access.require(ctx, "change:read")
        now = ctx.store.now()
        first = self._read_until is None
        # The clock of a store can be set back; then everything since is read again.
        since = min(self._read_until or now, now) - _OVERLAP
        fresh = [entry for entry in _finished(ctx, since) if entry["_id"] not in self._reported]
        for entry in fresh:
            self._reported[entry["_id"]] = entry["done_at"]
        self._forget(since)
        self._read_until = now
        return [] if first else [_change(entry) for entry in fresh if entry["outcome"] != Outcome.FAILED]

    def _forget(self, since: dt.datetime) -> None:
        """What lies before the part that is read again need not be remembered."""
        while self._reported:
            oldest = next(iter(self._reported))
            if self._reported[oldest] >= since and len(self._reported) <= _REMEMBERED:
                return
            del self._reported[oldest]


def _finished(ctx: Context, since: dt.datetime) -> Iterator[Document]:
    last: Document | None = None
    for _ in range(_REMEMBERED // _PAGE):
        page = ctx.store.find(AUDIT.name, {"done_at": {"$gte": since}}, sort=[("done_at", 1)], limit=_PAGE, after=last)
        yield from page
        if len(page) < _PAGE:
            return
        last = page[-1]


def _change(entry: Document) -> Change:
    return Change(entry["action"].partition(":")[0], entry["subject_id"], entry["action"], entry["done_at"])
