"""The connections as a table."""

from typing import cast

import reflex as rx

from etl_engine.ui.components.badge import kind_badge
from etl_engine.ui.components.by_content import BY_CONTENT
from etl_engine.ui.components.kind_tile import kind_tile
from etl_engine.ui.components.status import status
from etl_engine.ui.components.time_ago import time_ago
from etl_engine.ui.connections.bar import Column
from etl_engine.ui.connections.cards import acts, is_tested, speed, title
from etl_engine.ui.connections.rows import Row
from etl_engine.ui.connections.state import Connections
from etl_engine.ui.props import Flag
from etl_engine.ui.theme import TEST_STATUS, UNTESTED


def table() -> rx.Component:
    """Its rows are grids, for a browser can leave a grid that is out of sight undone; so the roles are said as well."""
    return rx.el.div(
        rx.el.table(
            rx.el.caption("Connections", class_name="visually-hidden"),
            rx.el.thead(
                rx.el.tr(
                    rx.foreach(Connections.bar.columns, _heading),
                    rx.el.th(rx.el.span("Actions", class_name="visually-hidden"), scope="col", role="columnheader"),
                    role="row",
                ),
                role="rowgroup",
            ),
            rx.el.tbody(
                rx.foreach(
                    Connections.rows, lambda row: rx.fragment(_line(row=row, busy=is_tested(row)), key=row.slot)
                ),
                role="rowgroup",
            ),
            role="table",
        ),
        role="region",
        aria_label="Connections",
        tab_index=0,  # it scrolls sideways in narrow windows
        class_name="card table-box",
    )


def _heading(column: Column) -> rx.Component:
    arrow = rx.match(
        column.sorted,
        ("ascending", rx.icon("arrow-up", size=14, aria_hidden="true")),
        ("descending", rx.icon("arrow-down", size=14, aria_hidden="true")),
        rx.icon("chevrons-up-down", size=14, aria_hidden="true", class_name="unsorted"),
    )
    link = rx.el.a(column.title, arrow, href=column.address)
    return rx.el.th(
        rx.cond(column.address != "", link, column.title), scope="col", role="columnheader", aria_sort=column.sorted
    )


@rx.memo(wrapper=BY_CONTENT)
def _line(row: rx.Var[Row], busy: rx.Var[bool]) -> rx.Component:
    return _row(cast(Row, row), busy)


def _row(row: Row, busy: Flag) -> rx.Component:
    place = rx.cond(row.place != "", rx.el.span(row.place, title=row.place))
    return rx.el.tr(
        _cell(rx.el.div(kind_tile(row.db_type), title(row), class_name="row-title")),
        _cell(
            rx.el.div(
                status(row.status, TEST_STATUS, UNTESTED),
                rx.cond(row.status == "failed", rx.el.small(row.cause, title=row.cause)),
                class_name="row-status",
            )
        ),
        _cell(kind_badge(row.db_type, row.title)),
        _cell(
            rx.el.div(
                place,
                rx.el.small(row.database, rx.cond(row.username != "", " · " + row.username, ""), title=row.database),
                class_name="row-place",
            )
        ),
        _cell(rx.cond(row.tested_at != "", rx.el.span(time_ago(at=row.tested_at), class_name="last-test"))),
        _cell(rx.el.div(speed(row), class_name="row-test")),
        _cell(acts(row, busy)),
        data_card=row.id,
        data_status=row.status,
        role="row",
    )


def _cell(*content: rx.Component) -> rx.Component:
    return rx.el.td(*content, role="cell")
