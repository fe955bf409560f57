"""The query: typed, begun with a table, looked at, given up."""

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from etl_engine.services import mapping_drafts, preview
from etl_engine.ui.mappings import samples
from etl_engine.ui.mappings.lines import LineEvents
from etl_engine.ui.props import event
from etl_engine.ui.session import AskError, Trouble, ask

ROWS = 50
LONGEST_QUERY = 100_000
# Seconds each, and they wait for somebody else's server: not in the threads that answer everybody's short questions.
_READERS = ThreadPoolExecutor(8, thread_name_prefix="preview")
Events = AsyncIterator[Any]


class QueryEvents(LineEvents, mixin=True):
    """What happens to the query. Handlers take whatever the wire brings."""

    @event(background=True)
    async def list_tables(self) -> None:
        """What there is in the source, for whoever writes the query."""
        async with self:
            source = self.draft.source
            self.tables = {}
        if not source:
            return
        try:
            found = await ask(lambda ctx: mapping_drafts.tables(ctx, source), _READERS)
        except AskError:
            return  # one may write without; the preview says what is wrong with the connection
        async with self:
            if self.draft.source == source:
                self.tables = {f"{one.schema}.{one.name}" if one.schema else one.name: one.columns for one in found}

    @event
    def typed(self, text: str) -> None:
        """The query was changed; `preview` looks at it."""
        if self.ready:
            self._query = str(text)[: LONGEST_QUERY + 1]
            self._draw()

    @event
    def start_from(self, table: str) -> Any:
        """A query of one table, in the place of what is there."""
        name = str(table)
        if not self.ready or name not in self.tables:
            return None
        quote = "`" if self.dialect == "mysql" else '"'
        columns = ", ".join(_quoted(one, quote) for one in self.tables[name]) or "*"
        self._query = self.query = f"SELECT {columns}\nFROM {'.'.join(_quoted(one, quote) for one in name.split('.'))}"
        self.query_turn += 1
        self._draw()
        page: Any = self.__class__
        return page.preview

    @event(background=True)
    async def preview(self) -> Events:
        """Read the first rows."""
        async for one in self._read(ROWS):
            yield one

    @event(background=True)
    async def describe(self) -> Events:
        """Which columns the query answers, without running it."""
        async for one in self._read(0):
            yield one

    @event
    def cancel(self) -> None:
        """The rows are not wanted any more."""
        samples.stop(self._tab())

    def _tab(self) -> str:
        return str(self.router.session.client_token)

    async def _read(self, rows: int) -> Events:
        """Whoever wants rows does not wait for the columns alone: that question is given up."""
        async with self:
            source, query, tab = self.draft.source, self._query, self._tab()
            if not self.ready or self.looking or not source:
                return
            self.looking, self.query_trouble = bool(rows), Trouble()
            self._draw()
        gone = samples.begin(tab)
        try:
            found = await ask(lambda ctx: preview.sampled(ctx, source, query, limit=rows, gone=gone), _READERS)
        except AskError as error:
            async with self:
                if not gone.is_set():
                    self.query_trouble = error.trouble
                    self._draw()
            return
        finally:
            samples.end(tab, gone)
            if rows:
                async with self:
                    self.looking = False
        if gone.is_set():
            return
        async with self:
            samples.keep(tab, found)
            self._looked, self._rows = (source, query), bool(rows)
        yield self._again()


def _quoted(name: str, quote: str) -> str:
    plain = name.isascii() and name.isidentifier() and name == name.lower()
    return name if plain else quote + name.replace(quote, quote * 2) + quote
