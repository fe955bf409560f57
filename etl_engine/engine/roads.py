"""A read as its lane needs it: batches are read ahead, and converted where the target's types are others."""

from collections.abc import Callable

from etl_engine.connectors.rows import ARROW, TEXT_BATCHES, Reject, Rows
from etl_engine.engine.planner import Planned

Take = Callable[[Reject], None]


def prepared(rows: Rows, planned: Planned, stop: Callable[[], None], take: Take | None) -> Rows:
    """`take` gets the rows that cannot be loaded; without it the first one is an error."""
    form = planned.plan.form
    if form != ARROW and not form.endswith(TEXT_BATCHES):
        return rows
    from etl_engine.engine.ahead import ReadAhead
    from etl_engine.engine.conversion import Conversion, Converted

    rows.on_reject = take
    ahead = ReadAhead(rows, stop)
    if form != ARROW:
        return ahead
    converted = Converted(ahead, Conversion(planned.source.columns, planned.columns, planned.order.allow_lossy))
    converted.on_reject = take
    return converted
