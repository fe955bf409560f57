"""Opens a saved connection as something that can be read, written or explored."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from etl_engine.connectors import registry
from etl_engine.connectors.lake.data import BUILT_IN_LAKE, BuiltInLake
from etl_engine.errors import NotCapable
from etl_engine.masking import hide
from etl_engine.services import access
from etl_engine.services.connection_documents import opened, patched, stored
from etl_engine.services.context import Context

Capability = TypeVar("Capability")
_VERBS = {"Reads": "be read", "Writes": "be written to", "Explores": "be looked around in"}


@contextmanager
def open_as(ctx: Context, connection_id: str, capability: type[Capability]) -> Iterator[Capability]:
    """The connector of a saved connection, closed at the end; NotCapable where its kind cannot do that.

    The id may also be BUILT_IN_LAKE.
    """
    access.require(ctx, "connection:use")
    if connection_id == BUILT_IN_LAKE:
        yield _lake(ctx, capability)
        return
    document = stored(ctx, connection_id)
    config = patched(opened(ctx.keyring.vault(), document), {})
    values = config.revealed()
    for field in config.secret_fields():
        hide(values[field] or "")
    kind = registry.kind(config.db_type)
    connector = kind.make(config, ctx.surroundings)
    try:
        if not isinstance(connector, capability):
            raise NotCapable(
                f"A connection of the kind {kind.title} cannot {_VERBS[capability.__name__]} yet",
                hint="Choose a connection of another kind.",
            )
        yield connector
    finally:
        connector.close()


def _lake(ctx: Context, capability: type[Capability]) -> Capability:
    if ctx.surroundings.lake is None:
        raise NotCapable("There is no folder for the built-in lake", hint="Choose a destination connection.")
    lake = BuiltInLake(ctx.surroundings.lake)
    if not isinstance(lake, capability):
        raise NotCapable("The built-in lake cannot do that", hint="Choose a connection.")
    return lake
