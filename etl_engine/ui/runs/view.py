"""The list of runs: its head, its filters, what it holds, and what it says when it holds nothing."""

from typing import Any, cast

import reflex as rx

from etl_engine.ui.components.art import flow_art
from etl_engine.ui.components.by_content import BY_CONTENT
from etl_engine.ui.components.empty_state import empty_state
from etl_engine.ui.components.error_state import error_state
from etl_engine.ui.components.page_header import page_header
from etl_engine.ui.components.search_box import search_box
from etl_engine.ui.components.shortcuts import shortcuts
from etl_engine.ui.components.skeleton import skeleton_cards
from etl_engine.ui.components.status import status
from etl_engine.ui.components.time_ago import time_ago
from etl_engine.ui.props import Text
from etl_engine.ui.runs.listing import Chip, Runs
from etl_engine.ui.runs.looks import RUN_STATUS, UNKNOWN
from etl_engine.ui.runs.rows import Row

Bar = Runs.bar
SEARCH = "search"
_HEADINGS = ("Run", "Status", "Started", "Took", "Read", "Loaded", "Set aside")


def runs_list() -> rx.Component:
    return rx.fragment(
        page_header("Runs", Bar.subtitle),
        rx.cond(
            Runs.trouble.message != "",
            error_state("The runs could not be read", Runs.trouble, Runs.load),
            rx.cond(
                Runs.loaded,
                rx.cond(Bar.any, rx.fragment(_toolbar(), _rows()), _empty()),
                skeleton_cards(),
            ),
        ),
        shortcuts(SEARCH, rx.noop()),
    )


def _toolbar() -> rx.Component:
    return rx.el.div(
        rx.el.div(search_box(id=SEARCH, label="Search runs", placeholder="Search by name…"), class_name="tools"),
        rx.el.nav(
            rx.el.a("All", href=Bar.everything, aria_current=rx.cond(Bar.filtered, "false", "true"), class_name="chip"),
            rx.foreach(Bar.statuses, _chip),
            rx.el.span(aria_hidden="true", class_name="divider"),
            rx.foreach(Bar.kinds, _chip),
            aria_label="Filters",
            class_name="filters",
        ),
        rx.cond(
            Bar.only != "",
            rx.el.p(
                rx.icon("filter", size=14, aria_hidden="true"),
                Bar.only,
                rx.el.a("Show all", href=Bar.anybodys),
                class_name="hidden-note",
            ),
        ),
        class_name="toolbar",
    )


def _chip(chip: Chip) -> rx.Component:
    return rx.el.a(
        rx.cond(chip.tone != "", rx.el.i(class_name="dot " + chip.tone, aria_hidden="true")),
        chip.label,
        rx.cond(chip.count != "", rx.el.span(chip.count)),
        href=chip.address,
        key=chip.key,
        aria_current=rx.cond(chip.active, "true", "false"),
        class_name="chip",
    )


def _rows() -> rx.Component:
    nothing = empty_state(
        rx.icon("search-x", size=44, stroke_width=1.6, aria_hidden="true", class_name="empty-icon"),
        "No run fits",
        "Try fewer letters, or take a filter away.",
        rx.el.a("Show all runs", href="/runs", class_name="button primary"),
    )
    turn = rx.el.nav(
        rx.cond(Bar.newest != "", rx.el.a("Newest", href=Bar.newest, class_name="button")),
        rx.cond(Bar.older != "", rx.el.a("Older runs", href=Bar.older, class_name="button")),
        aria_label="Pages of the list",
        class_name="turns",
    )
    return rx.cond(
        Runs.rows.length() > 0,  # type: ignore[attr-defined] # a Var here
        rx.fragment(runs_table(Runs.rows), rx.cond(Bar.newest + Bar.older != "", turn)),
        nothing,
    )


def runs_table(rows: Any) -> rx.Component:
    """Also of the other pages that name a few runs."""
    heads = [rx.el.th(title, scope="col", role="columnheader") for title in _HEADINGS]
    return rx.el.div(
        rx.el.table(
            rx.el.caption("Runs", class_name="visually-hidden"),
            rx.el.thead(rx.el.tr(*heads, role="row"), role="rowgroup"),
            rx.el.tbody(
                rx.foreach(rows, lambda row: rx.fragment(_run_line(row=row), key=row.id)),
                role="rowgroup",
            ),
            role="table",
        ),
        data_view="table",
        class_name="card runs-table",
    )


@rx.memo(wrapper=BY_CONTENT)
def _run_line(row: rx.Var[Row]) -> rx.Component:
    return _row(cast(Row, row))


def _row(row: Row) -> rx.Component:
    name = rx.el.div(
        rx.el.a(row.name, href=row.address, data_name=row.id),
        rx.el.small(row.kind, " · ", row.trigger),
        rx.cond(row.cause != "", rx.el.small(row.cause, title=row.cause, class_name="cause")),
        class_name="run-name",
    )
    progress = rx.el.progress(value=row.percent, max=100, aria_label="Rows read")
    how = rx.el.div(
        status(row.status, RUN_STATUS, UNKNOWN),
        rx.cond(row.percent >= 0, progress),
        rx.cond(row.resumed > 0, rx.el.small("resumed")),
        class_name="run-status",
    )
    return rx.el.tr(
        _cell("", name),
        _cell("Status", how),
        _cell("Started", time_ago(at=row.created)),
        _cell("Took", row.took),
        _cell("Read", row.read),
        _cell("Loaded", row.loaded),
        _cell("Set aside", rx.el.span(row.rejected, class_name=rx.cond(row.rejected != "", "warn", ""))),
        data_card=row.id,
        data_status=row.status,
        role="row",
    )


def _cell(title: str, content: rx.Component | Text) -> rx.Component:
    return rx.el.td(content, role="cell", data_title=title)


def _empty() -> rx.Component:
    return empty_state(
        flow_art(),
        "Nothing has run yet",
        "A run moves rows from a source to a destination. Make a mapping and run it, or order a copy on the command "
        "line or by the API: it shows up here at once.",
        rx.el.a("Look at the connections", href="/", class_name="button primary"),
    )
