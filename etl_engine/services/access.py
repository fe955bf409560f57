"""May this actor do that? The first line of every service function asks here."""

from typing import TYPE_CHECKING

from etl_engine.errors import Denied

if TYPE_CHECKING:
    from etl_engine.services.context import Context


def require(ctx: "Context", action: str) -> None:
    """Pass, or Denied. An action is `noun:verb`; a right is an action, `noun:*` or `*`."""
    noun, _, _ = action.partition(":")
    if ctx.actor.rights.isdisjoint({action, f"{noun}:*", "*"}):
        raise Denied(
            f"{ctx.actor.name} may not do {action}",
            hint=f"Ask an administrator for the right {action}.",
            context={"action": action},
        )
