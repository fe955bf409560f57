"""The form of a schema: which lines it has, what is wrong with them, and saving them."""

from collections.abc import AsyncIterator
from typing import Any

import reflex as rx

from etl_engine.errors import EtlError
from etl_engine.model.schema import Schema
from etl_engine.services import schema_listing, schemas
from etl_engine.services.context import Context
from etl_engine.ui.live import nudge
from etl_engine.ui.props import event
from etl_engine.ui.schemas.rows import TYPES, ColumnLine, Version, history, line_of
from etl_engine.ui.schemas.state import Schemas
from etl_engine.ui.session import AskError, Trouble, ask
from etl_engine.ui.toasts import Toasts

FORM = "schema-form"
_NONE = "none"


class SchemaForm(rx.State):
    """One form at a time. Its lines are here, what is typed into them is in the browser until it is sent."""

    shown: bool = False
    opening: int = 0  # a new form begins with empty inputs
    schema_id: str = ""
    name: str = ""
    description: str = ""
    lines: rx.Field[list[ColumnLine]] = rx.field(default_factory=list)
    versions: rx.Field[list[Version]] = rx.field(default_factory=list)
    problems: rx.Field[dict[str, str]] = rx.field(default_factory=dict)
    trouble: Trouble = Trouble()
    saving: bool = False
    saved: str = ""  # the schema that was stored last, and how many there were: another page waits for it
    _revision: int = 0
    _made: int = 0
    _times: int = 0

    @event
    def open_new(self) -> None:
        """An empty form with one line."""
        self._begin("", "", "", [])
        self._add()

    @event(background=True)
    async def open_edit(self, schema_id: str) -> None:
        """The schema as it is now."""
        wanted = str(schema_id)
        try:
            detail = await ask(lambda ctx: schema_listing.one(ctx, wanted))
        except AskError as error:
            async with self:
                toasts = await self.get_state(Toasts)
                toasts._say("bad", error.trouble.message, error.trouble.hint)
            return
        found = detail.schema
        async with self:
            lines = [line_of(column, number) for number, column in enumerate(found.columns)]
            self._begin(found.id, found.name, found.description or "", lines)
            self.versions, self._revision = history(detail.versions), found.revision

    @event
    def close(self) -> None:
        """Nothing is saved."""
        if not self.saving:
            self.shown = False

    @event
    def add(self) -> None:
        """One more line at the end."""
        self._add()

    @event
    def remove(self, line_id: str) -> None:
        """Take a line out."""
        self.lines = [line for line in self.lines if line.id != line_id]

    @event
    def move(self, line_id: str, by: int) -> None:
        """A line changes places with its neighbour."""
        lines = list(self.lines)
        place = next((number for number, line in enumerate(lines) if line.id == line_id), -1)
        other = place + (1 if by == 1 else -1)
        if place >= 0 and 0 <= other < len(lines):
            lines[place], lines[other] = lines[other], lines[place]
            self.lines = lines

    @event(background=True)
    async def save(self, typed: dict[str, Any]) -> AsyncIterator[Any]:
        """Send what was typed; what is wrong stands at its place."""
        async with self:
            if self.saving or not self.shown:
                return
            self.saving, lines = True, list(self.lines)
            schema_id, revision = self.schema_id, self._revision
        draft = _draft(lines, typed if isinstance(typed, dict) else {})
        try:
            saved = await ask(lambda ctx: _save(ctx, schema_id, revision, draft))
        except AskError as error:
            async with self:
                self.saving = False
                self._wrong(error, lines)
            return
        async with self:
            self.saving, self.shown = False, False
            toasts = await self.get_state(Toasts)
            toasts._say("ok", f"Saved {saved.name}")
            self._times += 1
            self.saved = f"{saved.id}#{self._times}"
        nudge()
        yield Schemas.refresh

    def _begin(self, schema_id: str, name: str, description: str, lines: list[ColumnLine]) -> None:
        self.opening += 1
        self.schema_id, self.name, self.description, self.lines = schema_id, name, description, lines
        self._made, self.versions, self.problems, self.trouble = len(lines), [], {}, Trouble()
        self.shown, self.saving = True, False

    def _add(self) -> None:
        self._made += 1
        self.lines = [*self.lines, ColumnLine(id=f"c{self._made}")]

    def _wrong(self, error: AskError, lines: list[ColumnLine]) -> None:
        cause = error.__cause__
        self.problems = _by_input(cause.problems, lines) if isinstance(cause, EtlError) else {}
        self.trouble = error.trouble


def _draft(lines: list[ColumnLine], typed: dict[str, Any]) -> dict[str, Any]:
    columns = []
    for line in lines:
        chosen = line.type if line.fixed else str(typed.get(f"type-{line.id}", _NONE))
        digits = line.digits if line.fixed else str(typed.get(f"digits-{line.id}", "")).replace(" ", "")
        columns.append(
            {
                "name": str(typed.get(f"name-{line.id}", "")),
                "data_type": f"decimal({digits})" if chosen == "decimal" else chosen,
                "nullable": not typed.get(f"required-{line.id}"),
                "key": bool(typed.get(f"key-{line.id}")),
            }
        )
    description = str(typed.get("description", "")).strip()
    return {"name": str(typed.get("name", "")), "description": description or None, "columns": columns}


def _save(ctx: Context, schema_id: str, revision: int, draft: dict[str, Any]) -> Schema:
    if schema_id:
        return schemas.update(ctx, schema_id, draft, revision=revision)
    return schemas.create(ctx, draft)


def _by_input(problems: Any, lines: list[ColumnLine]) -> dict[str, str]:
    """What is wrong, by the input that it stands at."""
    found: dict[str, str] = {}
    for problem in problems:
        parts = problem.pointer.strip("/").split("/")
        if parts[0] == "columns" and len(parts) > 1 and parts[1].isdigit() and int(parts[1]) < len(lines):
            line = lines[int(parts[1])]
            found.setdefault(line.id, problem.message)
        elif parts[0] in ("name", "description"):
            found.setdefault(parts[0], problem.message)
    return found


CHOICES = list(TYPES)
