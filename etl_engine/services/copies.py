"""Copies between two saved connections: what one would do, and doing it."""

from etl_engine.connectors.rows import Reads, Writes
from etl_engine.engine import transfer
from etl_engine.engine.transfer import Ends
from etl_engine.engine.watching import Progress, Stop
from etl_engine.model.copies import CopyOrder, CopyPlan, CopyReceipt
from etl_engine.services import access, audit
from etl_engine.services.capabilities import open_as
from etl_engine.services.context import Context


def plan(ctx: Context, order: CopyOrder) -> CopyPlan:
    """What the copy would do: lane, rule of every column, DDL. Writes nothing."""
    access.require(ctx, "copy:plan")
    with open_as(ctx, order.source_id, Reads) as source, open_as(ctx, order.target_id, Writes) as target:
        return transfer.plan(order, Ends(source.open_source, target.open_destination))


def run(ctx: Context, order: CopyOrder, *, progress: Progress | None = None, stop: Stop | None = None) -> CopyReceipt:
    """Copy. What is committed when it ends, however it ends, is complete; running it again goes on from there."""
    access.require(ctx, "copy:run")
    with (
        open_as(ctx, order.source_id, Reads) as source,
        open_as(ctx, order.target_id, Writes) as target,
        audit.recorded(ctx, "copy:run", order.target_id, order.target),
    ):
        reader = target.open_source if isinstance(target, Reads) else None
        ends = Ends(source.open_source, target.open_destination, reader)
        return transfer.run(order, ends, progress or Progress(), stop or Stop())
