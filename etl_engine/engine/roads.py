"""A read as its lane needs it: batches are read ahead, and converted where the target's types are others."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from etl_engine.connectors.rows import ARROW, TEXT_BLOCKS, Reject, Rows, Selection, Source
from etl_engine.engine.planner import Planned

if TYPE_CHECKING:
    from etl_engine.engine.parallel import ParallelRows

Take = Callable[[Reject], None]


def several(
    source: Source, opening: Callable[[], Source], selection: Selection, planned: Planned
) -> "ParallelRows | None":
    """A read by several sessions, where that is wanted, worth it and possible."""
    form = planned.plan.form
    if form != ARROW and not form.endswith(TEXT_BLOCKS):
        return None
    from etl_engine.engine import parallel

    others = parallel.shared(source, opening, selection, parallel.readers(planned))
    return parallel.ParallelRows([source, *others], selection, planned) if others else None


def converted(rows: Rows, planned: Planned) -> Rows:
    """Rows that come from threads of their own already."""
    if planned.plan.form != ARROW:
        return rows
    from etl_engine.engine.conversion import Conversion, Converted

    return Converted(
        rows, Conversion(planned.source.columns, planned.columns, planned.order.allow_lossy, plain=planned.plain)
    )


def prepared(rows: Rows, planned: Planned, stop: Callable[[], None], take: Take | None) -> Rows:
    """`take` gets the rows that cannot be loaded; without it the first one is an error."""
    form = planned.plan.form
    if form != ARROW and not form.endswith(TEXT_BLOCKS):
        return rows
    from etl_engine.engine.ahead import ReadAhead

    rows.on_reject = take
    made = converted(ReadAhead(rows, stop), planned)
    made.on_reject = take
    return made
