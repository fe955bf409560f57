"""The events of the connection form. What is typed travels in the event that uses it, and is gone with it."""

import contextlib
import dataclasses
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import reflex as rx

from etl_engine.model.connection import TestResult
from etl_engine.services import filled_forms, forms
from etl_engine.services.connection_tests import OnStep
from etl_engine.services.context import Context
from etl_engine.services.forms import Form
from etl_engine.ui import live
from etl_engine.ui.connection_form import ladder, running
from etl_engine.ui.connection_form.fields import every
from etl_engine.ui.connection_form.screen import FormScreen, sentence
from etl_engine.ui.props import event
from etl_engine.ui.session import AskError, Trouble, ask
from etl_engine.ui.toasts import Toasts

FORM = "connection_form"  # the id by which the browser fills fields
ANY_KIND = "any"  # in an address: whichever is usual
USUAL_KIND = "postgresql"  # most people have a database; another kind is a choice away
Events = AsyncIterator[Any]


class ConnectionForm(FormScreen, rx.State):
    """The dialog in which a connection is made or changed. Handlers take whatever the wire brings."""

    @event(background=True)
    async def open_new(self, db_type: str = "") -> None:
        """Show an empty form; without a kind, of the usual one."""
        await self._opened(lambda ctx: forms.blank(ctx, str(db_type) or USUAL_KIND))

    @event(background=True)
    async def open_edit(self, connection_id: str) -> None:
        """Show the form of a stored connection."""
        await self._opened(lambda ctx: forms.filled(ctx, str(connection_id)))

    async def _opened(self, load: Callable[[Context], Form]) -> None:
        try:
            form = await ask(load)
        except AskError as error:
            async with self:
                self._close()
                self.missed += 1
                (await self.get_state(Toasts))._say("bad", error.trouble.message, error.trouble.hint)
            return
        async with self:
            self._show(form)

    @event
    def visit(self, new: str, edit: str) -> Any:
        """A page was opened, perhaps by a link to a form. What a reload left behind is forgotten."""
        self._leave()
        self.visited = True
        if edit:
            return ConnectionForm.open_edit(edit)
        return ConnectionForm.open_new("" if new == ANY_KIND else new) if new else None

    @event
    def leave_form(self) -> None:
        """The close button, a click beside the dialog, or Back: ask before changes are lost."""
        if self.dirty and not self.saving:
            self.asking = True
        elif not self.saving:
            self._leave()

    @event
    def escape(self) -> None:
        """Stop what runs, else take the question back, else leave."""
        if self.testing:
            self._cancel()
        elif self.asking:
            self.asking = False
        elif self.dirty:
            self.asking = True
        else:
            self._leave()

    @event
    def keep_editing(self) -> None:
        self.asking = False

    @event
    def discard(self) -> None:
        if not self.saving:
            self._leave()

    def _leave(self) -> None:
        running.stop(self.router.session.client_token)
        self._close()

    @event
    def touch(self, name: str) -> None:
        """A field was changed. What it holds now is not told."""
        if self.shown and str(name) in self._names():
            self._touch(str(name))

    @event(background=True)
    async def leave_field(self, name: str, value: str) -> None:
        """Check one field as it is left; of a secret the browser tells only that it is empty."""
        async with self:
            known = {one.name: one for one in every(self.fields, self.folds)}.get(str(name))
            if not self.shown or known is None or (known.widget.startswith("secret") and value):
                return
            serial, db_type, connection_id, tested = self.serial, self.db_type, self.connection_id, self._test
            self._follow({known.name: value})
        try:
            found = await ask(
                lambda ctx: forms.problem(ctx, db_type, known.name, value, connection_id=connection_id, kept=known.kept)
            )
        except AskError as error:
            async with self:
                self.trouble = error.trouble
            return
        async with self:
            # A test that was begun meanwhile knows more: what it points at stays.
            if self.serial == serial and self.db_type == db_type and self._test == tested:
                self._mark({known.name: sentence(known.title, found)} if found else {}, among={known.name})

    async def _answer(self, load: Callable[[Context], Form]) -> Form | None:
        """The form that was asked for; None where the service refused, which the dialog then says."""
        try:
            return await ask(load)
        except AskError as error:
            async with self:
                self._refused(error)
            return None

    @event(background=True)
    async def choose_kind(self, db_type: str) -> Events:
        """Show the fields of another kind. What both kinds have stays as typed; untouched defaults follow the kind."""
        async with self:
            if not self.shown or self.saving:
                return
            serial = self.serial
            self._test += 1  # a running test is about another kind
        form = await self._answer(lambda ctx: forms.blank(ctx, str(db_type) or USUAL_KIND))
        async with self:
            if form is None or self.serial != serial:
                return
            follow = self._change_kind(form)
        yield rx.set_value(FORM, follow)

    @event(background=True)
    async def take_paste(self, text: str) -> Events:
        """Fill the form from a URL, settings or a command line. The text is not kept, and a password goes past us."""
        async with self:
            if not self.shown or self.saving:
                return
            serial, db_type = self.serial, self.db_type
        try:
            pasted = await ask(lambda ctx: filled_forms.pasted(ctx, str(text), db_type))
        except AskError as error:
            async with self:
                self.unread, self.pasted, self.read, self.notes = error.trouble, "", [], []
                self.said = f"{error.trouble.message}. {error.trouble.hint}"
            return
        async with self:
            if self.serial != serial:
                return
            texts = self._fill(pasted.found, pasted.other_kind)
        yield rx.set_value(FORM, texts)

    @event(background=True)
    async def test(self, values: dict[str, Any], removed: list[str]) -> None:
        """Climb the ladder with exactly these values, step by step on the screen."""
        async with self:
            if not self.shown or self.saving:
                return
            wire = _Wire.of(values, removed, self.db_type)
            connection_id, mine, tab = self.connection_id, self._begin(), self.router.session.client_token

        def climb(ctx: Context, on_step: OnStep, cancelled: threading.Event) -> TestResult:
            return filled_forms.test(
                ctx, connection_id, wire.values, wire.removed, on_step=on_step, cancelled=cancelled
            )

        try:
            async with contextlib.aclosing(running.climb(tab, climb)) as news:
                async for came in news:
                    async with self:
                        if self._test != mine:
                            return
                        self._take(came)
                    if isinstance(came, TestResult) and came.details.recorded:
                        live.nudge()
        except AskError as error:
            async with self:
                if self._test == mine:
                    self.phase, self.rungs = "", ladder.waiting(self.rungs)
                    self._refused(error)

    @event
    def cancel(self) -> None:
        if self.testing:
            self._cancel()

    def _cancel(self) -> None:
        running.stop(self.router.session.client_token)
        self._stop()

    @event(background=True)
    async def save(self, values: dict[str, Any], removed: list[str]) -> None:
        """Store exactly what was tested."""
        async with self:
            if not self.shown or self.saving:
                return
            self.saving, self.trouble, self.stale = True, Trouble(), False
            wire = _Wire.of(values, removed, self.db_type)
            connection_id, revision, receipt = self.connection_id, self._revision, self._receipt

        def store(ctx: Context) -> str:
            if not connection_id:
                return filled_forms.create(ctx, wire.values, receipt).name
            return filled_forms.update(
                ctx, connection_id, wire.values, wire.removed, revision=revision, receipt=receipt
            ).name

        try:
            name = await ask(store)
        except AskError as error:
            async with self:
                self.saving = False
                self._refused(error)
            return
        async with self:
            self._close()
            (await self.get_state(Toasts))._say("ok", f"Saved {name}")
        live.nudge()

    @event(background=True)
    async def load_new_values(self) -> Events:
        """Somebody changed the connection meanwhile: take theirs, with what was typed here on top."""
        async with self:
            connection_id, serial = self.connection_id, self.serial
            if not self.shown or not connection_id:
                return
        form = await self._answer(lambda ctx: forms.filled(ctx, connection_id))
        async with self:
            if form is None or self.serial != serial:
                return
            theirs = self._rebase(form)
        yield rx.set_value(FORM, theirs)


@dataclasses.dataclass(frozen=True)
class _Wire:
    """What the browser collected, whatever it really is. Never printed: passwords are in it."""

    values: dict[str, object] = dataclasses.field(repr=False)
    removed: tuple[str, ...] = dataclasses.field(repr=False)

    @classmethod
    def of(cls, values: object, removed: object, db_type: str) -> "_Wire":
        fields = {str(name): value for name, value in values.items()} if isinstance(values, dict) else {}
        names = tuple(name for name in removed if isinstance(name, str)) if isinstance(removed, list) else ()
        return cls(fields | {"db_type": db_type}, names)
