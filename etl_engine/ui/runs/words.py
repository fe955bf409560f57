"""A run in one sentence, and its numbers as people say them."""

import datetime as dt

from etl_engine.model.execution import Execution, Status
from etl_engine.ui.words import counted, duration

_LEAST_SECONDS_FOR_A_RATE = 0.5


def span(seconds: float) -> str:
    """How long something took: "38 ms", "4.2 s", "3 m 12 s", "2 h 5 m"."""
    seconds = max(seconds, 0)
    if seconds < 60:
        return duration(seconds * 1000)
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} m {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} m" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def short(number: float) -> str:
    """A number in few characters: "812", "48.2 k", "1.2 M"."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if number >= size:
            scaled = number / (1e3 if unit == "k" else size)
            return f"{scaled:.1f} {unit}" if scaled < 100 else f"{scaled:.0f} {unit}"
    return f"{number:,.0f}"


def size(number: float) -> str:
    """Bytes, in the unit a person would use."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" or number >= 100 else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def took(execution: Execution, now: dt.datetime) -> float:
    """Seconds from its first start to its end, or until now."""
    if execution.started_at is None:
        return 0.0
    return max(((execution.finished_at or now) - execution.started_at).total_seconds(), 0.0)


def rate(execution: Execution, now: dt.datetime) -> float:
    """Rows read in a second."""
    seconds = took(execution, now)
    return execution.counters.read / seconds if seconds >= _LEAST_SECONDS_FOR_A_RATE else 0.0


def part_done(execution: Execution) -> float | None:
    """Of a run whose size is known: between 0 and 1."""
    total = execution.movement.rows_total
    if execution.status is not Status.RUNNING or not total or not execution.counters.read:
        return None
    return min(execution.counters.read / total, 1.0)


def read_said(execution: Execution) -> str:
    """How much was read. Some roads count rows only when a part of them is committed: until then bytes tell."""
    counters = execution.counters
    return size(counters.bytes) if counters.bytes and not counters.read else short(counters.read)


def rows_said(execution: Execution) -> str:
    """Receipts count a copy's rows; without one the counters do."""
    counters = execution.counters
    return counted(counters.loaded or counters.read, "row")


def sentence(execution: Execution, now: dt.datetime) -> str:
    """What happened, or happens, in one sentence."""
    said = _SENTENCES[execution.status]
    return said(execution, span(took(execution, now)))


def trigger_said(execution: Execution) -> str:
    """Why it runs."""
    trigger = execution.trigger
    if trigger.kind == "schedule":
        return f"by the schedule “{trigger.name}”"
    if trigger.kind == "retry":
        return "as a retry"
    return f"by hand, from the schedule “{trigger.name}”" if trigger.name else f"by {execution.actor}"


def _running(execution: Execution, after: str) -> str:
    if execution.cancel_requested_at is not None:
        return f"{execution.cancelled_by or 'Somebody'} asked for its end; it stops within seconds."
    doing, several = execution.movement.phase or "starting", len(execution.graph.nodes) > 1
    at = f" at {_task(execution, execution.movement.task)}" if execution.movement.task and several else ""
    return f"Running for {after}: {doing}{at}."


def _pending(execution: Execution, after: str) -> str:
    if execution.lost:
        return f"Its worker was lost {counted(execution.lost, 'time')}; it waits to be taken up where it stood."
    return "Handed back by its worker; it waits for another one." if execution.epoch > 1 else "It waits for a worker."


def _failed(execution: Execution, after: str) -> str:
    error, several = execution.error, len(execution.graph.nodes) > 1
    at = f" at {_task(execution, error.task)}" if error and error.task and several else ""
    when = f"Failed{at} after {after}" if execution.started_at else "Not begun"
    return f"{when}: {error.message.rstrip('.') if error else 'nobody said why'}."


def _partial(execution: Execution, after: str) -> str:
    rejected = execution.counters.rejected
    if rejected and execution.error is None:
        verb = "was" if rejected == 1 else "were"
        return f"Moved {rows_said(execution)} in {after}; {counted(rejected, 'row')} {verb} set aside."
    return f"A part of it failed after {after}; the rest is done."


def _cancelled(execution: Execution, after: str) -> str:
    who = execution.cancelled_by or "its worker"
    return f"Cancelled by {who} after {after}. What was committed stays."


def _task(execution: Execution, block_id: str) -> str:
    found = next((node.title for node in execution.graph.nodes if node.id == block_id), "")
    return f"“{found or block_id}”"


_SENTENCES = {
    Status.PENDING: _pending,
    Status.RUNNING: _running,
    Status.SUCCESS: lambda execution, after: f"Moved {rows_said(execution)} in {after}.",
    Status.PARTIAL: _partial,
    Status.FAILED: _failed,
    Status.CANCELLED: _cancelled,
    Status.LOST: lambda execution, after: "Its worker does not answer any more; it is taken up again in a moment.",
}
