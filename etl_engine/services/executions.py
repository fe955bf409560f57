"""Executions: order one, list, get, see its tasks, cancel, retry. What workers do is in execution_claims and _runs."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from etl_engine.engine import runner
from etl_engine.errors import BadInput, Conflict, DuplicateKey, EtlError
from etl_engine.model.collections import EXECUTIONS, TASKS
from etl_engine.model.execution import (
    FINAL,
    Execution,
    Graph,
    Node,
    Status,
    Subject,
    SubjectKind,
    TaskRecord,
    Trigger,
)
from etl_engine.services import access, audit
from etl_engine.services.context import Context
from etl_engine.services.execution_documents import answered, move, never_begun, pending, stored
from etl_engine.store.contract import Document

_ATTEMPTS = 20


@dataclass(frozen=True)
class Position:
    """Where a list goes on: behind this execution."""

    created_at: dt.datetime
    id: str


@dataclass(frozen=True)
class Query:
    """What a list is asked for, newest first. Empty means everything."""

    text: str = ""
    statuses: tuple[Status, ...] = ()
    kinds: tuple[SubjectKind, ...] = ()
    subject_id: str = ""
    trigger_id: str = ""
    created_after: dt.datetime | None = None
    created_before: dt.datetime | None = None
    limit: int = 50
    after: Position | None = None

    def where(self) -> dict[str, Any]:
        where: dict[str, Any] = {}
        if self.text.strip():
            where["search"] = {"$has": self.text.strip().casefold()}
        if self.statuses:
            where["status"] = {"$in": [status.value for status in self.statuses]}
        if self.kinds:
            where["subject.kind"] = {"$in": list(self.kinds)}
        if self.subject_id:
            where["subject.id"] = self.subject_id
        if self.trigger_id:
            where["trigger.id"] = self.trigger_id
        created = {"$gte": self.created_after, "$lt": self.created_before}
        if wanted := {operator: moment for operator, moment in created.items() if moment is not None}:
            where["created_at"] = wanted
        return where


@dataclass(frozen=True)
class Page:
    """Executions, and where the next page begins, if there is one."""

    items: list[Execution]
    next: Position | None


def submit(
    ctx: Context,
    subject: Subject,
    graph: Graph,
    *,
    trigger: Trigger | None = None,
    key: str = "",
    series: str = "",
    retry_of_id: str | None = None,
) -> Execution:
    """Order an execution; a worker takes it up within a moment.

    With a `key` it is ordered once, however often this is called: later calls answer the same execution.
    """
    access.require(ctx, "execution:submit")
    if key and (found := _by_key(ctx, key)):
        return answered(found)
    runner.check(graph, runner.blocks())
    document = pending(
        ctx, subject, graph, trigger=trigger or Trigger(), key=key, series=series, retry_of_id=retry_of_id
    )
    made = _inserted(ctx, document)
    ctx.dispatch.wake()
    return answered(made)


def refused(ctx: Context, subject: Subject, error: EtlError, *, trigger: Trigger, key: str) -> Execution:
    """Store as failed what nobody stands by to hear that it cannot be ordered: it is seen, and told, like any other."""
    access.require(ctx, "execution:submit")
    document = pending(ctx, subject, Graph(), trigger=trigger, key=key, series="", retry_of_id=None)
    return answered(_inserted(ctx, never_begun(document, error)))


def list_(ctx: Context, query: Query) -> Page:
    """A page of executions that match, newest first."""
    access.require(ctx, "execution:read")
    after = None if query.after is None else {"_id": query.after.id, "created_at": query.after.created_at}
    sort = [("created_at", -1), ("_id", -1)]
    found = ctx.store.find(EXECUTIONS.name, query.where(), sort=sort, limit=query.limit + 1, after=after)
    items = [answered(one) for one in found[: query.limit]]
    more = len(found) > query.limit
    return Page(items, Position(items[-1].created_at, items[-1].id) if more else None)


def counts(ctx: Context, query: Query) -> dict[Status, int]:
    """How many executions that match have each status."""
    access.require(ctx, "execution:read")
    found = ctx.store.count_by(EXECUTIONS.name, "status", query.where())
    return {Status(status): number for status, number in found.items()}


def get(ctx: Context, execution_id: str) -> Execution:
    """One execution."""
    access.require(ctx, "execution:read")
    return answered(stored(ctx, execution_id))


def latest(ctx: Context, subject_kind: SubjectKind, subject_id: str, limit: int = 1) -> list[Execution]:
    """The newest executions of a saved document."""
    access.require(ctx, "execution:read")
    where = {"subject.kind": subject_kind, "subject.id": subject_id}
    return [answered(one) for one in ctx.store.find(EXECUTIONS.name, where, sort=[("created_at", -1)], limit=limit)]


def active(ctx: Context, subject_kind: SubjectKind, subject_id: str) -> list[Execution]:
    """Executions of a saved document that have not ended."""
    access.require(ctx, "execution:read")
    unfinished = [status.value for status in Status if status not in FINAL]
    where = {"subject.kind": subject_kind, "subject.id": subject_id, "status": {"$in": unfinished}}
    return [answered(one) for one in ctx.store.find(EXECUTIONS.name, where, sort=[("created_at", 1)])]


def tasks(ctx: Context, execution_id: str) -> list[TaskRecord]:
    """One entry for each block of the graph, in its order; those that have not begun are pending."""
    access.require(ctx, "execution:read")
    execution = answered(stored(ctx, execution_id))
    begun = {one["block_id"]: one for one in ctx.store.find(TASKS.name, {"execution_id": execution_id})}
    return [_task(execution, node, begun.get(node.id)) for node in execution.graph.nodes]


def cancel(ctx: Context, execution_id: str) -> Execution:
    """Ask for the end of an execution. One that no worker has ends at once, a running one within seconds."""
    access.require(ctx, "execution:cancel")
    document = stored(ctx, execution_id)
    with audit.recorded(ctx, "execution:cancel", execution_id, _name(document)):
        for _ in range(_ATTEMPTS):
            changed = _cancelled(ctx, document)
            if changed is not None:
                ctx.dispatch.wake()
                return answered(changed)
            document = stored(ctx, execution_id)
    raise Conflict(f"The execution {execution_id} is being changed by others", hint="Try again in a moment.")


def retry(ctx: Context, execution_id: str) -> Execution:
    """Order again what did not end well. What is done already is not done twice; a second call answers the same."""
    access.require(ctx, "execution:submit")
    document = stored(ctx, execution_id)
    status = Status(document["status"])
    if status not in FINAL:
        raise Conflict(
            f"The execution {execution_id} has not ended: it is {status.value}", hint="Cancel it, or wait for its end."
        )
    if status is Status.SUCCESS:
        raise Conflict(
            f"The execution {execution_id} ended well: there is nothing to repeat", hint="Order a new one instead."
        )
    execution = answered(document)
    if status is Status.FAILED and not execution.graph.nodes:
        raise Conflict(
            f"The execution {execution_id} was never begun: there is nothing to go on with",
            hint="Correct what it was refused for, then order a new one.",
        )
    if status is Status.PARTIAL and execution.error is None:
        raise Conflict(
            f"The execution {execution_id} was broken off nowhere: it is partial for {execution.counters.rejected:,} "
            "rows that were rejected",
            hint="Correct what rejects them, then order a new one.",
        )
    return submit(
        ctx,
        execution.subject,
        execution.graph,
        trigger=Trigger(kind="retry", id=execution_id, name=execution.trigger.name),
        key=f"retry:{execution_id}",
        series=execution.series,
        retry_of_id=execution_id,
    )


def _cancelled(ctx: Context, document: Document) -> Document | None:
    """The document with the wish in it, or at its end; None where its status changed meanwhile."""
    status = Status(document["status"])
    if status is Status.CANCELLED:
        return document
    if status in FINAL:
        raise Conflict(
            f"The execution {document['_id']} has ended already: {status.value}", hint="Look at how it ended."
        )
    wish = {"cancel_requested_at": ctx.store.now(), "cancelled_by": ctx.actor.name}
    if status is not Status.RUNNING:
        return move(ctx, document, Status.CANCELLED, wish, reason=f"cancelled by {ctx.actor.name}")
    if document["cancel_requested_at"] is not None:
        return document
    here = {"_id": document["_id"], "status": status.value, "epoch": document["epoch"]}
    return ctx.store.update(EXECUTIONS.name, here, wish)


def _inserted(ctx: Context, document: Document) -> Document:
    """The document, or the one that was ordered under its key before."""
    name = document["subject"]["name"] or document["subject"]["kind"]
    with audit.recorded(ctx, "execution:submit", document["_id"], name):
        try:
            return ctx.store.insert(EXECUTIONS.name, document)[0]
        except DuplicateKey:
            found = _by_key(ctx, document["key"])
            if found is None:
                raise
            return found


def _by_key(ctx: Context, key: str) -> Document | None:
    if len(key) > 500 or "\0" in key:
        raise BadInput("The key of an execution has at most 500 characters", hint="Choose a shorter key.")
    return next(iter(ctx.store.find(EXECUTIONS.name, {"key": key}, limit=1)), None)


def _name(document: Document) -> str:
    return str(document["subject"]["name"] or document["subject"]["kind"])


def _task(execution: Execution, node: Node, document: Document | None) -> TaskRecord:
    """A task that was at work when its worker was lost stands where its execution stands."""
    if document is None:
        over = execution.status in (Status.FAILED, Status.CANCELLED, Status.PARTIAL)
        status = Status.CANCELLED if over else Status.PENDING
        return TaskRecord(
            execution_id=execution.id, block_id=node.id, block=node.block, title=node.title, status=status
        )
    record = TaskRecord.model_validate(document)
    orphaned = record.status is Status.RUNNING and (
        execution.status is not Status.RUNNING or record.epoch < execution.epoch
    )
    if not orphaned:
        return record
    stands = Status.PENDING if execution.status is Status.RUNNING else execution.status
    return record.model_copy(update={"status": stands, "finished_at": execution.finished_at})
