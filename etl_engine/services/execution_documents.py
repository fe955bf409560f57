"""Between an execution as stored and as answered, and the one way its status changes: compare-and-set."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from etl_engine.errors import EtlError, NotFound
from etl_engine.faultpoints import faultpoint
from etl_engine.model.collections import EXECUTIONS
from etl_engine.model.execution import MOVES, Counters, Execution, Failure, Graph, Status, Subject, Trigger
from etl_engine.services.context import Context
from etl_engine.store.contract import Document
from etl_engine.store.ids import new_id

# Enough for every way to an end; handing back again and again must not make a document grow for ever.
_TRANSITIONS_KEPT = 60


def stored(ctx: Context, execution_id: str) -> Document:
    """The document as it is in the store, or NotFound."""
    document = ctx.store.get(EXECUTIONS.name, execution_id)
    if document is None:
        raise NotFound(f"There is no execution {execution_id}", hint="List the executions to see which there are.")
    return document


def answered(document: Document) -> Execution:
    return Execution.model_validate(document)


def series_of(subject: Subject, graph: Graph) -> str:
    """The same for every execution of the same thing: of a saved document by its id, else by what is done."""
    if subject.id:
        return f"{subject.kind}:{subject.id}"
    text = json.dumps(graph.model_dump(mode="json"), sort_keys=True, ensure_ascii=False)
    return f"{subject.kind}:{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"


def pending(
    ctx: Context, subject: Subject, graph: Graph, *, trigger: Trigger, key: str, series: str, retry_of_id: str | None
) -> Document:
    """A new execution, not stored yet."""
    now, execution_id = ctx.store.now(), new_id()
    name = subject.name or subject.kind
    return {
        "_id": execution_id,
        "key": key or execution_id,
        "status": Status.PENDING.value,
        "epoch": 1,
        "owner": "",
        "lease_until": None,
        "heartbeat_at": None,
        "lost": 0,
        "subject": subject.model_dump(),
        "series": series or series_of(subject, graph),
        "search": name.casefold().replace("\0", ""),
        "trigger": trigger.model_dump(),
        "graph": graph.model_dump(mode="json"),
        "actor": ctx.actor.name,
        "request_id": ctx.request_id,
        "retry_of_id": retry_of_id,
        "counters": Counters().model_dump(),
        "movement": {},
        "log_lines": 0,
        "cancel_requested_at": None,
        "cancelled_by": "",
        "created_at": now,
        "started_at": None,
        "finished_at": None,
        "changed_at": now,
        "error": None,
        "result": None,
        "transitions": [_transition(now, Status.PENDING, 1, "", "")],
    }


def never_begun(document: Document, error: EtlError) -> Document:
    """A new execution that could not even be ordered: failed from the start."""
    now = document["created_at"]
    return {
        **document,
        "status": Status.FAILED.value,
        "finished_at": now,
        "error": failure_of(error).model_dump(),
        "transitions": [*document["transitions"], _transition(now, Status.FAILED, 1, "", error.message)],
    }


def move(
    ctx: Context, document: Document, to: Status, changes: Mapping[str, Any] | None = None, *, reason: str = ""
) -> Document | None:
    """Change the status from what this document says. None where somebody else changed it first.

    A pair of status and epoch never comes twice in the life of an execution, so whoever still finds the pair that it
    has read knows that nothing happened in between.
    """
    before = Status(document["status"])
    changed: dict[str, Any] = dict(changes or {})
    if to not in MOVES[before]:
        raise AssertionError(f"an execution does not go from {before.value} to {to.value}")
    now, epoch = ctx.store.now(), document["epoch"] + (to is Status.PENDING)
    owner = str(changed.get("owner", document["owner"]))
    changed |= {
        "status": to.value,
        "epoch": epoch,
        "changed_at": now,
        "transitions": [
            *document["transitions"][-_TRANSITIONS_KEPT:],
            _transition(now, to, epoch, owner, reason),
        ],
    }
    if not MOVES[to]:
        changed |= {"finished_at": now, "lease_until": None}
    faultpoint(f"execution.{to.value}")
    here = {"_id": document["_id"], "status": before.value, "epoch": document["epoch"]}
    moved = ctx.store.update(EXECUTIONS.name, here, changed)
    if moved is not None:
        faultpoint(f"execution.{to.value}.written")
    return moved


def failure_of(error: BaseException, task: str = "") -> Failure:
    """An error in words for people; what we did not think of shows its class only."""
    if isinstance(error, EtlError):
        return Failure(
            code=error.code,
            message=error.message,
            hint=error.hint,
            retryable=error.retryable,
            audience=error.audience.value,
            task=task,
        )
    return Failure(
        code="internal",
        message=f"The engine met an error of its own ({type(error).__name__})",
        hint="Look for this execution in the log of the worker.",
        audience="developer",
        task=task,
    )


def _transition(at: Any, status: Status, epoch: int, owner: str, reason: str) -> Document:
    return {"at": at, "status": status.value, "epoch": epoch, "owner": owner, "reason": reason}
