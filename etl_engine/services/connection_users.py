"""Who uses a connection: asked before one is deleted."""

from etl_engine.errors import Conflict
from etl_engine.model.collections import MAPPINGS
from etl_engine.services.context import Context
from etl_engine.services.documents import names_of
from etl_engine.store.contract import Document


def refuse_while_used(ctx: Context, connection: Document) -> None:
    """Conflict, with who it is, where a mapping reads from the connection or writes to it."""
    here = connection["_id"]
    where = {"$or": [{"source_connection_id": here}, {"destination_connection_id": here}]}
    users = ctx.store.find(MAPPINGS.name, where, sort=[("name_key", 1)])
    if users:
        which = "the mapping" if len(users) == 1 else f"{len(users)} mappings:"
        raise Conflict(
            f"The connection {connection['name']} is in use by {which} {names_of(users)}",
            hint="Give these mappings another connection, or delete them first.",
            context={"mapping_id": users[0]["_id"], "users": len(users)},
        )
