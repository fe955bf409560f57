"""/copies: rows of one connection into a table of another, done by a worker."""

from typing import Annotated, Any

from fastapi import Depends, Request
from pydantic_core import to_json
from starlette.responses import Response

from etl_engine.api.deps import JSON, Ctx, Router, accepts, answered, reads
from etl_engine.api.documented import headed, writing
from etl_engine.api.once import REPLAYED, Once
from etl_engine.api.shapes import DescribedAs
from etl_engine.model.copies import CopyOrder
from etl_engine.model.execution import Execution
from etl_engine.services import copy_orders

router = Router(prefix="/copies", tags=["executions"])
Order = Annotated[dict[str, Any], DescribedAs(CopyOrder)]


@router.post(
    "/",
    status_code=202,
    response_model=Execution,
    operation_id="orderCopy",
    summary="Order a copy",
    responses=writing(404, 409) | headed(202, "ETag", "Location", REPLAYED),
    dependencies=[Depends(accepts(JSON)), Depends(reads(JSON))],
)
def order(request: Request, ctx: Ctx, once: Once, body: Order) -> Response:
    """A worker does it; the answer is its execution, which tells how far it is and how it ended."""

    def work() -> Response:
        made = copy_orders.order(ctx, body)
        headers = {"Location": f"{request.app.state.prefix}/executions/{made.id}"}
        return answered(request, to_json(made, by_alias=True), status=202, headers=headers)

    return once(work)
