"""The log of a run. Its lines go from the API to the browser past every State: a million of them is nobody's state."""

import reflex as rx

from etl_engine import settings
from etl_engine.ui.props import Flag, Text

_JSX = rx.asset("log.jsx", shared=True)


class RunLog(rx.Component):
    """Reads pages of lines as they are scrolled, and follows a log that grows."""

    library = _JSX.importable_path
    tag = "RunLog"

    address: rx.Var[str]
    live: rx.Var[bool]  # more lines may come
    total: rx.Var[int]  # the number of the last line, as far as is known


def run_log(execution_id: Text, live: Flag, total: int | rx.Var[int]) -> rx.Component:
    prefix = settings.load().api_v1_prefix
    return RunLog.create(address=f"{prefix}/executions/{execution_id}/logs", live=live, total=total, key=execution_id)
