"""Every change leaves a trace: the intent before it, the outcome after it. Values are never written, only names."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from etl_engine.errors import EtlError
from etl_engine.model.audit import Outcome
from etl_engine.model.collections import AUDIT
from etl_engine.services.context import Context
from etl_engine.store.ids import new_id


@contextmanager
def recorded(
    ctx: Context, action: str, subject_id: str, subject_name: str, changed: Sequence[str] = ()
) -> Iterator[None]:
    """Write the intent, let the change happen, write the outcome.

    No transaction spans the two documents: an entry that stays pending says the process died in between.
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
            "error_code": "",
        },
    )
    try:
        yield
    except Exception as error:
        code = error.code if isinstance(error, EtlError) else "error"
        ctx.store.update(AUDIT.name, {"_id": entry}, {"outcome": Outcome.FAILED.value, "error_code": code})
        raise
    ctx.store.update(AUDIT.name, {"_id": entry}, {"outcome": Outcome.DONE.value})
