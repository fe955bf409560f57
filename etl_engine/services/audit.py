"""Every change leaves a trace: the intent before it, the outcome after it. Values are never written, only names."""

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from etl_engine.errors import EtlError, StoreError, StoreUnavailable
from etl_engine.model.audit import Outcome
from etl_engine.model.collections import AUDIT
from etl_engine.services import access
from etl_engine.services.context import Context
from etl_engine.store.ids import new_id

# A change takes seconds; resealing a large store takes longer, and writes its own outcome over this one when it ends.
ABANDONED_AFTER = dt.timedelta(minutes=10)


@contextmanager
def recorded(
    ctx: Context, action: str, subject_id: str, subject_name: str, changed: Sequence[str] = ()
) -> Iterator[None]:
    """Write the intent, let the change happen, write the outcome.

    No transaction spans the two documents: an entry that stays pending says that the process died in between, or
    that the store went away and nobody knows whether the change happened.
    """
    entry = new_id()
    ctx.store.insert(
        AUDIT.name,
        {
            "_id": entry,
            "at": ctx.store.now(),
            "actor": ctx.actor.name,
            "action": action,
            "subject_id": subject_id,
            "subject_name": subject_name,
            "changed": sorted(changed),
            "request_id": ctx.request_id,
            "outcome": Outcome.PENDING.value,
            "done_at": None,
            "error_code": "",
        },
    )
    try:
        yield
    except StoreUnavailable:
        raise
    except Exception as error:
        code = error.code if isinstance(error, EtlError) else "error"
        with suppress(StoreError):  # what went wrong first is what the caller must hear
            _close(ctx, entry, Outcome.FAILED, code)
        raise
    _close(ctx, entry, Outcome.DONE)


def _close(ctx: Context, entry: str, outcome: Outcome, error_code: str = "") -> None:
    changes = {"outcome": outcome.value, "error_code": error_code, "done_at": ctx.store.now()}
    ctx.store.update(AUDIT.name, {"_id": entry}, changes)


def close_abandoned(ctx: Context) -> int:
    """Call unknown what was never finished: its process died between intent and outcome. Answers how many."""
    access.require(ctx, "audit:close")
    now = ctx.store.now()
    abandoned = {"outcome": Outcome.PENDING.value, "at": {"$lt": now - ABANDONED_AFTER}}
    closed = 0
    while ctx.store.update(AUDIT.name, abandoned, {"outcome": Outcome.UNKNOWN.value, "done_at": now}):
        closed += 1
    return closed
