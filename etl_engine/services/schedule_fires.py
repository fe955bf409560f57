"""The tick of the schedulers: which schedules are due, what becomes of each fire, and exactly one run for it.

Any number of schedulers do this at once, and each may die at any point. Three writes hold it together, each atomic:

1. deciding: the schedule's next fire moves on and the fires that are to run stand in its queue, by one compare-and-set;
2. the record of a fire, whose key is the schedule and the moment: whoever writes it first says what becomes of it;
3. ordering the execution under a key made of the same two: the second order answers the first one's execution.

A fire leaves the queue when the other two are done. Whatever is found half done is done again, and changes nothing.
"""

import datetime as dt
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import structlog

from etl_engine.errors import BadInput, Conflict, DuplicateKey, EtlError, NotFound, StoreUnavailable
from etl_engine.faultpoints import faultpoint
from etl_engine.model import cron
from etl_engine.model.collections import FIRES, MAPPINGS, SCHEDULES
from etl_engine.model.execution import Subject, Trigger
from etl_engine.services import access, executions, mappings
from etl_engine.services.context import Context
from etl_engine.store.contract import Document
from etl_engine.store.ids import new_id

log = structlog.get_logger("etl_engine.schedules")

GRACE = dt.timedelta(seconds=60)  # a fire that is no later than this was not missed
LOOK_BACK = dt.timedelta(days=31)  # older fires are not made up for, whatever the policy
CLOCKS_DIFFER = dt.timedelta(seconds=5)
AT_ONCE = 500
KEPT = dt.timedelta(days=90)  # of the records of fires


@dataclass(frozen=True)
class Ticked:
    """What one tick found to do."""

    decided: int
    delivered: int
    more: bool  # there was more than fits into one tick


def tick(ctx: Context, *, now: dt.datetime | None = None) -> Ticked:
    """Fire what is due. `now` is the store's own time, unless a test says otherwise."""
    access.require(ctx, "schedule:fire")
    now = now or ctx.store.now()
    _notice_a_clock_set_back(ctx, now)
    due = ctx.store.find(
        SCHEDULES.name, {"enabled": True, "next_run_at": {"$lte": now}}, sort=[("next_run_at", 1)], limit=AT_ONCE
    )
    decided = sum(_apart(_decide, ctx, schedule, now) for schedule in due)
    delivered = sum(_apart(_deliver, ctx, schedule, now) for schedule in _waiting(ctx))
    return Ticked(decided, delivered, bool(decided) and len(due) == AT_ONCE)


def _apart(
    do: Callable[[Context, Document, dt.datetime], int], ctx: Context, schedule: Document, now: dt.datetime
) -> int:
    """One schedule that breaks must not keep the others from firing."""
    try:
        return do(ctx, schedule, now)
    except StoreUnavailable:
        raise
    except Exception:
        log.exception("a schedule could not be fired", schedule=schedule["_id"])
        return 0


def purge(ctx: Context) -> int:
    """Forget the records of old fires; answers how many."""
    access.require(ctx, "schedule:fire")
    return ctx.store.delete(FIRES.name, {"decided_at": {"$lt": ctx.store.now() - KEPT}})


def _waiting(ctx: Context) -> Iterator[Document]:
    """Schedules with a fire that is not run yet, all of them: one that has to wait must not hide another."""
    last: Document | None = None
    while page := ctx.store.find(SCHEDULES.name, {"waiting": {"$gt": 0}}, sort=[("_id", 1)], limit=AT_ONCE, after=last):
        yield from page
        last = page[-1]


def _chosen(schedule: Document, now: dt.datetime) -> list[dt.datetime]:
    """Which of the fires that are due are to run: those on time, and of those missed what the policy says."""
    expression, zone, first = schedule["cron_expression"], schedule["timezone"], schedule["next_run_at"]
    since = max(first, now - (GRACE if schedule["missed_policy"] == "skip" else LOOK_BACK))
    most = schedule["missed_limit"] if schedule["missed_policy"] == "all" else None
    due: deque[dt.datetime] = deque(maxlen=most)
    for fire in cron.fires(expression, zone, since - dt.timedelta(milliseconds=1)):
        if fire.at > now:
            break
        due.append(fire.at)
    if schedule["missed_policy"] == "once" and due and now - due[0] > GRACE:
        return [due[-1]]
    return list(due)


def _decide(ctx: Context, schedule: Document, now: dt.datetime) -> bool:
    """Put the fires that are due into the queue and move on; False where another scheduler, or a person, was faster."""
    try:
        fires = _chosen(schedule, now)
        following = cron.next_fire(schedule["cron_expression"], schedule["timezone"], now)
    except ValueError as error:  # a zone that the machine's data does not have any more
        problem = {"next_run_at": None, "decided_at": now, "last_problem": f"The time {error}"}
        ctx.store.update(SCHEDULES.name, _as_seen(schedule), problem, increment={"turn": 1})
        return False
    queue = [*schedule["queue"], *({"at": at} for at in fires)]
    faultpoint("schedule.deciding")
    changes = {
        "next_run_at": following,
        "decided_at": now,
        "queue": queue,
        "waiting": len(queue),
    }
    here = {**_as_seen(schedule), "enabled": True, "next_run_at": schedule["next_run_at"]}
    decided = ctx.store.update(SCHEDULES.name, here, changes, increment={"turn": 1})
    faultpoint("schedule.decided")
    return decided is not None


def _deliver(ctx: Context, schedule: Document, now: dt.datetime) -> int:
    """Run what waits, the oldest first; answers how many fires left the queue."""
    queue: list[Document] = schedule["queue"]
    left: list[Document] = []
    changes: dict[str, Any] = {}
    for place, item in enumerate(queue):
        record = _recorded(ctx, schedule["_id"], item["at"])
        if record is None:
            state, reason = _verdict(ctx, schedule, item["at"])
            if state == "waits":
                # One fire waits for the end of what runs; those behind it are one too many.
                left = [item]
                for late in queue[place + 1 :]:
                    _record(ctx, schedule, late["at"], now, "skipped", "another fire waits already")
                break
            record = _record(ctx, schedule, item["at"], now, state, reason)
        if record["state"] == "started":
            changes |= _started(ctx, schedule, record)
    faultpoint("schedule.delivered")
    if len(left) == len(queue):
        return 0
    done = {**changes, "queue": left, "waiting": len(left)}
    ctx.store.update(SCHEDULES.name, _as_seen(schedule), done, increment={"turn": 1})
    return len(queue) - len(left)


def _verdict(ctx: Context, schedule: Document, at: dt.datetime) -> tuple[str, str]:
    """What becomes of a fire that nobody has decided yet."""
    if schedule["overlap_policy"] == "allow":
        return "started", ""
    subject = schedule["subject"]
    running = [
        one
        for one in executions.active(ctx, subject["kind"], subject["id"])
        if (one.trigger.id, one.trigger.fire_time) != (schedule["_id"], at)
    ]
    if not running:
        return "started", ""
    if schedule["overlap_policy"] == "queue":
        return "waits", ""
    return "skipped", f"it still ran: {running[0].id}"


def _record(
    ctx: Context, schedule: Document, at: dt.datetime, now: dt.datetime, state: str, reason: str = ""
) -> Document:
    """The record of the fire as it stands: this one, or the one that another scheduler wrote first."""
    record = {"_id": new_id(), "schedule_id": schedule["_id"], "at": at, "decided_at": now}
    try:
        made = ctx.store.insert(FIRES.name, {**record, "state": state, "reason": reason, "execution_id": None})[0]
    except DuplicateKey:
        found = _recorded(ctx, schedule["_id"], at)
        return found if found is not None else {**record, "state": "skipped"}  # the schedule is being deleted
    faultpoint("schedule.recorded")
    return made


def _recorded(ctx: Context, schedule_id: str, at: dt.datetime) -> Document | None:
    return next(iter(ctx.store.find(FIRES.name, {"schedule_id": schedule_id, "at": at}, limit=1)), None)


def _started(ctx: Context, schedule: Document, record: Document) -> dict[str, Any]:
    """Order the run of a fire, once however often this is done; what the schedule then says of it."""
    if record["execution_id"] is not None:
        return {}
    at = record["at"]
    trigger = Trigger(kind="schedule", id=schedule["_id"], name=schedule["name"], fire_time=at)
    mapping_id, key = schedule["subject"]["id"], _key_of(schedule["_id"], at)
    try:
        execution = mappings.run(ctx, mapping_id, trigger=trigger, key=key)
    except (BadInput, Conflict, NotFound) as error:
        mapping = ctx.store.get(MAPPINGS.name, mapping_id)
        subject = Subject(kind="mapping", id=mapping_id, name=mapping["name"] if mapping else schedule["name"])
        failed = executions.refused(ctx, subject, error, trigger=trigger, key=key)
        news = {"state": "failed", "reason": _said(error), "execution_id": failed.id}
        ctx.store.update(FIRES.name, {"_id": record["_id"]}, news)
        return {"last_problem": _said(error), "last_execution_id": failed.id}
    faultpoint("schedule.ordered")
    ctx.store.update(FIRES.name, {"_id": record["_id"]}, {"execution_id": execution.id})
    return {"last_run_at": at, "last_execution_id": execution.id, "last_problem": None}


def _notice_a_clock_set_back(ctx: Context, now: dt.datetime) -> None:
    """What was decided in a future that is not any more may wait for a fire that is far too late: look again."""
    ahead = ctx.store.find(SCHEDULES.name, {"decided_at": {"$gt": now + CLOCKS_DIFFER}}, limit=AT_ONCE)
    for schedule in ahead:
        following = cron.next_fire(schedule["cron_expression"], schedule["timezone"], now)
        changes = {"next_run_at": following if schedule["enabled"] else None, "decided_at": now}
        ctx.store.update(SCHEDULES.name, _as_seen(schedule), changes, increment={"turn": 1})


def _key_of(schedule_id: str, at: dt.datetime) -> str:
    return f"schedule:{schedule_id}:{at.astimezone(dt.UTC).isoformat(timespec='seconds')}"


def _as_seen(schedule: Document) -> dict[str, Any]:
    """Neither another scheduler nor a person has written since: who pauses it empties the queue."""
    return {"_id": schedule["_id"], "turn": schedule["turn"], "revision": schedule["revision"]}


def _said(error: EtlError) -> str:
    return f"{error.message.rstrip('.')}. {error.hint}".strip()
