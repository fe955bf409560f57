"""/connectors: the kinds of connection; forms are made of this."""

from typing import Annotated

from fastapi import Depends, Path, Request
from pydantic_core import to_json
from starlette.responses import Response

from etl_engine.api.deps import JSON, Ctx, Router, accepts, answered
from etl_engine.api.documented import headed, reading
from etl_engine.services import kinds
from etl_engine.services.kinds import KindInfo

router = Router(prefix="/connectors", tags=["connectors"], dependencies=[Depends(accepts(JSON))])


@router.get(
    "/",
    response_model=list[KindInfo],
    operation_id="listConnectors",
    summary="List the kinds of connection",
    responses=reading() | headed(200, "ETag"),
)
def list_(request: Request, ctx: Ctx) -> Response:
    """Every kind of connection, with the JSON schema of its fields."""
    return answered(request, to_json(kinds.list_(ctx), by_alias=True))


@router.get(
    "/{db_type}",
    response_model=KindInfo,
    operation_id="getConnector",
    summary="Get a kind of connection",
    responses=reading(404) | headed(200, "ETag"),
)
def get(request: Request, ctx: Ctx, db_type: Annotated[str, Path(examples=["postgresql"])]) -> Response:
    """One kind of connection."""
    return answered(request, to_json(kinds.get(ctx, db_type), by_alias=True))
