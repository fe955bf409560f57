"""What is done to a schedule: run now, pause with a reason, go on, delete after a question."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import reflex as rx

from etl_engine.services import schedules
from etl_engine.ui.live import nudge
from etl_engine.ui.props import event
from etl_engine.ui.runs.address import run_address
from etl_engine.ui.session import AskError, ask
from etl_engine.ui.theme import Tone
from etl_engine.ui.toasts import Toasts


@dataclass(frozen=True)
class Named:
    """The schedule that a question is about."""

    id: str = ""
    name: str = ""


class ScheduleActions(rx.State):
    """The questions before a pause and a deletion."""

    doomed: Named = Named()
    pausing: Named = Named()
    busy: bool = False

    @event(background=True)
    async def run_now(self, schedule_id: str) -> AsyncIterator[Any]:
        """Order its run, and go there."""
        try:
            made = await ask(lambda ctx: schedules.run_now(ctx, str(schedule_id)))
        except AskError as error:
            await self._refused(error)
            return
        nudge()
        yield rx.redirect(run_address(made.id))

    @event(background=True)
    async def ask_to_pause(self, schedule_id: str) -> None:
        """Ask for the reason."""
        await self._ask("pausing", schedule_id)

    @event(background=True)
    async def ask_to_delete(self, schedule_id: str) -> None:
        """Name what would go."""
        await self._ask("doomed", schedule_id)

    @event
    def keep(self) -> None:
        """The question is answered with no."""
        if not self.busy:
            self.doomed = self.pausing = Named()

    @event(background=True)
    async def pause(self, values: dict[str, Any]) -> None:
        """Paused from now on; what waits is given up."""
        typed = values if isinstance(values, dict) else {}
        reason = str(typed.get("pause_reason") or "").strip() or None
        patch = {"enabled": False, "pause_reason": reason}
        await self._done(self.pausing, "Paused {}", lambda ctx, one: schedules.update(ctx, one, patch))

    @event(background=True)
    async def resume(self, schedule_id: str) -> None:
        """It fires from now on; nothing is made up for."""
        try:
            found = await ask(lambda ctx: schedules.update(ctx, str(schedule_id), {"enabled": True}))
        except AskError as error:
            await self._refused(error)
            return
        await self._say("ok", f"{found.name} is active again", found.reading)
        nudge()

    @event(background=True)
    async def delete(self) -> None:
        """The question is answered with yes."""
        await self._done(self.doomed, "Deleted {}", schedules.delete)

    async def _done(self, named: Named, words: str, act: Any) -> None:
        async with self:
            if not named.id or self.busy:
                return
            self.busy = True
        try:
            await ask(lambda ctx: act(ctx, named.id))
        except AskError as error:
            await self._refused(error)
            return
        async with self:
            self.doomed, self.pausing, self.busy = Named(), Named(), False
        await self._say("ok", words.format(named.name))
        nudge()

    async def _ask(self, question: str, schedule_id: str) -> None:
        try:
            found = await ask(lambda ctx: schedules.get(ctx, str(schedule_id)))
        except AskError as error:
            await self._refused(error)
            return
        async with self:
            setattr(self, question, Named(found.id, found.name))

    async def _say(self, tone: Tone, title: str, text: str = "") -> None:
        async with self:
            toasts = await self.get_state(Toasts)
            toasts._say(tone, title, text)

    async def _refused(self, error: AskError) -> None:
        async with self:
            self.doomed, self.pausing, self.busy = Named(), Named(), False
        await self._say("bad", error.trouble.message, error.trouble.hint)
