"""The form of a schedule: what runs, when, in whose zone, and what becomes of fires that collide or are missed."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import reflex as rx
from reflex.event import EventSpec

from etl_engine.errors import EtlError
from etl_engine.model.schedule import Schedule
from etl_engine.services import schedule_forms, schedules
from etl_engine.services.context import Context
from etl_engine.services.schedule_forms import Form, Reading
from etl_engine.ui.live import nudge
from etl_engine.ui.props import event
from etl_engine.ui.schedules.rows import Fire, fire_of
from etl_engine.ui.session import AskError, Trouble, ask
from etl_engine.ui.toasts import Toasts

PATH = "/schedules"
FIELDS = ("name", "mapping_id", "cron_expression", "timezone", "missed_limit", "pause_reason", "description")


@dataclass
class Choice:
    """Something to choose."""

    value: str
    label: str


@dataclass
class Draft:
    """What the fields begin with."""

    id: str = ""
    name: str = ""
    description: str = ""
    mapping_id: str = ""
    overlap: str = "queue"
    missed: str = "once"
    missed_limit: str = "10"
    revision: int = 0


class ScheduleForm(rx.State):
    """The dialog, as long as it is open."""

    open: bool = False
    number: int = 0  # goes up with every opening: the fields begin anew
    draft: Draft = Draft()
    cron: str = schedule_forms.USUAL
    zone: str = "UTC"
    viewer: str = "UTC"
    reading: str = ""
    fires: rx.Field[list[Fire]] = rx.field(default_factory=list)
    unread: str = ""  # why the expression or the zone cannot be read
    mappings: rx.Field[list[Choice]] = rx.field(default_factory=list)
    presets: rx.Field[list[Choice]] = rx.field(default_factory=list)
    problems: rx.Field[dict[str, str]] = rx.field(default_factory=dict)
    trouble: Trouble = Trouble()
    saving: bool = False
    _asked: int = 0

    @event
    def seen_from(self, zone: str) -> None:
        """The zone of the browser, told when the page opens."""
        self.viewer = str(zone)[:100] or "UTC"

    @event(background=True)
    async def open_new(self, mapping_id: str = "") -> None:
        """An empty form, of this mapping if one is named."""
        async with self:
            viewer = self.viewer
        wanted = str(mapping_id) if str(mapping_id) != "any" else ""
        await self._opened(lambda ctx: schedule_forms.blank(ctx, viewer), wanted)

    @event(background=True)
    async def open_edit(self, schedule_id: str) -> None:
        """The form with a stored schedule in it."""
        async with self:
            viewer = self.viewer
        await self._opened(lambda ctx: schedule_forms.filled(ctx, str(schedule_id), viewer))

    @event
    def close(self) -> EventSpec | None:
        """Leave it; nothing is kept."""
        if self.saving:
            return None
        self.open = False
        return rx.redirect(PATH) if self.router.url.query_parameters.get("new") else None

    @event(background=True)
    async def set_cron(self, text: str) -> None:
        """The expression was typed, or a preset chosen."""
        async with self:
            self.cron = str(text)[:200]
            self.problems = {name: said for name, said in self.problems.items() if name != "cron_expression"}
        await self._read()

    @event(background=True)
    async def set_zone(self, text: str) -> None:
        """Another zone."""
        async with self:
            self.zone = str(text)[:100]
            self.problems = {name: said for name, said in self.problems.items() if name != "timezone"}
        await self._read()

    @event(background=True)
    async def save(self, values: dict[str, Any]) -> AsyncIterator[Any]:
        """Store it, or say at each field what is wrong."""
        async with self:
            if self.saving or not self.open:
                return
            self.saving, self.trouble, self.problems = True, Trouble(), {}
            here, cron, zone = self.draft, self.cron, self.zone
            asked = bool(self.router.url.query_parameters.get("new"))
        draft = _read_form(values if isinstance(values, dict) else {}, cron, zone)
        try:
            saved = await ask(lambda ctx: _stored(ctx, here, draft))
        except AskError as error:
            async with self:
                self.saving = False
                self.problems = _by_field(error)
                self.trouble = Trouble() if self.problems else error.trouble
            return
        async with self:
            self.saving = self.open = False
            toasts = await self.get_state(Toasts)
            toasts._say("ok", f"Saved {saved.name}", saved.reading)
        nudge()
        if asked:
            yield rx.redirect(PATH)

    async def _opened(self, load: Callable[[Context], Form], mapping_id: str = "") -> None:
        try:
            form = await ask(load)
        except AskError as error:
            async with self:
                toasts = await self.get_state(Toasts)
                toasts._say("bad", error.trouble.message, error.trouble.hint)
            return
        draft = _draft_of(form.schedule) if form.schedule else Draft(mapping_id=mapping_id)
        if not draft.mapping_id and len(form.mappings) == 1:
            draft.mapping_id = next(iter(form.mappings))
        async with self:
            self.mappings = [Choice(name, title) for name, title in form.mappings.items()]
            self.presets = [Choice(one.cron_expression, one.title) for one in form.presets]
            self.draft, self.problems, self.trouble = draft, {}, Trouble()
            self.cron, self.zone = form.reading.cron_expression, form.reading.timezone
            self._asked += 1  # an answer about what was typed before does not count
            self._show(form.reading)
            self.number += 1
            self.open = True

    async def _read(self) -> None:
        async with self:
            self._asked += 1
            mine, cron, zone, viewer = self._asked, self.cron, self.zone, self.viewer
        try:
            found = await ask(lambda ctx: schedule_forms.read(ctx, cron, zone, viewer))
        except AskError as error:
            async with self:
                if self._asked == mine:
                    self.unread, self.reading, self.fires = error.trouble.message, "", []
            return
        async with self:
            if self._asked == mine:
                self._show(found)

    def _show(self, found: Reading) -> None:
        self.unread = _first_problem(found.refusal) if found.refusal else ""
        self.reading = found.timetable.reading if found.timetable else ""
        self.fires = [fire_of(one) for one in found.timetable.next] if found.timetable else []


def _stored(ctx: Context, here: Draft, draft: dict[str, Any]) -> Schedule:
    if here.id:
        return schedules.update(ctx, here.id, draft, revision=here.revision or None)
    return schedules.create(ctx, {name: value for name, value in draft.items() if value is not None})


def _read_form(values: dict[str, Any], cron: str, zone: str) -> dict[str, Any]:
    limit = str(values.get("missed_limit") or "10").strip()
    return {
        "name": str(values.get("name", "")),
        "description": str(values.get("description") or "").strip() or None,
        "mapping_id": str(values.get("mapping_id") or ""),
        "cron_expression": cron,
        "timezone": zone,
        "overlap_policy": str(values.get("overlap_policy") or "queue"),
        "missed_policy": str(values.get("missed_policy") or "once"),
        "missed_limit": int(limit) if limit.isascii() and limit.isdigit() and len(limit) < 7 else limit,
    }


def _draft_of(found: Schedule) -> Draft:
    return Draft(
        found.id,
        found.name,
        found.description or "",
        found.mapping_id,
        found.overlap_policy,
        found.missed_policy,
        str(found.missed_limit),
        found.revision,
    )


def _by_field(error: AskError) -> dict[str, str]:
    cause = error.__cause__
    if not isinstance(cause, EtlError):
        return {}
    found: dict[str, str] = {}
    for one in cause.problems:
        field = one.pointer.strip("/").split("/")[0]
        found.setdefault(field, f"{one.message[:1].upper()}{one.message[1:]}. {one.fix}".strip())
    return found if set(found) <= set(FIELDS) else {}


def _first_problem(refusal: EtlError) -> str:
    if not refusal.problems:
        return refusal.message
    first = refusal.problems[0]
    return f"{'The time zone' if first.pointer == '/timezone' else 'The expression'} {first.message}."
