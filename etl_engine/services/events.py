"""What happened, in order and with ids that stay: changes of status of executions, and changes of documents."""

import datetime as dt
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from etl_engine.errors import BadInput
from etl_engine.model.audit import Outcome
from etl_engine.model.collections import AUDIT, EXECUTIONS
from etl_engine.model.execution import FINAL, Status
from etl_engine.services import access
from etl_engine.services.context import Context
from etl_engine.store.contract import Document

# Between taking the time of a change and its being visible lies one write: at most the store's own five seconds.
_OVERLAP = dt.timedelta(seconds=10)
# A reader that comes back may have missed what became visible late; it is sent again, under the same id.
_AGAIN = dt.timedelta(seconds=2)
_PAGE = 500
_REMEMBERED = 20_000
_RANKS = {Status.PENDING: 0, Status.RUNNING: 1, Status.LOST: 2}


@dataclass(frozen=True)
class Event:
    """One thing that happened; the same event has the same id wherever and whenever it is read."""

    id: str
    type: str  # execution.failed, connection.update
    created: dt.datetime
    data: Mapping[str, Any]


def since(ctx: Context, after: str = "", limit: int = 1000) -> list[Event]:
    """Events behind that id, oldest first; without one those of the last hour.

    Those of the two seconds before it come again, under the same ids.
    """
    access.require(ctx, "event:read")
    begin = _moment_of(after) - _AGAIN if after else ctx.store.now() - dt.timedelta(hours=1)
    found = [event for event in _between(ctx, begin) if event.id != after]
    return found[:limit] if after else found[-limit:]


class EventFeed:
    """Reports every event once, from now on; for one loop of one process."""

    def __init__(self) -> None:
        self._read_until: dt.datetime | None = None
        self._reported: OrderedDict[str, dt.datetime] = OrderedDict()

    def poll(self, ctx: Context) -> list[Event]:
        """What happened since the last poll."""
        access.require(ctx, "event:read")
        now = ctx.store.now()
        first = self._read_until is None
        begin = min(self._read_until or now, now) - _OVERLAP  # the clock of a store can be set back
        fresh = [event for event in _between(ctx, begin) if event.id not in self._reported]
        for event in fresh:
            self._reported[event.id] = event.created
        while self._reported:
            oldest = next(iter(self._reported))
            if self._reported[oldest] >= begin - _OVERLAP and len(self._reported) <= _REMEMBERED:
                break
            del self._reported[oldest]
        self._read_until = now
        return [] if first else fresh


def _between(ctx: Context, begin: dt.datetime) -> list[Event]:
    events = [*_of_executions(ctx, begin), *_of_documents(ctx, begin)]
    return [event for _, event in sorted(events, key=lambda one: one[0])]


Place = tuple[dt.datetime, str, int, int]


def _of_executions(ctx: Context, begin: dt.datetime) -> Iterator[tuple[Place, Event]]:
    for document in _changed(ctx, EXECUTIONS.name, "changed_at", begin):
        subject, name = document["subject"], document["_id"]
        for change in document["transitions"]:
            if change["at"] < begin:
                continue
            status, epoch = Status(change["status"]), change["epoch"]
            data = {
                "execution_id": name,
                "status": status.value,
                "epoch": epoch,
                "subject": {"kind": subject["kind"], "id": subject["id"], "name": subject["name"]},
                "trigger": {"kind": document["trigger"]["kind"], "id": document["trigger"]["id"]},
                "reason": change["reason"],
            }
            if status in FINAL:
                data |= {"counters": document["counters"], "error": document["error"]}
            event = Event(_id(change["at"], name, f"{epoch}{status.value}"), f"execution.{status}", change["at"], data)
            yield (change["at"], name, epoch, _RANKS.get(status, 3)), event


def _of_documents(ctx: Context, begin: dt.datetime) -> Iterator[tuple[Place, Event]]:
    for entry in _changed(ctx, AUDIT.name, "done_at", begin):
        noun, _, verb = entry["action"].partition(":")
        if entry["outcome"] == Outcome.FAILED or noun in ("execution", "copy"):
            continue
        data = {"id": entry["subject_id"], "name": entry["subject_name"], "actor": entry["actor"]}
        event = Event(_id(entry["done_at"], entry["_id"], "0"), f"{noun}.{verb}", entry["done_at"], data)
        yield (entry["done_at"], entry["_id"], 0, 0), event


def _changed(ctx: Context, collection: str, field: str, begin: dt.datetime) -> Iterable[Document]:
    last: Document | None = None
    for _ in range(_REMEMBERED // _PAGE):
        page = ctx.store.find(collection, {field: {"$gte": begin}}, sort=[(field, 1)], limit=_PAGE, after=last)
        yield from page
        if len(page) < _PAGE:
            return
        last = page[-1]


def _id(at: dt.datetime, document_id: str, tail: str) -> str:
    return f"{int(at.timestamp() * 1000)}.{document_id}.{tail}"


def _moment_of(event_id: str) -> dt.datetime:
    digits = event_id.partition(".")[0]
    if not digits.isascii() or not digits.isdigit() or len(digits) > 14:
        raise BadInput("There is no event with this id", hint="Send the id of an event that you have read.")
    try:
        return dt.datetime.fromtimestamp(int(digits) / 1000, dt.UTC)
    except (ValueError, OverflowError, OSError):
        raise BadInput("There is no event with this id", hint="Send the id of an event that you have read.") from None
