"""The command palette of every page: what it knows, and what it finds."""

from dataclasses import dataclass

import reflex as rx
from reflex.style import toggle_color_mode

from etl_engine.services import connection_overview
from etl_engine.services.connections import Query
from etl_engine.ui.components.palette import Palette
from etl_engine.ui.connection_form import ConnectionForm
from etl_engine.ui.connections.rows import row_of
from etl_engine.ui.connections.testing import ConnectionTests
from etl_engine.ui.navigation import CONNECTIONS, PAGES
from etl_engine.ui.props import event
from etl_engine.ui.session import AskError, ask

MOST = 7
COMMANDS = [
    *({"act": "go", "label": f"Go to {page.title}", "keys": "", "to": page.to} for page in PAGES),
    {"act": "new", "label": "New connection", "keys": "n"},
    {"act": "test", "label": "Test all connections", "keys": ""},
    {"act": "theme", "label": "Switch between light and dark", "keys": ""},
    {"act": "docs", "label": "Open the API reference", "keys": ""},
    {"act": "keys", "label": "Show the keys", "keys": "?"},
]


@dataclass(frozen=True)
class Found:
    """A connection to go to."""

    id: str
    label: str
    hint: str


class Finder(rx.State):
    """Connections that the palette found."""

    searched: str = ""
    found: rx.Field[list[Found]] = rx.field(default_factory=list)

    @event(background=True)
    async def search(self, text: str) -> None:
        """Find connections by what was typed."""
        query = Query(text=str(text)[:200], sort="name", descending=False, limit=MOST)
        try:
            items = (await ask(lambda ctx: connection_overview.look(ctx, query))).items
        except AskError:
            items = []  # the banner says what is wrong with the engine
        rows = [row_of(one) for one in items]
        async with self:
            self.searched = query.text
            self.found = [Found(row.id, row.name, row.place or row.database) for row in rows]


def palette() -> rx.Component:
    return Palette.create(
        home=CONNECTIONS.to,
        commands=COMMANDS,
        found=Finder.found,
        searched=Finder.searched,
        on_search=Finder.search,
        on_pick=ConnectionForm.open_edit,
        on_new=ConnectionForm.open_new(""),
        on_test=ConnectionTests.test_all(True),
        on_theme=toggle_color_mode,
    )
