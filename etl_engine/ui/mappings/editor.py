"""The events of the editor of a mapping. Each of them asks one service at most; what follows is an event of its own."""

from dataclasses import replace
from typing import Any

import reflex as rx

from etl_engine.errors import EtlError, NotFound, Stale
from etl_engine.services import mapping_drafts, mappings
from etl_engine.ui.live import nudge
from etl_engine.ui.mappings import draft as drafts
from etl_engine.ui.mappings import samples
from etl_engine.ui.mappings.address import NEW, mapping_address, mapping_of
from etl_engine.ui.mappings.draft import NAMES
from etl_engine.ui.mappings.reading import LONGEST_QUERY, Events, QueryEvents
from etl_engine.ui.mappings.screen import unwatched
from etl_engine.ui.props import event
from etl_engine.ui.runs.address import run_address
from etl_engine.ui.schemas.form import SchemaForm
from etl_engine.ui.schemas.rows import line_of
from etl_engine.ui.session import AskError, Trouble, ask
from etl_engine.ui.toasts import Toasts


class Editor(QueryEvents, rx.State):
    """One mapping being made or changed. Handlers take whatever the wire brings."""

    _stored_as: str = ""  # a new mapping was stored a moment ago: its page need not be read again
    _tries: int = 0
    _map_next: bool = False  # by name, as soon as the new schema is known

    @event(background=True)
    async def load(self) -> Events:
        """The page was opened."""
        async with self:
            wanted = mapping_of(self.router.url.path)
            source = self.router.url.query_parameters.get("source", "")
            kept = bool(wanted) and self.ready and wanted == self.place == self._stored_as
            self._stored_as = ""
            if kept:
                return
            samples.stop(self._tab())
            samples.forget(self._tab())
            self.ready, self.missing, self.trouble, self.dirty = False, not wanted, Trouble(), False
        if not wanted:
            return
        try:
            found = await ask(lambda ctx: mapping_drafts.opened(ctx, "" if wanted == NEW else wanted))
        except AskError as error:
            async with self:
                self.missing = isinstance(error.__cause__, NotFound)
                self.trouble = Trouble() if self.missing else error.trouble
            return
        async with self:
            self._open(wanted, found, source)
        yield Editor.try_again
        yield Editor.list_tables
        if found.mapping:
            yield Editor.describe

    @event(background=True)
    async def refresh(self) -> Events:
        """A mapping, a schema or a connection changed: what there is to choose is told anew."""
        async with self:
            wanted, here = mapping_of(self.router.url.path), self.ready and not self.saving
            if not here or wanted != self.place:
                return
        try:
            found = await ask(lambda ctx: mapping_drafts.opened(ctx, "" if wanted == NEW else wanted))
        except AskError:
            return  # the next change, or whatever is done next, says it
        async with self:
            if self.place != wanted or self.saving:
                return
            changed = found.mapping is not None and self._marks(found) != self._marks(self._seen)
            if changed and self.dirty:
                self.stale = True
            self._choices(found)
        if changed and not self.stale:
            async with self:
                self._open(wanted, found)
            yield Editor.describe
        yield Editor.try_again

    @event(background=True)
    async def take_theirs(self) -> Events:
        """Somebody changed the mapping meanwhile: what was done here is given up for it."""
        async with self:
            self.ready = False
        yield Editor.load

    @event
    def revive(self, text: str) -> Any:
        """What a browser kept that was open while the server was started anew. Others have nothing to bring back."""
        kept = drafts.unpacked(str(text)) if self.ready and self._opened == 1 and not self.dirty else None
        if kept is None:
            return None
        self._opened += 1
        self.draft, self._rules, self._made = kept.draft, kept.rules, self._made + 1000  # ids of its own go on
        self._query = self.query = kept.query[:LONGEST_QUERY]
        self.query_turn += 1
        self.turn += 1
        self._draw()
        return [Editor.list_tables, Editor.describe, Editor.try_again]

    @event
    def set_text(self, name: str, value: str) -> None:
        """Something was typed into an input of the mapping itself."""
        if self.ready and str(name) in NAMES and str(name) not in ("source", "schema"):
            self.draft = replace(self.draft, **{str(name): str(value)[:5000]})
            self._forgive(str(name))
            self._draw()

    @event
    def choose_source(self, connection_id: str) -> Any:
        """Another source: its columns are not known yet."""
        if not self.ready or str(connection_id) not in [one.value for one in self.sources]:
            return None
        self.draft = replace(self.draft, source=str(connection_id))
        self._forgive("source")
        samples.stop(self._tab())
        samples.forget(self._tab())
        self.columns, self._rows, self.query_trouble = [], False, Trouble()
        self._draw()
        return [Editor.list_tables, Editor.try_again]

    @event
    def choose_schema(self, schema_id: str) -> Any:
        """Another schema to fill."""
        if not self.ready or str(schema_id) not in [one.value for one in self.schemas]:
            return None
        self._remember()
        self.draft = replace(self.draft, schema=str(schema_id))
        self._forgive("schema")
        return Editor.try_again

    @event(background=True)
    async def new_schema(self) -> None:
        """The form of a schema, filled with the columns of the query."""
        async with self:
            sample, name = samples.kept(self._tab()), self.draft.name.strip()
        if sample is None:
            async with self:
                await self._say("bad", "The columns are not known yet", "Look at the rows of the query first.")
            return
        try:
            found = await ask(lambda ctx: mapping_drafts.as_schema(ctx, sample))
        except AskError as error:
            async with self:
                await self._say("bad", error.trouble.message, error.trouble.hint)
            return
        async with self:
            form = await self.get_state(SchemaForm)
            lines = [replace(line_of(column, number), fixed=False) for number, column in enumerate(found)]
            form._begin("", name, "", lines)

    @event
    def edit_schema(self) -> Any:
        """The form of the schema that is filled."""
        return SchemaForm.open_edit(self.draft.schema) if self.ready and self.draft.schema else None

    @event(background=True)
    async def schema_saved(self, told: str) -> Events:
        """The form of a schema stored one while this page was open."""
        schema_id = str(told).partition("#")[0]
        async with self:
            if not self.ready or not schema_id:
                return
        try:
            found = await ask(mapping_drafts.opened)
        except AskError as error:
            async with self:
                await self._say("bad", error.trouble.message, error.trouble.hint)
            return
        async with self:
            self._choices(found)
            if schema_id in [one.value for one in self.schemas] and self.draft.schema != schema_id:
                self._remember()
                self.draft = replace(self.draft, schema=schema_id)
                self._forgive("schema")
            self._map_next = not self._rules
        yield Editor.try_again

    @event(background=True)
    async def auto_map(self) -> Events:
        """Fields that are still empty are filled by columns of the same name."""
        async with self:
            if not self.ready or not self._columns or not self.columns:
                return
            self._remember()
            equal, near = self._auto_map()
            if near:
                await self._say("warn", f"Mapped by a name that is near: {', '.join(near)}", "Look at them.")
            elif not equal:
                await self._say("idle", "No more names are alike", "Draw lines for the fields that are left.")
            self._chosen = ""
        yield Editor.try_again

    @event(background=True)
    async def try_again(self) -> Events:
        """How it stands now, on the rows that were read."""
        async with self:
            if not self.ready:
                return
            self._tries += 1
            mine, schema_id = self._tries, self.draft.schema
            sample, rules = samples.kept(self._tab()), self._as_rules()
        try:
            found = await ask(lambda ctx: mapping_drafts.tried(ctx, sample, schema_id, rules))
        except AskError as error:
            async with self:
                await self._say("bad", error.trouble.message, error.trouble.hint)
            return
        async with self:
            if self._tries != mine:
                return
            self._take(found)
            wanted, self._map_next = self._map_next, False
        if wanted:
            yield Editor.auto_map

    @event(background=True)
    async def save(self, then: str = "") -> Events:
        """Store it all; with `then` "run", order its run. With "over", whatever somebody else stored is replaced."""
        async with self:
            if self.saving or not self.ready:
                return
            self.saving, self.refused = True, {}
            place, seen = self.place, None if then == "over" else self._seen
            document = drafts.as_document(self.draft, self._query)
            rules, written = self._as_rules(), self._written()
        key = "" if place == NEW else place
        try:
            found = await ask(lambda ctx: mapping_drafts.save(ctx, document, rules, mapping_id=key, seen=seen))
        except AskError as error:
            async with self:
                self.saving = False
                await self._not_saved(error)
            return
        async with self:
            self.saving, self.stale, self._seen = False, False, found
            self._saved = written
            saved = found.mapping
            if saved is None:
                return
            self.place = self._stored_as = saved.id
            self.title = saved.name
            self._draw()
            if then != "run":
                await self._say("ok", f"Saved {saved.name}")
        nudge()
        if then == "run":
            yield Editor.run
        elif place == NEW:
            yield rx.redirect(mapping_address(saved.id), replace=True)

    @event
    def save_and_run(self) -> Any:
        """Store what was changed, if anything was, and run it."""
        if not self.ready or self.saving:
            return None
        return Editor.save("run") if self.dirty or self.place == NEW else Editor.run

    @event(background=True)
    async def run(self) -> Events:
        """Order its run as it is stored, and go there."""
        async with self:
            wanted = self.mapping_id
            if not self.ready or not wanted:
                return
        try:
            made = await ask(lambda ctx: mappings.run(ctx, wanted))
        except AskError as error:
            async with self:
                await self._say("bad", error.trouble.message, error.trouble.hint)
                at = mapping_address(wanted)
                elsewhere = self.router.url.path.rstrip("/") != at
            if elsewhere:
                yield rx.redirect(at, replace=True)
            return
        nudge()
        yield rx.redirect(run_address(made.id))

    def _as_rules(self) -> list[dict[str, Any]]:
        return [drafts.as_rule(one) for one in unwatched(self._rules)]

    def _forgive(self, name: str) -> None:
        self.refused = {one: said for one, said in self.refused.items() if one != name}

    def _marks(self, found: Any) -> Any:
        if found is None or found.mapping is None:
            return None
        return found.mapping.revision, [(one.id, one.revision) for one in found.rules]

    async def _not_saved(self, error: AskError) -> None:
        cause = error.__cause__
        self.stale = isinstance(cause, Stale)
        named = {theirs: ours for ours, theirs in NAMES.items()} | {"source_query": "query"}
        for one in cause.problems if isinstance(cause, EtlError) else ():
            name = named.get(one.pointer.strip("/").split("/")[0], "")
            if name:
                self.refused = {**self.refused, name: f"{one.message[:1].upper()}{one.message[1:]}. {one.fix}".strip()}
        if not self.stale:
            await self._say("bad", error.trouble.message, error.trouble.hint)

    async def _say(self, tone: Any, title: str, text: str = "") -> None:
        toasts = await self.get_state(Toasts)
        toasts._say(tone, title, text)
