"""Search, filters, order and view: each of them is an address."""

import reflex as rx

from etl_engine.ui.components.search_box import search_box
from etl_engine.ui.components.views import Shape, view_switch
from etl_engine.ui.connections.bar import Chip
from etl_engine.ui.connections.state import Connections

SEARCH = "search"
SHAPES = [Shape("cards", "Cards"), Shape("table", "Table")]
Bar = Connections.bar


def toolbar() -> rx.Component:
    return rx.el.div(
        rx.el.div(
            search_box(id=SEARCH, label="Search connections", placeholder="Search by name, host, database…"),
            _order(),
            view_switch(views=SHAPES),
            class_name="tools",
        ),
        rx.el.nav(
            rx.el.a(
                "All",
                href=Bar.everything,
                aria_current=rx.cond(Bar.filtered, "false", "true"),
                class_name="chip",
            ),
            rx.foreach(Bar.kinds, _chip),
            rx.el.span(aria_hidden="true", class_name="divider"),
            rx.foreach(Bar.statuses, _chip),
            aria_label="Filters",
            class_name="filters",
        ),
        rx.cond(
            Bar.hidden != "",
            rx.el.p(
                rx.icon("filter", size=14, aria_hidden="true"),
                Bar.hidden,
                rx.el.a("Clear filters", href=Bar.everything),
                class_name="hidden-note",
            ),
        ),
        class_name="toolbar",
    )


def _chip(chip: Chip) -> rx.Component:
    return rx.el.a(
        rx.cond(chip.tone != "", rx.el.i(class_name="dot " + chip.tone, aria_hidden="true")),
        chip.label,
        rx.el.span(chip.count),
        href=chip.address,
        key=chip.key,
        aria_current=rx.cond(chip.active, "true", "false"),
        class_name="chip",
    )


def _order() -> rx.Component:
    return rx.el.div(
        rx.icon("arrow-up-down", size=15, aria_hidden="true"),
        rx.el.select(
            rx.foreach(Bar.orders, lambda order: rx.el.option(order.label, value=order.value)),
            rx.cond(Bar.sort == "", rx.el.option("By column", value="")),
            value=Bar.sort,
            on_change=Connections.sort_by,
            aria_label="Order",
        ),
        class_name="order",
    )
