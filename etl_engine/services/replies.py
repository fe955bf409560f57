"""What was answered to a request that carried an Idempotency-Key: sent again, it gets the same answer and does nothing.

A reply is kept for a day. Of the request only a sealed digest is kept: a body may hold a password.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from etl_engine.errors import Conflict, DuplicateKey, KeyInUse, KeyReused
from etl_engine.faultpoints import faultpoint
from etl_engine.model.collections import REPLIES
from etl_engine.services import access
from etl_engine.services.context import Context
from etl_engine.store.contract import Document
from etl_engine.store.ids import new_id

KEPT = dt.timedelta(hours=24)
# Whoever began died, or is slower than anybody waits: the request may then be made again.
PATIENCE = dt.timedelta(seconds=60)
_ATTEMPTS = 5  # each lost race means that somebody else just began, or gave up


@dataclass(frozen=True)
class Reply:
    """An answer, as it was given."""

    status: int
    headers: Mapping[str, str]
    content: str


@dataclass(frozen=True)
class Begun:
    """A request that is being answered; `reply` is there if it was before."""

    id: str
    until: dt.datetime
    reply: Reply | None = None


def begin(ctx: Context, where: str, key: str, body: bytes) -> Begun:
    """Hold the key for this request to `where`. KeyReused for another body, KeyInUse while it is being answered."""
    access.require(ctx, "reply:write")
    name = hashlib.sha256(json.dumps([ctx.actor.name, where, key]).encode()).hexdigest()
    digest = hashlib.sha256(body).hexdigest()
    for _ in range(_ATTEMPTS):
        now = ctx.store.now()
        begun = Begun(new_id(), now + PATIENCE)
        seal = ctx.keyring.vault().sign({"reply": begun.id, "body": digest})
        document = {"_id": begun.id, "key": name, "seal": seal, "at": now, "until": begun.until, "reply": None}
        try:
            ctx.store.insert(REPLIES.name, document)
        except DuplicateKey:
            earlier = next(iter(ctx.store.find(REPLIES.name, {"key": name}, limit=1)), None)
        else:
            return begun
        if earlier is None:
            continue
        found = _again(ctx, earlier, digest, now)
        if found:
            return found
    raise Conflict("Others send requests with this Idempotency-Key all the time", hint="Use a key of your own.")


def finish(ctx: Context, begun: Begun, reply: Reply) -> None:
    """Keep the answer, unless somebody else has taken the request up meanwhile."""
    access.require(ctx, "reply:write")
    faultpoint("reply.finishing")
    kept = {"status": reply.status, "headers": [list(pair) for pair in reply.headers.items()], "content": reply.content}
    ctx.store.update(REPLIES.name, {"_id": begun.id, "until": begun.until}, {"reply": kept})


def give_up(ctx: Context, begun: Begun) -> None:
    """The request was refused and changed nothing: sent again, it is looked at anew."""
    access.require(ctx, "reply:write")
    ctx.store.delete(REPLIES.name, {"_id": begun.id, "until": begun.until})


def purge(ctx: Context) -> int:
    """Delete what is kept no longer; answers how many."""
    access.require(ctx, "reply:delete")
    return ctx.store.delete(REPLIES.name, {"at": {"$lt": ctx.store.now() - KEPT}})


def _again(ctx: Context, earlier: Document, digest: str, now: dt.datetime) -> Begun | None:
    """The request that came before under this key; None where that is over and forgotten."""
    claims = ctx.keyring.vault().verify(earlier["seal"], int(KEPT.total_seconds()))
    if claims is None or claims.get("reply") != earlier["_id"] or earlier["at"] < now - KEPT:
        ctx.store.delete(REPLIES.name, {"_id": earlier["_id"]})
        return None
    if claims.get("body") != digest:
        raise KeyReused(
            "This Idempotency-Key came before with another body", hint="Use a new key for every new request."
        )
    if earlier["reply"]:
        return Begun(earlier["_id"], earlier["until"], _reply(earlier["reply"]))
    taken = ctx.store.update(REPLIES.name, {"_id": earlier["_id"], "until": {"$lt": now}}, {"until": now + PATIENCE})
    if taken is None:
        raise KeyInUse(
            "The request with this Idempotency-Key is still being answered", hint="Send it again in a moment."
        )
    return None if taken["reply"] else Begun(taken["_id"], taken["until"])


def _reply(kept: Mapping[str, Any]) -> Reply:
    return Reply(kept["status"], dict(kept["headers"]), kept["content"])
