"""Telling of executions that failed, recovered or were lost: each once decided, then sent until it is taken."""

import datetime as dt
from collections import deque
from typing import Any

import stamina

from etl_engine.errors import BadInput, DuplicateKey, EtlError, Throttled, Unreachable
from etl_engine.model.collections import DELIVERIES, EXECUTIONS
from etl_engine.model.execution import Status
from etl_engine.notify.contract import Notice, Notifier
from etl_engine.services import access
from etl_engine.services.context import Context
from etl_engine.services.events import Event, EventFeed, since
from etl_engine.store.contract import Document

# Between a failure and a success others may have been cancelled, or partial: those were not told of and hide nothing.
_OUTCOMES = [Status.SUCCESS.value, Status.FAILED.value]
_TOLD = {Status.FAILED.value: "execution.failed", Status.LOST.value: "execution.lost"}
_LEASE = dt.timedelta(seconds=60)
_QUICK_ATTEMPTS = 3
# Then minutes, hours, up to a day in all.
_PAUSES = tuple(dt.timedelta(seconds=seconds) for seconds in (30, 120, 600, 1800, 3600, 7200, 14400, 28800, 28800))
_KEPT = dt.timedelta(days=30)
_AT_ONCE = 20


class News:
    """Decides what is worth a notice, beginning with the last hour; for one loop of one process, of any number."""

    def __init__(self) -> None:
        self._feed = EventFeed()
        self._undecided: deque[Event] = deque()
        self._first = True

    def decide(self, ctx: Context) -> int:
        """Answers how many notices are new."""
        access.require(ctx, "notice:send")
        self._undecided.extend(self._feed.poll(ctx))
        if self._first:
            self._undecided.extend(since(ctx))
            self._first = False
        new = 0
        while self._undecided:  # an event leaves when it is decided: a store may go away at any time
            kind = _worth(ctx, self._undecided[0])
            new += bool(kind) and _kept(ctx, self._undecided[0], kind)
            self._undecided.popleft()
        return new


def deliver(ctx: Context, notifier: Notifier) -> int:
    """Send what is due. Each is held by one process at a time; what is not taken is tried again for a day."""
    access.require(ctx, "notice:send")
    sent = 0
    for _ in range(_AT_ONCE):
        now = ctx.store.now()
        due = {"status": "pending", "due_at": {"$lte": now}}
        held = ctx.store.update(DELIVERIES.name, due, {"due_at": now + _LEASE}, increment={"attempts": 1})
        if held is None:
            break
        sent += _sent(ctx, notifier, held)
    return sent


def deliveries(ctx: Context, limit: int = 100) -> list[Document]:
    """The newest notices, and what became of them."""
    access.require(ctx, "notice:read")
    return ctx.store.find(DELIVERIES.name, sort=[("created_at", -1)], limit=limit)


def forget(ctx: Context) -> int:
    """Delete what is old."""
    access.require(ctx, "notice:send")
    return ctx.store.delete(DELIVERIES.name, {"created_at": {"$lt": ctx.store.now() - _KEPT}})


def _worth(ctx: Context, event: Event) -> str:
    """The type of the notice; nothing where nobody needs to know."""
    status = event.data.get("status")
    if not event.type.startswith("execution.") or not isinstance(status, str):
        return ""
    if status != Status.SUCCESS.value:
        return _TOLD.get(status, "")
    if ctx.store.count(DELIVERIES.name, {"event": event.id}):
        return ""
    document = ctx.store.get(EXECUTIONS.name, event.data["execution_id"])
    if document is None:
        return ""
    earlier = {
        "series": document["series"],
        "created_at": {"$lt": document["created_at"]},
        "status": {"$in": _OUTCOMES},
    }
    before = ctx.store.find(EXECUTIONS.name, earlier, sort=[("created_at", -1)], limit=1)
    return "execution.recovered" if before and before[0]["status"] == Status.FAILED.value else ""


def _kept(ctx: Context, event: Event, kind: str) -> bool:
    """Whether this process is the one that decided it."""
    now = ctx.store.now()
    document = {
        "event": event.id,
        "type": kind,
        "status": "pending",
        "attempts": 0,
        "created_at": event.created,
        "due_at": now,
        "done_at": None,
        "data": dict(event.data),
        "last_error": "",
    }
    if ctx.store.count(DELIVERIES.name, {"event": event.id}):
        return False
    try:
        ctx.store.insert(DELIVERIES.name, document)
    except DuplicateKey:
        return False
    return True


def _sent(ctx: Context, notifier: Notifier, held: Document) -> bool:
    notice = Notice(held["event"], held["type"], held["created_at"], held["data"])
    try:
        for attempt in stamina.retry_context(
            on=(Unreachable, Throttled), attempts=_QUICK_ATTEMPTS, timeout=30.0, wait_initial=0.2, wait_max=2.0
        ):
            with attempt:
                notifier.send(notice)
    except EtlError as error:
        _not_taken(ctx, held, error)
        return False
    _write(ctx, held, {"status": "delivered", "done_at": ctx.store.now(), "last_error": ""})
    return True


def _not_taken(ctx: Context, held: Document, error: EtlError) -> None:
    tries = held["attempts"]
    if not error.retryable or isinstance(error, BadInput) or tries > len(_PAUSES):
        _write(ctx, held, {"status": "failed", "done_at": ctx.store.now(), "last_error": error.message})
    else:
        _write(ctx, held, {"due_at": ctx.store.now() + _PAUSES[tries - 1], "last_error": error.message})


def _write(ctx: Context, held: Document, news: dict[str, Any]) -> None:
    ctx.store.update(DELIVERIES.name, {"_id": held["_id"], "attempts": held["attempts"]}, news)
