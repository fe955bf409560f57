"""The kinds of connection there are: what forms, checks and documentation are made of."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from etl_engine.connectors import registry
from etl_engine.connectors.contract import Kind
from etl_engine.errors import NotFound
from etl_engine.services import access
from etl_engine.services.context import Context


class KindInfo(BaseModel):
    """One kind of connection."""

    model_config = ConfigDict(populate_by_name=True)

    db_type: str
    title: str
    summary: str
    aliases: list[str]
    setup: str = Field(description="Markdown: how to prepare the other side.")
    config_schema: dict[str, Any] = Field(
        alias="schema", description="JSON schema of the fields; `group` and `placeholder` are for forms."
    )
    secret_fields: list[str]


def list_(ctx: Context) -> list[KindInfo]:
    """Every kind this installation knows."""
    access.require(ctx, "kind:read")
    return [_info(kind) for kind in registry.all_kinds().values()]


def get(ctx: Context, db_type: str) -> KindInfo:
    """One kind by its db_type."""
    access.require(ctx, "kind:read")
    found = registry.all_kinds().get(db_type)
    if found is None:
        raise NotFound(f"There is no kind {db_type[:40]!r}", hint="List the connectors to see which there are.")
    return _info(found)


def _info(kind: Kind) -> KindInfo:
    return KindInfo(
        db_type=kind.name,
        title=kind.title,
        summary=kind.summary,
        aliases=list(kind.aliases),
        setup=kind.setup,
        config_schema=kind.config.model_json_schema(),
        secret_fields=list(kind.config.secret_fields()),
    )
