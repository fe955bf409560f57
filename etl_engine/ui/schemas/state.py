"""The list of schemas as one browser sees it, and the question before one goes."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import reflex as rx

from etl_engine.model.schema import SchemaDraft
from etl_engine.services import schema_listing, schemas
from etl_engine.services.context import Context
from etl_engine.ui.live import nudge
from etl_engine.ui.offers import Offer
from etl_engine.ui.props import event
from etl_engine.ui.schemas.rows import Row, row_of
from etl_engine.ui.session import AskError, Trouble, ask
from etl_engine.ui.toasts import Toasts
from etl_engine.ui.words import counted

PATH = "/schemas"
_LONGEST_SEARCH = 200
_DRAFT = set(SchemaDraft.model_fields)  # what an undo makes again


@dataclass(frozen=True)
class Doomed:
    """What would be deleted, as the question names it."""

    id: str = ""
    name: str = ""


class Schemas(rx.State):
    """All schemas that fit the search."""

    loaded: bool = False
    rows: rx.Field[list[Row]] = rx.field(default_factory=list)
    total: int = 0
    subtitle: str = "What mappings write: fields with a name and a type that every destination can hold."
    trouble: Trouble = Trouble()
    doomed: Doomed = Doomed()
    deleting: bool = False
    _text: str = ""

    @event(background=True)
    async def load(self) -> None:
        """The page was opened, or its address changed."""
        async with self:
            self._text = self.router.url.query_parameters.get("q", "")[:_LONGEST_SEARCH]
        await self._look()

    @event(background=True)
    async def refresh(self) -> None:
        """Schemas or mappings changed: look again, if this is looked at."""
        async with self:
            seen = self.router.url.path.rstrip("/") == PATH and (self.loaded or bool(self.trouble.message))
        if seen:
            await self._look()

    @event(background=True)
    async def ask_to_delete(self, schema_id: str) -> None:
        """Name what would go, as it is now."""
        try:
            found = await ask(lambda ctx: schemas.get(ctx, str(schema_id)))
        except AskError as error:
            await self._refused(error)
            return
        async with self:
            self.doomed = Doomed(found.id, found.name)

    @event
    def keep(self) -> None:
        """The question is answered with no."""
        if not self.deleting:
            self.doomed = Doomed()

    @event(background=True)
    async def delete(self) -> AsyncIterator[Any]:
        """The question is answered with yes. For two minutes the message has a way back."""
        async with self:
            doomed = self.doomed
            if not doomed.id or self.deleting:
                return
            self.deleting = True
        try:
            gone = await ask(lambda ctx: schemas.delete(ctx, doomed.id))
        except AskError as error:
            await self._refused(error)
            return

        def undo(ctx: Context) -> str:
            return f"Restored {schemas.create(ctx, gone.model_dump(include=_DRAFT)).name}"

        async with self:
            self.doomed, self.deleting = Doomed(), False
            toasts = await self.get_state(Toasts)
            toasts._say("ok", f"Deleted {doomed.name}", "", Offer("Undo", undo))
        nudge()
        yield Schemas.refresh

    async def _look(self) -> None:
        async with self:
            text = self._text
        try:
            found = await ask(lambda ctx: schema_listing.look(ctx, text))
        except AskError as error:
            async with self:
                if not self.loaded:
                    self.trouble = error.trouble
            return
        rows = [row_of(one, found.used.get(one.id, 0)) for one in found.items]
        async with self:
            if self._text != text:
                return
            if self.rows != rows:
                self.rows = rows
            self.total, self.loaded, self.trouble = found.total, True, Trouble()
            if found.total:
                self.subtitle = f"{counted(found.total, 'schema')} that mappings can write"

    async def _refused(self, error: AskError) -> None:
        async with self:
            self.doomed, self.deleting = Doomed(), False
            toasts = await self.get_state(Toasts)
            toasts._say("bad", error.trouble.message, error.trouble.hint)
