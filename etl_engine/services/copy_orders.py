"""Copies that a worker is to do: an order becomes an execution of one block."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from etl_engine.model.copies import CopyOrder
from etl_engine.model.execution import Execution, Graph, Node, Subject
from etl_engine.model.problems import bad_input
from etl_engine.services import access, executions
from etl_engine.services.connection_documents import stored
from etl_engine.services.context import Context

_SHOWN = 300


def order(ctx: Context, values: Mapping[str, Any]) -> Execution:
    """Have a worker copy a table, or the result of a query, into a table of another connection."""
    access.require(ctx, "copy:run")
    try:
        wanted = CopyOrder.model_validate(dict(values))
    except ValidationError as error:
        raise bad_input(error, "This copy cannot be ordered", CopyOrder.model_fields) from None
    source, target = (stored(ctx, connection_id)["name"] for connection_id in (wanted.source_id, wanted.target_id))
    title = f"{(wanted.table or 'a query')[:_SHOWN]} of {source} into {wanted.target[:_SHOWN]} of {target}"
    node = Node(id="copy", block="copy", title=title, config=wanted.model_dump(mode="json"))
    subject = Subject(kind="copy", name=title)
    return executions.submit(ctx, subject, Graph(nodes=(node,)))
