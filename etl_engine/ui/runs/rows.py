"""A run as the list shows it."""

import datetime as dt
from dataclasses import dataclass

from etl_engine.model.execution import Execution
from etl_engine.ui.runs.address import run_address
from etl_engine.ui.runs.looks import KINDS, status_of
from etl_engine.ui.runs.words import part_done, read_said, short, span, took, trigger_said


@dataclass
class Row:
    """One run."""

    id: str
    address: str
    name: str
    kind: str
    status: str
    created: str  # ISO 8601: the browser says the age, and keeps it right
    trigger: str
    took: str = ""
    read: str = ""
    loaded: str = ""
    rejected: str = ""
    cause: str = ""  # why it failed
    percent: int = -1  # how far it is, where that is known
    resumed: int = 0  # how often its worker was lost


def row_of(execution: Execution, now: dt.datetime) -> Row:
    counters, part = execution.counters, part_done(execution)
    return Row(
        id=execution.id,
        address=run_address(execution.id),
        name=execution.subject.name or KINDS[execution.subject.kind],
        kind=KINDS[execution.subject.kind],
        status=status_of(execution),
        created=execution.created_at.isoformat(),
        trigger=trigger_said(execution),
        took=span(took(execution, now)) if execution.started_at else "",
        read=read_said(execution) if execution.started_at else "",
        loaded=short(counters.loaded) if execution.started_at else "",
        rejected=short(counters.rejected) if counters.rejected else "",
        cause=execution.error.message if execution.error else "",
        percent=-1 if part is None else int(100 * part),
        resumed=execution.lost,
    )
