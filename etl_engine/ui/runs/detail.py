"""One run as its page shows it: the sentence, the numbers, the tasks on a line of time, what was set aside."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from etl_engine.model.execution import FINAL, Execution, Status, TaskRecord
from etl_engine.ui.runs.address import PATH, run_address
from etl_engine.ui.runs.looks import KINDS, RUN_STATUS, status_of
from etl_engine.ui.runs.words import part_done, rate, read_said, sentence, short, size, span, took, trigger_said
from etl_engine.ui.words import counted

_AUDIENCES = {
    "user": "You can repair this.",
    "operator": "Who runs this engine can repair this.",
    "dba": "Who looks after the database can repair this.",
    "network": "Who looks after the network can repair this.",
    "developer": "This is a fault of the engine: please report it.",
}
_LEAST_PERCENT = 0.6  # a bar that can be seen


@dataclass
class Tile:
    """A number."""

    title: str
    value: str
    note: str = ""
    exact: str = ""
    tone: str = ""


@dataclass
class Bar:
    """A task on the line of time."""

    id: str
    title: str
    status: str
    left: str = "0%"
    width: str = "0%"
    took: str = ""
    text: str = ""
    begun: bool = False


@dataclass
class Kept:
    """A row that was set aside."""

    row: str
    column: str
    value: str
    reason: str


@dataclass
class Change:
    """A change of status."""

    at: str
    status: str
    text: str


@dataclass
class Shown:
    """Everything about a run but its log."""

    id: str = ""
    name: str = ""
    kind: str = ""
    status: str = ""
    sentence: str = ""
    facts: str = ""
    created: str = ""
    trigger: str = ""
    others: str = ""  # the address of the runs of the same thing
    retry_of: str = ""
    percent: int = -1
    left: str = ""  # "about 4 s left"
    heart: str = ""  # ISO 8601, of the last sign of life
    live: bool = False
    log_lines: int = 0
    can_cancel: bool = False
    can_retry: bool = False
    tiles: list[Tile] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)
    kept_note: str = ""
    history: list[Change] = field(default_factory=list)
    error: str = ""
    hint: str = ""
    code: str = ""
    failed_at: str = ""
    who: str = ""


def shown(execution: Execution, tasks: list[TaskRecord], now: dt.datetime) -> Shown:
    part, error, live = part_done(execution), execution.error, execution.status not in FINAL
    subject = execution.subject
    rejects = _kept(execution.result or {})
    titles = {node.id: node.title or node.id for node in execution.graph.nodes}
    return Shown(
        id=execution.id,
        name=subject.name or KINDS[subject.kind],
        kind=KINDS[subject.kind],
        status=status_of(execution),
        sentence=sentence(execution, now),
        facts=_facts(execution),
        created=execution.created_at.isoformat(),
        trigger=trigger_said(execution),
        others=f"{PATH}?mapping={subject.id}" if subject.id else "",
        retry_of=run_address(execution.retry_of_id) if execution.retry_of_id else "",
        percent=-1 if part is None else int(100 * part),
        left=_left(execution, now),
        heart=execution.heartbeat_at.isoformat()
        if execution.status is Status.RUNNING and execution.heartbeat_at
        else "",
        live=live,
        log_lines=execution.log_lines,
        can_cancel=live and execution.cancel_requested_at is None,
        can_retry=(execution.status is Status.FAILED and bool(execution.graph.nodes))
        or execution.status is Status.CANCELLED
        or (execution.status is Status.PARTIAL and execution.error is not None),
        tiles=_tiles(execution, now),
        bars=[_bar(execution, task, now) for task in tasks],
        kept=rejects,
        kept_note=_kept_note(execution, len(rejects)),
        history=[_change(one) for one in execution.transitions],
        error=error.message if error else "",
        hint=error.hint if error else "",
        code=error.code if error else "",
        failed_at=titles.get(error.task, "") if error and len(titles) > 1 else "",
        who=_AUDIENCES.get(error.audience, "") if error else "",
    )


def _facts(execution: Execution) -> str:
    said = [KINDS[execution.subject.kind], trigger_said(execution)]
    if execution.epoch > 1:
        said.append(f"attempt {execution.epoch}")
    if execution.owner:
        said.append(f"worker {execution.owner}")
    return " · ".join(said)


def _left(execution: Execution, now: dt.datetime) -> str:
    part, seconds = part_done(execution), took(execution, now)
    if part is None or part < 0.02 or seconds < 1:
        return ""
    return f"about {span(max(seconds / part - seconds, 1))} left" if part < 1 else "finishing"


def _tiles(execution: Execution, now: dt.datetime) -> list[Tile]:
    counters, speed = execution.counters, rate(execution, now)
    share = 100 * counters.rejected / counters.read if counters.read else 0
    return [
        Tile("Read", read_said(execution), _read_note(execution), f"{counters.read:,}"),
        Tile("Loaded", short(counters.loaded), f"{short(speed)} rows/s" if speed else "", f"{counters.loaded:,}"),
        Tile(
            "Set aside",
            short(counters.rejected),
            f"{share:.2g} % of what was read" if counters.rejected else "no row",
            f"{counters.rejected:,}",
            "warn" if counters.rejected else "",
        ),
        Tile("Took", span(took(execution, now)) if execution.started_at else "–", _waited(execution)),
    ]


def _read_note(execution: Execution) -> str:
    counters, total = execution.counters, execution.movement.rows_total
    if counters.bytes and not counters.read:
        return f"of about {counted(total, 'row')}" if total else "rows are counted at the end"
    return f"of about {short(total)}" if total else size(counters.bytes)


def _waited(execution: Execution) -> str:
    if execution.started_at is None:
        return "not started"
    return f"after {span((execution.started_at - execution.created_at).total_seconds())} in the queue"


def _bar(execution: Execution, task: TaskRecord, now: dt.datetime) -> Bar:
    bar = Bar(task.block_id, task.title or task.block_id, task.status.value)
    if task.started_at is None or execution.started_at is None:
        bar.text = "did not run" if execution.status in FINAL else "waits"
        return bar
    whole = max(took(execution, now), 0.001)
    begin = min(max((task.started_at - execution.started_at).total_seconds() / whole, 0), 1)
    end = task.finished_at or execution.finished_at or now
    seconds = max((end - task.started_at).total_seconds(), 0)
    width = max(min(100 * seconds / whole, 100), _LEAST_PERCENT)
    left = min(100 * begin, 100 - width)
    bar.begun, bar.left, bar.width, bar.took = True, f"{left:.2f}%", f"{width:.2f}%", span(seconds)
    counters = task.counters if task.status is not Status.RUNNING else execution.counters
    bar.text = counted(counters.loaded or counters.read, "row") if counters.read or counters.loaded else ""
    return bar


def _kept(result: Mapping[str, Any]) -> list[Kept]:
    return [Kept(f"{one['row']:,}", one["column"], one["value"], one["reason"]) for one in result.get("rejects") or ()]


def _kept_note(execution: Execution, number: int) -> str:
    total = execution.counters.rejected
    if not total:
        return ""
    if not number:
        return f"{counted(total, 'row')} of this run stand in the table _etl_rejects beside the destination."
    first = f"The first {number:,} of {total:,}" if number < total else "All of them"
    return f"{first}; the whole rows stand in the table _etl_rejects beside the destination."


def _change(change: Any) -> Change:
    look = RUN_STATUS[change.status.value]
    text = change.reason or (f"{change.owner}" if change.status is Status.RUNNING else "")
    return Change(change.at.isoformat(), look.word, text)
