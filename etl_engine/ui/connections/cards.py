"""A connection as a card, and what cards and table rows have in common."""

from typing import cast

import reflex as rx

from etl_engine.ui.components.badge import kind_badge
from etl_engine.ui.components.by_content import BY_CONTENT
from etl_engine.ui.components.icon_button import icon_button
from etl_engine.ui.components.kind_tile import kind_tile
from etl_engine.ui.components.spark import spark
from etl_engine.ui.components.status import status
from etl_engine.ui.components.time_ago import time_ago
from etl_engine.ui.connection_form import ConnectionForm
from etl_engine.ui.connections.actions import ConnectionActions
from etl_engine.ui.connections.diagnosis import Diagnosis
from etl_engine.ui.connections.rows import Row
from etl_engine.ui.connections.sparkline import HEIGHT, WIDTH
from etl_engine.ui.connections.state import Connections
from etl_engine.ui.connections.testing import ConnectionTests
from etl_engine.ui.props import Flag
from etl_engine.ui.theme import TEST_STATUS, UNTESTED


def cards() -> rx.Component:
    return rx.el.ul(
        rx.foreach(Connections.rows, lambda row: rx.fragment(_card(row=row, busy=is_tested(row)), key=row.slot)),
        aria_label="Connections",
        class_name="grid-cards",
    )


def is_tested(row: Row) -> Flag:
    """Whether it is just being tested: as an argument, so that the other rows need not be drawn again."""
    busy: rx.Var[bool] = ConnectionTests.running.contains(row.id)  # type: ignore[attr-defined] # a Var here
    return busy


@rx.memo(wrapper=BY_CONTENT)
def _card(row: rx.Var[Row], busy: rx.Var[bool]) -> rx.Component:
    return card(cast(Row, row), busy)


def card(row: Row, busy: Flag) -> rx.Component:
    facts = (("Host", row.place), ("Database", row.database), ("User", row.username))
    return rx.el.li(
        rx.el.div(
            kind_tile(row.db_type),
            rx.el.div(title(row), kind_badge(row.db_type, row.title), class_name="card-title"),
            rx.el.div(
                status(row.status, TEST_STATUS, UNTESTED),
                rx.cond(row.tested_at != "", rx.el.span(time_ago(at=row.tested_at), class_name="last-test")),
                class_name="card-state",
            ),
            class_name="card-head",
        ),
        rx.el.dl(
            *(fact(term, value) for term, value in facts),
            rx.cond(row.status == "failed", why(row), fact("Server", row.server, row.version)),
        ),
        rx.el.div(speed(row), acts(row, busy), class_name="card-foot"),
        data_card=row.id,
        data_status=row.status,
        class_name="card connection",
    )


def title(row: Row) -> rx.Component:
    """The name is the way into the connection."""
    edit = rx.el.button(
        row.name, type="button", title=row.name, on_click=ConnectionForm.open_edit(row.id), data_name=""
    )
    return rx.el.h2(edit)


def fact(term: str, value: str, hover: str | None = None) -> rx.Component:
    shown = rx.cond(
        value != "",
        rx.el.dd(value, title=value if hover is None else hover),
        rx.el.dd("–", class_name="none", aria_label="none"),
    )
    return rx.fragment(rx.el.dt(term), shown)


def why(row: Row) -> rx.Component:
    """The cause in one line, in the place of what the server calls itself; a click says what to do."""
    look = rx.el.button(
        rx.el.span(row.cause),
        rx.el.span("What to do about it", class_name="visually-hidden"),
        rx.icon("chevron-right", size=14, aria_hidden="true"),
        type="button",
        title=row.cause,
        on_click=Diagnosis.open(row.id),
        data_act="why",
    )
    return rx.fragment(rx.el.dt("Cause"), rx.el.dd(look, class_name="why"))


def speed(row: Row) -> rx.Component:
    """How long the last test took, beside those before it."""
    tested = rx.fragment(
        rx.cond(row.latency != "", rx.el.span(row.latency, class_name="last-test")),
        spark(row.spark.line, row.spark.fails, row.spark.words, WIDTH, HEIGHT),
    )
    return rx.cond(row.tested_at != "", tested, rx.el.span("Never tested", class_name="last-test"))


def acts(row: Row, busy: Flag) -> rx.Component:
    return rx.el.div(
        icon_button("zap", "Test " + row.name, "Test", ConnectionTests.test(row.id), busy=busy, data_act="test"),
        icon_button("pencil", "Edit " + row.name, "Edit", ConnectionForm.open_edit(row.id), data_act="edit"),
        icon_button(
            "copy", "Duplicate " + row.name, "Duplicate", ConnectionActions.duplicate(row.id), data_act="duplicate"
        ),
        icon_button(
            "trash-2", "Delete " + row.name, "Delete", ConnectionActions.ask_to_delete(row.id), data_act="delete"
        ),
        class_name="acts",
    )
