"""One page of the connections list with everything around it: how many there are, found, and hidden by filters."""

from dataclasses import dataclass, field, replace

from etl_engine.connectors import registry
from etl_engine.connectors.registry import Saved
from etl_engine.services import access, connections
from etl_engine.services.connections import Facets, Query
from etl_engine.services.context import Context

__all__ = ["Overview", "Saved", "ids", "look"]


@dataclass(frozen=True)
class Overview:
    """What a list of connections shows."""

    items: list[Saved]
    matching: int  # fit the search and the filters
    found: Facets  # fit the search alone
    total: int  # there are
    titles: dict[str, str] = field(default_factory=dict)  # of the kinds, by db_type, in the order people look for them


def look(ctx: Context, query: Query) -> Overview:
    """The page that a query asks for. A page behind the last one is the last one."""
    access.require(ctx, "connection:read")
    found = connections.facets(ctx, query.text)
    total = connections.facets(ctx).total if query.text.strip() else found.total
    listing = connections.list_(ctx, query)
    if not listing.items and listing.total and query.limit:
        listing = connections.list_(ctx, replace(query, offset=(listing.total - 1) // query.limit * query.limit))
    titles = {name: kind.title for name, kind in registry.all_kinds().items()}
    return Overview(listing.items, listing.total, found, total, titles)


def ids(ctx: Context, query: Query) -> dict[str, str]:
    """The names of all connections that a query finds, by id, in its order: for work on each of them."""
    access.require(ctx, "connection:read")
    return {one.id: one.name for one in connections.list_(ctx, replace(query, limit=0, offset=0)).items}
