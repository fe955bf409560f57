"""What workers do to executions: claim one, say that it still moves, end it, hand it back, give up lost ones."""

import datetime as dt

from etl_engine.model.collections import EXECUTIONS
from etl_engine.model.execution import Counters, Failure, Movement, Status
from etl_engine.services import access
from etl_engine.services.context import Context
from etl_engine.services.execution_documents import move
from etl_engine.store.contract import Document

HEARTBEAT_SECONDS = 5.0
# Three beats missed; with a look of the reaper every two seconds a dead worker's run is lost within 20 s.
LEASE_SECONDS = 15.0
MOST_LOST = 3  # a run whose worker dies every time is not tried for ever
_CANDIDATES = 8
_ROUNDS = 50


def claim(ctx: Context, owner: str) -> Document | None:
    """Take the oldest pending execution; None where there is none. However many ask at once, each is given once."""
    access.require(ctx, "execution:work")
    for _ in range(_ROUNDS):
        waiting = ctx.store.find(
            EXECUTIONS.name, {"status": Status.PENDING.value}, sort=[("created_at", 1)], limit=_CANDIDATES
        )
        if not waiting:
            return None
        for document in waiting:
            now = ctx.store.now()
            taken = {
                "owner": owner,
                "lease_until": now + dt.timedelta(seconds=LEASE_SECONDS),
                "heartbeat_at": now,
                "started_at": document["started_at"] or now,
                "error": None,
            }
            held = move(ctx, document, Status.RUNNING, taken)
            if held is not None:
                return held
    return None


def waiting(ctx: Context) -> bool:
    """Whether any execution is pending. Asked four times a second: one look at an index."""
    access.require(ctx, "execution:work")
    oldest_first = [("created_at", 1)]
    return bool(ctx.store.find(EXECUTIONS.name, {"status": Status.PENDING.value}, sort=oldest_first, limit=1))


def beat(ctx: Context, held: Document, counters: Counters, movement: Movement) -> Document | None:
    """Renew the lease and tell how far it is. None where the execution was given up for lost meanwhile."""
    access.require(ctx, "execution:work")
    now = ctx.store.now()
    news = {
        "heartbeat_at": now,
        "lease_until": now + dt.timedelta(seconds=LEASE_SECONDS),
        "counters": counters.model_dump(),
        "movement": movement.model_dump(),
    }
    return ctx.store.update(EXECUTIONS.name, _held(held), news)


def end(
    ctx: Context,
    held: Document,
    status: Status,
    *,
    counters: Counters,
    error: Failure | None = None,
    result: Document | None = None,
    reason: str = "",
) -> Document | None:
    """Write how it ended. None where it was given up for lost meanwhile: then this end does not count."""
    access.require(ctx, "execution:work")
    ending = {
        "counters": counters.model_dump(),
        "error": None if error is None else error.model_dump(),
        "result": result,
    }
    return move(ctx, held, status, ending, reason=reason)


def hand_back(ctx: Context, held: Document, counters: Counters) -> Document | None:
    """A worker that was asked to end lets another one go on; a run that is to be cancelled anyway ends here."""
    access.require(ctx, "execution:work")
    now = ctx.store.get(EXECUTIONS.name, held["_id"]) or held
    if now["cancel_requested_at"] is not None:
        return end(ctx, held, Status.CANCELLED, counters=counters, reason=f"cancelled by {now['cancelled_by']}")
    given = {"lease_until": None, "counters": counters.model_dump()}
    return move(ctx, held, Status.PENDING, given, reason="handed back by a worker that ends")


def reap(ctx: Context) -> list[str]:
    """Give up what no worker holds any more, and let it be taken up again. Answers whose lease had ended."""
    access.require(ctx, "execution:work")
    lost = []
    expired = {"status": Status.RUNNING.value, "lease_until": {"$lt": ctx.store.now()}}
    for document in ctx.store.find(EXECUTIONS.name, expired, sort=[("lease_until", 1)], limit=200):
        news = {"lost": document["lost"] + 1, "lease_until": None}
        if move(ctx, document, Status.LOST, news, reason=f"{document['owner']} does not answer any more"):
            lost.append(document["_id"])
    for document in ctx.store.find(EXECUTIONS.name, {"status": Status.LOST.value}, limit=200):
        _after_loss(ctx, document)
    if lost:
        ctx.dispatch.wake()
    return lost


def _after_loss(ctx: Context, document: Document) -> None:
    if document["cancel_requested_at"] is not None:
        move(ctx, document, Status.CANCELLED, reason=f"cancelled by {document['cancelled_by']}")
    elif document["lost"] >= MOST_LOST:
        error = Failure(
            code="worker-lost",
            message=f"The worker died {document['lost']} times while it ran this",
            hint="Look for the reason in the log of the worker: most often it is memory.",
            audience="operator",
        )
        move(ctx, document, Status.FAILED, {"error": error.model_dump()}, reason=error.message)
    else:
        move(ctx, document, Status.PENDING, reason="to be taken up again")


def _held(held: Document) -> Document:
    return {"_id": held["_id"], "status": Status.RUNNING.value, "epoch": held["epoch"]}
