"""Copies between two saved connections: what one would do, doing it, and many tables at once."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase

from etl_engine.connectors.names import nearest
from etl_engine.connectors.rows import Explores, Reads, Writes
from etl_engine.engine import transfer
from etl_engine.engine.transfer import Ends
from etl_engine.engine.watching import Progress, Stop
from etl_engine.errors import BadInput, Cancelled, EtlError
from etl_engine.model.copies import CopyOrder, CopyOutcome, CopyPlan, CopyReceipt
from etl_engine.services import access, audit
from etl_engine.services.capabilities import open_as
from etl_engine.services.context import Context

_SHOWN = 300


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


def tables(ctx: Context, connection_id: str, patterns: Sequence[str]) -> list[str]:
    """The tables of a connection whose names, with or without their schema, match one of the patterns."""
    access.require(ctx, "connection:use")
    with open_as(ctx, connection_id, Explores) as connector:
        explorer = connector.explore()
        try:
            there = {str(table.name): table.name.name for table in explorer.tables() if table.name is not None}
        finally:
            explorer.close()
    found: list[str] = []
    for pattern in patterns:
        matching = [full for full, bare in there.items() if fnmatchcase(full, pattern) or fnmatchcase(bare, pattern)]
        if not matching:
            near = nearest(pattern, [*there, *there.values()])
            shown = ", ".join(near) if near else ", ".join(there)[:_SHOWN]
            raise BadInput(
                f"No table is named like {pattern!r}",
                hint=f"Look at the names: {shown}" if shown else "There is no table at all: look at the connection.",
            )
        found += [name for name in matching if name not in found]
    return found


def run_many(
    ctx: Context, orders: Sequence[CopyOrder], *, at_once: int, progress: Sequence[Progress], stop: Stop
) -> list[CopyOutcome]:
    """Copy several tables, so many at a time. Each is a run of its own: one that fails does not stop the others."""
    access.require(ctx, "copy:run")
    _insist_on_a_target_each(orders)
    stops = [Stop() for _ in orders]
    stop.tell(lambda: _wish(stops))

    def work(number: int) -> CopyOutcome:
        order = orders[number]
        try:
            if stop.wished:
                raise Cancelled("The copy was stopped")
            receipt = run(ctx, order, progress=progress[number], stop=stops[number])
        except EtlError as error:
            return CopyOutcome(
                table=order.table, target=order.target, code=error.code, error=error.message, hint=error.hint
            )
        return CopyOutcome(table=order.table, target=order.target, receipt=receipt)

    with ThreadPoolExecutor(max_workers=at_once, thread_name_prefix="copy") as pool:
        outcomes = list(pool.map(work, range(len(orders))))
    if stop.wished and any(one.code == Cancelled.code for one in outcomes):
        raise Cancelled("The copies were stopped")
    return outcomes


def _wish(stops: Sequence[Stop]) -> None:
    for stop in stops:
        stop.wish()


def _insist_on_a_target_each(orders: Sequence[CopyOrder]) -> None:
    taken: dict[str, str] = {}
    for order in orders:
        if order.target in taken:
            raise BadInput(
                f"{taken[order.target]} and {order.table} would both be written into {order.target}",
                hint="Copy tables of equal names into different schemas.",
            )
        taken[order.target] = order.table
