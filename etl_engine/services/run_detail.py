"""One run with its tasks, as its page shows it."""

import datetime as dt
from dataclasses import dataclass

from etl_engine.model.execution import Execution, TaskRecord
from etl_engine.services import access, executions
from etl_engine.services.context import Context


@dataclass(frozen=True)
class RunDetail:
    """What the page of a run shows, but for its log."""

    execution: Execution
    tasks: list[TaskRecord]
    now: dt.datetime


def look(ctx: Context, execution_id: str) -> RunDetail:
    """The run as it is now."""
    access.require(ctx, "execution:read")
    execution = executions.get(ctx, execution_id)
    return RunDetail(execution, executions.tasks(ctx, execution_id), ctx.store.now())
