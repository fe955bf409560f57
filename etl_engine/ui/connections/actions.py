"""Delete and duplicate, each with a way back."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import reflex as rx

from etl_engine.services import connections
from etl_engine.services.context import Context
from etl_engine.ui.connection_form import ConnectionForm
from etl_engine.ui.connections.rows import row_of
from etl_engine.ui.live import nudge
from etl_engine.ui.offers import Offer
from etl_engine.ui.props import event
from etl_engine.ui.session import AskError, ask
from etl_engine.ui.toasts import Toasts


@dataclass(frozen=True)
class Doomed:
    """What would be deleted, as the question names it."""

    id: str = ""
    name: str = ""
    title: str = ""
    place: str = ""


class ConnectionActions(rx.State):
    """The question before a deletion, and what else is done to one connection."""

    doomed: Doomed = Doomed()
    deleting: bool = False

    @event(background=True)
    async def ask_to_delete(self, connection_id: str) -> None:
        """Name what would go, as it is now."""
        try:
            row = row_of(await ask(lambda ctx: connections.get(ctx, str(connection_id))))
        except AskError as error:
            await self._refused(error)
            return
        async with self:
            self.doomed = Doomed(row.id, row.name, row.title, row.place or row.database)

    @event
    def keep(self) -> None:
        """The question is answered with no."""
        if not self.deleting:
            self.doomed = Doomed()

    @event(background=True)
    async def delete(self) -> None:
        """The question is answered with yes. For two minutes the message has a way back."""
        async with self:
            doomed = self.doomed
            if not doomed.id or self.deleting:
                return
            self.deleting = True
        try:
            token = await ask(lambda ctx: connections.delete(ctx, doomed.id))
        except AskError as error:
            await self._refused(error)
            return

        def undo(ctx: Context) -> str:
            return f"Restored {connections.restore(ctx, token).name}"

        async with self:
            self.doomed, self.deleting = Doomed(), False
            toasts = await self.get_state(Toasts)
            toasts._say("ok", f"Deleted {doomed.name}", "", Offer("Undo", undo))
        nudge()

    @event(background=True)
    async def duplicate(self, connection_id: str) -> AsyncIterator[Any]:
        """A copy under a free name, opened in the form: nobody wants two connections that are the same."""
        try:
            copy = await ask(lambda ctx: connections.duplicate(ctx, str(connection_id)))
        except AskError as error:
            await self._refused(error)
            return

        def undo(ctx: Context) -> str:
            connections.delete(ctx, copy.id)
            return f"Took {copy.name} away again"

        async with self:
            toasts = await self.get_state(Toasts)
            toasts._say("ok", f"Made {copy.name}", "It is not tested yet.", Offer("Undo", undo))
        nudge()
        yield ConnectionForm.open_edit(copy.id)

    async def _refused(self, error: AskError) -> None:
        async with self:
            self.doomed, self.deleting = Doomed(), False
            toasts = await self.get_state(Toasts)
            toasts._say("bad", error.trouble.message, error.trouble.hint)
