"""Connections: where data comes from and goes to."""

import datetime as dt
from dataclasses import dataclass

import reflex as rx

from etl_engine.services import connections, kinds
from etl_engine.services.connections import Listing, Query
from etl_engine.services.context import Context
from etl_engine.ui.components.art import flow_art
from etl_engine.ui.components.badge import kind_badge
from etl_engine.ui.components.empty_state import empty_state
from etl_engine.ui.components.error_state import error_state
from etl_engine.ui.components.page_header import page_header
from etl_engine.ui.components.skeleton import skeleton_cards
from etl_engine.ui.components.status import status
from etl_engine.ui.connection_form import ConnectionForm, connection_dialog
from etl_engine.ui.props import event
from etl_engine.ui.session import AskError, Trouble, ask
from etl_engine.ui.template import page
from etl_engine.ui.theme import TEST_STATUS, UNTESTED
from etl_engine.ui.words import ago

PAGE_SIZE = 60


@dataclass
class Row:
    """One connection as a card shows it: no secret, not even its mask."""

    id: str
    name: str
    db_type: str
    title: str
    place: str
    database: str
    status: str
    age: str


class Connections(rx.State):
    """The list as this browser sees it."""

    loaded: bool = False
    rows: rx.Field[list[Row]] = rx.field(default_factory=list)
    total: int = 0
    trouble: Trouble = Trouble()

    @event(background=True)
    async def load(self) -> None:
        try:
            rows, total = await ask(_first_page)
        except AskError as error:
            async with self:
                self.trouble = error.trouble
            return
        async with self:
            self.rows, self.total, self.loaded, self.trouble = rows, total, True, Trouble()


def _first_page(ctx: Context) -> tuple[list[Row], int]:
    listing: Listing = connections.list_(ctx, Query(limit=PAGE_SIZE))
    titles = {kind.db_type: kind.title for kind in kinds.list_(ctx)}
    now = dt.datetime.now(dt.UTC)
    rows = []
    for found in listing.items:
        values = found.model_dump()
        rows.append(
            Row(
                id=found.id,
                name=found.name,
                db_type=found.db_type,
                title=titles[found.db_type],
                place=f"{values['host']}:{values['port']}" if "host" in values else "",
                database=values.get("database", ""),
                status=found.last_test_status or "",
                age=ago(found.last_tested_at, now) if found.last_tested_at else "",
            )
        )
    return rows, listing.total


@page(route="/", title="Connections", on_load=Connections.load)
def index() -> rx.Component:
    return rx.fragment(
        connection_dialog(),
        page_header(
            "Connections",
            "The databases that ETL Engine reads from and writes to.",
            rx.el.button(
                rx.icon("plus", size=16, aria_hidden="true"),
                "New Connection",
                type="button",
                on_click=ConnectionForm.open_new(""),
                class_name="button primary",
            ),
        ),
        rx.cond(
            Connections.trouble.message != "",
            error_state("The connections could not be read", Connections.trouble, Connections.load),
            rx.cond(
                Connections.loaded,
                rx.cond(
                    Connections.rows, rx.el.ul(rx.foreach(Connections.rows, card), class_name="grid-cards"), empty()
                ),
                skeleton_cards(),
            ),
        ),
    )


def empty() -> rx.Component:
    return empty_state(
        flow_art(),
        "Connect your first database",
        "A connection says where data lives and how to sign in. It is tested step by step, and its password is "
        "encrypted before it is stored.",
        rx.el.a(
            rx.icon("book-open", size=16, aria_hidden="true"),
            "Open the API reference",
            href="/docs",
            reload_document=True,  # not a page of this screen
            class_name="button primary",
        ),
    )


def card(row: Row) -> rx.Component:
    facts = (("Host", row.place), ("Database", row.database))
    return rx.el.li(
        rx.el.div(
            rx.el.button(
                rx.icon("pencil", size=16, aria_hidden="true"),
                type="button",
                aria_label="Edit " + row.name,
                on_click=ConnectionForm.open_edit(row.id),
                class_name="tile",
            ),
            rx.el.div(rx.el.h2(row.name), kind_badge(row.db_type, row.title), class_name="card-title"),
            status(row.status, TEST_STATUS, UNTESTED, row.age),
            class_name="card-head",
        ),
        rx.el.dl(*(rx.cond(value != "", rx.fragment(rx.el.dt(term), rx.el.dd(value))) for term, value in facts)),
        class_name="card connection",
    )
